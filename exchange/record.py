"""A record as a subscriber receives it; and many records by column, which is quicker than one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

from exchange.codec import BadWire
from exchange.items import Row


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


@dataclass(frozen=True, slots=True)
class Marks:
    """What records are accounted for by: a list for each field of ``Received``, in the order in which they came."""

    partitions: list[int]
    offsets: list[int]
    timestamps_ms: list[int]
    batches: list[str]
    digests: list[int]
    deleted: list[bool]

    @classmethod
    def of(cls, records: Sequence[Received]) -> Self:
        """Return the marks of records."""
        return cls(
            [record.partition for record in records],
            [record.offset for record in records],
            [record.timestamp_ms for record in records],
            [record.batch for record in records],
            [record.digest for record in records],
            [record.deleted for record in records],
        )

    def __len__(self) -> int:
        return len(self.offsets)

    def extend(self, more: Marks) -> None:
        """Add what came after."""
        self.partitions.extend(more.partitions)
        self.offsets.extend(more.offsets)
        self.timestamps_ms.extend(more.timestamps_ms)
        self.batches.extend(more.batches)
        self.digests.extend(more.digests)
        self.deleted.extend(more.deleted)

    def next_offsets(self) -> dict[int, int]:
        """Return for each partition the offset after the last record."""
        last = dict(zip(self.partitions, self.offsets, strict=True))
        return {partition: offset + 1 for partition, offset in last.items()}


@dataclass(frozen=True, slots=True)
class Taken:
    """Records as they came, not decoded: ``values`` with their wire headers, None for a delete."""

    keys: list[bytes]
    values: list[bytes | None]
    marks: Marks

    def __len__(self) -> int:
        return len(self.keys)

    def extend(self, more: Taken) -> None:
        """Add what came after."""
        self.keys.extend(more.keys)
        self.values.extend(more.values)
        self.marks.extend(more.marks)


def next_offsets(records: Sequence[Received]) -> dict[int, int]:
    """Return for each partition the offset after the last of ``records``."""
    return Marks.of(records).next_offsets()
