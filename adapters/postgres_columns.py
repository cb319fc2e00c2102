"""COPY's text read straight into columns of Arrow, checked there, and never made into values of Python.

What is odd in any way (an escape, a value that Arrow does not read, a check that says no) makes the whole batch be read
by ``adapters.postgres_values``, which tells what is wrong with which row. So this knows no rejects.
"""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from adapters.coerce import LARGEST_ROW, TEXTS, WIDE
from adapters.postgres_values import INTEGERS, NUMERIC, QUICK, ColumnKind, is_text
from exchange.arrow_rows import ArrowRecords, ArrowRows
from exchange.avro import Schema
from exchange.items import LONGEST_INT, LONGEST_VALUE, Check, Item, ItemType
from exchange.values import CITIZEN_ID_CHECK, CITIZEN_ID_WEIGHTS, CODE_LENGTH, HAS_CHECK_CHARACTER

Fine = Callable[[Any], bool]  # a question about a column without nulls; a no means: look at each row

pa.set_memory_pool(pa.system_memory_pool())  # Arrow's own pools keep 20 MB more, and the process is an adapter's

_PARSE = csv.ParseOptions(delimiter="\t", quote_char=False, escape_char=False, ignore_empty_lines=False)
_WEIGHTS = np.array(CITIZEN_ID_WEIGHTS)
_CHECK = np.frombuffer(CITIZEN_ID_CHECK.encode(), np.uint8)
_DAYS = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])  # of the months; the 29th of February apart


class ColumnReader:
    """Reads whole batches of one table, where the types of all its columns allow it (see ``readable``)."""

    def __init__(self, schema: Schema, items: Sequence[Item], kinds: Sequence[ColumnKind]) -> None:
        names = [item.name for item in items]
        fits = [field["name"] for field in schema["fields"]] == names  # behind a mapping a stream has other items
        self.readable = fits and all(map(_readable, items, kinds))
        if not self.readable:
            return
        self._items = tuple(items)
        self._records = ArrowRecords(schema, items)
        self._fine = [_fine(item) for item in items]
        self._read = csv.ReadOptions(use_threads=False, column_names=names, block_size=2 * LARGEST_ROW)
        self._convert = csv.ConvertOptions(
            column_types=dict(zip(names, self._records.types, strict=True)),
            null_values=["\\N"],
            strings_can_be_null=True,
            true_values=["t"],
            false_values=["f"],
        )

    def rows(self, data: bytes) -> ArrowRows | None:
        """Return the rows in whole lines of COPY; None when they are to be looked at one by one."""
        escapes = data.count(b"\\")
        if len(data) > LARGEST_ROW or (escapes and escapes != data.count(b"\\N")):
            return None
        if data.startswith(BOM_UTF8):  # Arrow would take it for a mark of the encoding, and it is the first value's
            return None
        try:
            table = csv.read_csv(pa.BufferReader(data), self._read, _PARSE, self._convert)
        except pa.ArrowInvalid:
            return None
        columns = [column.combine_chunks() for column in table.itercolumns()]
        if not all(map(_is_fine, self._items, self._fine, columns)):
            return None
        return ArrowRows(self._records, columns)


def _readable(item: Item, kind: ColumnKind) -> bool:
    """Whether Arrow reads a column's text as ``adapters.postgres_values`` does."""
    if item.type in TEXTS:
        return is_text(kind)
    if item.digits is not None:
        return kind.oid in INTEGERS | {NUMERIC}
    if item.type in {ItemType.NUMBER, ItemType.INTEGER}:
        return kind.oid in INTEGERS
    return item.type is not ItemType.BINARY and (kind.oid, item.type) in QUICK


def _is_fine(item: Item, fine: Fine, column: Any) -> bool:
    if column.null_count == len(column):
        return not item.mandatory
    if column.null_count:
        return not item.mandatory and fine(column.drop_null())
    return fine(column)


def _fine(item: Item) -> Fine:
    if item.check is not None:
        return _fine_code(item, item.check)
    if item.type in TEXTS:
        longest, shortest = item.length or LONGEST_VALUE, int(item.primary_key)
        return lambda column: _within(pc.utf8_length(column), shortest, longest)
    if item.digits is not None:
        precision, scale = item.digits
        largest = Decimal(10**precision - 1).scaleb(-scale, WIDE)  # Arrow asks before it adds the zeros of the scale
        return lambda column: _within(column, -largest, largest)
    if item.type in {ItemType.NUMBER, ItemType.INTEGER}:
        most = 10 ** min(item.length or LONGEST_INT, LONGEST_INT) - 1
        return lambda column: _within(column, -most, most)
    return lambda _column: True


def _fine_code(item: Item, check: Check) -> Fine:
    if item.type not in TEXTS or (item.length or LONGEST_VALUE) < CODE_LENGTH:
        return lambda _column: False
    if check is Check.CITIZEN_ID:
        return are_citizen_ids
    right = HAS_CHECK_CHARACTER[check]
    return lambda column: all(map(right, column.to_pylist()))


def _within(column: Any, least: int | Decimal, most: int | Decimal) -> bool:
    found = pc.min_max(column).as_py()
    return bool(least <= found["min"] and found["max"] <= most)


def are_citizen_ids(column: Any) -> bool:
    """Return whether all texts of a column without nulls have the form, date and check character of GB 11643."""
    if not _within(pc.binary_length(column), CODE_LENGTH, CODE_LENGTH):
        return False
    begin = int(np.frombuffer(column.buffers()[1], np.int32)[column.offset])
    texts = np.frombuffer(column.buffers()[2], np.uint8)[begin : begin + len(column) * CODE_LENGTH]
    texts = texts.reshape(-1, CODE_LENGTH)
    digits = texts[:, :-1].astype(np.int64) - ord("0")
    if digits.min() < 0 or digits.max() > 9:  # noqa: PLR2004 - a digit
        return False
    return bool((_CHECK[digits @ _WEIGHTS % 11] == texts[:, -1]).all() and _are_dates(digits[:, 6:14]))


def _are_dates(digits: Any) -> bool:
    year = digits[:, :4] @ (1000, 100, 10, 1)
    month, day = digits[:, 4] * 10 + digits[:, 5], digits[:, 6] * 10 + digits[:, 7]
    if year.min() < 1 or month.min() < 1 or month.max() > 12 or day.min() < 1:  # noqa: PLR2004 - months
        return False
    leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    return bool((day <= _DAYS[month] + (leap & (month == 2))).all())  # noqa: PLR2004 - February
