"""Rows into MariaDB and MySQL: many in one statement, whose values are written here by their types.

The driver's own way asks for each value what it is, and takes twice the time; what it knows of text is used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime
from typing import Any

from pymysql.converters import escape_float, escape_string
from sqlalchemy import Connection, Table

STATEMENT_CHARACTERS = 1_000_000  # the server's max_allowed_packet is 16 MB, or 64 MB in MySQL 8

LITERALS: dict[type, Callable[[Any], str]] = {
    str: lambda value: f"'{escape_string(value)}'",  # by backslashes, which the session's sql_mode allows
    int: str,
    bool: lambda value: "1" if value else "0",
    float: escape_float,
    bytes: lambda value: f"x'{value.hex()}'",
    date: lambda value: f"'{value.isoformat()}'",
    datetime: lambda value: f"'{value.isoformat(' ')}'",
    type(None): lambda _value: "NULL",
}


class MysqlUpsert:
    """InnoDB leaves a row alone that does not differ."""

    def __init__(self, table: Table, columns: Sequence[str], keys: Sequence[str]) -> None:
        self._table = table
        self._columns = columns
        self._changed = [name for name in columns if name not in keys] or list(keys)

    def write(self, connection: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
        """Insert or replace ``rows``."""
        prepare = connection.dialect.identifier_preparer
        names = ", ".join(prepare.quote(name) for name in self._columns)
        changes = ", ".join(f"{prepare.quote(name)} = VALUES({prepare.quote(name)})" for name in self._changed)
        head = f"INSERT INTO {prepare.format_table(self._table)} ({names}) VALUES "  # noqa: S608 - quoted names
        driver: Any = connection.connection.driver_connection
        with driver.cursor() as cursor:
            for values in _statements(rows):
                cursor.execute(f"{head}{values} ON DUPLICATE KEY UPDATE {changes}")


def _statements(rows: Sequence[tuple[Any, ...]]) -> Iterator[str]:
    """Yield the values of as many rows as one statement takes, at least one."""
    made: list[str] = []
    length = 0
    for row in rows:
        values = f"({','.join([LITERALS[type(value)](value) for value in row])})"
        if made and length + len(values) > STATEMENT_CHARACTERS:
            yield ",".join(made)
            made, length = [], 0
        made.append(values)
        length += len(values) + 1
    if made:
        yield ",".join(made)
