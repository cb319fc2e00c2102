"""Rows into a table of PostgreSQL by COPY: straight into it while they are new, else by way of a staging table.

A row that is there already ends a COPY with nothing copied, since it runs in a savepoint; then the rows are staged, and
one statement inserts or replaces them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Date,
    DateTime,
    Double,
    LargeBinary,
    MetaData,
    Numeric,
    String,
    Table,
    Text,
    or_,
    select,
    text,
)
from sqlalchemy.dialects import postgresql

from adapters.postgres_copy import HEADER, TRAILER, TooWide, copy_data
from exchange.arrow_rows import ArrowRows

Rows = Sequence[tuple[Any, ...]]
Pieces = tuple[Any, ...] | None  # of COPY's data; None: rows are written one by one

STAGING = "exchange_staging"
MANY = 100  # rows that are worth a try, with its savepoint

# What psycopg is to write for a column of a new table (adapters/sql_types.py); texts of any length are ``text``.
_BINARY_FORM: dict[type[Any], str] = {
    String: "text",
    Text: "text",
    Numeric: "numeric",
    BigInteger: "int8",
    Date: "date",
    DateTime: "timestamptz",
    Boolean: "bool",
    LargeBinary: "bytea",
    Double: "float8",
}

# COPY converts no types as INSERT does, knows no rules and takes no part in row security.
_TAKES_COPY = text(f"""
    SELECT relkind IN ('r', 'p') AND NOT relhasrules AND NOT relrowsecurity AND NOT EXISTS (
        SELECT FROM pg_attribute AS mine
        LEFT JOIN pg_attribute AS there
            ON there.attrelid = pg_class.oid AND there.attname = mine.attname AND NOT there.attisdropped
        WHERE mine.attrelid = '{STAGING}'::regclass AND mine.attnum > 0
            AND there.atttypid IS DISTINCT FROM mine.atttypid
    )
    FROM pg_class WHERE oid = CAST(:name AS regclass)
""")  # noqa: S608 - a constant


class PostgresUpsert:
    """Inserts rows or replaces those with their keys, in the caller's transaction."""

    def __init__(self, connection: Connection, table: Table, columns: Sequence[str], keys: Sequence[str]) -> None:
        prepare = connection.dialect.identifier_preparer
        self._target = prepare.format_table(table)
        self._names = ", ".join(prepare.quote(name) for name in columns)
        self._staging = Table(
            STAGING,
            MetaData(),
            *[Column(name, table.c[name].type) for name in columns],
            prefixes=["TEMPORARY"],
            postgresql_on_commit="DROP",
        )
        self._types = [_BINARY_FORM[type(table.c[name].type)] for name in columns]
        staged = postgresql.insert(table).from_select(list(columns), select(self._staging))
        self._statement = on_conflict(staged, table, columns, keys)
        self._luck = Luck()
        self._direct = self._takes_copy(connection)

    def write(self, connection: Connection, rows: Rows) -> None:
        """Insert or replace ``rows``."""
        data = _copy_data(rows)
        if self._direct and len(rows) >= MANY and self._luck.try_now() and self._inserted(connection, rows, data):
            return
        self._staging.create(connection, checkfirst=False)
        self._copy(connection, STAGING, rows, data)
        connection.execute(self._statement)

    def _takes_copy(self, connection: Connection) -> bool:
        self._staging.create(connection, checkfirst=False)
        found = connection.execute(_TAKES_COPY, {"name": self._target}).scalar_one()
        self._staging.drop(connection, checkfirst=False)
        return bool(found)

    def _inserted(self, connection: Connection, rows: Rows, data: Pieces) -> bool:
        """Return whether all rows were new, and are there now; else none is."""
        try:
            with connection.begin_nested():
                self._copy(connection, self._target, rows, data)
        except psycopg.errors.UniqueViolation:
            self._luck.missed()
            return False
        except psycopg.Error:  # whatever is wrong is wrong for INSERT too, which tells it; or it is COPY's own
            self._direct = False
            return False
        self._luck.hit()
        return True

    def _copy(self, connection: Connection, target: str, rows: Rows, data: Pieces) -> None:
        driver: Any = connection.connection.driver_connection
        words = f"COPY {target} ({self._names}) FROM STDIN (FORMAT BINARY)"
        with driver.cursor() as cursor, cursor.copy(words) as copy:
            if data is not None:
                for piece in data:
                    copy.write(piece)
            else:
                copy.set_types(self._types)
                for row in rows:
                    copy.write_row(row)


class Luck:
    """Whether to try what may fail: after each miss, twice as many chances are let go by."""

    def __init__(self) -> None:
        self._left_out = 0
        self._next = 1

    def try_now(self) -> bool:
        """Return whether this chance is taken."""
        if self._left_out:
            self._left_out -= 1
            return False
        return True

    def missed(self) -> None:
        """It failed."""
        self._left_out, self._next = self._next, self._next * 2

    def hit(self) -> None:
        """It succeeded."""
        self._next = max(1, self._next // 2)


def on_conflict(statement: Any, table: Table, columns: Sequence[str], keys: Sequence[str]) -> Any:
    """Return an INSERT of PostgreSQL or SQLite that replaces a row with its key when a value differs."""
    others = [name for name in columns if name not in keys]
    if not others:
        return statement.on_conflict_do_nothing(index_elements=list(keys))
    new = statement.excluded
    return statement.on_conflict_do_update(
        index_elements=list(keys),
        set_={name: new[name] for name in others},
        where=or_(*[table.c[name].is_distinct_from(new[name]) for name in others]),
    )


def _copy_data(rows: Rows) -> Pieces:
    """Return the rows as COPY takes them, in pieces; None when they are to be written one by one."""
    if not isinstance(rows, ArrowRows):
        return None
    try:
        return HEADER, memoryview(copy_data(rows.columns)), TRAILER
    except TooWide:
        return None
