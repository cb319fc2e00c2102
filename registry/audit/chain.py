"""Verifying the chain: a pure function that streams entries and names the first one that was tampered with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from registry.audit.domain import NOTHING, Entry

FURTHEST = 1000  # how many places an entry may have moved up after a removal, to be recognised


class Tampering(StrEnum):
    """What was done to the audit."""

    CHANGED = "changed"
    REMOVED = "removed"
    INSERTED = "inserted"
    REORDERED = "reordered"
    REWRITTEN = "rewritten"  # consistent in itself, but not what was signed


@dataclass(frozen=True, slots=True)
class Anchor:
    """A number and the hash that is known to be there: of a signed head, whose signature was checked."""

    number: int
    hash: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result: ``kind`` None means intact; ``number`` is the first entry concerned.

    ``until`` is its upper bound when the tampering lies somewhere between two signed heads. ``entries`` were good.
    """

    entries: int
    last: Anchor
    kind: Tampering | None = None
    number: int | None = None
    until: int | None = None

    @property
    def intact(self) -> bool:
        """Whether nothing was tampered with."""
        return self.kind is None


START = Anchor(0, NOTHING)


def verify(entries: Iterable[Entry], anchors: Iterable[Anchor] = (), start: Anchor = START) -> Verdict:
    """Verify ``entries``, in the order in which they are stored, from the one after ``start`` on.

    Without anchors a chain that was cut at its end, or computed anew, cannot be told from a good one.
    """
    signed = sorted({anchor for anchor in anchors if anchor.number > start.number}, key=lambda each: each.number)
    waiting, good, count = iter(signed), start, 0
    due = next(waiting, None)
    before: Entry | None = None
    stream = iter(entries)
    at = start
    for entry in stream:
        if entry.number != at.number + 1 or entry.previous != at.hash or entry.proof() != entry.hash:
            kind, number = _diagnose(at, before, entry, stream)
            return Verdict(count, at, kind, number)
        at, before, count = Anchor(entry.number, entry.hash), entry, count + 1
        while due is not None and due.number == at.number:
            if due.hash != at.hash:
                return Verdict(count, at, Tampering.REWRITTEN, good.number + 1, at.number)
            good, due = due, next(waiting, None)
    if due is not None:
        return Verdict(count, at, Tampering.REMOVED, at.number + 1)
    return Verdict(count, at)


def _diagnose(at: Anchor, before: Entry | None, wrong: Entry, rest: Iterator[Entry]) -> tuple[Tampering, int]:
    """Return what was done, and to which number, where ``wrong`` does not follow ``at``."""
    number = at.number + 1
    later = _Later(rest)
    if wrong.previous == at.hash:
        return _follower(number, wrong, later), number
    if before is not None and wrong.previous == before.previous and wrong.proof(before.number) == wrong.hash:
        # Two follow the same entry: the one that the chain goes on from is the true one.
        return Tampering.INSERTED, number if at.hash in later.previous else before.number
    if at.hash in later.previous:
        return (Tampering.REORDERED if wrong.previous in later.hashes else Tampering.INSERTED), number
    if before is not None and wrong.proof(number) == wrong.hash:  # it is in its place, and knew another one before it
        return Tampering.CHANGED, at.number
    gone = wrong.number > number or any(wrong.proof(number + by) == wrong.hash for by in range(FURTHEST))
    return (Tampering.REMOVED if gone else Tampering.CHANGED), number


def _follower(number: int, wrong: Entry, later: _Later) -> Tampering:
    """Return what was done to an entry that names the right one before it."""
    if wrong.number <= number:
        return Tampering.CHANGED
    return Tampering.REORDERED if number in later.numbers else Tampering.REMOVED


class _Later:
    """What comes after the place where the chain breaks."""

    def __init__(self, entries: Iterator[Entry]) -> None:
        self.numbers: set[int] = set()
        self.previous: set[str] = set()
        self.hashes: set[str] = set()
        for entry in entries:
            self.numbers.add(entry.number)
            self.previous.add(entry.previous)
            self.hashes.add(entry.hash)
