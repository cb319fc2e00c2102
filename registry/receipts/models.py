"""Tables of receipts, and of how far each topic of receipts was read."""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime

from sqlalchemy import JSON, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from exchange.receipts import Receipt, Side
from registry.catalogue.models import Resource
from registry.database import Base
from registry.organisation.models import System

FIELDS = tuple(field.name for field in fields(Receipt))


class ReceiptRow(Base):
    """A receipt (交换回执) that arrived, once a system, side and id."""

    __tablename__ = "receipts"
    __table_args__ = (
        Index("uq_receipts_author", "client_id", "side", "id", unique=True),
        Index("ix_receipts_resource", "resource", "side", "client_id", "number"),
        Index("ix_receipts_batch", "batch", "side"),
        Index("ix_receipts_day", "resource", "side", "client_id", "at"),
    )

    number: Mapped[int] = mapped_column(primary_key=True)
    client_id: Mapped[str] = mapped_column(String(63))
    side: Mapped[str] = mapped_column(String(10))
    id: Mapped[str] = mapped_column(String(200))
    resource: Mapped[str] = mapped_column(String(64))
    topic: Mapped[str] = mapped_column(String(249))
    adapter: Mapped[str] = mapped_column(String(200))
    batch: Mapped[str] = mapped_column(String(64))
    count: Mapped[int]
    deletes: Mapped[int]
    digest: Mapped[str] = mapped_column(String(32))
    schema_id: Mapped[int]
    at: Mapped[int]
    partition: Mapped[int | None]
    first_offset: Mapped[int | None]
    last_offset: Mapped[int | None]
    landing: Mapped[str | None] = mapped_column(String(200))
    received_at: Mapped[datetime]
    kid: Mapped[str | None] = mapped_column(String(43))  # None: not signed by a key that is known
    signature: Mapped[str | None] = mapped_column(String(86))

    def value(self) -> Receipt:
        """Return the receipt as its system sent it."""
        said = {name: getattr(self, name) for name in FIELDS}
        return Receipt(**{**said, "side": Side(self.side)})


class ReceiptKey(Base):
    """A public key (JWK) with which a system signs its receipts; kept when it has ended, for what it signed before."""

    __tablename__ = "receipt_keys"

    client_id: Mapped[str] = mapped_column(ForeignKey("systems.client_id"), primary_key=True)
    kid: Mapped[str] = mapped_column(String(43), primary_key=True)
    jwk: Mapped[dict[str, str]] = mapped_column(JSON)
    created_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    ended_by: Mapped[str | None] = mapped_column(String(80))


class Difference(Base):
    """A difference between a publication and one subscriber's landing of it; open until evidence or a person closes it.

    ``reason``: by which facts the owner was named; ``evidence``: what closed it.
    """

    __tablename__ = "differences"
    __table_args__ = (Index("uq_differences", "slug", "client_id", "batch", "kind", unique=True),)

    id: Mapped[int] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(ForeignKey("resources.slug"), index=True)
    client_id: Mapped[str] = mapped_column(ForeignKey("systems.client_id"), index=True)
    batch: Mapped[str] = mapped_column(String(64))
    landing: Mapped[str | None] = mapped_column(String(200))
    kind: Mapped[str] = mapped_column(String(20))
    owner: Mapped[str] = mapped_column(String(20))
    reason: Mapped[str] = mapped_column(String(500))
    records: Mapped[int]
    published_at: Mapped[datetime | None]
    opened_at: Mapped[datetime]
    closed_at: Mapped[datetime | None] = mapped_column(index=True)
    closed_by: Mapped[str | None] = mapped_column(String(80))
    evidence: Mapped[str | None] = mapped_column(String(1000))
    resource: Mapped[Resource] = relationship(lazy="joined", innerjoin=True)
    system: Mapped[System] = relationship(lazy="joined", innerjoin=True)


class ReceiptOffset(Base):
    """The next offset of a partition of receipts; moves in the transaction that stores them."""

    __tablename__ = "receipt_offsets"

    topic: Mapped[str] = mapped_column(String(249), primary_key=True)
    partition: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    next_offset: Mapped[int]
