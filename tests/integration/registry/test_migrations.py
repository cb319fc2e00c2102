"""An empty database that is migrated equals the models, on both databases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from registry.database import Database
from registry.migrate import migrate
from registry.models import metadata
from tests.support.databases import BOTH_DATABASES


@pytest.mark.parametrize("kind", BOTH_DATABASES)
def test_migrations_equal_the_models(request: pytest.FixtureRequest, tmp_path: Path, kind: str) -> None:
    url = request.getfixturevalue("postgres_url") if kind == "postgresql" else f"sqlite:///{tmp_path}/r.db"
    databases = [Database(url) for _ in range(3)]
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(migrate, databases))  # several processes start at once
    with databases[0].engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "include_object": _declared[kind]})
        assert compare_metadata(context, metadata()) == []
        assert set(metadata().tables) < set(connection.dialect.get_table_names(connection))
    for database in databases:
        database.close()


def _in_sqlite(_object: object, name: str | None, kind: str, _reflected: bool, _other: object) -> bool:
    """SQLite's search table is a virtual one, which models cannot declare; PostgreSQL's index is its counterpart."""
    return not (kind == "table" and (name or "").startswith("resource_search")) and name != "ix_resource_words_words"


def _everything(*_about: object) -> bool:
    return True


_declared = {"sqlite": _in_sqlite, "postgresql": _everything}
