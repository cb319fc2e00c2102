"""The divisions that ship with the registry, read into an empty table."""

from __future__ import annotations

import csv
from importlib import resources

from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from registry.organisation.models import Division

LEVELS = ("province", "city", "county")


def seed(session: Session) -> int:
    """Insert the divisions that ship unless there are some already; return how many were inserted."""
    if session.scalar(select(func.count()).select_from(Division)):
        return 0
    rows = shipped()
    for level in LEVELS:  # parents first: the database checks them
        session.execute(insert(Division), [row for row in rows if row["level"] == level])
    return len(rows)


def shipped() -> list[dict[str, str | None]]:
    """Return the divisions that ship: code, name, parent (None for a province), level."""
    text = resources.files("registry.data").joinpath("divisions.csv").read_text(encoding="utf-8")
    return [{**row, "parent": row["parent"] or None} for row in csv.DictReader(text.splitlines())]
