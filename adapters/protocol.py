"""What an adapter is to the engine. It stays small: connect, read or write, close.

The engine owns retries, reconnects, back-pressure, metrics, receipts and positions; an adapter never does. An adapter
says what went wrong by the type of the error it raises:

* ``NotConnected`` (and its children): the other side is away; the engine waits, calls ``connect`` again and goes on.
* ``SourceProblem`` / ``SinkProblem``: no retry helps; the engine stops with the message.
* a ``Reject`` in a batch: one record is wrong; the others go on.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple, Protocol, runtime_checkable

from exchange.contract import Contract
from exchange.items import Item, Row
from exchange.log import topic_of
from exchange.receipts import Receipt
from exchange.text import Text

Position = Mapping[str, Any]  # plain JSON, at most 3,000 bytes of it; only its source understands it

Changes = Sequence[tuple[bytes, Row | None]]  # or exchange.columnar.ColumnarChanges, which is such a sequence

BATCH_BYTES = 16 * 1024 * 1024


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


class Finding(NamedTuple):
    """What a quality rule of the adapter file found: ``action`` is reject, warn or repair."""

    item: str
    rule: str
    action: str


@dataclass(frozen=True, slots=True)
class ReadBatch:
    """A bounded piece of a source: rows in item order, keys of deleted rows, rejects, and the position after them.

    Each row has passed ``exchange.values.row_checker``: the source checks, because it has the record as found.

    A key is in it once: a source of changes gives the last state of each.

    ``lines``: the physical line of each row, when the source is a file; a row that is found wrong later is named by it.

    ``findings``: how often each quality rule found something (``adapters/mapping_source.py`` counts, no source does).
    """

    rows: Sequence[Row] = ()
    lines: Sequence[int] = ()
    deleted: Sequence[bytes] = ()
    rejects: Sequence[Reject] = ()
    position: Position | None = None
    findings: Mapping[Finding, int] = field(default_factory=dict)

    @property
    def empty(self) -> bool:
        """Return whether it has nothing to publish."""
        return not (self.rows or self.deleted or self.rejects)


class Source(Protocol):
    """A department's data, read in passes."""

    @property
    def place(self) -> str:
        """File or table, as rejects name it."""

    @property
    def keyed(self) -> bool:
        """Whether the source keeps keys unique and readable: no row comes twice, none hides behind a broken one."""

    def connect(self) -> None:
        """Open what is needed; called again after NotConnected."""

    def coverage(self, position: Position | None) -> Coverage:
        """Return what the next pass shows, when it starts at ``position``."""

    def changed(self) -> bool:
        """Return whether another pass can show something new since the last finished pass; cheap."""

    def read(self, position: Position | None) -> Generator[ReadBatch]:
        """Yield one pass, from ``position`` (None: from the start), in batches of at most the configured size.

        A pass of CHANGES may go on without end; it then yields an empty batch at least once a second, so that the
        engine can stop it. When it is asked for the next batch, the last one with its position is committed at the
        broker.
        A pass that shows the WHOLE may end with a batch that has a position: it holds once the deletes are published.
        """

    def close(self) -> None:
        """Release everything; safe to call twice."""


@dataclass(frozen=True, slots=True)
class Landing:
    """What one landing transaction holds.

    ``log``: topic and its id (exchange.log). ``changes``: (key, row) in the log's order, row None for a delete.
    ``positions``: for each partition (expected, next): the offset that the destination must be at (0: it has none), and
    the offset after this landing.
    """

    log: str
    changes: Changes
    positions: Mapping[int, tuple[int, int]]
    receipts: Sequence[Receipt] = field(default=())

    @property
    def topic(self) -> str:
        """The name of the log's topic."""
        return topic_of(self.log)


class Sink(Protocol):
    """A destination that keeps rows, position and receipts in one transaction."""

    def connect(self) -> None:
        """Open, and make or check the destination's tables; called again after NotConnected."""

    def landing_id(self) -> str:
        """Return the destination's own id: made when its position table is made."""

    def positions(self, log: str) -> Mapping[int, int]:
        """Return the next offset of each partition of ``log`` that has landed something."""

    def write(self, landing: Landing) -> None:
        """Apply all of ``landing`` in one transaction, or nothing. Errors: Fenced: a position is not as expected."""

    def unsent_receipts(self, limit: int) -> Sequence[Receipt]:
        """Return receipts that were landed and not yet marked as sent, oldest first."""

    def mark_sent(self, ids: Sequence[str]) -> None:
        """Mark receipts as sent."""

    def close(self) -> None:
        """Release everything; safe to call twice."""


@runtime_checkable
class Resting(Protocol):
    """A sink that has something to do by the clock, also while nothing comes."""

    def rest(self) -> None:
        """Do what is due; called about twice a second, between landings."""


@runtime_checkable
class TakesColumns(Protocol):
    """A sink that is quicker with ``exchange.columnar.ColumnarChanges``; not every landing has them."""

    takes_columns: bool
    """Whether the destination that it is connected to is one of those."""


@runtime_checkable
class Table(Protocol):
    """A source whose rows can be looked at at any time, whatever its mode; nothing is made or moved by it."""

    def table(self) -> Generator[ReadBatch]:
        """Yield every row that there is now."""

    def rows(self, keys: Sequence[bytes]) -> Generator[ReadBatch]:
        """Yield the rows that have one of these keys, and perhaps others; only a source that is ``keyed`` is asked."""


@runtime_checkable
class Retaining(Protocol):
    """A source for which the other side keeps a log until it has read it."""

    def retained(self) -> tuple[str, int] | None:
        """Return the name of what keeps it, and how many bytes it keeps; None when nothing does.

        Asked from another thread, also while the source is closed: what waits is kept most. Errors: NotConnected.
        """


@runtime_checkable
class Inspecting(Protocol):
    """A source that sees the names of all its columns, also of those that it does not read."""

    undeclared: Sequence[str] | None
    """The columns that no item comes from, as last seen; None before."""


@dataclass(frozen=True, slots=True)
class Stream:
    """What an adapter is told: the resource's contract, and which column each item comes from or goes to.

    A batch is not filled beyond ``batch_rows`` rows or, about, ``batch_bytes`` bytes.

    ``judge``: raises BadRecord for a row that the adapter file's mapping or rules will reject. Only a source that
    answers for each row needs to ask; rules over a whole batch are not asked. Safe to call from several threads.
    """

    contract: Contract
    columns: Mapping[str, str]
    batch_rows: int
    batch_bytes: int = BATCH_BYTES
    judge: Callable[[Row], None] | None = None

    @property
    def items(self) -> tuple[Item, ...]:
        """The resource's items, in the order of a row's values."""
        return self.contract.items

    def column(self, item: Item) -> str:
        """Return the name of ``item`` in the source or destination."""
        return self.columns.get(item.name, item.name)

    def undeclared(self, names: Iterable[str]) -> tuple[str, ...]:
        """Return those of a source's columns that no item comes from, in their order."""
        read = {self.column(item) for item in self.items}
        return tuple(name for name in names if name and name not in read)
