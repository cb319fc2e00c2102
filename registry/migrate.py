"""Brings a database to the newest migration; several processes may try at once."""

from __future__ import annotations

from importlib import resources

from alembic import command
from alembic.config import Config
from sqlalchemy import text

from registry.database import BEGIN_WORD, Database, translated

LOCK = 7_440_000  # any number that no other program locks in the same database


def migrate(database: Database) -> None:
    """Bring the database to the newest migration, in one transaction. Errors: DatabaseUnavailable."""
    writer = database.engine.execution_options(**{BEGIN_WORD: "BEGIN IMMEDIATE"})
    with translated(), writer.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        config = Config()
        config.set_main_option("script_location", str(resources.files("registry.migrations")))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
