"""What happens too often for an entry each: counted for each minute, caller and thing, and written as one entry.

Tokens are counted from the first one on; of reads the first in a minute is an entry at once, before the answer, and
the repeats are counted. A process that is killed loses the counts of its last minute, nothing else.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from registry.audit.service import note
from registry.clock import Clock
from registry.database import Database

WINDOW_S = 60.0
MOST = 5000  # different things in a window: more are written before it ends
Key = tuple[str, str, str]


@dataclass
class _Count:
    since: datetime
    until: datetime
    count: int = 0
    facts: Mapping[str, Any] = field(default_factory=dict)


class Tally:
    """The counts of one process."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._lock = threading.Lock()
        self._counts: dict[Key, _Count] = {}
        self._opened = clock()

    def add(self, actor: str, action: str, target: str, **facts: Any) -> None:
        """Count one; ``facts`` are those of the last one."""
        with self._lock:
            self._count((actor, action, target), facts)
            full = len(self._counts) >= MOST
        if full:
            self.flush()

    def read(self, actor: str, action: str, target: str, **facts: Any) -> None:
        """Note a read: the first in the window at once, then count."""
        key = (actor, action, target)
        with self._lock:
            first = key not in self._counts
            if not first:
                self._count(key, facts)
        if not first:
            return
        with self._database.write() as session:
            note(session, self._clock, actor=actor, action=action, target=target, facts=facts)
        with self._lock:
            now = self._clock()
            self._counts.setdefault(key, _Count(now, now, 0, facts))

    def tick(self) -> None:
        """Write what was counted when the window is over."""
        if (self._clock() - self._opened).total_seconds() >= WINDOW_S:
            self.flush()

    def flush(self) -> None:
        """Write what was counted. Errors: DatabaseUnavailable; then nothing is lost."""
        with self._lock:
            counts, self._counts = self._counts, {}
            self._opened = self._clock()
        done = False
        try:
            with self._database.write() as session:
                for (actor, action, target), each in counts.items():
                    if each.count:
                        facts = {**each.facts, "count": each.count, "since": each.since, "until": each.until}
                        note(session, self._clock, actor=actor, action=action, target=target, facts=facts)
            done = True
        finally:
            if not done:
                self._take_back(counts)

    def _count(self, key: Key, facts: Mapping[str, Any]) -> None:
        now = self._clock()
        each = self._counts.setdefault(key, _Count(now, now))
        each.count += 1
        each.until = now
        each.facts = facts

    def _take_back(self, counts: dict[Key, _Count]) -> None:
        with self._lock:
            for key, old in counts.items():
                fresh = self._counts.get(key)
                if fresh is None:
                    self._counts[key] = old
                else:
                    fresh.count += old.count
                    fresh.since = old.since
