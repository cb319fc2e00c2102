"""Items as columns of a destination: the type a new column gets, what an existing one must be, and values on the way.

SQLite has no decimals, dates or zones of its own: there they are written as text that loses nothing, a date-time with
its zone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import BigInteger as Big
from sqlalchemy import (
    Boolean,
    Connection,
    Date,
    DateTime,
    Double,
    Float,
    Integer,
    LargeBinary,
    Numeric,
    SmallInteger,
    String,
    Text,
)
from sqlalchemy.types import NullType, TypeEngine

from adapters import sql_mysql, sql_mysql_types
from exchange.items import LONGEST_INT, Item, ItemType, Value

Type = TypeEngine[Any]
Convert = Callable[[Any], Any]

INT32_DIGITS = 9

_TYPES: dict[ItemType, Callable[[Item], Type]] = {
    ItemType.TEXT: lambda item: String(item.length),
    ItemType.MEMO: lambda _item: Text(),
    ItemType.NUMBER: lambda item: Numeric(*item.digits) if item.digits else Big(),
    ItemType.MONEY: lambda item: Numeric(*(item.digits or ())),
    ItemType.DATE: lambda _item: Date(),
    ItemType.INSTANT: lambda _item: DateTime(timezone=True),
    ItemType.LOGICAL: lambda _item: Boolean(),
    ItemType.BINARY: lambda _item: LargeBinary(),
    ItemType.DOUBLE: lambda _item: Double(),
    ItemType.FLOAT: lambda _item: Double(),
    ItemType.INTEGER: lambda _item: Big(),
}


def column_type(item: Item, connection: Connection) -> Type:
    """Return the type of a new column for ``item``."""
    dialect = connection.dialect.name
    if dialect in sql_mysql.NAMES:
        return sql_mysql_types.column_type(item, sql_mysql.collation(connection))
    if dialect != "sqlite":
        return _TYPES[item.type](item)
    if item.digits or item.type in (ItemType.DATE, ItemType.INSTANT):
        return Text()
    return Integer() if item.type is ItemType.LOGICAL else _TYPES[item.type](item)


def converter(item: Item, dialect: str, zone: ZoneInfo) -> Convert | None:
    """Return what makes a value of ``item`` ready for the driver; None when it is ready as it is."""
    if dialect in sql_mysql.NAMES:
        return sql_mysql_types.converter(item, zone)
    if dialect != "sqlite":
        return None
    if item.digits:
        return lambda value: format(value, "f")
    if item.type in (ItemType.DATE, ItemType.INSTANT):
        return lambda value: value.isoformat()
    return int if item.type is ItemType.LOGICAL else None


def convert_row(row: tuple[Value, ...], converters: list[tuple[int, Convert]]) -> tuple[Any, ...]:
    """Return ``row`` with the values at the given places converted; None stays None."""
    if not converters:
        return row
    values: list[Any] = list(row)
    for at, convert in converters:
        if values[at] is not None:
            values[at] = convert(values[at])
    return tuple(values)


def holds(item: Item, found: Type, dialect: str) -> bool:
    """Return whether an existing column of type ``found`` takes every value of ``item`` unchanged."""
    if isinstance(found, NullType):
        return True  # a type of the database that SQLAlchemy does not know: the database judges
    if dialect in _HOLDS:
        return _HOLDS[dialect](item, found)
    if item.digits or item.type is ItemType.NUMBER:
        return _number_holds(item, found)
    if item.type in (ItemType.TEXT, ItemType.MEMO):
        return isinstance(found, String) and (found.length is None or found.length >= (item.length or found.length + 1))
    if item.type is ItemType.INSTANT:
        return isinstance(found, DateTime) and found.timezone
    return isinstance(found, _KINDS[item.type])


def _number_holds(item: Item, found: Type) -> bool:
    if isinstance(found, Numeric):
        return not isinstance(found, Float) and _wide_enough(item.digits or (item.length or LONGEST_INT, 0), found)
    if item.digits:
        return False
    small = (item.length or LONGEST_INT) <= INT32_DIGITS
    return isinstance(found, Big) or (small and isinstance(found, Integer) and not isinstance(found, SmallInteger))


def _sqlite_holds(item: Item, found: Type) -> bool:
    """A column whose affinity is a number would turn '0012' into 12 and '12.50' into 12.5."""
    if item.digits or item.type in (ItemType.TEXT, ItemType.MEMO):
        return isinstance(found, String)
    return True


def _wide_enough(digits: tuple[int, int], found: Numeric[Any]) -> bool:
    if found.precision is None:
        return True
    precision, scale = digits
    found_scale = found.scale or 0
    return found_scale >= scale and found.precision - found_scale >= precision - scale


_KINDS: dict[ItemType, tuple[type[Type], ...]] = {
    ItemType.DATE: (Date,),
    ItemType.LOGICAL: (Boolean,),
    ItemType.BINARY: (LargeBinary,),
    ItemType.DOUBLE: (Double, Float),
    ItemType.FLOAT: (Double, Float),
    ItemType.INTEGER: (Big, Numeric),
}
_HOLDS: dict[str, Callable[[Item, Type], bool]] = {
    "sqlite": _sqlite_holds,
    **dict.fromkeys(sql_mysql.NAMES, sql_mysql_types.holds),
}
