"""Tables of requests and grants, with their mapping to the domain's values beside them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from registry.catalogue.models import Resource
from registry.database import Base
from registry.organisation.models import System
from registry.sharing import domain

ACTIVE = text("state = 'active'")


class Request(Base):
    """A request (共享申请) and its answer."""

    __tablename__ = "requests"
    __table_args__ = (CheckConstraint("state IN ('waiting', 'approved', 'refused')", name="state"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(ForeignKey("resources.slug"), index=True)
    client_id: Mapped[str] = mapped_column(ForeignKey("systems.client_id"), index=True)
    purpose: Mapped[str] = mapped_column(String(1000))
    legal_basis: Mapped[str] = mapped_column(String(1000))
    reason: Mapped[str | None] = mapped_column(String(1000))
    until: Mapped[datetime | None]
    state: Mapped[str] = mapped_column(String(20), index=True)
    answer: Mapped[str | None] = mapped_column(String(1000))
    requested_by: Mapped[str] = mapped_column(String(80))
    answered_by: Mapped[str | None] = mapped_column(String(80))
    created_at: Mapped[datetime]
    answered_at: Mapped[datetime | None]
    revision: Mapped[int] = mapped_column()
    resource: Mapped[Resource] = relationship(lazy="joined", innerjoin=True)
    system: Mapped[System] = relationship(lazy="joined", innerjoin=True)

    __mapper_args__ = {"version_id_col": revision}  # noqa: RUF012 (SQLAlchemy reads it)

    def as_answer(self) -> domain.Answer:
        """Return the domain's value of the answer."""
        return domain.Answer(domain.RequestState(self.state), self.answer, self.answered_at)

    def take_answer(self, answer: domain.Answer, by: str | None) -> None:
        """Keep an answer, and who gave it."""
        self.state = answer.state.value
        self.answer = answer.reason
        self.answered_at = answer.at
        self.answered_by = by if answer.at else None


class Grant(Base):
    """A grant (授权): while active, an ACL at the broker; at most one active for a system and a resource."""

    __tablename__ = "grants"
    __table_args__ = (
        CheckConstraint("state IN ('active', 'revoked', 'expired')", name="state"),
        Index("uq_grants_active", "client_id", "slug", unique=True, sqlite_where=ACTIVE, postgresql_where=ACTIVE),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    request_id: Mapped[int] = mapped_column(ForeignKey("requests.id"), unique=True)
    slug: Mapped[str] = mapped_column(ForeignKey("resources.slug"), index=True)
    client_id: Mapped[str] = mapped_column(ForeignKey("systems.client_id"))
    state: Mapped[str] = mapped_column(String(20), index=True)
    until: Mapped[datetime | None] = mapped_column(index=True)
    created_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    end_reason: Mapped[str | None] = mapped_column(String(1000))
    ended_by: Mapped[str | None] = mapped_column(String(80))
    revision: Mapped[int] = mapped_column()
    resource: Mapped[Resource] = relationship(lazy="joined", innerjoin=True)
    system: Mapped[System] = relationship(lazy="joined", innerjoin=True)

    __mapper_args__ = {"version_id_col": revision}  # noqa: RUF012 (SQLAlchemy reads it)

    def as_value(self) -> domain.Grant:
        """Return the domain's value."""
        return domain.Grant(domain.GrantState(self.state), self.until, self.ended_at, self.end_reason)

    def take_value(self, grant: domain.Grant, by: str | None) -> None:
        """Keep how the grant ended, and who ended it."""
        self.state = grant.state.value
        self.ended_at = grant.ended_at
        self.end_reason = grant.end_reason
        self.ended_by = by
