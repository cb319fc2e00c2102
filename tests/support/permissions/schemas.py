"""The Schema Registry: read by everybody but auditors; written by the resource's owner, or for the whole node."""

from __future__ import annotations

import json
from collections.abc import Callable
from urllib.parse import quote

from tests.support.permissions.matrix import NO_AUDITOR, Call, Row, Stage
from tests.support.schema_registry import Schemas, record

BASE = "/schema-registry"
SUBJECT, VERSION = "/subjects/{subject}", "/subjects/{subject}/versions/{version}"
COMPARED = "/compatibility/subjects/{subject}/versions"
WHOLE_NODE = {"system_admin": "----+"}
OWNER = {"department_admin": "+---", "data_owner": "+---", "system": "+---"}
BODY = {"schema": record("id")}


def shared(stage: Stage) -> tuple[Schemas, str, int]:
    """A subject that is no resource's, with one version, and the schema's id."""
    admin, name = Schemas(stage.world.root), stage.word("shared")
    return admin, name, admin.register(name, record("id"))


def of_subject(path: str, body: object = None) -> Callable[[Stage], Call]:
    def prepare(stage: Stage) -> Call:
        _admin, name, _schema_id = shared(stage)
        return Call(BASE + path.format(subject=name, version="latest"), body)

    return prepare


def of_id(path: str) -> Callable[[Stage], Call]:
    return lambda stage: Call(BASE + path.format(schema_id=shared(stage)[2]))


def plain(path: str, body: object = None) -> Callable[[Stage], Call]:
    return lambda _stage: Call(BASE + path, body)


def owned(
    path: str, body: object = None, *, ready: Callable[[Schemas, str], None] | None = None
) -> Callable[[Stage], Call]:
    """A call on the keys of a new resource of the home department."""

    def prepare(stage: Stage) -> Call:
        resource = stage.world.resource(stage.home)
        name = f"{stage.world.runtime.settings.node.division}.{resource}-key"
        keeper = Schemas(stage.home.admin)
        keeper.register(name, '"string"')
        if ready:
            ready(keeper, quote(name, safe=""))
        return Call(BASE + path.format(subject=name, version="latest"), body)

    return prepare


def configured(keeper: Schemas, name: str) -> None:
    keeper.ok("PUT", f"config/{name}", {"compatibility": "FULL"})


def moded(keeper: Schemas, name: str) -> None:
    keeper.ok("PUT", f"mode/{name}", {"mode": "READWRITE"})


def reading(method: str, path: str, prepare: Callable[[Stage], Call]) -> Row:
    return Row(method, BASE + path, prepare, NO_AUDITOR)


def writing(method: str, path: str, prepare: Callable[[Stage], Call]) -> Row:
    return Row(method, BASE + path, prepare, OWNER)


def governing(method: str, path: str, body: object = None) -> Row:
    return Row(method, BASE + path, plain(path, body), WHOLE_NODE)


def config_of(stage: Stage) -> Call:
    admin, name, _schema_id = shared(stage)
    configured(admin, name)
    return Call(f"{BASE}/config/{name}")


def mode_of(stage: Stage) -> Call:
    admin, name, _schema_id = shared(stage)
    moded(admin, name)
    return Call(f"{BASE}/mode/{name}")


NEXT = {"schema": json.dumps("string")}
ROWS = [
    reading("GET", "/", plain("/")),
    reading("GET", "/contexts", plain("/contexts")),
    reading("GET", "/schemas/types", plain("/schemas/types")),
    reading("GET", "/schemas", plain("/schemas")),
    reading("GET", "/schemas/ids/{schema_id}", of_id("/schemas/ids/{schema_id}")),
    reading("GET", "/schemas/ids/{schema_id}/schema", of_id("/schemas/ids/{schema_id}/schema")),
    reading("GET", "/schemas/ids/{schema_id}/subjects", of_id("/schemas/ids/{schema_id}/subjects")),
    reading("GET", "/schemas/ids/{schema_id}/versions", of_id("/schemas/ids/{schema_id}/versions")),
    reading("GET", "/subjects", plain("/subjects")),
    reading("POST", SUBJECT, of_subject(SUBJECT, BODY)),
    reading("GET", f"{SUBJECT}/versions", of_subject(f"{SUBJECT}/versions")),
    reading("GET", VERSION, of_subject(VERSION)),
    reading("GET", f"{VERSION}/schema", of_subject(f"{VERSION}/schema")),
    reading("GET", f"{VERSION}/referencedby", of_subject(f"{VERSION}/referencedby")),
    reading("POST", COMPARED, of_subject(COMPARED, BODY)),
    reading("POST", f"{COMPARED}/{{version}}", of_subject(f"{COMPARED}/{{version}}", BODY)),
    reading("GET", "/config", plain("/config")),
    reading("GET", "/config/{subject}", config_of),
    reading("GET", "/mode", plain("/mode")),
    reading("GET", "/mode/{subject}", mode_of),
    writing("POST", f"{SUBJECT}/versions", owned(f"{SUBJECT}/versions", NEXT)),
    writing("DELETE", SUBJECT, owned(SUBJECT)),
    writing("DELETE", VERSION, owned(VERSION)),
    writing("PUT", "/config/{subject}", owned("/config/{subject}", {"compatibility": "FULL"})),
    writing("DELETE", "/config/{subject}", owned("/config/{subject}", ready=configured)),
    writing("PUT", "/mode/{subject}", owned("/mode/{subject}", {"mode": "READWRITE"})),
    writing("DELETE", "/mode/{subject}", owned("/mode/{subject}", ready=moded)),
    governing("PUT", "/config", {"compatibility": "BACKWARD"}),
    governing("DELETE", "/config"),
    governing("PUT", "/mode", {"mode": "READWRITE"}),
    governing("DELETE", "/mode"),
]
