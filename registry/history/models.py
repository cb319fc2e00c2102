"""Tables of what is kept of each day, because nothing else remembers it."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from registry.database import Base


class ResourceDay(Base):
    """A resource's day, in China's time.

    ``freshness``: how its data stood when the day ended, None until then and for a resource that was not listed.
    ``department_id``: who answered for it that day. ``data_at``: newest data of that day. ``read``: rows that the
    source was asked for, the ``rejected`` among them; ``warned``: findings of rules that let the row go on.
    """

    __tablename__ = "resource_days"
    __table_args__ = {"sqlite_with_rowid": False}  # noqa: RUF012 (SQLAlchemy reads it) - years of it are read in order

    slug: Mapped[str] = mapped_column(ForeignKey("resources.slug"), primary_key=True)
    day: Mapped[dt.date] = mapped_column(primary_key=True, index=True)
    department_id: Mapped[int]
    freshness: Mapped[str | None] = mapped_column(String(10))
    data_at: Mapped[dt.datetime | None]
    published: Mapped[int]
    read: Mapped[int]
    rejected: Mapped[int]
    warned: Mapped[int]


class QualityDay(Base):
    """How often a rule found something in a resource on a day; ``action``: reject, warn or repair."""

    __tablename__ = "quality_days"

    slug: Mapped[str] = mapped_column(ForeignKey("resources.slug"), primary_key=True)
    day: Mapped[dt.date] = mapped_column(primary_key=True)
    item: Mapped[str] = mapped_column(String(63), primary_key=True)
    rule: Mapped[str] = mapped_column(String(40), primary_key=True)
    action: Mapped[str] = mapped_column(String(10), primary_key=True)
    count: Mapped[int]


class GrantMonth(Base):
    """What a system landed of a resource in a month, by its first day: the evidence that a grant is used."""

    __tablename__ = "grant_months"

    slug: Mapped[str] = mapped_column(String(64), primary_key=True)
    client_id: Mapped[str] = mapped_column(String(63), primary_key=True)
    month: Mapped[dt.date] = mapped_column(primary_key=True)
    records: Mapped[int]
    last_at: Mapped[dt.datetime]


class HistoryMark(Base):
    """How far the history is written: ``receipts`` by number, ``day`` by the ordinal of the last day that is closed."""

    __tablename__ = "history_marks"

    name: Mapped[str] = mapped_column(String(20), primary_key=True)
    number: Mapped[int]
