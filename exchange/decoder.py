"""An Avro decoder written as Python source for one schema, the way back of ``exchange.encoder``.

It returns what fastavro returns, which a property test holds it to, and knows the types that ``exchange.avro`` derives.
Bytes that are no datum of the schema raise ValueError, IndexError, OverflowError or struct.error, never anything else.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from exchange.avro import Schema
from exchange.encoder import EPOCH, EPOCH_DAY, EXACT, unwrapped
from exchange.items import Row

Decode = Callable[[bytes, int], Row]  # the whole value, and where its datum begins

MOST_BITS = 63
MORE = 0x80  # the bit of a byte that says: more follow
SIX = 6
ENDS, LAST_ENDS = 0x8080808080808080, 0x0080808080808080  # of each byte that bit
from_bytes = int.from_bytes
FAULTS = (ValueError, IndexError, OverflowError, struct.error)

_READ_LONG = """\
{pad}n = data[p]
{pad}p += 1
{pad}if n > 127:
{pad}    n, p = rest(data, p, n)
{pad}n = n >> 1 ^ -(n & 1)
"""
_READ_BYTES = """\
{pad}n = sizes[data[p]]
{pad}p += 1
{pad}if n < 0:
{pad}    n, p = size(data, p)
{pad}q = p + n
"""
_READ: dict[str, str] = {
    "string": _READ_BYTES + "{pad}v{at} = data[p:q].decode()\n{pad}p = q\n",
    "bytes": _READ_BYTES + "{pad}v{at} = data[p:q]\n{pad}p = q\n",
    "decimal": _READ_BYTES + "{pad}v{at} = decimal(from_bytes(data[p:q], 'big', signed=True), {scale})\n{pad}p = q\n",
    "long": _READ_LONG + "{pad}v{at} = n\n",
    "date": _READ_LONG + "{pad}v{at} = day(n + EPOCH_DAY)\n",
    "timestamp-micros": _READ_LONG + "{pad}v{at} = EPOCH + timedelta(0, 0, n)\n",
    "boolean": "{pad}v{at} = flags[data[p]]\n{pad}p += 1\n",
    "double": "{pad}v{at}, = double(data, p)\n{pad}p += 8\n",
}
_OPTIONAL = """\
    n = data[p]
    p += 1
    if n == 2:
{read}    elif n == 0:
        v{at} = None
    else:
        raise ValueError(n)
"""
_SIZES = [
    byte >> 1 if byte < MORE and not byte & 1 else -1 for byte in range(256)
]  # by the first byte; -1: look closer


def rest(data: bytes, at: int, first: int) -> tuple[int, int]:
    """Return a varint whose first byte says that more follow, and where it ends."""
    if at + SIX < len(data):  # eight bytes at once: every instant of our time has so many
        found = from_bytes(data[at - 1 : at + 7], "little")
        if found & ENDS == LAST_ENDS:
            found = found & 0x007F007F007F007F | (found & 0x7F007F007F007F00) >> 1
            found = found & 0x00003FFF00003FFF | (found & 0x3FFF00003FFF0000) >> 2
            return found & 0x0FFFFFFF | (found & 0x0FFFFFFF00000000) >> 4, at + 7
    number, shift = first & 0x7F, 7
    while True:
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < MORE:
            break
        shift += 7
        if shift > MOST_BITS:
            raise ValueError("a varint of more than 64 bits")
    return number, at


def size(data: bytes, at: int) -> tuple[int, int]:
    """Return a length of more than one byte, whose first is before ``at``, and where it ends. Errors: ValueError."""
    number = data[at - 1]
    if number >= MORE:
        number, at = rest(data, at, number)
    if number & 1:
        raise ValueError("a negative length")
    return number >> 1, at


def _decimal(unscaled: int, scale: int) -> Decimal:
    return EXACT.scaleb(Decimal(unscaled), -scale)


_NAMES: dict[str, Any] = {
    "rest": rest,
    "size": size,
    "sizes": _SIZES,
    "decimal": _decimal,
    "from_bytes": int.from_bytes,
    "day": date.fromordinal,
    "EPOCH_DAY": EPOCH_DAY,
    "EPOCH": EPOCH,
    "timedelta": timedelta,
    "flags": (False, True),
    "double": struct.Struct("<d").unpack_from,
}


def make_decoder(schema: Schema) -> Decode:
    """Return the decoder of a record schema that ``exchange.avro.record_schema`` made. Errors: KeyError for others."""
    lines = ["def decode(data, p):\n"]
    for at, field in enumerate(schema["fields"]):
        kind, optional = unwrapped(field["type"])
        name, scale = (kind, 0) if isinstance(kind, str) else (kind["logicalType"], kind.get("scale", 0))
        read = _READ[name].format(at=at, pad="        " if optional else "    ", scale=int(scale))
        lines.append(_OPTIONAL.format(at=at, read=read) if optional else read)
    values = ", ".join(f"v{at}" for at in range(len(schema["fields"])))
    lines.append(f"    if p != len(data):\n        raise ValueError(p)\n    return ({values},)\n")
    names = dict(_NAMES)
    exec("".join(lines), names)  # noqa: S102 - made of numbers only: no name or value of the schema is in it
    decode: Decode = names["decode"]
    return decode
