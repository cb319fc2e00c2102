"""Brings a database to the newest migration; several processes may try at once."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import resources

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.engine import Connection

from registry.database import BEGIN_WORD, Database, translated
from registry.errors import NotMigrated

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


@cache
def head() -> str:
    """Return the newest migration of this version."""
    newest = ScriptDirectory(str(resources.files("registry.migrations"))).get_current_head()
    assert newest is not None
    return newest


def must_be_at_head(database: Database) -> None:
    """Raise NotMigrated unless the tables are those of this version; it may be another process that changed them."""
    with database.plain() as connection:
        found = connection.scalar(text("SELECT version_num FROM alembic_version"))
    if found != head():
        raise NotMigrated(found=found, needed=head())


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
