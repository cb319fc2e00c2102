"""Encoding many rows column by column: the same bytes as ``exchange.encoder`` makes row by row, in half the time.

A list comprehension over a column asks once what the row-wise encoder asks for each value. The property tests of the
encoder run over this one too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import Any

from exchange.avro import Schema
from exchange.encoder import EPOCH, TABLE, binary, encoder_of, long, text, unwrapped
from exchange.items import Row

Column = Sequence[Any]
EncodeColumn = Callable[[Column], list[bytes]]

MOST_DATES = 200_000  # that are remembered; more than 500 years of them
MICROSECOND = timedelta(microseconds=1)
NULL, VALUE = b"\x00", b"\x02"  # the branches of ["null", …]

_PLAIN_LENGTHS = [long(size) for size in range(TABLE)]
_OPTIONAL_LENGTHS = [VALUE + size for size in _PLAIN_LENGTHS]


def make_row_encoder(schema: Schema) -> Callable[[Sequence[Row]], list[bytes]]:
    """Return what encodes many rows of a record schema of ``exchange.avro``; they must have passed check_row."""
    encoders = [_column(*unwrapped(field["type"])) for field in schema["fields"]]

    def encode(rows: Sequence[Row]) -> list[bytes]:
        columns = zip(*rows, strict=True)
        parts = [encoder(column) for encoder, column in zip(encoders, columns, strict=False)]
        return list(map(b"".join, zip(*parts, strict=True)))

    return encode


def _column(kind: Any, optional: bool) -> EncodeColumn:
    if kind == "string":
        return _texts(optional)
    if isinstance(kind, dict) and kind["logicalType"] == "date":
        one: Callable[[Any], bytes] = _Dates(encoder_of(kind)).__getitem__
    elif isinstance(kind, dict) and kind["logicalType"] == "timestamp-micros":
        return _instants(optional)
    else:
        one = binary if kind == "bytes" else encoder_of(kind)
    if not optional:
        return lambda column: list(map(one, column))
    return lambda column: [NULL if value is None else VALUE + one(value) for value in column]


def _texts(optional: bool) -> EncodeColumn:
    lengths = _OPTIONAL_LENGTHS if optional else _PLAIN_LENGTHS
    branch = VALUE if optional else b""

    def encode(column: Column) -> list[bytes]:
        try:
            if None not in column:
                return [lengths[len(data := value.encode())] + data for value in column]
            return [NULL if v is None else lengths[len(data := v.encode())] + data for v in column]
        except IndexError:  # a value longer than the table of lengths
            return [NULL if value is None else branch + text(value) for value in column]

    return encode


def _instants(optional: bool) -> EncodeColumn:
    if optional:
        return lambda column: [NULL if v is None else VALUE + long((v - EPOCH) // MICROSECOND) for v in column]
    return lambda column: [long((value - EPOCH) // MICROSECOND) for value in column]


class _Dates(dict[date, bytes]):
    """Dates that were encoded before: a table of persons has few of them."""

    def __init__(self, encode: Callable[[Any], bytes]) -> None:
        super().__init__()
        self._encode = encode

    def __missing__(self, day: date) -> bytes:
        if len(self) >= MOST_DATES:
            self.clear()
        data = self[day] = self._encode(day)
        return data
