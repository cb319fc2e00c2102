"""The book that a benchmark writes its figures into: ``build/bench.json``, a list of plain entries."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

ROUNDS = 3


@dataclass(frozen=True)
class Entry:
    """One figure, and the peer's from the same run: ``ratio`` is value over peer_value."""

    name: str
    value: float
    unit: str
    peer: str | None = None
    peer_value: float | None = None
    ratio: float | None = None


@dataclass
class Bench:
    """Collects figures; each is printed when it is known."""

    entries: list[Entry] = field(default_factory=list)

    def add(self, name: str, value: float, unit: str, peer: str | None = None, peer_value: float | None = None) -> None:
        """Add a figure, rounded to what can be read."""
        ratio = round(value / peer_value, 3) if peer_value else None
        entry = Entry(name, _short(value), unit, peer, _short(peer_value) if peer_value is not None else None, ratio)
        self.entries.append(entry)
        beside = f"   {entry.ratio} x {peer} ({entry.peer_value})" if peer else ""
        print(f"{name:32} {entry.value:>12} {unit}{beside}", flush=True)  # noqa: T201 - it is a report

    def write(self, path: Path) -> None:
        """Write all figures as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps([asdict(entry) for entry in self.entries], ensure_ascii=False, indent=2) + "\n")


def rounds(*measures: Callable[[], float]) -> list[float]:
    """Return the median of each measure over three rounds, in which they take turns."""
    found: list[list[float]] = [[] for _ in measures]
    for _ in range(ROUNDS):
        for values, measure in zip(found, measures, strict=True):
            values.append(measure())
    return [statistics.median(values) for values in found]


def _short(value: float) -> float:
    return round(value, 3) if abs(value) < 100 else round(value)
