"""Records as if they had been taken from a topic."""

from __future__ import annotations

from collections.abc import Sequence

from exchange.record import Marks, Taken


def taken(keys: Sequence[bytes], values: Sequence[bytes | None]) -> Taken:
    """One partition, from its beginning; of no batch."""
    count = len(keys)
    deleted = [value is None for value in values]
    marks = Marks([0] * count, list(range(count)), [0] * count, [""] * count, [0] * count, deleted)
    return Taken(list(keys), list(values), marks)
