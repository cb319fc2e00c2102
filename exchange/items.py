"""The items of a resource (信息项): their types, and how their values are read, checked and written as text.

Types are those of the catalogue guide (发改高技〔2017〕1272号). In Python a row is a tuple of values in item order:

====  ================  ==========================================================
type  中文              Python value
====  ================  ==========================================================
C M   字符型 备注型      str
N     数值型            int when scale is 0 and length at most 18, else Decimal
Y     货币型            Decimal
D     日期型            datetime.date
T     日期时间型         datetime.datetime with a time zone (an instant)
L     逻辑型            bool
G     通用型            bytes
B F   双精度型 浮点型     float
I     整型              int (64 bit)
====  ================  ==========================================================
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

Value = str | int | float | bool | bytes | date | datetime | Decimal | None
Row = tuple[Value, ...]

ITEM_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
MONEY_DIGITS, MONEY_SCALE = 20, 4
MOST_DIGITS = 38  # of a decimal that every database we land in can hold
LONGEST_VALUE = 10_000_000  # characters
LONGEST_INT = 18  # decimal digits that always fit 64 bits
LATER = frozenset({"mask", "sharing_type"})


class ItemType(StrEnum):
    """Types of the catalogue guide."""

    TEXT = "C"
    NUMBER = "N"
    MONEY = "Y"
    DATE = "D"
    INSTANT = "T"
    LOGICAL = "L"
    MEMO = "M"
    BINARY = "G"
    DOUBLE = "B"
    INTEGER = "I"
    FLOAT = "F"


class Check(StrEnum):
    """Check characters that an item's values must satisfy."""

    USCC = "uscc"  # 统一社会信用代码, GB 32100
    CITIZEN_ID = "citizen_id"  # 公民身份号码, GB 11643


class Mask(StrEnum):
    """How a value is made harmless before it is shown to those who may not see all of it."""

    NAME = "N"  # the first character
    ID_NUMBER = "I"  # the first 6 and last 4
    PHONE = "P"  # the first 3 and last 4
    ADDRESS = "A"  # down to the county
    YEAR = "Y"
    RANGE = "R"
    COORDINATE = "G"  # two decimals
    PSEUDONYM = "H"  # keyed HMAC


@dataclass(frozen=True, slots=True)
class Item:
    """One field of a resource.

    ``length``: characters of a C, digits of an N; ``scale``: digits after the point of an N.
    ``sensitivity``: 1 (not) to 4 (highly sensitive).
    ``sharing_type``: 1, 2 or 3 where the item has one of its own.
    """

    name: str
    label: str
    type: ItemType
    length: int | None = None
    scale: int = 0
    required: bool = False
    primary_key: bool = False
    sensitivity: int = 1
    check: Check | None = None
    mask: Mask | None = None
    sharing_type: int | None = None

    @property
    def mandatory(self) -> bool:
        """Whether every row must have a value: required items, and each part of the primary key."""
        return self.required or self.primary_key

    @property
    def digits(self) -> tuple[int, int] | None:
        """(precision, scale) of an item whose value is a Decimal; None for the others."""
        if self.type is ItemType.MONEY:
            return (MONEY_DIGITS, MONEY_SCALE)
        if self.type is ItemType.NUMBER and (self.scale > 0 or (self.length or LONGEST_INT) > LONGEST_INT):
            return (self.length or LONGEST_INT, self.scale)
        return None

    def as_json(self) -> dict[str, Any]:
        """Return the item as the registry's API writes it; the later fields are left out when they are None."""
        data = asdict(self)
        return {name: value for name, value in data.items() if value is not None or name not in LATER}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Item:
        """Return the item that ``as_json`` wrote. Errors: KeyError, ValueError."""
        fields = dict(data)
        fields["type"] = ItemType(fields["type"])
        fields["check"] = Check(fields["check"]) if fields.get("check") else None
        fields["mask"] = Mask(fields["mask"]) if fields.get("mask") else None
        return cls(**fields)


def problems(items: Sequence[Item]) -> list[str]:
    """Return what is wrong with ``items`` as a resource's definition, one line each; empty when nothing is."""
    found = [f"{item.name}: {fault}" for item in items for fault in _faults(item)]
    names = [item.name for item in items]
    found += [f"{name}: named twice" for name in sorted({n for n in names if names.count(n) > 1})]
    if not any(item.primary_key for item in items):
        found.append("no item is the primary key: mark at least one with primary_key")
    return found


def _faults(item: Item) -> list[str]:
    rules: list[tuple[bool, str]] = [
        (not ITEM_NAME.fullmatch(item.name), "a name is a lower-case letter, then letters, digits or _ (63 at most)"),
        (not item.label, "the label is empty"),
        (item.type is ItemType.TEXT and not item.length, "type C needs a length"),
        (item.length is not None and not 0 < item.length <= LONGEST_VALUE, "length is from 1 to 10,000,000"),
        (
            item.type is ItemType.NUMBER and not 0 <= item.scale <= (item.length or LONGEST_INT) <= MOST_DIGITS,
            "type N has 1 to 38 digits, scale among them",
        ),
        (item.type is not ItemType.NUMBER and item.scale != 0, "only type N has a scale"),
        (item.sensitivity not in (1, 2, 3, 4), "sensitivity is 1 to 4"),
        (item.sharing_type not in (None, 1, 2, 3), "sharing_type is 1, 2 or 3"),
        (item.primary_key and item.type in KEYLESS, f"type {item.type} cannot be a primary key"),
    ]
    return [fault for wrong, fault in rules if wrong]


KEYLESS = frozenset({ItemType.BINARY, ItemType.DOUBLE, ItemType.FLOAT, ItemType.MEMO})


class KeyCodec:
    """The primary key of a row as the text that Kafka's key carries, and back."""

    def __init__(self, items: Sequence[Item]) -> None:
        self.items = tuple(items)
        self.positions = tuple(i for i, item in enumerate(items) if item.primary_key)
        self._single = self.positions[0] if len(self.positions) == 1 else None
        self._plain = self._single is not None and items[self._single].type is ItemType.TEXT

    def encode(self, row: Row) -> bytes:
        """Return the key of ``row``; each part must have a value (see values.check_row)."""
        if self._single is not None:
            value = row[self._single]
            return str(value).encode() if self._plain else _key_text(value).encode()
        parts = [_key_text(row[i]) for i in self.positions]
        return json.dumps(parts, ensure_ascii=False, separators=(",", ":")).encode()

    def decode(self, key: bytes, parse: Callable[[Item, str], Value]) -> Row:
        """Return the values of the primary key's items, in item order; ``parse`` reads one value from text."""
        text = key.decode()
        parts = [text] if self._single is not None else json.loads(text)
        return tuple(parse(self.items[i], part) for i, part in zip(self.positions, parts, strict=True))


def _key_text(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return format(value, "f")
    return str(value)
