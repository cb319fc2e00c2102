"""Records of a file, made into rows of a resource: what a format's reader gives, and what becomes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Any

from adapters.coerce import TEXTS, as_text, coerce, key_of, text_reader
from adapters.protocol import ReadBatch, Reject, Stream
from exchange.errors import BadRecord
from exchange.items import Item, KeyCodec, Row, Value
from exchange.text import Text
from exchange.values import FALSE, TRUE

RECORD_BYTES = 4 * 1024 * 1024  # as a line of CSV; the broker takes no record that is much bigger
RAW_CHARACTERS = 4000  # of a record that is kept as reject
GONE = TRUE | {"delete", "deleted", "d", "删除", "注销"}
HERE = FALSE | {"", "upsert", "insert", "update", "u", "i", "c", "r", "新增", "修改"}


class FileFault(Exception):
    """A file as a whole cannot be used: ``rule`` is a short stable word."""

    def __init__(self, rule: str, reason: Text) -> None:
        super().__init__(rule)
        self.rule = rule
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Found:
    """One record as found: ``values`` as ``Wanted.names`` asks; ``raw``: its text, where the format is a text."""

    line: int
    values: Sequence[Any]
    raw: str | None = None


@dataclass(frozen=True, slots=True)
class Lost:
    """One record given up by the reader; ``values`` is None when not even its key can be trusted."""

    line: int
    column: str | None
    rule: str
    reason: Text
    raw: str
    values: Sequence[Any] | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked of a file: columns by name, and how the file is written.

    ``keys``: positions of the primary key in ``names``.
    ``texts``: positions of items that are text, where a rounded number is more than a blemish.
    """

    names: tuple[str, ...]
    keys: tuple[int, ...]
    texts: frozenset[int] = frozenset()
    encoding: str = "utf-8"
    delimiter: str | None = None  # None: as the format has it
    quote: str = '"'
    sheet: str | None = None
    absent_is_null: bool = False


def place_columns(names: Sequence[str], wanted: Wanted) -> list[int]:
    """Return the position of each wanted column among ``names``. Errors: FileFault."""
    known = ", ".join(names[:100])
    for column in wanted.names:
        count = names.count(column)
        if count > 1:
            raise FileFault("header", Text(f"column {column} is there {count} times", f"列 {column} 出现 {count} 次"))
        if not count:
            raise FileFault(
                "missing_column",
                Text(
                    f"column {column} is missing; there are: {known}; see encoding, delimiter and [adapter.columns]",
                    f"缺少列 {column}；现有列：{known}；请检查 encoding、delimiter 与 [adapter.columns]",
                ),
            )
    return [list(names).index(column) for column in wanted.names]


@dataclass(slots=True)
class Heap:
    """Rows, rejects and deleted keys on their way into one batch; ``count`` records were taken."""

    rows: list[Row] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    marks: list[int] = field(default_factory=list)  # the turn of each row among all records
    deleted: list[tuple[int, bytes]] = field(default_factory=list)  # turn and key
    weight: int = 0
    count: int = 0
    last: bool = False  # nothing of the file comes after it


