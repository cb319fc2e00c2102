"""Writing many rows at once: each one is inserted, or replaces the row with its key when a value differs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol
from zoneinfo import ZoneInfo

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
)
from sqlalchemy.dialects import postgresql, sqlite

from adapters import sql_mysql
from adapters.postgres_copy import HEADER, TRAILER, TooWide, copy_data
from adapters.protocol import Stream
from adapters.sql_any_upsert import AnyUpsert
from adapters.sql_mysql_upsert import MysqlUpsert
from adapters.sql_table import only_key
from exchange.arrow_rows import ArrowRows

STAGING = "exchange_staging"

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


class Upsert(Protocol):
    """Rows into one table, in the caller's transaction."""

    def write(self, connection: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
        """Insert or replace ``rows``; each key is there at most once."""


def make_upsert(connection: Connection, table: Table, stream: Stream, zone: ZoneInfo) -> Upsert:
    """Return the quickest way of one database."""
    dialect = connection.dialect.name
    columns = [stream.column(item) for item in stream.items]
    keys = [stream.column(item) for item in stream.items if item.primary_key]
    if dialect == "sqlite":
        return SqliteUpsert(table, columns, keys)
    if dialect == "postgresql":
        return PostgresUpsert(table, columns, keys)
    # ON DUPLICATE KEY takes any unique key for the key, and would then change the row of another one
    if dialect in sql_mysql.NAMES and only_key(connection, table, keys):
        return MysqlUpsert(table, columns, keys)
    return AnyUpsert(table, stream, zone)


class SqliteUpsert:
    """One prepared statement, run for each row inside SQLite."""

    def __init__(self, table: Table, columns: Sequence[str], keys: Sequence[str]) -> None:
        self._columns = columns
        statement = sqlite.insert(table)
        self._statement = _on_conflict(statement, table, columns, keys)

    def write(self, connection: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
        """Insert or replace ``rows``."""
        connection.execute(self._statement, [dict(zip(self._columns, row, strict=True)) for row in rows])


class PostgresUpsert:
    """COPY into a temporary table, then one statement for all rows."""

    def __init__(self, table: Table, columns: Sequence[str], keys: Sequence[str]) -> None:
        self._source = table
        self._columns = columns
        self._staging = Table(
            STAGING,
            MetaData(),
            *[Column(name, table.c[name].type) for name in columns],
            prefixes=["TEMPORARY"],
            postgresql_on_commit="DROP",
        )
        self._types = [_BINARY_FORM[type(table.c[name].type)] for name in columns]
        staged = postgresql.insert(table).from_select(list(columns), select(self._staging))
        self._statement = _on_conflict(staged, table, columns, keys)

    def write(self, connection: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
        """Insert or replace ``rows``."""
        self._staging.create(connection, checkfirst=False)
        quote = connection.dialect.identifier_preparer.quote
        names = ", ".join(quote(name) for name in self._columns)
        driver: Any = connection.connection.driver_connection
        data = _copy_data(rows)
        with driver.cursor() as cursor, cursor.copy(f"COPY {STAGING} ({names}) FROM STDIN (FORMAT BINARY)") as copy:
            if data is not None:
                for piece in data:
                    copy.write(piece)
            else:
                copy.set_types(self._types)
                for row in rows:
                    copy.write_row(row)
        connection.execute(self._statement)


def _copy_data(rows: Sequence[tuple[Any, ...]]) -> tuple[Any, ...] | None:
    """Return the rows as COPY takes them, in pieces; None when they are to be written one by one."""
    if not isinstance(rows, ArrowRows):
        return None
    try:
        return HEADER, memoryview(copy_data(rows.columns)), TRAILER
    except TooWide:
        return None


def _on_conflict(statement: Any, table: Table, columns: Sequence[str], keys: Sequence[str]) -> Any:
    others = [name for name in columns if name not in keys]
    if not others:
        return statement.on_conflict_do_nothing(index_elements=list(keys))
    new = statement.excluded
    return statement.on_conflict_do_update(
        index_elements=list(keys),
        set_={name: new[name] for name in others},
        where=or_(*[table.c[name].is_distinct_from(new[name]) for name in others]),
    )
