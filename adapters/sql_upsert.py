"""Writing many rows at once: each one is inserted, or replaces the row with its key when a value differs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from sqlalchemy import Column, Connection, MetaData, Table, or_, select
from sqlalchemy.dialects import postgresql, sqlite

STAGING = "exchange_staging"


class Upsert(Protocol):
    """Rows into one table, in the caller's transaction."""

    def write(self, connection: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
        """Insert or replace ``rows``; each key is there at most once."""


def make_upsert(dialect: str, table: Table, columns: Sequence[str], keys: Sequence[str]) -> Upsert:
    """Return the quickest way of one database."""
    return SqliteUpsert(table, columns, keys) if dialect == "sqlite" else PostgresUpsert(table, columns, keys)


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
        staged = postgresql.insert(table).from_select(list(columns), select(self._staging))
        self._statement = _on_conflict(staged, table, columns, keys)

    def write(self, connection: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
        """Insert or replace ``rows``."""
        self._staging.create(connection, checkfirst=False)
        quote = connection.dialect.identifier_preparer.quote
        names = ", ".join(quote(name) for name in self._columns)
        driver: Any = connection.connection.driver_connection
        with driver.cursor() as cursor, cursor.copy(f"COPY {STAGING} ({names}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
        connection.execute(self._statement)


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
