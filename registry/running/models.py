"""The table of adapters that reported."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from registry.database import Base
from registry.organisation.models import System
from registry.running import domain

STATES = ", ".join(f"'{state}'" for state in domain.Said)


class RunningAdapter(Base):
    """What an adapter last said of itself; it is one row, however often it says something.

    ``findings``: of its quality rules, since it began; ``undeclared``: columns of the source that the catalogue lacks;
    None: there are none, or it does not say.
    """

    __tablename__ = "running_adapters"
    __table_args__ = (
        CheckConstraint(f"state IN ({STATES})", name="state"),
        Index("uq_running_adapters_name", "client_id", "name", unique=True),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    client_id: Mapped[str] = mapped_column(ForeignKey("systems.client_id"))
    name: Mapped[str] = mapped_column(String(100))
    side: Mapped[str] = mapped_column(String(10))
    kind: Mapped[str] = mapped_column(String(40))
    resource: Mapped[str] = mapped_column(String(64), index=True)
    host: Mapped[str] = mapped_column(String(255))
    version: Mapped[str] = mapped_column(String(40))
    metrics_address: Mapped[str | None] = mapped_column(String(255))
    state: Mapped[str] = mapped_column(String(20))
    error: Mapped[str | None] = mapped_column(String(64))
    records_total: Mapped[int]
    rejected_total: Mapped[int]
    read_total: Mapped[int | None]
    findings: Mapped[list[dict[str, Any]] | None] = mapped_column(JSON(none_as_null=True))
    undeclared: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))
    records_per_s: Mapped[float]
    lag_records: Mapped[int | None]
    lag_seconds: Mapped[float | None]
    started_at: Mapped[datetime]
    seen_at: Mapped[datetime] = mapped_column(index=True)
    system: Mapped[System] = relationship(lazy="joined", innerjoin=True)
