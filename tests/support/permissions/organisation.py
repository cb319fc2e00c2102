"""Who may call what about divisions, nodes, departments, systems and users."""

from __future__ import annotations

import itertools

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.support.permissions.matrix import HOME, NO_AUDITOR, Call, Row, Stage, nothing
from tests.support.registry_world import PASSWORD, new_uscc

BASE = "/api/v1"
TIER = {"system_admin": "++--"}
SECRETS = {"security_admin": "++--", "department_admin": "+---"}
DIRECTORY = {**NO_AUDITOR, "system_admin": "++??", "security_admin": "++??"}
ACCOUNT = {"security_admin": "++??", "department_admin": "+???"}
STRANGERS = dict.fromkeys(("system_admin", "data_owner", "developer", "system"), "????")
_towns = itertools.count(1)
KEY = (
    ec.generate_private_key(ec.SECP256R1())
    .public_key()
    .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    .decode()
)


def division(stage: Stage) -> str:
    code = f"{HOME}{next(_towns):03d}"
    body = {"code": code, "name": "某镇", "parent": HOME, "level": "town"}
    stage.world.root.post("divisions", body)
    return code


def node(stage: Stage) -> str:
    code = stage.word("node")
    stage.world.root.post("nodes", {"code": code, "name": "节点", "division": HOME})
    return code


def department(stage: Stage) -> int:
    body = {"uscc": new_uscc(HOME), "name": "某局", "division": HOME}
    made: int = stage.world.root.post("departments", body)["id"]
    return made


def system(stage: Stage, department_id: int | None = None) -> str:
    client_id = stage.word("s-matrix")
    body = {"client_id": client_id, "department_id": department_id or stage.home.id, "name": "系统"}
    stage.world.root.post("systems", body)
    return client_id


def user(stage: Stage) -> str:
    name = stage.word("user")
    body = {"name": name, "password": PASSWORD, "role": "developer", "department_id": stage.home.id}
    stage.world.security.post("users", body)
    return name


def new_division(_stage: Stage) -> Call:
    code = f"{HOME}{next(_towns):03d}"
    return Call(f"{BASE}/divisions", {"code": code, "name": "某镇", "parent": HOME, "level": "town"})


def new_node(stage: Stage) -> Call:
    return Call(f"{BASE}/nodes", {"code": stage.word("node"), "name": "节点", "division": HOME})


def new_department(_stage: Stage) -> Call:
    return Call(f"{BASE}/departments", {"uscc": new_uscc(HOME), "name": "某局", "division": HOME})


def new_system(stage: Stage) -> Call:
    return Call(f"{BASE}/systems", {"client_id": stage.word("sys"), "department_id": stage.home.id, "name": "系统"})


def new_user(stage: Stage) -> Call:
    body = {"name": stage.word("new"), "password": PASSWORD, "role": "data_owner", "department_id": stage.home.id}
    return Call(f"{BASE}/users", body)


def merger(stage: Stage) -> Call:
    return Call(f"{BASE}/departments/{department(stage)}/merge", {"into": stage.home.id})


def parting(stage: Stage) -> Call:
    source = department(stage)
    part = {"department_id": stage.home.id, "systems": [system(stage, source)]}
    return Call(f"{BASE}/departments/{source}/split", {"parts": [part]})


