"""What an adapter says of itself, and what the registry makes of its silence."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum


class Said(StrEnum):
    """How an adapter says that it stands."""

    RUNNING = "running"
    WAITING = "waiting"  # for its broker, registry or database
    SCHEDULED = "scheduled"
    PAUSED = "paused"
    STOPPED = "stopped"
    FAILED = "failed"


class Shown(StrEnum):
    """How it is shown: as it said, unless it has been silent for too long."""

    RUNNING = "running"
    WAITING = "waiting"
    SCHEDULED = "scheduled"
    PAUSED = "paused"
    STOPPED = "stopped"
    FAILED = "failed"
    SILENT = "silent"


ENDED = frozenset({Said.STOPPED, Said.FAILED})


def shown(said: Said, seen_at: datetime, now: datetime, silent_s: float) -> Shown:
    """Return the state that others see: an adapter that did not say that it ends, and says nothing, is silent."""
    if said not in ENDED and now - seen_at > timedelta(seconds=silent_s):
        return Shown.SILENT
    return Shown(said.value)
