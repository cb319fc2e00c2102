"""Confluent's Schema Registry API, endpoint by endpoint, status by status, on both databases."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from exchange.node.postgres import PostgresCluster
from tests.support.databases import BOTH_DATABASES
from tests.support.registry_world import World, world
from tests.support.schema_registry import MEDIA_TYPE, Schemas, record

ONE, TWO, THREE = record("id"), record("id", "name?"), record("id", "name?", "born?")
BREAKING = record("id", "must")
_numbers = itertools.count(1)


@pytest.fixture(scope="module", params=BOTH_DATABASES)
def here(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    directory: Path = tmp_path_factory.mktemp(request.param)
    if request.param == "sqlite":
        with world(directory) as made:
            yield made
        return
    cluster: PostgresCluster = request.getfixturevalue("postgres")
    url = cluster.create_database("schema_registry")
    with world(directory, url) as made:
        yield made
    cluster.drop_database("schema_registry")


@pytest.fixture
def admin(here: World) -> Schemas:
    return Schemas(here.root)


@pytest.fixture
def subject() -> str:
    return f"notes-{next(_numbers)}"


def version(schema: str, **more: Any) -> dict[str, Any]:
    return {"schema": schema, **more}


def test_a_schema_is_registered_found_and_read(admin: Schemas, subject: str) -> None:
    first = admin.register(subject, ONE)
    assert admin.register(subject, f" {ONE} ") == first, "blanks make no other schema"
    second = admin.register(subject, TWO)
    assert second > first
    assert admin.get(f"subjects/{subject}/versions") == [1, 2]
    assert admin.get(f"subjects/{subject}/versions", offset=1, limit=1) == [2]
    assert subject in admin.get("subjects")
    assert admin.get("subjects", subjectPrefix=subject) == [subject]
    assert admin.get("subjects", subjectPrefix=subject.upper()) == [], "case counts"
    text = json.dumps(json.loads(ONE), separators=(",", ":"))
    full = {"subject": subject, "version": 1, "id": first, "schema": text}
    assert admin.get(f"subjects/{subject}/versions/1") == full
    assert admin.get(f"subjects/{subject}/versions/latest")["version"] == 2
    assert admin.get(f"subjects/{subject}/versions/-1")["version"] == 2
    assert admin.get(f"subjects/{subject}/versions/1/schema") == json.loads(ONE)
    assert admin.get(f"schemas/ids/{first}") == {"schema": text}
    assert admin.get(f"schemas/ids/{first}/schema") == json.loads(ONE)
    assert admin.ok("POST", f"subjects/{subject}", version(ONE)) == full
    assert {"subject": subject, "version": 1} in admin.get(f"schemas/ids/{first}/versions")
    assert admin.get("schemas", subjectPrefix=subject, latestOnly=True) == [
        admin.get(f"subjects/{subject}/versions/latest")
    ]
    assert [row["version"] for row in admin.get("schemas", subjectPrefix=subject)] == [1, 2]


def test_the_same_schema_has_one_id_everywhere(admin: Schemas, subject: str) -> None:
    schema = record("only", name=f"N{next(_numbers)}")
    first = admin.register(f"{subject}-a", schema)
    assert admin.register(f"{subject}-b", schema) == first
    assert admin.get(f"schemas/ids/{first}/subjects") == [f"{subject}-a", f"{subject}-b"]
    assert admin.get(f"schemas/ids/{first}/subjects", offset=1, limit=1) == [f"{subject}-b"]
    assert admin.get(f"schemas/ids/{first}/versions", subject=f"{subject}-b") == [
        {"subject": f"{subject}-b", "version": 1}
    ]


def test_a_subject_may_have_a_slash_and_other_signs(admin: Schemas) -> None:
    name = f"数据/区划 {next(_numbers)}%2F:x+y"
    admin.register(name, ONE)
    assert name in admin.get("subjects")
    path = "subjects/" + "".join(f"%{byte:02X}" for byte in name.encode())
    assert admin.get(f"{path}/versions") == [1]
    assert admin.get(f"{path}/versions/1")["subject"] == name
    assert admin.ok("DELETE", path) == [1]


def test_what_is_not_there(admin: Schemas, subject: str) -> None:
    assert admin.refused("GET", f"subjects/{subject}/versions") == 40401
    assert admin.refused("GET", f"subjects/{subject}/versions/1") == 40401
    assert admin.refused("GET", f"subjects/{subject}/versions/latest/schema") == 40401
    assert admin.refused("POST", f"subjects/{subject}", version(ONE)) == 40401
    assert admin.refused("DELETE", f"subjects/{subject}") == 40401
    assert admin.refused("DELETE", f"subjects/{subject}/versions/1") == 40401
    admin.register(subject, ONE)
    assert admin.refused("GET", f"subjects/{subject}/versions/2") == 40402
    assert admin.refused("DELETE", f"subjects/{subject}/versions/2") == 40402
    assert admin.refused("POST", f"compatibility/subjects/{subject}/versions/2", version(ONE)) == 40402
    assert admin.refused("POST", f"subjects/{subject}", version(TWO)) == 40403
    for path in ("", "/schema", "/subjects", "/versions"):
        assert admin.refused("GET", f"schemas/ids/2000000000{path}") == 40403
    assert admin.refused("GET", "nothing") == 404
    assert admin.refused("PATCH", "config") == 405


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"schema": "{"}, 42201),
        ({"schema": '"nothing"'}, 42201),
        ({"schema": ONE, "schemaType": "JSON"}, 42201),
        ({"schema": ONE, "schemaType": "PROTOBUF"}, 42201),
        ({"schema": ONE, "references": [{"name": "a.B", "subject": "no-such", "version": 1}]}, 42201),
        ({"schema": ONE, "version": 3}, 42205),
        ({"schema": ONE, "id": 3}, 42205),
        ({"schema": ONE, "ruleSet": {"domainRules": []}}, 422),
        ({"schema": ONE, "more": 1}, 422),
        ({"schema": 5}, 422),
        ({}, 422),
        ([], 422),
    ],
)
def test_a_bad_schema_is_refused(admin: Schemas, subject: str, body: Any, code: int) -> None:
    assert admin.refused("POST", f"subjects/{subject}/versions", body) == code
    assert admin.refused("GET", f"subjects/{subject}/versions") == 40401, "nothing is left behind"


def test_bad_names_and_numbers_are_refused(admin: Schemas, subject: str) -> None:
    admin.register(subject, ONE)
    for bad in ("0", "x", "-2", "2147483648", "1.0", "٣"):
        assert admin.refused("GET", f"subjects/{subject}/versions/{bad}") == 42202
    assert admin.refused("GET", "schemas/ids/x") == 422
    assert admin.refused("GET", "schemas/ids/0") == 422
    assert admin.refused("GET", f"schemas/ids/{2**40}") == 422
    assert admin.refused("GET", "schemas/ids/1", format="resolved") == 42205
    assert admin.refused("GET", "subjects/%00/versions") == 42208
    assert admin.refused("GET", "subjects/%FF/versions") == 42208
    assert admin.refused("GET", f"subjects/{'a' * 256}/versions") == 42208
    assert admin.refused("GET", "subjects", limit=-2) == 422


def test_versions_go_and_come_back(admin: Schemas, subject: str) -> None:
    first, second = admin.register(subject, ONE), admin.register(subject, TWO)
    path = f"subjects/{subject}"
    assert admin.refused("DELETE", f"{path}/versions/1", permanent=True) == 40407
    assert admin.ok("DELETE", f"{path}/versions/latest") == 2
    assert admin.refused("DELETE", f"{path}/versions/2") == 40406
    assert admin.get(f"{path}/versions") == [1]
    assert admin.get(f"{path}/versions", deleted=True) == [1, 2]
    assert admin.get(f"{path}/versions", deletedOnly=True) == [2]
    assert admin.refused("GET", f"{path}/versions/2") == 40402
    assert admin.get(f"{path}/versions/2", deleted=True)["id"] == second
    assert admin.refused("POST", path, version(TWO)) == 40403
    assert admin.ok("POST", path, version(TWO), deleted=True)["version"] == 2
    assert "schema" in admin.get(f"schemas/ids/{second}"), "records that carry it can still be read"
    assert admin.register(subject, TWO) == second, "an id never means another schema"
    assert admin.get(f"{path}/versions") == [1, 3]
    assert admin.ok("DELETE", f"{path}/versions/2", permanent=True) == 2
    assert admin.get(f"{path}/versions", deleted=True) == [1, 3]
    assert admin.get(f"schemas/ids/{first}")["schema"]


def test_subjects_go_and_come_back(admin: Schemas, subject: str) -> None:
    schema = record("x", name=f"S{next(_numbers)}")
    first = admin.register(subject, schema)
    path = f"subjects/{subject}"
    admin.ok("PUT", f"config/{subject}", {"compatibility": "NONE"})
    assert admin.refused("DELETE", path, permanent=True) == 40405
    assert admin.ok("DELETE", path) == [1]
    assert admin.refused("DELETE", path) == 40404
    assert subject not in admin.get("subjects")
    assert subject in admin.get("subjects", deleted=True)
    assert admin.get("subjects", deletedOnly=True, subjectPrefix=subject) == [subject]
    assert admin.refused("GET", f"config/{subject}") == 40408, "what was set went with it"
    assert admin.refused("GET", f"schemas/ids/{first}/subjects") == 40403
    assert admin.get(f"schemas/ids/{first}/subjects", deleted=True) == [subject]
    assert admin.get(f"schemas/ids/{first}")
    assert admin.ok("DELETE", path, permanent=True) == [1]
    assert admin.refused("GET", f"schemas/ids/{first}") == 40403
    assert admin.refused("DELETE", path) == 40401
    assert admin.register(subject, schema) == first
    assert admin.get(f"{path}/versions") == [1]


def test_levels_hold_for_what_is_registered(admin: Schemas, subject: str) -> None:
    admin.register(subject, ONE)
    path = f"subjects/{subject}/versions"
    assert admin.refused("POST", path, version(BREAKING)) == 409, "BACKWARD by itself"
    compatible = f"compatibility/subjects/{subject}/versions"
    assert admin.ok("POST", f"{compatible}/latest", version(TWO)) == {"is_compatible": True}
    told = admin.ok("POST", f"{compatible}/1", version(BREAKING), verbose=True)
    assert told["is_compatible"] is False
    assert "must" in told["messages"][0]
    assert admin.ok("POST", f"{compatible}", version(BREAKING)) == {"is_compatible": False}
    assert admin.ok("POST", "compatibility/subjects/nobody/versions/latest", version(ONE)) == {"is_compatible": True}
    assert admin.refused("POST", "compatibility/subjects/nobody/versions/1", version(ONE)) == 40402
    assert admin.refused("POST", f"{compatible}/latest", version("{")) == 42201

    assert admin.ok("PUT", f"config/{subject}", {"compatibility": "FORWARD"}) == {"compatibility": "FORWARD"}
    assert admin.get(f"config/{subject}") == {"compatibilityLevel": "FORWARD"}
    admin.register(subject, BREAKING)
    assert admin.refused("POST", path, version(ONE + " ") | {"schema": record("other")}) == 409
    admin.ok("PUT", f"config/{subject}", {"compatibility": "none"})
    admin.register(subject, '"string"')
    assert admin.ok("DELETE", f"config/{subject}") == {"compatibilityLevel": "NONE"}
    assert admin.refused("DELETE", f"config/{subject}") == 40408


def test_levels_and_modes_are_set_for_all_or_one(admin: Schemas, subject: str) -> None:
    assert admin.get("config") == {"compatibilityLevel": "BACKWARD"}
    assert admin.refused("GET", f"config/{subject}") == 40408
    assert admin.get(f"config/{subject}", defaultToGlobal=True) == {"compatibilityLevel": "BACKWARD"}
    assert admin.refused("PUT", "config", {"compatibility": "SIDEWAYS"}) == 42203
    assert admin.refused("PUT", "config", {}) == 42203
    assert admin.refused("PUT", "config", {"compatibility": "NONE", "alias": "x"}) == 422
    try:
        assert admin.ok("PUT", "config", {"compatibility": "FULL"}) == {"compatibility": "FULL"}
        admin.register(subject, ONE)
        assert admin.refused("POST", f"subjects/{subject}/versions", version(BREAKING)) == 409
    finally:
        assert admin.ok("DELETE", "config") == {"compatibilityLevel": "FULL"}
    assert admin.get("config") == {"compatibilityLevel": "BACKWARD"}

    assert admin.get("mode") == {"mode": "READWRITE"}
    assert admin.refused("GET", f"mode/{subject}") == 40409
    assert admin.get(f"mode/{subject}", defaultToGlobal=True) == {"mode": "READWRITE"}
    assert admin.refused("PUT", f"mode/{subject}", {"mode": "WRITEONLY"}) == 42204
    assert admin.ok("PUT", f"mode/{subject}", {"mode": "READONLY"}) == {"mode": "READONLY"}
    assert admin.refused("POST", f"subjects/{subject}/versions", version(TWO)) == 42205
    assert admin.refused("DELETE", f"subjects/{subject}") == 42205
    assert admin.refused("DELETE", f"subjects/{subject}/versions/1") == 42205
    assert admin.register(subject, ONE), "what is there already is told"
    assert admin.ok("DELETE", f"mode/{subject}") == {"mode": "READONLY"}
    assert admin.refused("PUT", f"mode/{subject}", {"mode": "READONLY_OVERRIDE"}) == 42205
    try:
        admin.ok("PUT", f"mode/{subject}", {"mode": "READWRITE"})
        admin.ok("PUT", "mode", {"mode": "READONLY_OVERRIDE"})
        assert admin.refused("POST", f"subjects/{subject}/versions", version(TWO)) == 42205
    finally:
        assert admin.ok("DELETE", "mode") == {"mode": "READONLY_OVERRIDE"}
    admin.register(subject, TWO)


def test_schemas_are_imported_with_their_ids(admin: Schemas, subject: str) -> None:
    path, schema_id = f"subjects/{subject}/versions", 1_000_000 + next(_numbers)
    schema = record("i", name=f"I{schema_id}")
    given = version(schema, id=schema_id, version=7)
    admin.ok("PUT", f"mode/{subject}", {"mode": "IMPORT"})
    assert admin.ok("POST", path, given) == {"id": schema_id}
    assert admin.get(f"{path}/7")["id"] == schema_id
    assert admin.refused("POST", path, version(BREAKING)) == 42205, "an id has to be given"
    other = record("j", name=f"J{schema_id}")
    assert admin.refused("POST", path, version(other, id=schema_id, version=8)) == 42205
    assert admin.refused("POST", path, version(other, id=schema_id + 1, version=7)) == 42205
    assert admin.refused("POST", path, version(schema, id=schema_id + 1, version=8)) == 42205
    admin.ok("DELETE", f"mode/{subject}")
    assert admin.register(subject, record("i", "k?", name=f"I{schema_id}")) > schema_id
    assert admin.get(path) == [7, 8]
    assert admin.refused("PUT", f"mode/{subject}", {"mode": "IMPORT"}) == 42205
    assert admin.ok("PUT", f"mode/{subject}", {"mode": "IMPORT"}, force=True) == {"mode": "IMPORT"}


def test_schemas_refer_to_each_other(admin: Schemas, subject: str) -> None:
    name = f"Address{next(_numbers)}"
    address = admin.register(f"{subject}-address", record("road", name=name, namespace="a"))
    used = [{"name": f"a.{name}", "subject": f"{subject}-address", "version": 1}]
    schema = json.dumps({"type": "record", "name": f"Home{name}", "fields": [{"name": "at", "type": f"a.{name}"}]})
    assert admin.refused("POST", f"subjects/{subject}/versions", version(schema)) == 42201
    home = admin.register(subject, schema, references=used)
    assert admin.get(f"schemas/ids/{home}")["references"] == used
    assert admin.get(f"subjects/{subject}/versions/1")["references"] == used
    assert admin.ok("POST", f"subjects/{subject}", version(schema, references=used))["id"] == home
    assert admin.get(f"subjects/{subject}-address/versions/1/referencedby") == [home]
    assert admin.refused("DELETE", f"subjects/{subject}-address") == 42206
    assert admin.refused("DELETE", f"subjects/{subject}-address/versions/1") == 42206
    deeper = json.dumps(
        {
            "type": "record",
            "name": f"Town{name}",
            "fields": [{"name": "h", "type": {"type": "array", "items": f"Home{name}"}}],
        }
    )
    town = admin.register(
        f"{subject}-town", deeper, references=[{"name": f"Home{name}", "subject": subject, "version": 1}]
    )
    assert town > home > address
    admin.ok("DELETE", f"subjects/{subject}-town")
    admin.ok("DELETE", f"subjects/{subject}")
    assert admin.ok("DELETE", f"subjects/{subject}-address") == [1]


def test_normalised_schemas_are_the_same(admin: Schemas, subject: str) -> None:
    name = f"N{next(_numbers)}"
    loose = json.dumps(
        {"type": "record", "namespace": "a", "name": name, "fields": [{"name": "f", "type": {"type": "string"}}]}
    )
    full = json.dumps({"fields": [{"type": "string", "name": "f"}], "name": f"a.{name}", "type": "record"})
    first = admin.register(subject, loose)
    assert admin.refused("POST", f"subjects/{subject}", version(full)) == 40403
    assert admin.ok("POST", f"subjects/{subject}", version(full), normalize=True)["id"] == first
    assert admin.ok("POST", f"subjects/{subject}/versions", version(full), normalize=True) == {"id": first}
    second = admin.ok("POST", f"subjects/{subject}-n/versions", version(loose), normalize=True)["id"]
    assert json.loads(admin.get(f"schemas/ids/{second}")["schema"])["name"] == f"a.{name}"
    admin.ok("PUT", f"config/{subject}-m", {"normalize": True})
    assert admin.register(f"{subject}-m", loose) == second


def test_answers_have_confluents_form(here: World, admin: Schemas, subject: str) -> None:
    assert admin.get("") == {}
    assert admin.get("schemas/types") == ["AVRO"]
    assert admin.get("contexts") == ["."]
    assert admin.call("GET", "subjects").headers["content-type"] == MEDIA_TYPE
    nobody = here.http.get("/schema-registry/subjects")
    assert (nobody.status_code, nobody.json()["error_code"]) == (401, 40101)
    assert nobody.headers["www-authenticate"] == "Bearer"
    chinese = here.http.get(
        f"/schema-registry/subjects/{subject}/versions",
        headers={"Authorization": f"Bearer {admin.person.token}", "Accept-Language": "zh"},
    )
    assert "不存在" in chinese.json()["message"]


def test_answers_by_id_are_kept_and_recognised(here: World, admin: Schemas, subject: str) -> None:
    schema_id = admin.register(subject, record("e", name=f"E{next(_numbers)}"))
    first = admin.call("GET", f"schemas/ids/{schema_id}")
    again = admin.call("GET", f"schemas/ids/{schema_id}")
    assert again.content == first.content
    for header in ("etag", "cache-control", "content-type"):
        assert again.headers[header] == first.headers[header]
    headers = {"Authorization": f"Bearer {admin.person.token}", "If-None-Match": first.headers["etag"]}
    known = here.http.get(f"/schema-registry/schemas/ids/{schema_id}", headers=headers)
    assert (known.status_code, known.content) == (304, b"")
    nobody = here.http.get(f"/schema-registry/schemas/ids/{schema_id}", headers={"Authorization": "Bearer x"})
    assert nobody.status_code == 401, "what is kept is for those who were let in"
    auditor = Schemas(here.auditor)
    assert auditor.refused("GET", f"schemas/ids/{schema_id}") == 40301
    route = "/schema-registry/schemas/ids/{schema_id}"
    count = "exchange_http_request_seconds_count"
    assert here.metric(count, method="GET", route=route, status="304") == 1
    admin.ok("DELETE", f"subjects/{subject}")
    admin.ok("DELETE", f"subjects/{subject}", permanent=True)
    assert admin.refused("GET", f"schemas/ids/{schema_id}") == 40403, "forgotten at once"


def test_writers_at_the_same_time_get_versions_without_gaps(admin: Schemas, subject: str) -> None:
    admin.ok("PUT", f"config/{subject}", {"compatibility": "NONE"})
    schemas = [record(f"f{n}") for n in range(12)] * 2
    with ThreadPoolExecutor(6) as pool:
        ids = list(pool.map(lambda schema: admin.register(subject, schema), schemas))
    assert ids[:12] == ids[12:]
    assert len(set(ids)) == 12
    assert admin.get(f"subjects/{subject}/versions") == list(range(1, 13))
