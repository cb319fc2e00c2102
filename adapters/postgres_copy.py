"""Columns of Arrow as the bytes of COPY in PostgreSQL's binary format, with no value of Python in between.

Source: PostgreSQL 15 documentation, "COPY", "Binary Format"; the forms of the values are those of the types' receive
functions (date_recv, timestamptz_recv, numeric_recv, …).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from exchange.arrow_encoder import binary_array, unscaled_of
from exchange.encoder import EPOCH, EPOCH_DAY

HEADER = b"PGCOPY\n\xff\r\n\x00" + struct.pack("!ii", 0, 0)
TRAILER = struct.pack("!h", -1)
NULL = struct.pack("!i", -1)
DAYS = date(2000, 1, 1).toordinal() - EPOCH_DAY  # PostgreSQL counts from there
MICROS = int((datetime(2000, 1, 1, tzinfo=UTC) - EPOCH).total_seconds()) * 10**6

TABLE = 8192  # lengths below are looked up
_LENGTHS = pa.array([struct.pack("!i", size) for size in range(TABLE)], pa.binary())

GROUP, GROUP_DIGITS = 10_000, 4  # a numeric has digits of 0 to 9999
MOST_DIGITS = 18  # decimal digits that an int64 holds
NEGATIVE = 0x4000

Parts = list[Any]


class TooWide(ValueError):
    """A decimal that is to be written another way."""


def copy_data(columns: Sequence[Any]) -> Any:
    """Return a buffer: the rows, header and trailer apart. Errors: TooWide for a decimal beyond 64 bits."""
    parts: Parts = [struct.pack("!h", len(columns))]
    for column in columns:
        parts += _field(column)
    joined = pc.binary_join_element_wise(*parts, b"", null_handling="replace", null_replacement=b"")
    offsets, data = joined.buffers()[1:]
    begin, end = np.frombuffer(offsets, np.int32)[[0, len(joined)]]
    return data.slice(int(begin), int(end - begin))


def _field(column: Any) -> Parts:
    write = _texts if _is_text(column.type) else _fixed(column.type)
    parts = write(column)
    if not column.null_count:
        return parts
    valid = column.is_valid()
    first, *rest = parts
    nothing = pa.scalar(None, pa.binary())
    return [pc.if_else(valid, first, NULL), *[pc.if_else(valid, part, nothing) for part in rest]]


def _is_text(kind: Any) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_binary(kind))


def _texts(column: Any) -> Parts:
    sizes = pc.binary_length(column).fill_null(0)
    if (pc.max(sizes).as_py() or 0) < TABLE:
        lengths = _LENGTHS.take(sizes)
    else:
        lengths = _same(sizes.to_numpy().astype(">i4").view(np.uint8).reshape(-1, 4))
    return [lengths, column.cast(pa.binary())]


def _fixed(kind: Any) -> Callable[[Any], Parts]:
    if pa.types.is_decimal(kind):
        return _numerics
    if pa.types.is_date32(kind):
        return lambda column: _values(column.cast(pa.int32()).fill_null(0).to_numpy() - DAYS, ">i4")
    if pa.types.is_timestamp(kind):
        return lambda column: _values(column.cast(pa.int64()).fill_null(0).to_numpy() - MICROS, ">i8")
    if pa.types.is_boolean(kind):
        return lambda column: _values(column.cast(pa.uint8()).fill_null(0).to_numpy(), "u1")
    form = ">f8" if pa.types.is_floating(kind) else ">i8"
    return lambda column: _values(column.fill_null(0).to_numpy(), form)


def _values(numbers: Any, form: str) -> Parts:
    size = np.dtype(form).itemsize
    table = np.empty((len(numbers), 4 + size), np.uint8)
    table[:, :4] = np.frombuffer(struct.pack("!i", size), np.uint8)
    table[:, 4:] = numbers.astype(form).view(np.uint8).reshape(-1, size)
    return [_same(table)]


def _numerics(column: Any) -> Parts:
    """Write decimals as groups of four digits, as many for each as the greatest needs: leading zeros are allowed."""
    scale = column.type.scale
    filler = -scale % GROUP_DIGITS
    unscaled = unscaled_of(column)
    if unscaled is None:
        raise TooWide
    magnitude = np.abs(unscaled)
    greatest = int(magnitude.max(initial=0))
    if greatest >= 10 ** (MOST_DIGITS - filler) or unscaled.min(initial=0) == np.iinfo(np.int64).min:
        raise TooWide
    after = (scale + filler) // GROUP_DIGITS
    groups = max(after + 1, -(-len(str(greatest * 10**filler)) // GROUP_DIGITS))
    words = np.empty((len(unscaled), 4 + groups), ">i2")
    words[:, 0] = groups
    words[:, 1] = groups - after - 1  # weight of the first group
    words[:, 2] = np.where(unscaled < 0, NEGATIVE, 0)
    words[:, 3] = scale
    rest = magnitude * 10**filler
    for at in range(3 + groups, 3, -1):
        words[:, at] = rest % GROUP
        rest //= GROUP
    table = np.empty((len(unscaled), 4 + 2 * words.shape[1]), np.uint8)
    table[:, :4] = np.frombuffer(struct.pack("!i", 2 * words.shape[1]), np.uint8)
    table[:, 4:] = words.view(np.uint8)
    return [_same(table)]


def _same(table: Any) -> Any:
    """Return the rows of a table of bytes as binary values."""
    count, width = table.shape
    return binary_array(np.ascontiguousarray(table), np.full(count, width))
