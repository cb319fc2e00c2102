"""Tables of notices, and of the webhooks that take them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from registry.database import Base


class Notice(Base):
    """What somebody is told: written with the change that it tells of, carried out of the registry afterwards.

    With ``client_id`` it goes to that system's topic and webhook; the department reads it in any case.
    """

    __tablename__ = "notices"
    __table_args__ = (
        Index("ix_notices_unpublished", "client_id", "published_at"),
        Index("ix_notices_undelivered", "client_id", "delivered_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    department_id: Mapped[int] = mapped_column(ForeignKey("departments.id"), index=True)
    client_id: Mapped[str | None] = mapped_column(ForeignKey("systems.client_id"))
    kind: Mapped[str] = mapped_column(String(40))
    subject: Mapped[str] = mapped_column(String(60))
    facts: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_at: Mapped[datetime]
    published_at: Mapped[datetime | None]
    delivered_at: Mapped[datetime | None]


class Webhook(Base):
    """Where a system wants its notices sent; the secret is derived from ``salt`` and the registry's own key."""

    __tablename__ = "webhooks"

    client_id: Mapped[str] = mapped_column(ForeignKey("systems.client_id"), primary_key=True)
    url: Mapped[str] = mapped_column(String(500))
    salt: Mapped[str] = mapped_column(String(64))
    since: Mapped[int]  # notices up to this one are not sent
    attempts: Mapped[int]
    next_attempt_at: Mapped[datetime]
    last_error: Mapped[str | None] = mapped_column(String(200))
    created_at: Mapped[datetime]
