"""Brings a database to the newest migration; several processes may try at once."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources

from alembic import command
from alembic.config import Config
from sqlalchemy import text
from sqlalchemy.engine import Connection

from registry.database import BEGIN_WORD, Database, translated

LOCK = 7_440_000  # any number that no other program locks in the same database


def migrate(database: Database, to: str = "head") -> None:
    """Bring the database to a migration, in one transaction. Errors: DatabaseUnavailable, Conflict."""
    writer = database.engine.execution_options(**{BEGIN_WORD: "BEGIN IMMEDIATE"})
    with translated(), writer.connect() as connection, _tables_may_be_rebuilt(connection), connection.begin():
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        config = Config()
        config.set_main_option("script_location", str(resources.files("registry.migrations")))
        config.attributes["connection"] = connection
        command.upgrade(config, to)
        if connection.dialect.name == "sqlite":
            assert connection.exec_driver_sql("PRAGMA foreign_key_check").fetchone() is None, (
                "rows without their parent"
            )


@contextmanager
def _tables_may_be_rebuilt(connection: Connection) -> Iterator[None]:
    # SQLite alters a table by making it anew; its foreign keys can be switched off only outside of a transaction.
    raw = connection.connection.driver_connection
    if not isinstance(raw, sqlite3.Connection):
        yield
        return
    raw.execute("PRAGMA foreign_keys=OFF")
    try:
        yield
    finally:
        raw.execute("PRAGMA foreign_keys=ON")
