"""Values as databases and text give them, made into values of items; every fault is a BadRecord."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence, Sized
from datetime import date, datetime, time, tzinfo
from decimal import Context, Decimal, InvalidOperation
from typing import Any
from uuid import UUID

from exchange.errors import BadRecord
from exchange.items import Item, ItemType, KeyCodec, Row, Value
from exchange.text import Text
from exchange.transaction import LARGEST_MESSAGE
from exchange.values import check_row, in_utc, parse

TEXTS = frozenset({ItemType.TEXT, ItemType.MEMO})
SIZED = TEXTS | {ItemType.BINARY}

WIDE = Context(prec=100)  # digits: the usual 28 would refuse long decimals
LARGEST_ROW = LARGEST_MESSAGE - 10_000  # bytes; key, headers and the broker's own words need some
LONG_FORM = len("2024-01-31")  # shorter ones are read by rules of their own
SMALL_VALUE = 64  # bytes that a value of any other type has at most
MOST_RAW = 200_000  # characters of a rejected record that are kept in full
KEPT_OF_LONG = 1_000  # characters of each longer value, where the record has more than that


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
    """Return ``parse`` and ``exact`` made for one item: called for each value of a file. Errors of it: BadRecord.

    What is written as usual is read at once; anything else, and every fault, is left to those two.
    """
    if item.type in TEXTS:
        return lambda text: text or None
    if item.digits is not None:
        return _decimal_reader(item, zone)
    if item.type is ItemType.DATE:
        return _quick_reader(item, zone, date.fromisoformat)
    if item.type is ItemType.INSTANT:
        return _quick_reader(item, zone, lambda text: in_utc(datetime.fromisoformat(text), zone))
    return lambda text: parse(item, text, zone)


def _quick_reader(item: Item, zone: tzinfo, quick: Callable[[str], Value]) -> Callable[[str], Value]:
    def read(text: str) -> Value:
        if len(text) >= LONG_FORM:
            try:
                return quick(text)
            except ValueError:
                pass
        return parse(item, text, zone)

    return read


def _decimal_reader(item: Item, zone: tzinfo) -> Callable[[str], Value]:
    assert item.digits is not None
    quantum = Decimal(1).scaleb(-item.digits[1])

    def read(text: str) -> Value:
        try:
            number = Decimal(text)
            rounded = number.quantize(quantum, context=WIDE)
        except InvalidOperation:
            return exact(item, parse(item, text, zone))
        return rounded if rounded == number else exact(item, parse(item, text, zone))

    return read


def exact(item: Item, value: Value) -> Value:
    """Return a number with its item's scale (12.5 and 12.50 are one key), or unchanged when it has more digits."""
    if item.digits is None or not isinstance(value, Decimal | int):
        return value
    number = Decimal(value)
    quantum = Decimal(1).scaleb(-item.digits[1])
    if not number.is_finite() or number.adjusted() > 40:  # noqa: PLR2004 - check_row rejects it; quantize would overflow
        return number
    rounded = number.quantize(quantum, context=WIDE)
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
    """Return a row as one line of JSON, for the record of what was rejected; of a huge row the values are cut."""
    if sum(len(value) for value in row if isinstance(value, Sized)) > MOST_RAW:
        row = [_beginning(value) for value in row]
    return json.dumps(
        dict(zip((item.name for item in items), row, strict=True)),
        ensure_ascii=False,
        default=_json,
        separators=(",", ":"),
    )


def size_checker(items: Sequence[Item]) -> Callable[[Row], None] | None:
    """Return what raises BadRecord ("too_large") for a row beyond LARGEST_ROW; None when no row of these can be."""
    sized = [at for at, item in enumerate(items) if item.type in SIZED]
    if all(items[at].length for at in sized) and _most_bytes(items) <= LARGEST_ROW:
        return None

    def check(row: Row) -> None:
        values = [row[at] for at in sized]
        characters = sum(len(value) for value in values if isinstance(value, str | bytes))
        if characters * 4 <= LARGEST_ROW:
            return
        sizes = {at: _bytes(row[at]) for at in sized}
        total = sum(sizes.values()) + SMALL_VALUE * len(items)
        if total > LARGEST_ROW:
            raise BadRecord(
                items[max(sizes, key=sizes.__getitem__)].name,
                "too_large",
                Text(
                    f"the record has {total} bytes, {LARGEST_ROW} at most", f"记录共 {total} 字节，最多 {LARGEST_ROW}"
                ),
            )

    return check


def _most_bytes(items: Sequence[Item]) -> int:
    return sum(4 * (item.length or 0) if item.type in SIZED else SMALL_VALUE for item in items)


def _bytes(value: Value) -> int:
    return len(value.encode()) if isinstance(value, str) else len(value) if isinstance(value, bytes) else 0


def _beginning(value: Any) -> Any:
    if not isinstance(value, str | bytes | bytearray | memoryview) or len(value) <= KEPT_OF_LONG:
        return value
    return f"{value[:KEPT_OF_LONG] if isinstance(value, str) else bytes(value[:KEPT_OF_LONG]).hex()}… ({len(value)})"


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
    try:
        return in_utc(value, zone) if isinstance(value, datetime) else None
    except ValueError:
        return None


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
