"""What a day is, how totals become a day's share, and what quality is. Pure values and decisions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple

from registry.workdays import CHINA

CLOSES_AFTER = timedelta(hours=1)  # a day's last receipts are in by then
WINDOW_DAYS = 30  # what the catalogue shows as the present quality and freshness


class Rule(NamedTuple):
    """A quality rule of an adapter file, by what it looks at and what it does."""

    item: str
    rule: str
    action: str


@dataclass(frozen=True, slots=True)
class Counted:
    """What a process counted since it began; ``read`` None: it does not say."""

    started_at: datetime
    read: int | None
    rejected: int
    findings: Mapping[Rule, int]


def day_of(at: datetime) -> date:
    """Return the day of an instant in China's time."""
    return at.astimezone(CHINA).date()


def day_of_ms(at: int) -> date:
    """Return the day of milliseconds since 1970."""
    return day_of(datetime.fromtimestamp(at / 1000, UTC))


def month_of(day: date) -> date:
    """Return the first day of a day's month."""
    return day.replace(day=1)


def end_of(day: date) -> datetime:
    """Return the instant at which a day is over."""
    return datetime.combine(day + timedelta(days=1), time(), CHINA)


def last_over(now: datetime) -> date:
    """Return the last day that can be closed."""
    return day_of(now - CLOSES_AFTER) - timedelta(days=1)


def since(before: Counted | None, now: Counted) -> Counted:
    """Return what came since a process last reported: all, when it is another process."""
    if before is None or before.started_at != now.started_at:
        return now
    grown = {rule: count - before.findings.get(rule, 0) for rule, count in now.findings.items()}
    return Counted(
        now.started_at,
        None if now.read is None else max(0, now.read - (before.read or 0)),
        max(0, now.rejected - before.rejected),
        {rule: count for rule, count in grown.items() if count > 0},
    )


def warned(findings: Mapping[Rule, int]) -> int:
    """Return the findings of rows that went on although a rule was broken."""
    return sum(count for rule, count in findings.items() if rule.action == "warn")


def quality(read: int, rejected: int, warnings: int) -> float | None:
    """Return the share of the rows read that broke no rule; None when nothing was read.

    Findings are counted, not rows: a row that breaks two rules counts twice, so it is a lower bound.
    """
    return max(0.0, 1 - (rejected + warnings) / read) if read > 0 else None


def share(count: int, of: int) -> float | None:
    """Return a share; None of nothing."""
    return count / of if of > 0 else None
