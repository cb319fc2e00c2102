"""The table of objections, with its mapping to the domain's value beside it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, String, false
from sqlalchemy.orm import Mapped, mapped_column, relationship

from registry.catalogue.models import Resource
from registry.database import Base
from registry.objections import domain
from registry.organisation.models import System

STATES = ", ".join(f"'{state}'" for state in domain.State)


class Objection(Base):
    """An objection (异议) to a record, by its key, or to a whole resource.

    ``overdue``: its next step is late; ``late``: once the provider let a step of its own come too late.
    """

    __tablename__ = "objections"
    __table_args__ = (CheckConstraint(f"state IN ({STATES})", name="state"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(ForeignKey("resources.slug"), index=True)
    client_id: Mapped[str] = mapped_column(ForeignKey("systems.client_id"), index=True)
    key: Mapped[str | None] = mapped_column(String(500))
    items: Mapped[str | None] = mapped_column(String(500))
    complaint: Mapped[str] = mapped_column(String(1000))
    state: Mapped[str] = mapped_column(String(20), index=True)
    founded: Mapped[bool | None]
    finding: Mapped[str | None] = mapped_column(String(1000))
    result: Mapped[str | None] = mapped_column(String(1000))
    due_at: Mapped[datetime | None] = mapped_column(index=True)
    overdue: Mapped[bool] = mapped_column(default=False)
    late: Mapped[bool] = mapped_column(default=False, server_default=false())
    marked_at: Mapped[datetime | None]
    raised_by: Mapped[str] = mapped_column(String(80))
    created_at: Mapped[datetime]
    changed_at: Mapped[datetime]
    revision: Mapped[int] = mapped_column()
    resource: Mapped[Resource] = relationship(lazy="joined", innerjoin=True)
    system: Mapped[System] = relationship(lazy="joined", innerjoin=True)

    __mapper_args__ = {"version_id_col": revision}  # noqa: RUF012 (SQLAlchemy reads it)

    def as_value(self) -> domain.Objection:
        """Return the domain's value."""
        return domain.Objection(domain.State(self.state), self.founded, self.finding, self.result)

    def take_value(self, objection: domain.Objection, now: datetime) -> None:
        """Keep where the objection stands now."""
        if objection.state is domain.State.MARKED:
            self.marked_at = now
        self.state = objection.state.value
        self.founded = objection.founded
        self.finding = objection.finding
        self.result = objection.result
        self.changed_at = now
