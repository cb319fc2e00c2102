"""Writing many rows at once: each one is inserted, or replaces the row with its key when a value differs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import sqlite

from adapters import sql_mysql
from adapters.postgres_upsert import PostgresUpsert, on_conflict
from adapters.protocol import Stream
from adapters.sql_any_upsert import AnyUpsert
from adapters.sql_mysql_upsert import MysqlUpsert
from adapters.sql_table import only_key


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
        return PostgresUpsert(connection, table, columns, keys)
    # ON DUPLICATE KEY takes any unique key for the key, and would then change the row of another one
    if dialect in sql_mysql.NAMES and only_key(connection, table, keys):
        return MysqlUpsert(table, columns, keys)
    return AnyUpsert(table, stream, zone)


class SqliteUpsert:
    """One prepared statement, run for each row inside SQLite."""

    def __init__(self, table: Table, columns: Sequence[str], keys: Sequence[str]) -> None:
        self._columns = columns
        self._statement = on_conflict(sqlite.insert(table), table, columns, keys)

    def write(self, connection: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
        """Insert or replace ``rows``."""
        connection.execute(self._statement, [dict(zip(self._columns, row, strict=True)) for row in rows])
