"""Items as columns of MariaDB and MySQL.

An instant is a DATETIME(6) in the zone of the adapter file: a TIMESTAMP ends in 2038, and a DATETIME without (6) rounds
in silence.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import BigInteger, Boolean, Date, Integer, Numeric, String
from sqlalchemy.dialects import mysql
from sqlalchemy.types import Enum, TypeEngine

from exchange.items import LONGEST_INT, LONGEST_VALUE, Item, ItemType

Type = TypeEngine[Any]

LONGEST_VARCHAR = 255  # of what is no key: all VARCHARs of a table share 65,535 bytes
MICROSECONDS = 6
# How many characters of four bytes, or bytes, a type takes; digits that always fit.
CHARACTERS: dict[type[Type], int] = {mysql.TINYTEXT: 63, mysql.TEXT: 16_383, mysql.MEDIUMTEXT: 4_194_303}
BYTES = (mysql.MEDIUMBLOB, mysql.LONGBLOB)
DIGITS: dict[type[Type], int] = {mysql.TINYINT: 2, mysql.SMALLINT: 4, mysql.MEDIUMINT: 6, mysql.INTEGER: 9}


def column_type(item: Item, collation: str) -> Type:
    """Return the type of a new column for ``item``; text is sorted by ``collation``."""
    if item.type in (ItemType.TEXT, ItemType.MEMO):
        if item.length and (item.primary_key or item.length <= LONGEST_VARCHAR):
            return mysql.VARCHAR(item.length, charset="utf8mb4", collation=collation)
        return mysql.LONGTEXT(charset="utf8mb4", collation=collation)
    return _TYPES[item.type](item)


def converter(item: Item, zone: ZoneInfo) -> Callable[[Any], Any] | None:
    """Return what makes a value of ``item`` ready for the driver; None when it is ready as it is."""
    if item.digits:
        return lambda value: format(value, "f")
    if item.type is ItemType.INSTANT:
        return lambda value: value.astimezone(zone).replace(tzinfo=None)
    return None


def holds(item: Item, found: Type) -> bool:
    """Return whether an existing column of type ``found`` takes every value of ``item`` unchanged."""
    if item.digits or item.type in (ItemType.NUMBER, ItemType.INTEGER):
        return not getattr(found, "unsigned", False) and _number_holds(item, found)
    if item.type in (ItemType.TEXT, ItemType.MEMO):
        return _text_holds(item, found)
    if item.type is ItemType.INSTANT:
        return isinstance(found, mysql.DATETIME) and found.fsp == MICROSECONDS
    return isinstance(found, _KINDS[item.type])


def _number_holds(item: Item, found: Type) -> bool:
    if isinstance(found, mysql.DECIMAL):
        precision, scale = item.digits or (item.length or LONGEST_INT, 0)
        found_scale = found.scale or 0
        return found_scale >= scale and (found.precision or 10) - found_scale >= precision - scale
    if item.digits:
        return False
    if isinstance(found, BigInteger):
        return True
    return item.type is ItemType.NUMBER and (item.length or LONGEST_INT) <= DIGITS.get(type(found), 0)


def _text_holds(item: Item, found: Type) -> bool:
    if not isinstance(found, String) or isinstance(found, Enum | mysql.SET):
        return False
    longest = CHARACTERS.get(type(found), LONGEST_VALUE) if found.length is None else found.length
    return longest >= (item.length or LONGEST_VALUE)


_TYPES: dict[ItemType, Callable[[Item], Type]] = {
    ItemType.NUMBER: lambda item: Numeric(*item.digits) if item.digits else BigInteger(),
    ItemType.MONEY: lambda item: Numeric(*(item.digits or ())),
    ItemType.DATE: lambda _item: Date(),
    ItemType.INSTANT: lambda _item: mysql.DATETIME(fsp=MICROSECONDS),
    ItemType.LOGICAL: lambda _item: Boolean(),
    ItemType.BINARY: lambda _item: mysql.LONGBLOB(),
    ItemType.DOUBLE: lambda _item: mysql.DOUBLE(),
    ItemType.FLOAT: lambda _item: mysql.DOUBLE(),
    ItemType.INTEGER: lambda _item: BigInteger(),
}
_KINDS: dict[ItemType, tuple[type[Type], ...]] = {
    ItemType.DATE: (Date,),
    ItemType.LOGICAL: (Integer, mysql.BIT),
    ItemType.BINARY: BYTES,
    ItemType.DOUBLE: (mysql.DOUBLE,),
    ItemType.FLOAT: (mysql.DOUBLE,),
}
