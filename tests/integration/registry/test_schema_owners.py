"""Who writes which subject, and that what the catalogue derives stays equal to the items."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from exchange.avro import record_schema
from exchange.items import Item, ItemType
from registry.audit.models import AuditEntry
from registry.catalogue.models import ResourceVersion
from tests.support.registry_world import ITEMS, Office, World, good, world
from tests.support.schema_registry import Schemas, record


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("owners")) as made:
        yield made


@pytest.fixture(scope="module")
def owner(here: World) -> Office:
    return here.office()


def topic(resource: str) -> str:
    return f"440000.{resource}"


def described(resource: str, items: tuple[Item, ...] = ITEMS) -> dict[str, Any]:
    return record_schema(resource, items)


def test_a_resources_subjects_are_its_owners(here: World, owner: Office) -> None:
    resource = here.resource(owner)
    data_owner = here.person("keeper", "data_owner", department_id=owner.id)
    developer = here.person("coder", "developer", department_id=owner.id)
    stranger = here.office()
    schema = json.dumps(described(resource))
    writers = [owner.system, owner.admin, data_owner]
    others = [developer, stranger.system, stranger.admin, here.root, here.security, here.auditor]
    for end, body in (("value", schema), ("key", '"string"')):
        subject = f"subjects/{topic(resource)}-{end}/versions"
        for person in writers:
            assert Schemas(person).ok("POST", subject, {"schema": body})["id"]
        for person in others:
            assert Schemas(person).refused("POST", subject, {"schema": body}) == 40301, person.name
            assert Schemas(person).refused("DELETE", f"subjects/{topic(resource)}-{end}") == 40301
    for person in (*writers, developer, stranger.system, here.root, here.security):
        assert Schemas(person).get(f"subjects/{topic(resource)}-value/versions/latest")["version"] == 1


def test_all_other_subjects_are_a_system_administrators(here: World, owner: Office) -> None:
    city = here.person("city-root", "system_admin", division="440600")
    for person in (owner.system, owner.admin, here.security, city):
        schemas = Schemas(person)
        assert schemas.refused("POST", "subjects/shared/versions", {"schema": record("a")}) == 40301
        for path in ("config", "config/shared"):
            assert schemas.refused("PUT", path, {"compatibility": "NONE"}) == 40301
            assert schemas.refused("DELETE", path) == 40301
        for path in ("mode", "mode/shared"):
            assert schemas.refused("PUT", path, {"mode": "READONLY"}) == 40301
            assert schemas.refused("DELETE", path) == 40301
    assert Schemas(here.root).register("shared", record("a"))


def test_what_is_derived_from_the_items_stays_so(here: World, owner: Office) -> None:
    resource = here.resource(owner)
    system, subject = Schemas(owner.system), f"{topic(resource)}-value"
    versions = f"subjects/{subject}/versions"
    derived = system.get(f"{versions}/latest")
    schema = described(resource)

    assert system.ok("POST", versions, {"schema": json.dumps(schema)}) == {"id": derived["id"]}
    plain = {**schema, "fields": [{k: v for k, v in field.items() if k != "doc"} for field in schema["fields"]]}
    spaced = {**plain, "name": f"gov.exchange.{schema['name']}", "doc": "as the department's program has it"}
    del spaced["namespace"]
    for same in (plain, spaced):
        assert system.ok("POST", versions, {"schema": json.dumps(same)}) == {"id": derived["id"]}
        assert system.ok("POST", f"subjects/{subject}", {"schema": json.dumps(same)})["id"] == derived["id"]

    more = {**schema, "fields": [*schema["fields"], {"name": "x", "type": ["null", "string"], "default": None}]}
    fewer = {**schema, "fields": schema["fields"][:-1]}
    renamed = {**schema, "name": "Other"}
    turned = {**schema, "fields": schema["fields"][::-1]}
    for other in (more, fewer, renamed, turned):
        assert system.refused("POST", versions, {"schema": json.dumps(other)}) == 409
        assert system.refused("POST", f"subjects/{subject}", {"schema": json.dumps(other)}) == 40403
    refusal = system.call("POST", versions, {"schema": json.dumps(more)}).json()["message"]
    assert "change the items" in refusal
    assert system.get(versions) == [1]

    assert system.get(f"config/{subject}") == {"compatibilityLevel": "FULL_TRANSITIVE"}
    assert system.refused("PUT", f"config/{subject}", {"compatibility": "NONE"}) == 42205
    assert system.refused("PUT", f"mode/{subject}", {"mode": "READONLY"}) == 42205
    assert system.refused("DELETE", f"subjects/{subject}") == 42205
    assert system.refused("DELETE", f"{versions}/1") == 42205
    path = f"compatibility/subjects/{subject}/versions/latest"
    assert system.ok("POST", path, {"schema": json.dumps(more)}) == {"is_compatible": True}
    assert system.ok("POST", path, {"schema": json.dumps(renamed)}) == {"is_compatible": False}


def test_a_change_of_the_items_is_a_version_of_the_subject(here: World, owner: Office) -> None:
    resource = here.resource(owner)
    system, subject = Schemas(owner.system), f"{topic(resource)}-value"
    note = Item("note", "备注", ItemType.MEMO)
    body = {"items": [item.as_json() for item in (*ITEMS, note)]}
    good(owner.admin.call("PUT", f"resources/{resource}/items", body))
    contract = owner.system.get(f"resources/{resource}/contract")
    latest = system.get(f"subjects/{subject}/versions/latest")
    assert (latest["version"], latest["id"]) == (2, contract["schema_id"])
    assert json.loads(latest["schema"]) == contract["schema"] == described(resource, (*ITEMS, note))
    old = json.dumps(described(resource))
    first = system.get(f"subjects/{subject}/versions/1")["id"]
    assert system.ok("POST", f"subjects/{subject}/versions", {"schema": old}) == {"id": first}, "an old program goes on"


def test_a_draft_has_no_subject_before_it_is_published(here: World, owner: Office) -> None:
    resource = here.draft(owner)
    with here.runtime.database.read() as session:
        number = session.scalars(select(ResourceVersion.schema_id).where(ResourceVersion.slug == resource)).one()
    subject = f"{topic(resource)}-value"
    more = (*ITEMS, Item("note", "备注", ItemType.MEMO))
    for person in (owner.system, owner.admin, here.office().system, here.root):
        schemas = Schemas(person)
        assert subject not in schemas.get("subjects")
        assert schemas.refused("GET", f"subjects/{subject}/versions") == 40401
        assert schemas.refused("GET", f"schemas/ids/{number}") == 40403
    own = Schemas(owner.system)
    assert own.refused("POST", f"subjects/{subject}/versions", {"schema": json.dumps(described(resource))}) == 409

    good(owner.admin.call("PUT", f"resources/{resource}/items", {"items": [item.as_json() for item in more]}))
    owner.admin.post(f"resources/{resource}/publish")
    stranger = Schemas(here.office().system)
    assert stranger.get(f"subjects/{subject}/versions") == [1], "what was thought of before stays unseen"
    latest = stranger.get(f"subjects/{subject}/versions/latest")
    assert json.loads(latest["schema"]) == described(resource, more)
    assert latest["id"] == owner.system.get(f"resources/{resource}/contract")["schema_id"]
    assert stranger.refused("GET", f"schemas/ids/{number}") == 40403


def test_each_change_is_in_the_audit(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        root = Schemas(here.root)
        root.register("audited", record("a"))
        root.register("audited", record("a"))
        root.ok("PUT", "config/audited", {"compatibility": "NONE"})
        root.ok("DELETE", "config/audited")
        root.ok("PUT", "mode", {"mode": "READWRITE"})
        root.ok("DELETE", "mode")
        root.ok("DELETE", "subjects/audited")
        root.ok("DELETE", "subjects/audited/versions/1", permanent=True)
        with here.runtime.database.read() as session:
            found = session.execute(
                select(AuditEntry.action, AuditEntry.target, AuditEntry.actor)
                .where(AuditEntry.action.startswith("schema."))
                .order_by(AuditEntry.number)
            ).all()
    assert [tuple(row) for row in found] == [
        ("schema.register", "subject/audited", "admin"),
        ("schema.set_config", "subject/audited", "admin"),
        ("schema.delete_config", "subject/audited", "admin"),
        ("schema.set_mode", "subjects", "admin"),
        ("schema.delete_mode", "subjects", "admin"),
        ("schema.delete", "subject/audited", "admin"),
        ("schema.delete_permanently", "subject/audited", "admin"),
    ]
