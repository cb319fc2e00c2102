"""Days in China's time, and marking those for which a certificate is due."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from registry.certificates.models import CertificateDay
from registry.workdays import CHINA

DAY = timedelta(days=1)
Stream = tuple[str, str, date]  # resource, system, day


def day_of(at_ms: int) -> date | None:
    """Return the day of an instant in milliseconds; None when there is no such day."""
    try:
        return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(CHINA).date()
    except (ValueError, OverflowError, OSError):
        return None


def bounds(day: date) -> tuple[int, int]:
    """Return the first instant of a day, and of the day after, in milliseconds."""
    begins = datetime.combine(day, time(), CHINA)
    return int(begins.timestamp() * 1000), int((begins + DAY).timestamp() * 1000)


def mark(session: Session, streams: Iterable[Stream]) -> None:
    """Say that something came of these days; it is counted, so that who works on a day sees that more came."""
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    rows = [  # one order for all, so that nobody waits for another in a circle
        {"slug": slug, "client_id": client_id, "day": day, "marks": 1} for slug, client_id, day in sorted(set(streams))
    ]
    if rows:
        again = insert(CertificateDay).on_conflict_do_update(
            index_elements=["slug", "client_id", "day"], set_={"marks": CertificateDay.marks + 1}
        )
        session.connection().execute(again, rows)
