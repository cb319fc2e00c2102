"""Rows of PostgreSQL's text output, made into rows of items: the same for a table that is read and for a change.

A batch is made column by column, in loops that run in C; only when something in it is odd, row by row.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, tzinfo
from decimal import Decimal
from typing import Any, cast

from adapters.coerce import LARGEST_ROW, TEXTS, as_text, coerce, exact, size_checker
from adapters.protocol import Reject
from exchange.errors import BadRecord
from exchange.items import LONGEST_INT, LONGEST_VALUE, Item, ItemType, KeyCodec, Row, Value
from exchange.text import Text
from exchange.values import CODE_LENGTH, HAS_CHECK_CHARACTER, row_checker

BOOL, BYTEA, INT8, INT2, INT4, TEXT_OID = 16, 17, 20, 21, 23, 25
FLOAT4, FLOAT8, BPCHAR, VARCHAR = 700, 701, 1042, 1043
DATE, TIME, TIMESTAMP, TIMESTAMPTZ, NUMERIC = 1082, 1083, 1114, 1184, 1700
TYPMOD_HEADER = 4  # a length or precision is kept with this added
INTEGERS = frozenset({INT2, INT4, INT8})

Read = Callable[[str], Value]
ESCAPE = re.compile(r"\\(.)", re.DOTALL)
ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


@dataclass(frozen=True, slots=True)
class ColumnKind:
    """A column's type: that of a domain is the one under it."""

    oid: int
    typmod: int

    @property
    def length(self) -> int | None:
        """Most characters that the database itself allows; None when it does not say."""
        bounded = self.oid in (VARCHAR, BPCHAR) and self.typmod > TYPMOD_HEADER
        return self.typmod - TYPMOD_HEADER if bounded else None

    @property
    def digits(self) -> tuple[int, int] | None:
        """(precision, scale) of a numeric that has them."""
        if self.oid != NUMERIC or self.typmod < TYPMOD_HEADER:
            return None
        packed = self.typmod - TYPMOD_HEADER
        scale = packed & 0x7FF
        return (packed >> 16 & 0xFFFF, scale) if scale <= (packed >> 16 & 0xFFFF) else None


class RowReader:
    """Makes rows of texts in item order; ``columns``: the names in the source."""

    def __init__(
        self, place: str, items: Sequence[Item], columns: Sequence[str], kinds: Sequence[ColumnKind], zone: tzinfo
    ) -> None:
        self._place = place
        self._items = tuple(items)
        self._columns = tuple(columns)
        self._readers = [_reader(item, kind, zone) for item, kind in zip(items, kinds, strict=True)]
        self._fine = [_fine(item, kind) for item, kind in zip(items, kinds, strict=True)]
        self._check = row_checker(items)
        self._check_size = size_checker(items)
        self._key_places = [at for at, item in enumerate(items) if item.primary_key]
        key_items = [items[at] for at in self._key_places]
        self._key_check = row_checker(key_items)
        self._keys = KeyCodec(key_items)

    def batch(self, data: bytes) -> tuple[list[Row], list[Reject]]:
        """Return the rows and rejects of whole lines of ``COPY … TO STDOUT`` in its text format."""
        width = len(self._items)
        try:
            text = data.decode()
        except UnicodeDecodeError:
            return self._each(_columns(data.decode(errors="surrogateescape"), width))
        return self._made(_columns(text, width), nulls="\\N" in text, size=len(data))

    def rows(self, texts: Sequence[Sequence[str | None]]) -> tuple[list[Row], list[Reject]]:
        """Return the rows and rejects of rows as texts."""
        columns = [list(column) for column in zip(*texts, strict=True)]
        try:
            size = sum(len("".join(filter(None, column)).encode()) for column in columns)
        except UnicodeEncodeError:
            return self._each(columns)
        return self._made(columns, nulls=True, size=size)

    def row(self, fields: Sequence[str | None]) -> Row:
        """Return one row. Errors: BadRecord."""
        row = tuple(
            [
                None if text is None else self._value(at, text)
                for at, text in zip(range(len(self._items)), fields, strict=True)
            ]
        )
        self._check(row)
        if self._check_size is not None:
            self._check_size(row)
        return row

    def key(self, fields: Sequence[str | None]) -> bytes | None:
        """Return the key of a row of which only the primary key's fields need be there; None when they are wrong."""
        row: list[Value] = []
        try:
            for at in self._key_places:
                text = fields[at]
                row.append(None if text is None else self._value(at, text))
            self._key_check(tuple(row))
        except BadRecord:
            return None
        return self._keys.encode(tuple(row))

    def reject(self, fields: Sequence[str | None], fault: BadRecord) -> Reject:
        """Return the record of a row that is wrong."""
        names = [item.name for item in self._items]
        raw = as_text(self._items, fields)
        return Reject(
            place=self._place,
            line=None,
            column=self._columns[names.index(fault.item)],
            rule=fault.rule,
            reason=fault.reason,
            raw=raw.encode(errors="backslashreplace").decode(),
            key=self.key(fields),
        )

    def _made(self, columns: list[list[str | None]], *, nulls: bool, size: int) -> tuple[list[Row], list[Reject]]:
        """``size``: bytes of all of it; below the limit of one row none can be beyond."""
        if size > LARGEST_ROW and self._check_size is not None:
            return self._each(columns)
        try:
            made = [self._column(at, column, nulls) for at, column in enumerate(columns)]
        except (BadRecord, ValueError, ArithmeticError):
            return self._each(columns)
        return list(zip(*made, strict=True)), []

    def _column(self, at: int, column: list[str | None], nulls: bool) -> Sequence[Value]:
        values = [text for text in column if text is not None] if nulls else cast("list[str]", column)
        whole = len(values) == len(column)
        if not whole and self._items[at].mandatory:
            raise ValueError
        read = self._readers[at]
        made: list[Any] = values if read is None else list(map(read, values))
        if made and not self._fine[at](made):
            raise ValueError
        if whole:
            return made
        rest = iter(made)
        return [None if text is None else next(rest) for text in column]

    def _each(self, columns: Sequence[Sequence[str | None]]) -> tuple[list[Row], list[Reject]]:
        rows: list[Row] = []
        rejects: list[Reject] = []
        for fields in zip(*columns, strict=True):
            try:
                rows.append(self.row(fields))
            except BadRecord as exc:
                rejects.append(self.reject(fields, exc))
        return rows, rejects

    def _value(self, at: int, text: str) -> Value:
        read, item = self._readers[at], self._items[at]
        if read is None:
            return text
        try:
            return read(text)
        except (ValueError, ArithmeticError) as exc:
            raise BadRecord(item.name, f"type_{item.type}", _NO_VALUE) from exc


