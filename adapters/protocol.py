"""What an adapter is to the engine. It stays small: connect, read or write, close.

The engine owns retries, reconnects, back-pressure, metrics, receipts and positions; an adapter never does. An adapter
says what went wrong by the type of the error it raises:

* ``NotConnected`` (and its children): the other side is away; the engine waits, calls ``connect`` again and goes on.
* ``SourceProblem`` / ``SinkProblem``: no retry helps; the engine stops with the message.
* a ``Reject`` in a batch: one record is wrong; the others go on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Protocol

from exchange.contract import Contract
from exchange.items import Item, Row
from exchange.receipts import Receipt
from exchange.text import Text

Position = Mapping[str, Any]  # plain JSON, at most 3,000 bytes of it; only its source understands it


class Coverage(Enum):
    """What one pass of a source shows."""

    WHOLE = "whole"  # every row there is: what is not in it is gone
    CHANGES = "changes"  # only rows that are new or changed since a position


@dataclass(frozen=True, slots=True)
class Reject:
    """One record that could not be read; ``raw`` is the record as found, kept so that nothing is lost."""

    place: str  # file or table
    line: int | None  # 1-based physical line in a file
    column: str | None  # name of the column in the source
    rule: str  # short stable word
    reason: Text
    raw: str
    key: bytes | None = None  # the record's primary key, when that much could be read


@dataclass(frozen=True, slots=True)
class ReadBatch:
    """A bounded piece of a source: rows in item order, keys of deleted rows, rejects, and the position after them.

    Each row has passed ``exchange.values.row_checker``: the source checks, because it has the record as found.

    ``lines``: the physical line of each row, when the source is a file; a row that is found wrong later is named by it.
    """

    rows: Sequence[Row] = ()
    lines: Sequence[int] = ()
    deleted: Sequence[bytes] = ()
    rejects: Sequence[Reject] = ()
    position: Position | None = None


class Source(Protocol):
    """A department's data, read in passes."""

    coverage: Coverage
    place: str  # file or table, as rejects name it

    def connect(self) -> None:
        """Open what is needed; called again after NotConnected."""

    def changed(self) -> bool:
        """Return whether another pass can show something new since the last finished pass; cheap."""

    def read(self, position: Position | None) -> Iterator[ReadBatch]:
        """Yield one pass, from ``position`` (None: from the start), in batches of at most the configured size."""

    def close(self) -> None:
        """Release everything; safe to call twice."""


@dataclass(frozen=True, slots=True)
class Landing:
    """What one landing transaction holds.

    ``changes``: (key, row) in the topic's order, row None for a delete. ``positions``: for each partition
    (expected, next): the offset that the destination must be at (0: it has none), and the offset after this landing.
    """

    topic: str
    changes: Sequence[tuple[bytes, Row | None]]
    positions: Mapping[int, tuple[int, int]]
    receipts: Sequence[Receipt] = field(default=())


class Sink(Protocol):
    """A destination that keeps rows, position and receipts in one transaction."""

    def connect(self) -> None:
        """Open, and make or check the destination's tables; called again after NotConnected."""

    def landing_id(self) -> str:
        """Return the destination's own id: made when its position table is made."""

    def positions(self, topic: str) -> Mapping[int, int]:
        """Return the next offset of each partition of ``topic`` that has landed something."""

    def write(self, landing: Landing) -> None:
        """Apply all of ``landing`` in one transaction, or nothing. Errors: Fenced: a position is not as expected."""

    def unsent_receipts(self, limit: int) -> Sequence[Receipt]:
        """Return receipts that were landed and not yet marked as sent, oldest first."""

    def mark_sent(self, ids: Sequence[str]) -> None:
        """Mark receipts as sent."""

    def close(self) -> None:
        """Release everything; safe to call twice."""


@dataclass(frozen=True, slots=True)
class Stream:
    """What an adapter is told: the resource's contract, and which column each item comes from or goes to."""

    contract: Contract
    columns: Mapping[str, str]
    batch_rows: int

    @property
    def items(self) -> tuple[Item, ...]:
        """The resource's items, in the order of a row's values."""
        return self.contract.items

    def column(self, item: Item) -> str:
        """Return the name of ``item`` in the source or destination."""
        return self.columns.get(item.name, item.name)
