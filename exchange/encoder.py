"""An Avro encoder written as Python source for one schema, because fastavro is slow on nullable columns.

It takes a row (a tuple in the order of the fields) that has passed ``check_row`` and returns the datum, byte for byte
what fastavro writes: a property test holds it to that. It knows the types that ``exchange.avro`` derives, no other.
Source: Apache Avro 1.12 specification, "Binary encoding" and "Logical types".
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Context, Decimal
from typing import Any

from exchange.avro import Schema
from exchange.items import MOST_DIGITS, Row

Encode = Callable[[Row], bytes]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EPOCH_DAY = EPOCH.toordinal()
EXACT = Context(prec=2 * MOST_DIGITS)
DAY_US, SECOND_US = 86_400_000_000, 1_000_000
SEVEN, PAIR = 0x7F, 0x3FFF  # the bits of one byte of a varint, and of two
_PAIRS = [bytes((pair & SEVEN | 0x80, pair >> 7 | 0x80)) for pair in range(PAIR + 1)]  # two bytes, more to follow
_LAST = [bytes((pair & SEVEN | 0x80, pair >> 7)) for pair in range(PAIR + 1)]  # two bytes, the end
MICROS, MORE = 1 << 49, 1 << 56
TABLE = 8192  # the varints of 0 to 8191 are looked up: lengths, small numbers, and no day before 1970


def long(value: int) -> bytes:
    """Return an int or long: zigzag, then 7 bits a byte, least significant first."""
    rest = value << 1 if value >= 0 else (-value << 1) - 1
    if MICROS <= rest < MORE:  # every instant of our time: eight bytes
        return _PAIRS[rest & PAIR] + _PAIRS[rest >> 14 & PAIR] + _PAIRS[rest >> 28 & PAIR] + _LAST[rest >> 42]
    out = b""
    while rest > PAIR:
        out += _PAIRS[rest & PAIR]
        rest >>= 14
    return out + (bytes((rest & 0x7F | 0x80, rest >> 7)) if rest > SEVEN else bytes((rest,)))


_LONGS = [long(number) for number in range(TABLE)]


def small(value: int) -> bytes:
    """Return a long, quickly when it is from 0 to 8191."""
    return _LONGS[value] if 0 <= value < TABLE else long(value)


def text(value: str) -> bytes:
    """Return a string."""
    data = value.encode()
    size = len(data)
    return (_LONGS[size] if size < TABLE else long(size)) + data


def binary(value: bytes) -> bytes:
    """Return bytes."""
    return small(len(value)) + value


def day(value: Any) -> bytes:
    """Return a date: days since 1970."""
    return small(value.toordinal() - EPOCH_DAY)


def instant(value: datetime) -> bytes:
    """Return a timestamp-micros: microseconds since 1970, UTC."""
    since = value - EPOCH
    return long(since.days * DAY_US + since.seconds * SECOND_US + since.microseconds)


def boolean(value: bool) -> bytes:
    """Return a boolean."""
    return b"\x01" if value else b"\x00"


double = struct.Struct("<d").pack


def decimal(scale: int) -> Callable[[Decimal | int], bytes]:
    """Return the encoder of a decimal in bytes: the unscaled value, two's complement, big endian, as few as do."""
    shift = EXACT.scaleb

    def encode(value: Decimal | int) -> bytes:
        unscaled = int(shift(value if type(value) is Decimal else Decimal(value), scale))
        size = (unscaled.bit_length() + 8) >> 3
        return _LONGS[size] + unscaled.to_bytes(size, "big", signed=True)

    return encode


_PLAIN: dict[str, Callable[[Any], bytes]] = {
    "string": text,
    "bytes": binary,
    "long": small,
    "boolean": boolean,
    "double": double,
}
_LOGICAL: dict[str, Callable[[Any], bytes]] = {"date": day, "timestamp-micros": instant}


def make_encoder(schema: Schema) -> Encode:
    """Return the encoder of a record schema that ``exchange.avro.record_schema`` made. Errors: KeyError for others."""
    names: dict[str, Any] = {}
    parts: list[str] = []
    for number, field in enumerate(schema["fields"]):
        kind, optional = unwrapped(field["type"])
        names[f"e{number}"] = encoder_of(kind)
        value = f"e{number}(v{number})"
        parts.append(f'(b"\\x00" if v{number} is None else b"\\x02" + {value})' if optional else value)
    values = ", ".join(f"v{number}" for number in range(len(parts)))
    source = f"def encode(row):\n    {values}, = row\n    return b''.join(({', '.join(parts)},))\n"
    exec(source, names)  # noqa: S102 - made of numbers only: no name or value of the schema is in it
    encode: Encode = names["encode"]
    return encode


def unwrapped(kind: Any) -> tuple[Any, bool]:
    """Return the type of a field without its null, and whether it had one."""
    if isinstance(kind, list):
        _null, value = kind
        return value, True
    return kind, False


def encoder_of(kind: Any) -> Callable[[Any], bytes]:
    """Return the encoder of one type without its null. Errors: KeyError for a type that ``exchange.avro`` has not."""
    if isinstance(kind, str):
        return _PLAIN[kind]
    if kind["logicalType"] == "decimal":
        return decimal(kind["scale"])
    return _LOGICAL[kind["logicalType"]]
