"""A registry of version 0.1 that holds data goes on as 0.2, on both databases."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import MetaData, Table, insert, select

from exchange.avro import record_schema
from registry.access import secrets
from registry.database import Database
from registry.migrate import migrate
from registry.organisation.models import Department, System, User
from registry.settings import DatabaseGroup
from registry.sharing.models import Grant, Request
from tests.support.databases import BOTH_DATABASES
from tests.support.registry_world import ITEMS, PASSWORD, new_uscc, world

NOW = datetime.now(UTC)
SLUG = "307440000-000001"
TOPIC = f"440000.{SLUG}"


@pytest.mark.parametrize("kind", BOTH_DATABASES)
def test_what_was_there_goes_on(request: pytest.FixtureRequest, tmp_path: Path, kind: str) -> None:
    url = request.getfixturevalue("postgres_url") if kind == "postgresql" else f"sqlite:///{tmp_path}/registry.db"
    database = Database(url)
    migrate(database, "0001")
    fill(database)
    database.close()
    with world(tmp_path, url, database=DatabaseGroup(url=url)) as here:
        with here.runtime.database.read() as session:
            assert {row.name: row.duty for row in session.scalars(select(User))} == {
                "admin": "system_admin",
                "security": "security_admin",
                "auditor": "auditor",
                "owner": None,
            }
            assert session.scalars(select(Department.valid_to)).all() == [None, None]
            assert session.scalars(select(System.public_key)).all() == [None, None]
            assert session.scalars(select(Grant.state)).all() == ["active"]
            assert session.scalars(select(Request.purpose)).all() == ["data_verification"], "数据校核, by its code"
        assert here.user("admin", PASSWORD).get("departments")["items"], "the password is good still"
        owner = here.user("owner", PASSWORD)
        assert owner.get(f"resources/{SLUG}")["resource"] == SLUG
        assert here.system("s-reader", "reader's secret").get(f"resources/{SLUG}/contract")["may_read"] is True
        assert here.security.post("users/owner/password", {"password": f"{PASSWORD} 2"})["role"] == "department_admin"


def fill(database: Database) -> None:
    """Rows as version 0.1 wrote them."""
    schema = json.dumps(record_schema(SLUG, ITEMS), ensure_ascii=False, separators=(",", ":"))
    user = {"active": True, "password_hash": secrets.hash_password(PASSWORD), "created_at": NOW}
    system = {"active": True, "created_at": NOW}
    division = {"level": "province", "parent": None}
    resource: dict[str, object] = {
        "slug": SLUG, "code": "307440000/000001", "name": "村级行政区划", "summary": "名称与代码", "department_id": 1,
        "source_system": "s-source", "sharing_type": 2, "sharing_condition": "条件", "update_cycle": "yearly",
        "partitions": 1, "topic": TOPIC, "lifecycle": "published", "version": 1, "revision": 1, "created_at": NOW,
        "published_at": NOW, "published_version": 1,
    }  # fmt: skip
    request: dict[str, object] = {
        "slug": SLUG, "client_id": "s-reader", "purpose": "数据校核", "legal_basis": "依据", "reason": None,
        "until": None, "state": "approved", "answer": None, "requested_by": "reader", "answered_by": "owner",
        "created_at": NOW, "answered_at": NOW, "revision": 1,
    }  # fmt: skip
    grant: dict[str, object] = {
        "request_id": 1, "slug": SLUG, "client_id": "s-reader", "state": "active", "until": None,
        "created_at": NOW, "ended_at": None, "end_reason": None, "ended_by": None, "revision": 1,
    }  # fmt: skip
    rows: dict[str, list[dict[str, object]]] = {
        "divisions": [
            {"code": "440000", "name": "广东省", **division},
            {"code": "440600", "name": "佛山市", **division},
        ],
        "departments": [
            {"uscc": new_uscc(code), "name": f"局 {number}", "division": code}
            for number, code in ((1, "440000"), (2, "440600"))
        ],
        "systems": [
            {"client_id": f"s-{name}", "department_id": number, "name": name, **system,
             "secret_sha256": secrets.digest(f"{name}'s secret")}
            for number, name in ((1, "source"), (2, "reader"))
        ],
        "users": [
            {"name": "admin", "role": "system_admin", "department_id": None, **user},
            {"name": "owner", "role": "department_admin", "department_id": 1, **user},
        ],
        "schemas": [
            {"subject": f"{TOPIC}-value", "version": 1, "sha256": secrets.digest(schema), "text": schema,
             "created_at": NOW}
        ],
        "resources": [resource],
        "resource_versions": [
            {"slug": SLUG, "version": 1, "items": [item.as_json() for item in ITEMS], "schema_id": 1, "created_at": NOW}
        ],
        "requests": [request],
        "grants": [grant],
    }  # fmt: skip
    old = MetaData()
    with database.write() as session:
        for name, values in rows.items():
            session.execute(insert(Table(name, old, autoload_with=session.connection())), values)
