"""A record as a subscriber receives it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from exchange.codec import BadWire
from exchange.items import Row


class Raw(NamedTuple):
    """One record as it came: ``value`` with its wire header, None for a delete; the rest as in ``Received``."""

    key: bytes
    value: bytes | None
    partition: int
    offset: int
    timestamp_ms: int
    batch: str
    digest: int

    @property
    def deleted(self) -> bool:
        """Whether it says that its key is gone."""
        return self.value is None


class Received(NamedTuple):
    """One record: ``row`` in item order, None for a delete; ``fault`` when the bytes are no record of the resource.

    ``schema_id``: the schema that the publisher wrote with, None for a delete;
    ``batch``: 32 hex digits of the publisher's batch, empty when the record names none;
    ``digest``: see ``exchange.receipts.record_digest``; ``timestamp_ms``: the publisher's clock, UTC.
    """

    key: bytes
    row: Row | None
    partition: int
    offset: int
    timestamp_ms: int
    batch: str
    digest: int
    fault: BadWire | None = None
    schema_id: int | None = None

    @property
    def deleted(self) -> bool:
        """Whether it says that its key is gone."""
        return self.row is None


def next_offsets(records: Sequence[Raw | Received]) -> dict[int, int]:
    """Return for each partition the offset after the last of ``records``."""
    return {record.partition: record.offset + 1 for record in records}