def _columns(text: str, width: int) -> list[list[str | None]]:
    """Split COPY's text: tabs and line ends inside of values are escaped there."""
    flat: list[str | None] = list(text.replace("\n", "\t").split("\t"))
    flat.pop()
    if "\\" in text:
        flat = [_unescaped(field) if field and "\\" in field else field for field in flat]
    return [flat[at::width] for at in range(width)]


def _unescaped(field: str) -> str | None:
    if field == "\\N":
        return None
    return ESCAPE.sub(lambda found: ESCAPES.get(found[1], found[1]), field)


def _reader(item: Item, kind: ColumnKind, zone: tzinfo) -> Read | None:
    """Return how a text becomes a value; None: the text is the value. Errors of it: BadRecord, ValueError, ..."""
    if (kind.oid, item.type) in QUICK:
        return QUICK[kind.oid, item.type]
    if item.digits is not None and kind.oid in INTEGERS | {NUMERIC}:
        same = kind.digits is not None and kind.digits[1] == item.digits[1]
        return Decimal if same else lambda text: exact(item, Decimal(text))
    if kind.oid in INTEGERS and item.type is ItemType.NUMBER:
        return int
    load = _LOADERS.get(kind.oid, str)
    if load is str and item.type in TEXTS:
        return None
    return lambda text: coerce(item, load(text), zone)


def is_text(kind: ColumnKind) -> bool:
    """Whether a column's text is its value."""
    return kind.oid not in _LOADERS


def _bool(text: str) -> bool:
    return text == "t"


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text[2:])


_LOADERS: dict[int, Callable[[str], Any]] = {
    BOOL: _bool,
    BYTEA: _bytes,
    INT2: int,
    INT4: int,
    INT8: int,
    FLOAT4: float,
    FLOAT8: float,
    NUMERIC: Decimal,
    DATE: date.fromisoformat,
    TIME: time.fromisoformat,
    TIMESTAMP: datetime.fromisoformat,
    TIMESTAMPTZ: datetime.fromisoformat,
}

QUICK: dict[tuple[int, ItemType], Read] = {
    (BOOL, ItemType.LOGICAL): _bool,
    (BYTEA, ItemType.BINARY): _bytes,
    (FLOAT4, ItemType.DOUBLE): float,
    (FLOAT4, ItemType.FLOAT): float,
    (FLOAT8, ItemType.DOUBLE): float,
    (FLOAT8, ItemType.FLOAT): float,
    (DATE, ItemType.DATE): date.fromisoformat,
    (TIMESTAMPTZ, ItemType.INSTANT): datetime.fromisoformat,
    **{(oid, ItemType.INTEGER): int for oid in INTEGERS},
}


def _fine(item: Item, kind: ColumnKind) -> Callable[[list[Any]], bool]:
    """Return a question about all values of a column, none of them None; a no means: look at each row."""
    if item.check is None and item.type in TEXTS:
        return _fine_text(item, kind)
    if item.check is not None and item.type in TEXTS and (item.length or LONGEST_VALUE) >= CODE_LENGTH:
        right = HAS_CHECK_CHARACTER[item.check]
        return lambda values: all(map(right, values))
    if item.check is None and item.digits is None and item.type in {ItemType.NUMBER, ItemType.INTEGER}:
        limit = 10 ** min(item.length or LONGEST_INT, LONGEST_INT)
        return lambda values: set(map(type, values)) == {int} and -limit < min(values) and max(values) < limit
    if item.check is None and item.digits is not None and kind.digits is not None:
        (precision, scale), (most, places) = kind.digits, item.digits
        if scale <= places and precision - scale <= most - places:
            return lambda values: all(map(Decimal.is_finite, values))
    if item.check is None and (kind.oid, item.type) in QUICK:
        return lambda _values: True
    check = row_checker((item,))

    def each(values: list[Any]) -> bool:
        for value in values:
            check((value,))
        return True

    return each


def _fine_text(item: Item, kind: ColumnKind) -> Callable[[list[Any]], bool]:
    """A text of the database has no NUL, and what was decoded is Unicode: its length is left to ask for."""
    longest = item.length or LONGEST_VALUE
    bounded = kind.length is not None and kind.length <= longest
    if item.primary_key:
        return lambda values: min(map(len, values)) > 0 and max(map(len, values)) <= longest
    if bounded:
        return lambda _values: True
    return lambda values: max(map(len, values)) <= longest


_NO_VALUE = Text("a value that the item's type cannot hold", "该值不能作为此信息项的类型")
