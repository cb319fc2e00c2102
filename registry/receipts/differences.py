"""A difference (差异) between what was published and what was landed: its kind, and who has to answer for it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from registry.receipts.domain import Totals


class Kind(StrEnum):
    """What is wrong with a batch at one subscriber."""

    LOST = "lost"
    DUPLICATED = "duplicated"
    DIFFERING = "differing"
    UNMATCHED = "unmatched"  # landed, but never said to be published


class Owner(StrEnum):
    """Who has to answer for it; ``unknown`` while the broker cannot be asked."""

    PUBLISHER = "publisher"
    BROKER = "broker"
    SUBSCRIBER = "subscriber"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Held:
    """How many records somebody has of a batch, and their digest."""

    count: int
    digest: int


def kinds(totals: Totals) -> dict[Kind, int]:
    """Return what is wrong with one batch, with how many records each."""
    found = {
        Kind.LOST: totals.lost,
        Kind.DUPLICATED: totals.duplicated,
        Kind.DIFFERING: totals.differing,
        Kind.UNMATCHED: totals.unmatched,
    }
    return {kind: count for kind, count in found.items() if count}


def owner(kind: Kind, published: Held | None, broker: Held | None, landed: Held) -> Owner:
    """Return whose word stands alone against that of the two others; the broker's is what its topic holds now.

    ``published`` None: there is no receipt of the publication; ``broker`` None: it could not be asked.
    """
    if broker is None:
        return Owner.UNKNOWN
    match kind:
        case Kind.UNMATCHED:
            return Owner.PUBLISHER if broker.count else Owner.SUBSCRIBER
        case Kind.DUPLICATED:
            return Owner.PUBLISHER if published and broker.count > published.count else Owner.SUBSCRIBER
        case Kind.LOST | Kind.DIFFERING:
            if broker == published:
                return Owner.SUBSCRIBER
            return Owner.PUBLISHER if broker == landed else Owner.BROKER
