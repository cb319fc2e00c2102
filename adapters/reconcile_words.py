"""Comparing tables: what is wrong with a key, and who has to answer for it. Plain decisions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from exchange.tally import GONE


class Kind(StrEnum):
    """What is wrong with a key at the side that is checked."""

    MISSING = "missing"
    EXTRA = "extra"
    DIFFERING = "differing"


class Owner(StrEnum):
    """Who has to answer for it: the words of registry.receipts.differences."""

    PUBLISHER = "publisher"
    BROKER = "broker"
    SUBSCRIBER = "subscriber"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Record:
    """The last record of a key that is due: its digest (``GONE`` for a delete or none), what it says, and where it is.

    ``place``: partition-offset, None when the topic has nothing of the key; ``batch``: empty when it names none;
    ``newer``: a later record is not due yet.
    """

    digest: int = GONE
    value: bytes | None = None
    place: str | None = None
    batch: str = ""
    newer: bool = False


@dataclass(frozen=True, slots=True)
class Words:
    """What each side says of one key: a digest, ``GONE`` for no such row, None where it was not asked."""

    source: int | None
    topic: Record
    destination: int | None

    @property
    def pair(self) -> tuple[int, int]:
        """What is compared: the side that is right by definition, and the side that is checked."""
        if self.source is None:
            assert self.destination is not None
            return self.topic.digest, self.destination
        return self.source, self.topic.digest if self.destination is None else self.destination


@dataclass(frozen=True, slots=True)
class Finding:
    """One key that differs; ``place`` and ``batch`` name the topic's record without telling whose it is."""

    key: bytes
    kind: Kind
    owner: Owner
    place: str | None
    batch: str


def kind_of(reference: int, checked: int) -> Kind:
    """Return what is wrong at the checked side."""
    if checked == GONE:
        return Kind.MISSING
    return Kind.EXTRA if reference == GONE else Kind.DIFFERING


def owner_of(words: Words) -> Owner:
    """Return who stands alone: the topic's record, against what either table says.

    A record without a batch was not put there by a publisher of ours: only who administers the broker can do that.
    """
    topic, source, destination = words.topic, words.source, words.destination
    if source is None:
        # Nothing of the key in the topic: a row made at the destination, or a record that the broker lost.
        return Owner.UNKNOWN if topic.place is None else Owner.SUBSCRIBER
    if source == topic.digest:
        return Owner.SUBSCRIBER
    if topic.place is not None and not topic.batch:
        return Owner.BROKER
    return Owner.BROKER if source == destination else Owner.PUBLISHER


def finding_of(key: bytes, words: Words) -> Finding:
    """Return what is to be said of a key that differs."""
    return Finding(key, kind_of(*words.pair), owner_of(words), words.topic.place, words.topic.batch)


@dataclass(slots=True)
class Report:
    """What a comparison found: counts of keys, and the findings as far as they were kept.

    ``rows``: of the side that is right and of the side that is checked. ``waiting``: published, not landed yet.
    ``moved``: another difference, or none, at the second look. ``held``: their row was rejected. ``unread``: rejected
    rows whose key is not known. ``more``: differences beyond those kept. ``withheld``: deletes that are not sure.
    """

    resource: str
    reference: str
    checked: str
    rows: tuple[int, int]
    waiting: int = 0
    moved: int = 0
    held: int = 0
    unread: int = 0
    more: int = 0
    findings: Sequence[Finding] = ()
    repaired: int = 0
    withheld: int = 0
    digest: str = ""
    positions: dict[int, int] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def differences(self) -> int:
        """How many keys differ."""
        return len(self.findings) + self.more

    @property
    def open(self) -> int:
        """How many of them still do."""
        return self.differences - self.repaired

    def count(self, kind: Kind) -> int:
        """Return how many of the kept findings are of a kind."""
        return sum(finding.kind is kind for finding in self.findings)

    def owners(self) -> dict[str, int]:
        """Return how many of the kept findings each has to answer for."""
        found = {owner.value: sum(each.owner is owner for each in self.findings) for owner in Owner}
        return {owner: count for owner, count in found.items() if count}