ROWS = (
    Row("GET", f"{BASE}/divisions", nothing(f"{BASE}/divisions"), NO_AUDITOR),
    Row("GET", f"{BASE}/divisions/{{code}}", nothing(f"{BASE}/divisions/{HOME}"), NO_AUDITOR),
    Row("POST", f"{BASE}/divisions", new_division, TIER),
    Row(
        "POST",
        f"{BASE}/divisions/{{code}}/rename",
        lambda stage: Call(f"{BASE}/divisions/{division(stage)}/rename", {"name": "新名"}),
        TIER,
    ),
    Row("POST", f"{BASE}/divisions/{{code}}/end", lambda s: Call(f"{BASE}/divisions/{division(s)}/end", {}), TIER),
    Row("GET", f"{BASE}/nodes", nothing(f"{BASE}/nodes"), NO_AUDITOR),
    Row("GET", f"{BASE}/nodes/{{code}}", lambda stage: Call(f"{BASE}/nodes/{node(stage)}"), NO_AUDITOR),
    Row("POST", f"{BASE}/nodes", new_node, TIER),
    Row("PATCH", f"{BASE}/nodes/{{code}}", lambda s: Call(f"{BASE}/nodes/{node(s)}", {"name": "新名"}), TIER),
    Row("GET", f"{BASE}/departments", nothing(f"{BASE}/departments"), NO_AUDITOR),
    Row(
        "GET",
        f"{BASE}/departments/{{department_id}}",
        lambda stage: Call(f"{BASE}/departments/{stage.home.id}"),
        DIRECTORY,
    ),
    Row("POST", f"{BASE}/departments", new_department, TIER),
    Row(
        "PATCH",
        f"{BASE}/departments/{{department_id}}",
        lambda stage: Call(f"{BASE}/departments/{stage.home.id}", {"name": "新名"}),
        TIER,
    ),
    Row("POST", f"{BASE}/departments/{{department_id}}/merge", merger, TIER),
    Row("POST", f"{BASE}/departments/{{department_id}}/split", parting, TIER),
    Row("GET", f"{BASE}/systems", nothing(f"{BASE}/systems"), NO_AUDITOR),
    Row("POST", f"{BASE}/systems", new_system, TIER),
    Row(
        "GET",
        f"{BASE}/systems/{{client_id}}",
        lambda stage: Call(f"{BASE}/systems/{stage.home.client_id}"),
        {
            "system_admin": "++??",
            "security_admin": "++??",
            **dict.fromkeys(("department_admin", "data_owner", "developer", "system"), "+???"),
        },
    ),
    Row(
        "PATCH",
        f"{BASE}/systems/{{client_id}}",
        lambda stage: Call(f"{BASE}/systems/{system(stage)}", {"name": "新名"}),
        TIER,
    ),
    Row(
        "POST",
        f"{BASE}/systems/{{client_id}}/secret",
        lambda stage: Call(f"{BASE}/systems/{system(stage)}/secret"),
        SECRETS,
    ),
    Row(
        "PUT",
        f"{BASE}/systems/{{client_id}}/key",
        lambda stage: Call(f"{BASE}/systems/{system(stage)}/key", {"pem": KEY}),
        SECRETS,
    ),
    Row("POST", f"{BASE}/systems/{{client_id}}/activate", lambda s: Call(f"{BASE}/systems/{system(s)}/activate"), TIER),
    Row(
        "POST",
        f"{BASE}/systems/{{client_id}}/deactivate",
        lambda stage: Call(f"{BASE}/systems/{system(stage)}/deactivate"),
        TIER,
    ),
    Row("GET", f"{BASE}/users", nothing(f"{BASE}/users"), NO_AUDITOR),
    Row("GET", f"{BASE}/users/{{name}}", lambda s: Call(f"{BASE}/users/{user(s)}"), {**STRANGERS, **ACCOUNT}),
    Row("POST", f"{BASE}/users", new_user, SECRETS),
    Row(
        "PATCH",
        f"{BASE}/users/{{name}}",
        lambda stage: Call(f"{BASE}/users/{user(stage)}", {"role": "data_owner"}),
        {"security_admin": "++??"},
    ),
    Row(
        "POST",
        f"{BASE}/users/{{name}}/password",
        lambda stage: Call(f"{BASE}/users/{user(stage)}/password", {"password": PASSWORD}),
        {**STRANGERS, **ACCOUNT},
    ),
    Row(
        "POST",
        f"{BASE}/users/{{name}}/activate",
        lambda stage: Call(f"{BASE}/users/{user(stage)}/activate"),
        {**STRANGERS, **ACCOUNT},
    ),
    Row(
        "POST",
        f"{BASE}/users/{{name}}/deactivate",
        lambda stage: Call(f"{BASE}/users/{user(stage)}/deactivate"),
        {**STRANGERS, **ACCOUNT},
    ),
)
