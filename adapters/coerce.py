"""Values as databases and text give them, made into values of items; every fault is a BadRecord."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, tzinfo
from decimal import Decimal
from typing import Any
from uuid import UUID

from exchange.errors import BadRecord
from exchange.items import Item, ItemType, KeyCodec, Row, Value
from exchange.text import Text
from exchange.values import check_row, parse

TEXTS = frozenset({ItemType.TEXT, ItemType.MEMO})


def coerce(item: Item, value: Any, zone: tzinfo) -> Value:
    """Return what a database driver gave, as a value of ``item``; a naive date-time is read in ``zone``."""
    if value is None:
        return None
    if isinstance(value, str) and item.type not in TEXTS:
        return exact(item, parse(item, value, zone))
    made = _COERCERS[item.type](value, zone)
    if made is None:
        kind = type(value).__name__
        raise BadRecord(
            item.name,
            f"type_{item.type}",
            Text(
                f"a {kind} of the database is no value of type {item.type}",
                f"数据库类型 {kind} 不能作为 {item.type} 型",
            ),
        )
    return exact(item, made)


def text_reader(item: Item, zone: tzinfo) -> Callable[[str], Value]:
    """Return ``parse`` and ``exact`` made for one item: called for each value of a file. Errors of it: BadRecord."""
    if item.type in {ItemType.TEXT, ItemType.MEMO}:
        return lambda text: text or None
    if item.digits is None:
        return lambda text: parse(item, text, zone)
    return lambda text: exact(item, parse(item, text, zone))


def exact(item: Item, value: Value) -> Value:
    """Return a number with its item's scale (12.5 and 12.50 are one key), or unchanged when it has more digits."""
    if item.digits is None or not isinstance(value, Decimal | int):
        return value
    number = Decimal(value)
    quantum = Decimal(1).scaleb(-item.digits[1])
    if not number.is_finite() or number.adjusted() > 40:  # noqa: PLR2004 - check_row rejects it; quantize would overflow
        return number
    rounded = number.quantize(quantum)
    return rounded if rounded == number else number


def key_of(items: Sequence[Item], row: Row) -> bytes | None:
    """Return the key of a row whose other values may be wrong; None when a part of the key is."""
    parts = [(item, value) for item, value in zip(items, row, strict=True) if item.primary_key]
    try:
        check_row([item for item, _ in parts], tuple(value for _, value in parts))
    except BadRecord:
        return None
    return KeyCodec(items).encode(row)


def as_text(items: Sequence[Item], row: Sequence[Any]) -> str:
    """Return a row as one line of JSON, for the record of what was rejected."""
    return json.dumps(
        dict(zip((item.name for item in items), row, strict=True)),
        ensure_ascii=False,
        default=_json,
        separators=(",", ":"),
    )


def _json(value: object) -> str:
    return bytes(value).hex() if isinstance(value, bytes | bytearray | memoryview) else str(value)


def _text(value: Any, _zone: tzinfo) -> Value:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, date | time):
        return value.isoformat()
    return str(value) if isinstance(value, int | Decimal | float | UUID) else None


def _decimal(value: Any, _zone: tzinfo) -> Value:
    if isinstance(value, bool):
        return None
    if isinstance(value, float):
        return _whole(Decimal(repr(value)))
    return _whole(value) if isinstance(value, int | Decimal) else None


def _whole(value: int | Decimal) -> int | Decimal:
    if isinstance(value, int) or not value.is_finite() or value != value.to_integral_value():
        return value
    return int(value)


def _integer(value: Any, zone: tzinfo) -> Value:
    number = int(value) if isinstance(value, bool) else _decimal(value, zone)
    return number if isinstance(number, int) else None


def _date(value: Any, _zone: tzinfo) -> Value:
    if isinstance(value, datetime):
        return value.date() if value.time() == time() else None
    return value if isinstance(value, date) else None


def _instant(value: Any, zone: tzinfo) -> Value:
    if not isinstance(value, datetime):
        return None
    return (value if value.tzinfo else value.replace(tzinfo=zone)).astimezone(UTC)


def _logical(value: Any, _zone: tzinfo) -> Value:
    return bool(value) if isinstance(value, bool) or value in (0, 1) else None


def _binary(value: Any, _zone: tzinfo) -> Value:
    return bytes(value) if isinstance(value, bytes | bytearray | memoryview) else None


def _float(value: Any, _zone: tzinfo) -> Value:
    return float(value) if isinstance(value, int | float | Decimal) and not isinstance(value, bool) else None


_COERCERS: dict[ItemType, Callable[[Any, tzinfo], Value]] = {
    ItemType.TEXT: _text,
    ItemType.MEMO: _text,
    ItemType.NUMBER: _decimal,
    ItemType.MONEY: _decimal,
    ItemType.DATE: _date,
    ItemType.INSTANT: _instant,
    ItemType.LOGICAL: _logical,
    ItemType.BINARY: _binary,
    ItemType.DOUBLE: _float,
    ItemType.FLOAT: _float,
    ItemType.INTEGER: _integer,
}
