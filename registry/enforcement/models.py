"""The lease: one process at a time compares the whole broker."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from registry.database import Base


class Lease(Base):
    """Who holds a task, until when, and when it last succeeded."""

    __tablename__ = "leases"

    task: Mapped[str] = mapped_column(String(40), primary_key=True)
    holder: Mapped[str] = mapped_column(String(200))
    until: Mapped[datetime]
    succeeded_at: Mapped[datetime | None]
