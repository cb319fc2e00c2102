"""A catalogue of the first version is found, compared and told apart after the upgrade."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from registry.access.caller import Caller
from registry.catalogue import search, service
from registry.catalogue.models import Resource, ResourceLabel
from registry.clock import utc_now
from registry.database import Database
from registry.migrate import migrate
from registry.organisation.domain import Role
from registry.schema_registry import store
from tests.support.databases import BOTH_DATABASES
from tests.support.registry_world import new_uscc

AT = "2026-01-01 00:00:00"
ITEMS = [
    {"name": "id", "label": "公民身份号码", "type": "C", "length": 18, "primary_key": True, "sensitivity": 4},
    {"name": "xm", "label": "姓名", "type": "C", "length": 50, "sensitivity": 3},
]
ROWS: dict[str, dict[str, Any]] = {
    "divisions": {"code": "440000", "name": "广东省", "level": "province"},
    "departments": {"id": 1, "uscc": new_uscc("440000"), "name": "广东省公安厅", "division": "440000"},
    "systems": {
        "client_id": "440000-rk",
        "department_id": 1,
        "name": "人口系统",
        "active": True,
        "secret_sha256": "0" * 64,
        "created_at": AT,
    },
    "schemas": {"id": 1, "subject": "t-value", "version": 1, "sha256": "0" * 64, "text": '"string"', "created_at": AT},
    "resources": {
        "slug": "307440000-000001",
        "code": "307440000/000001",
        "name": "常住人口信息",
        "summary": "在本省常住的人口",
        "department_id": 1,
        "source_system": "440000-rk",
        "sharing_type": 2,
        "sharing_condition": "仅用于公共服务",
        "update_cycle": "daily",
        "partitions": 1,
        "topic": "440000.307440000-000001",
        "lifecycle": "published",
        "version": 1,
        "revision": 1,
        "created_at": AT,
        "published_at": AT,
        "published_version": 1,
    },
    "resource_versions": {
        "slug": "307440000-000001",
        "version": 1,
        "items": json.dumps(ITEMS),
        "schema_id": 1,
        "created_at": AT,
    },
}


def upgraded(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str, rows: Mapping[str, Mapping[str, Any]]
) -> Database:
    url = request.getfixturevalue("postgres_url") if kind == "postgresql" else f"sqlite:///{tmp_path}/r.db"
    database = Database(url)
    migrate(database, "0001")
    with database.write() as session:
        for table, values in rows.items():
            marks = ", ".join(f":{name}" for name in values)
            session.execute(text(f"INSERT INTO {table} ({', '.join(values)}) VALUES ({marks})"), values)
    migrate(database)
    return database


@pytest.mark.parametrize("kind", BOTH_DATABASES)
def test_what_was_registered_before_is_found(request: pytest.FixtureRequest, tmp_path: Path, kind: str) -> None:
    database = upgraded(request, tmp_path, kind, ROWS)
    root = Caller("admin", None, Role.SYSTEM_ADMIN)
    with database.read() as session:
        for words in ("人口", "公民身份号码", "公安厅 常住"):
            wanted = search.statement(session, root, search.Query(q=words), utc_now())
            assert [row.code for row in session.scalars(wanted)] == ["307440000/000001"], words
        row = session.get_one(Resource, "307440000-000001")
        assert (row.classification, row.level, row.format_kind, row.related) == ("307440000", 4, "database", [])
        assert {label.label for label in session.query(ResourceLabel)} == {"公民身份号码", "姓名"}
        entry = service.entry_of(session, row)
        assert entry.details() == service.version_of(session, row, 1).details
        assert entry.described({}) == entry, "what is there meets the obligations of today"
    database.close()


@pytest.mark.parametrize("kind", BOTH_DATABASES)
@pytest.mark.parametrize("lifecycle", ["draft", "published"])
def test_a_draft_loses_its_subject(request: pytest.FixtureRequest, tmp_path: Path, kind: str, lifecycle: str) -> None:
    subject = store.subject_of(ROWS["resources"]["topic"])
    resource = {**ROWS["resources"], "lifecycle": lifecycle}
    schema = {**ROWS["schemas"], "subject": subject}
    database = upgraded(request, tmp_path, kind, {**ROWS, "schemas": schema, "resources": resource})
    with database.read() as session:
        assert store.subjects(session, offset=0, limit=9) == ([subject] if lifecycle == "published" else [])
        assert service.version_of(session, session.get_one(Resource, resource["slug"]), 1).schema.text == '"string"'
    database.close()