class RowMaker:
    """Makes rows of what a reader found; a fault is a Reject that names the place."""

    def __init__(self, stream: Stream, zone: tzinfo, check: Callable[[Row], None], deleted: str | None = None) -> None:
        """``deleted``: name of the column that marks a record as deleted."""
        self._stream = stream
        self._items = stream.items
        self._check = check
        self._readers = [_value_reader(item, zone) for item in stream.items]
        self._width = len(stream.items)
        self._deleted = deleted
        self._codec = KeyCodec(stream.items)

    @property
    def names(self) -> tuple[str, ...]:
        """The columns that records must give."""
        names = [self._stream.column(item) for item in self._items]
        return (*names, self._deleted) if self._deleted else tuple(names)

    @property
    def texts(self) -> frozenset[int]:
        """Positions in ``names`` of what is a text."""
        return frozenset(at for at, item in enumerate(self._items) if item.type in TEXTS)

    @property
    def keys(self) -> tuple[int, ...]:
        """Positions of the primary key in ``names``."""
        return self._codec.positions

    def add(self, heap: Heap, found: Found | Lost, place: str) -> None:
        """Put one record onto ``heap``."""
        heap.count += 1
        if isinstance(found, Lost):
            heap.rejects.append(self._lost(found, place))
            return
        values = found.values
        size = _weight(values) if found.raw is None else len(found.raw)
        heap.weight += size
        try:
            if self._deleted and _is_gone(self._deleted, values[-1]):
                heap.deleted.append((heap.count, self._gone(values)))
                return
            row = tuple([read(value) for read, value in zip(self._readers, values, strict=False)])
            self._check(row)
            if size > RECORD_BYTES:
                self._bound(row)
        except BadRecord as exc:
            heap.rejects.append(self._reject(found, place, exc))
            return
        heap.rows.append(row)
        heap.lines.append(found.line)
        heap.marks.append(heap.count)

    def batch(self, heap: Heap, position: Mapping[str, Any] | None) -> ReadBatch:
        """Return the batch; with a position a key is in it once, as it was last."""
        if position is None:
            return ReadBatch(rows=heap.rows, lines=heap.lines, rejects=heap.rejects)
        turns = {key: turn for turn, key in heap.deleted}
        last = {self._codec.encode(row): at for at, row in enumerate(heap.rows)}
        kept = sorted(at for key, at in last.items() if heap.marks[at] > turns.get(key, 0))
        gone = [key for key, turn in turns.items() if key not in last or turn > heap.marks[last[key]]]
        return ReadBatch(
            rows=[heap.rows[at] for at in kept],
            lines=[heap.lines[at] for at in kept],
            deleted=gone,
            rejects=heap.rejects,
            position=position,
        )

    def _lost(self, lost: Lost, place: str) -> Reject:
        key = None if lost.values is None else self._key(lost.values)
        return Reject(place, lost.line, lost.column, lost.rule, lost.reason, lost.raw[:RAW_CHARACTERS], key)

    def _reject(self, found: Found, place: str, fault: BadRecord) -> Reject:
        raw = as_text(self._items, found.values[: self._width]) if found.raw is None else found.raw
        column = self._stream.columns.get(fault.item, fault.item)
        reject = Lost(found.line, column, fault.rule, fault.reason, raw, found.values)
        return self._lost(reject, place)

    def _gone(self, values: Sequence[Any]) -> bytes:
        """Return the key of a deleted record: its other values may be missing."""
        row = self._key_row(values)
        key = key_of(self._items, row)
        if key is None:
            raise BadRecord(self._items[self.keys[0]].name, "required", _KEY)
        return key

    def _key(self, values: Sequence[Any]) -> bytes | None:
        try:
            return key_of(self._items, self._key_row(values))
        except BadRecord:
            return None

    def _key_row(self, values: Sequence[Any]) -> Row:
        return tuple(
            read(value) if item.primary_key else None
            for item, read, value in zip(self._items, self._readers, values, strict=False)
        )

    def _bound(self, row: Row) -> None:
        if _weight(row) > RECORD_BYTES:
            longest = max(zip(self._items, row, strict=True), key=lambda pair: _weight(pair[1:]))[0]
            raise BadRecord(longest.name, "too_long", _TOO_LONG)


def _weight(values: Sequence[Any]) -> int:
    """About the bytes of ``values``: long texts count, and all else is small."""
    return sum([len(value) for value in values if type(value) is str or type(value) is bytes])


def _value_reader(item: Item, zone: tzinfo) -> Callable[[Any], Value]:
    if item.type in TEXTS:
        return lambda value: (value or None) if type(value) is str else coerce(item, value, zone)
    text = text_reader(item, zone)
    return lambda value: text(value) if type(value) is str else coerce(item, value, zone)


def _is_gone(column: str, mark: object) -> bool:
    word = "" if mark is None else str(mark).strip().lower()
    if word in GONE:
        return True
    if word in HERE:
        return False
    raise BadRecord(column, "delete_mark", _MARK)


_TOO_LONG = Text("the record is longer than 4 MiB", "记录超过 4 MiB")
_KEY = Text("the key of a deleted record cannot be read", "被删除记录的主键无法读取")
_MARK = Text(
    "neither a mark of a deleted record (delete, 1, true, 删除) nor of a present one (empty, upsert, 0, false)",
    "既不是删除标记（delete、1、true、删除），也不是保留标记（空、upsert、0、false）",
)
