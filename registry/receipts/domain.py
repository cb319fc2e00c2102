"""Reconciliation (对账): what was published against what one subscriber has landed. Pure arithmetic."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields

from exchange.receipts import MODULUS


@dataclass(frozen=True, slots=True)
class Batch:
    """A published batch: its records, and their digest; ``at``: milliseconds, UTC."""

    batch: str
    count: int
    digest: int
    at: int


@dataclass(frozen=True, slots=True)
class Fragment:
    """A part of a batch that one landing transaction held: one partition, first to last offset."""

    batch: str
    count: int
    digest: int
    partition: int
    first_offset: int
    last_offset: int


@dataclass(frozen=True, slots=True)
class Period:
    """Which batches count, in milliseconds, UTC.

    ``since``: older batches may have been compacted, so what is missing of them is not lost. ``until``: the end of
    the grant, None while it lasts. ``now`` and ``grace``: younger than that, a batch may be on its way.
    """

    since: int
    until: int | None
    now: int
    grace: int


@dataclass(frozen=True, slots=True)
class Totals:
    """Records, by what became of them; ``batches`` counts batches.

    ``differing``: all records of the batches whose count agrees but whose digest does not. ``in_flight``: not landed
    yet, and young. ``cut_off``: not landed when the grant ended, and young then. ``unmatched``: fragments of batches
    without a receipt of their publication.
    """

    batches: int = 0
    published: int = 0
    landed: int = 0
    lost: int = 0
    duplicated: int = 0
    differing: int = 0
    in_flight: int = 0
    cut_off: int = 0
    unmatched: int = 0

    def __add__(self, other: Totals) -> Totals:
        """Return the sums."""
        return Totals(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(Totals)))


def reconcile(published: Iterable[Batch], fragments: Iterable[Fragment], period: Period) -> Totals:
    """Return the totals of all batches that count: those of the period, and older ones of which something landed."""
    landed: dict[str, list[Fragment]] = defaultdict(list)
    for fragment in fragments:
        landed[fragment.batch].append(fragment)
    totals = Totals()
    for batch in published:
        totals += of_batch(batch, landed.pop(batch.batch, []), period)
    return totals + Totals(unmatched=sum(len(left) for left in landed.values()))


def of_batch(batch: Batch, parts: Sequence[Fragment], period: Period) -> Totals:
    """Return what became of one batch."""
    late = period.until is not None and batch.at >= period.until
    if not parts and (batch.at < period.since or late):
        return Totals()
    kept, repeated = _distinct(parts)
    count = sum(part.count for part in kept)
    missing = max(0, batch.count - count)
    surplus = max(0, count - batch.count)
    same = sum(part.digest for part in kept) % MODULUS == batch.digest
    return Totals(
        batches=1,
        published=batch.count,
        landed=count - surplus,
        duplicated=repeated + surplus,
        differing=batch.count if not missing and not surplus and not same else 0,
    ) + _missing(missing, batch, period)


def _missing(count: int, batch: Batch, period: Period) -> Totals:
    if batch.at < period.since:
        return Totals(published=-count)  # compacted: a later batch has the newer record of the same key
    if period.until is not None and batch.at >= period.until - period.grace:
        return Totals(cut_off=count)
    if batch.at >= period.now - period.grace:
        return Totals(in_flight=count)
    return Totals(lost=count)


def _distinct(parts: Sequence[Fragment]) -> tuple[list[Fragment], int]:
    """Return the fragments that overlap none before them, and how many records the others repeat."""
    kept: list[Fragment] = []
    repeated = 0
    reached: dict[int, int] = {}
    for part in sorted(parts, key=lambda part: (part.partition, part.first_offset, -part.last_offset)):
        if part.first_offset <= reached.get(part.partition, -1):
            repeated += part.count
            continue
        reached[part.partition] = part.last_offset
        kept.append(part)
    return kept, repeated
