"""Schemas of the first version keep their ids, and are found as the same by the next."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import column, insert, table

from registry.clock import utc_now
from registry.database import Database, UtcDateTime
from registry.migrate import migrate
from registry.schema_registry import store
from tests.support.databases import BOTH_DATABASES

FIRST: dict[str, Any] = {"type": "record", "name": "R", "fields": [{"name": "a", "type": "string"}]}
SECOND = {**FIRST, "fields": [*FIRST["fields"], {"name": "b", "type": ["null", "string"], "default": None}]}
AT = datetime(2026, 1, 1, tzinfo=UTC)
COLUMNS = ("id", "subject", "version", "sha256", "text", "created_at")
INSERT = insert(table("schemas", *(column(name) for name in COLUMNS[:-1]), column("created_at", UtcDateTime())))
ROWS = [(3, "t-value", 1, FIRST), (5, "t-value", 2, SECOND), (9, "u-value", 1, FIRST)]


@pytest.mark.parametrize("kind", BOTH_DATABASES)
def test_schemas_of_the_first_version_go_on(request: pytest.FixtureRequest, tmp_path: Path, kind: str) -> None:
    url = request.getfixturevalue("postgres_url") if kind == "postgresql" else f"sqlite:///{tmp_path}/r.db"
    database = Database(url)
    migrate(database, "0001")
    with database.write() as session:
        for schema_id, subject, version, schema in ROWS:
            row = {"id": schema_id, "subject": subject, "version": version, "text": json.dumps(schema)}
            session.execute(INSERT, {**row, "sha256": f"old{schema_id}", "created_at": AT})
    migrate(database)
    with database.write() as session:
        assert [store.by_id(session, schema_id).id for schema_id, *_ in ROWS] == [3, 5, 9], "records carry these"
        assert [row.version for row in store.versions(session, "t-value")] == [1, 2]
        assert store.register(session, utc_now, "t-value", FIRST).id == 3
        assert store.register(session, utc_now, "t-value", SECOND).id == 5
        assert store.register(session, utc_now, "v-value", SECOND).id == 5, "one id everywhere, from now on"
        assert store.register(session, utc_now, "t-value", {**FIRST, "doc": "new"}).id == 10
    database.close()
