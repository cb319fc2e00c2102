"""Decoding many records at once into columns: the way back of ``exchange.arrow_encoder``.

A column is read from all records before the next one, with NumPy: each record's place moves on by what it read there.
What is odd in any way (another schema's record, bytes that are no datum, a decimal beyond 64 bits) makes it give up:
``exchange.decoder`` then reads record by record, and tells what is wrong with which.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from exchange.arrow_encoder import arrow_type
from exchange.avro import Schema
from exchange.encoder import DAY_US, EPOCH_DAY, unwrapped

DecodeTable = Callable[[Sequence[bytes]], list[Any] | None]

NULL, VALUE = 0, 2  # the branches of ["null", …]
MORE = 0x80  # the bit of a byte of a varint that says: more follow
LONGEST_VARINT = 10  # bytes; the last one has a single bit of the 64
LAST_SHIFT = 63
WORD = 8  # bytes

_FIRST_DAY, _LAST_DAY = date.min.toordinal() - EPOCH_DAY, date.max.toordinal() - EPOCH_DAY
_FIRST_US, _LAST_US = _FIRST_DAY * DAY_US, (_LAST_DAY + 1) * DAY_US - 1


class Odd(ValueError):
    """Something that is to be looked at record by record."""


class Place(NamedTuple):
    """Where each of some records is being read: in ``data``, ``at`` its next byte, not beyond ``ends``."""

    data: Any
    at: Any
    ends: Any


Read = Callable[[Place], tuple[Any, Any]]  # an array of Arrow without nulls, and where the records go on


def make_table_decoder(schema: Schema, header: bytes) -> DecodeTable:
    """Return what decodes values that begin with ``header``, into one array a field; None when anything is odd."""
    readers = [_field(*unwrapped(field["type"])) for field in schema["fields"]]

    def decode(values: Sequence[bytes]) -> list[Any] | None:
        data = np.frombuffer(b"".join(values), np.uint8)
        sizes = np.fromiter(map(len, values), np.int64, len(values))
        ends = np.cumsum(sizes)
        try:
            at = _after_header(data, ends - sizes, header)
            columns = []
            for read in readers:
                column, at = read(Place(data, at, ends))
                columns.append(column)
        except (Odd, IndexError, pa.ArrowInvalid):
            return None
        return columns if np.array_equal(at, ends) else None

    return decode


def _after_header(data: Any, at: Any, header: bytes) -> Any:
    for place, byte in enumerate(header):
        if (data[at + place] != byte).any():
            raise Odd
    return at + len(header)


def _field(kind: Any, optional: bool) -> Read:
    read = _reader(kind)
    if not optional:
        return read
    made = arrow_type(kind)

    def branched(place: Place) -> tuple[Any, Any]:
        branch = place.data[place.at]
        at = place.at + 1
        present = branch == VALUE
        if present.all():
            return read(Place(place.data, at, place.ends))
        if not ((branch == NULL) | present).all():
            raise Odd
        if not present.any():
            return pa.nulls(len(at), made), at
        found, at[present] = read(Place(place.data, at[present], place.ends[present]))
        spread = np.where(present, np.cumsum(present) - 1, 0)
        return found.take(pa.array(spread, mask=~present)), at

    return branched


def _reader(kind: Any) -> Read:
    if isinstance(kind, str):
        return {"string": _texts, "bytes": _binaries, "long": _longs, "boolean": _booleans, "double": _doubles}[kind]
    if kind["logicalType"] == "decimal":
        return _decimals(arrow_type(kind))
    return {"date": _dates, "timestamp-micros": _instants}[kind["logicalType"]]


def _numbers(place: Place) -> tuple[Any, Any]:
    """Read a zigzag varint of each record."""
    data, at = place.data, place.at
    byte = data[at]
    at = at + 1
    number = (byte & 0x7F).astype(np.uint64)
    more = byte >= MORE
    for shift in range(7, 7 * LONGEST_VARINT, 7):
        if not more.any():
            break
        byte = np.where(more, data[np.minimum(at, len(data) - 1)], 0)
        if shift == LAST_SHIFT and (byte > 1).any():
            raise Odd
        number |= (byte & 0x7F).astype(np.uint64) << np.uint64(shift)
        at = at + more
        more = byte >= MORE
    if more.any() or (at > place.ends).any():
        raise Odd
    return (number >> np.uint64(1)).astype(np.int64) ^ -(number & np.uint64(1)).astype(np.int64), at


def _pieces(place: Place) -> tuple[Any, Any, Any]:
    """Read a length and so many bytes of each record: the bytes, where each begins among them, where records go on."""
    sizes, begins = _numbers(place)
    ends = begins + sizes
    if (sizes < 0).any() or (ends > place.ends).any():
        raise Odd
    offsets = np.zeros(len(sizes) + 1, np.int64)
    np.cumsum(sizes, out=offsets[1:])
    picked = np.arange(offsets[-1]) + np.repeat(begins - offsets[:-1], sizes)
    return place.data[picked], offsets, ends


def _array(kind: Any, data: Any, offsets: Any) -> Any:
    buffers = [None, pa.py_buffer(offsets.astype(np.int32)), pa.py_buffer(data)]
    return pa.Array.from_buffers(kind, len(offsets) - 1, buffers)


def _binaries(place: Place) -> tuple[Any, Any]:
    data, offsets, at = _pieces(place)
    return _array(pa.binary(), data, offsets), at


def _texts(place: Place) -> tuple[Any, Any]:
    data, offsets, at = _pieces(place)
    texts = _array(pa.string(), data, offsets)
    texts.validate(full=True)
    return texts, at


def _longs(place: Place) -> tuple[Any, Any]:
    numbers, at = _numbers(place)
    return pa.array(numbers), at


def _dates(place: Place) -> tuple[Any, Any]:
    days, at = _numbers(place)
    _within(days, _FIRST_DAY, _LAST_DAY)
    return pa.array(days.astype(np.int32)).cast(pa.date32()), at


def _instants(place: Place) -> tuple[Any, Any]:
    micros, at = _numbers(place)
    _within(micros, _FIRST_US, _LAST_US)
    return pa.array(micros).cast(pa.timestamp("us", "UTC")), at


def _within(numbers: Any, first: int, last: int) -> None:
    if len(numbers) and not (first <= numbers.min() and numbers.max() <= last):
        raise Odd


def _booleans(place: Place) -> tuple[Any, Any]:
    flags = place.data[place.at]
    if (flags > 1).any():
        raise Odd
    return pa.array(flags == 1), place.at + 1


def _doubles(place: Place) -> tuple[Any, Any]:
    words = place.data[place.at[:, None] + np.arange(WORD)]
    return pa.array(words.view("<f8").reshape(-1)), place.at + WORD


def _decimals(kind: Any) -> Read:
    def read(place: Place) -> tuple[Any, Any]:
        data, offsets, at = _pieces(place)
        sizes, begins = np.diff(offsets), offsets[:-1]
        if not len(data) or sizes.min() < 1 or sizes.max() > WORD:
            raise Odd
        low = np.where(data[begins] >= MORE, -1, 0)
        for byte in range(int(sizes.max())):
            inside = byte < sizes
            low = np.where(inside, low << 8 | data[np.where(inside, begins + byte, 0)], low)
        words = np.empty((len(low), 2), np.int64)
        words[:, 0], words[:, 1] = low, low >> 63
        return pa.Array.from_buffers(kind, len(low), [None, pa.py_buffer(words)]), at

    return read
