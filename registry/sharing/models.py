"""Tables of requests, grants and authorities, with their mapping to the domain's values beside them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from registry.catalogue.models import Resource
from registry.database import Base
from registry.organisation.models import Department, System
from registry.sharing import domain

STANDING = text("state IN ('active', 'suspended')")
REQUEST_STATES = "'reviewing', 'waiting', 'escalated', 'disputed', 'approved', 'refused', 'withdrawn'"


class Authority(Base):
    """The department in charge of data (主管部门) of a division and of those below it that have none of their own."""

    __tablename__ = "authorities"

    division: Mapped[str] = mapped_column(ForeignKey("divisions.code"), primary_key=True)
    department_id: Mapped[int] = mapped_column(ForeignKey("departments.id"), index=True)
    named_at: Mapped[datetime]
    department: Mapped[Department] = relationship(lazy="joined", innerjoin=True)


class Request(Base):
    """A request (共享申请) and its answer.

    ``renews``: the grant that it extends; a grant names its first request, so a foreign key would be a circle.
    ``answer_due_at``: when the provider had to answer, kept after it did; ``first_answered_at``: when it was answered
    first, which a dispute does not move. Both None: the catalogue answered by itself.
    """

    __tablename__ = "requests"
    __table_args__ = (CheckConstraint(f"state IN ({REQUEST_STATES})", name="state"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(ForeignKey("resources.slug"), index=True)
    client_id: Mapped[str] = mapped_column(ForeignKey("systems.client_id"), index=True)
    batch: Mapped[str | None] = mapped_column(String(36), index=True)
    renews: Mapped[int | None]
    purpose: Mapped[str] = mapped_column(String(1000))
    legal_basis: Mapped[str] = mapped_column(String(1000))
    reason: Mapped[str | None] = mapped_column(String(1000))
    items: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))
    rows: Mapped[str | None] = mapped_column(String(1000))
    expected_volume: Mapped[int | None]
    contact: Mapped[str | None] = mapped_column(String(200))
    until: Mapped[datetime | None]
    state: Mapped[str] = mapped_column(String(20), index=True)
    due_at: Mapped[datetime | None] = mapped_column(index=True)
    reminded_at: Mapped[datetime | None]
    escalated_at: Mapped[datetime | None]
    dispute: Mapped[str | None] = mapped_column(String(1000))
    final: Mapped[bool] = mapped_column(default=False)
    answer: Mapped[str | None] = mapped_column(String(1000))
    requested_by: Mapped[str] = mapped_column(String(80))
    answered_by: Mapped[str | None] = mapped_column(String(80))
    created_at: Mapped[datetime]
    answered_at: Mapped[datetime | None]
    answer_due_at: Mapped[datetime | None] = mapped_column(index=True)
    first_answered_at: Mapped[datetime | None]
    revision: Mapped[int] = mapped_column()
    resource: Mapped[Resource] = relationship(lazy="joined", innerjoin=True)
    system: Mapped[System] = relationship(lazy="joined", innerjoin=True)

    __mapper_args__ = {"version_id_col": revision}  # noqa: RUF012 (SQLAlchemy reads it)

    @property
    def restricted(self) -> bool:
        """Whether only some items or rows are asked for."""
        return self.items is not None or self.rows is not None

    def as_answer(self) -> domain.Answer:
        """Return the domain's value of the answer."""
        return domain.Answer(domain.RequestState(self.state), self.answer, self.answered_at, self.final)

    def keep_clock(self, now: datetime) -> None:
        """Keep when the provider had to answer, and when the first answer came: what the evaluation goes by."""
        state = domain.RequestState(self.state)
        if state is domain.RequestState.WAITING:
            self.answer_due_at, self.first_answered_at = self.due_at, None
        elif self.answer_due_at is not None and self.first_answered_at is None and state in domain.ANSWERED:
            self.first_answered_at = now

    def take_answer(self, answer: domain.Answer, by: str | None) -> None:
        """Keep an answer, and who gave it."""
        self.state = answer.state.value
        self.answer = answer.reason
        self.answered_at = answer.at
        self.answered_by = by if answer.at else None
        self.final = answer.final


class Grant(Base):
    """A grant (授权): while active, an ACL at the broker; at most one stands for a system and a resource."""

    __tablename__ = "grants"
    __table_args__ = (
        CheckConstraint("state IN ('active', 'suspended', 'revoked', 'expired')", name="state"),
        Index("uq_grants_standing", "client_id", "slug", unique=True, sqlite_where=STANDING, postgresql_where=STANDING),
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
        """Keep how the grant stands, and who changed it."""
        self.state = grant.state.value
        self.until = grant.until
        self.ended_at = grant.ended_at
        self.end_reason = grant.end_reason
        self.ended_by = by
