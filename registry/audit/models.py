"""Tables of the audit: the chain's entries, and its signed heads."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from registry.audit.domain import Entry
from registry.database import Base


class AuditEntry(Base):
    """An entry; a trigger of the database refuses to change or delete one."""

    __tablename__ = "audit_entries"
    __table_args__ = (Index("ix_audit_entries_target", "target", "number"),)

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[datetime] = mapped_column(index=True)
    actor: Mapped[str] = mapped_column(String(200), index=True)
    action: Mapped[str] = mapped_column(String(64), index=True)
    target: Mapped[str] = mapped_column(String(200))
    facts: Mapped[str] = mapped_column(Text)
    previous: Mapped[str] = mapped_column(String(72))
    hash: Mapped[str] = mapped_column(String(72))

    def value(self) -> Entry:
        """Return the entry as the chain reads it."""
        return Entry(self.number, self.at, self.actor, self.action, self.target, self.facts, self.previous, self.hash)


class AuditHead(Base):
    """The chain's head as it was signed: ``signature`` is Ed25519, base64, by the key ``kid``."""

    __tablename__ = "audit_heads"

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    hash: Mapped[str] = mapped_column(String(72))
    at: Mapped[datetime]
    kid: Mapped[str] = mapped_column(String(32))
    signature: Mapped[str] = mapped_column(String(100))
