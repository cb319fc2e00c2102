"""The time as every part of the registry reads it, so that a test can move it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """Return the present instant, in UTC."""
    return datetime.now(UTC)
