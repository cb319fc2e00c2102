"""Requests, grants, authorities, notices and objections: the two sides, the authority, and nobody else."""

from __future__ import annotations

from functools import cache
from typing import Any

from registry.sharing.models import Request
from tests.support.permissions.matrix import Call, Row, Stage, nothing
from tests.support.registry_world import Office

API = "/api/v1"
EACH_BUT_TWO = dict.fromkeys(("system_admin", "department_admin", "data_owner", "developer", "system"), "++++")
SIDE = dict.fromkeys(("department_admin", "data_owner", "developer", "system"), "+???")
SEES = {**SIDE, "system_admin": "++??"}
DECIDES = {"department_admin": "+???", "data_owner": "+???", "developer": "-???", "system": "-???"}
GIVES = {**DECIDES, "system_admin": "--??"}
MANAGES = {**GIVES, "data_owner": "-???"}
HIDDEN = {"system_admin": "????"}
ADMIN_ONLY = {"department_admin": "+---"}
WHY = {"reason": "测试"}
WISH = {"purpose": "data_verification", "legal_basis": "依据"}


@cache
def other(stage: Stage) -> Office:
    """The other side: a department of 东莞, which no caller belongs to."""
    return stage.world.office("441900", "other")


@cache
def below(stage: Stage) -> Office:
    """A department that the home department is put in charge of."""
    office = stage.world.office("440604", "below")
    assert stage.world.root.call("PUT", "authorities/440604", {"department_id": stage.home.id}).is_success
    return office


def given(stage: Stage) -> Any:
    """A request of the other side to the home department."""
    return stage.world.request(other(stage), stage.world.resource(stage.home))


def made(stage: Stage) -> Any:
    """A request of the home department to the other side."""
    return stage.world.request(stage.home, stage.world.resource(other(stage)))


def grant(stage: Stage, *, received: bool = False) -> int:
    owner, reader = (other(stage), stage.home) if received else (stage.home, other(stage))
    number: int = stage.world.grant(owner, reader, stage.world.resource(owner), until="2099-01-01T00:00:00Z")["grant"][
        "id"
    ]
    return number


def ask(stage: Stage) -> dict[str, Any]:
    return {"client_id": stage.home.client_id, **WISH}


def post_request(stage: Stage) -> Call:
    return Call(f"{API}/requests", {**ask(stage), "resource": stage.world.resource(other(stage))})


def post_batch(stage: Stage) -> Call:
    return Call(f"{API}/request-batches", {**ask(stage), "resources": [stage.world.resource(other(stage))]})


@cache
def charge(stage: Stage) -> Office:
    """The department in charge of the province, which no caller belongs to."""
    office = stage.world.office("440000", "charge")
    assert stage.world.root.call("PUT", "authorities/440000", {"department_id": office.id}).is_success
    return office


def dispute(stage: Stage) -> Call:
    charge(stage)
    request = made(stage)
    other(stage).admin.post(f"requests/{request['id']}/refuse", WHY)
    return Call(f"{API}/requests/{request['id']}/dispute", WHY)


def named(stage: Stage) -> Call:
    body = {"department_id": charge(stage).id}
    assert stage.world.root.call("PUT", "authorities/440600", body).is_success
    return Call(f"{API}/authorities/440600", body)


def review(stage: Stage) -> Call:
    """A request to a department that the home department is in charge of."""
    request = stage.world.request(other(stage), stage.world.resource(below(stage)))
    with stage.world.runtime.database.write() as session:
        session.get_one(Request, request["id"]).state = "reviewing"
    return Call(f"{API}/requests/{request['id']}/review", {})


def resume(stage: Stage) -> Call:
    number = grant(stage)
    stage.home.admin.post(f"grants/{number}/suspend", WHY)
    return Call(f"{API}/grants/{number}/resume")


def webhook(stage: Stage) -> Call:
    path = f"systems/{stage.home.client_id}/webhook"
    call = Call(f"{API}/{path}", {"url": "https://notices.example.org/exchange"})
    assert stage.home.admin.call("PUT", path, call.body).is_success
    return call


def objection(stage: Stage, *steps: str) -> int:
    """An objection of the other side to the home department, some steps on."""
    resource = stage.world.resource(stage.home, sharing_type=1)
    reader = other(stage)
    stage.world.request(reader, resource)
    body = {"resource": resource, "client_id": reader.client_id, "complaint": "不一致"}
    number: int = reader.admin.post("objections", body)["id"]
    bodies = {"verify": {"founded": True, "finding": "属实"}, "correct": {"result": "已更正"}}
    for step in steps:
        stage.home.admin.post(f"objections/{number}/{step}", bodies.get(step))
    return number


def object_to(stage: Stage) -> Call:
    resource = stage.world.resource(other(stage), sharing_type=1)
    stage.world.request(stage.home, resource)
    return Call(f"{API}/objections", {"resource": resource, "client_id": stage.home.client_id, "complaint": "不一致"})


LIFE = ("accept", "mark", "verify", "correct", "close", "archive")
BODIES = {"verify": {"founded": True, "finding": "属实"}, "correct": {"result": "已更正"}}


def step(name: str) -> Row:
    before = LIFE[: LIFE.index(name)]
    path = f"{API}/objections/{{objection_id}}/{name}"
    return Row(
        "POST",
        path,
        lambda stage: Call(path.format(objection_id=objection(stage, *before)), BODIES.get(name)),
        {**DECIDES, **HIDDEN},
    )


ROWS = (
    Row("GET", f"{API}/requests", nothing(f"{API}/requests"), EACH_BUT_TWO),
    Row("POST", f"{API}/requests", post_request, ADMIN_ONLY),
    Row("POST", f"{API}/request-batches", post_batch, ADMIN_ONLY),
    Row("GET", f"{API}/requests/{{request_id}}", lambda s: Call(f"{API}/requests/{given(s)['id']}"), SEES),
    Row("PATCH", f"{API}/requests/{{request_id}}", lambda s: Call(f"{API}/requests/{made(s)['id']}", WISH), MANAGES),
    Row(
        "POST",
        f"{API}/requests/{{request_id}}/withdraw",
        lambda s: Call(f"{API}/requests/{made(s)['id']}/withdraw"),
        MANAGES,
    ),
    Row(
        "POST",
        f"{API}/requests/{{request_id}}/review",
        review,
        {
            **dict.fromkeys(("department_admin", "data_owner"), "+???"),
            "developer": "????",
            "system": "????",
            "system_admin": "--?-",
        },
    ),
    Row(
        "POST",
        f"{API}/requests/{{request_id}}/approve",
        lambda s: Call(f"{API}/requests/{given(s)['id']}/approve"),
        GIVES,
    ),
    Row(
        "POST",
        f"{API}/requests/{{request_id}}/refuse",
        lambda s: Call(f"{API}/requests/{given(s)['id']}/refuse", WHY),
        GIVES,
    ),
    Row("POST", f"{API}/requests/{{request_id}}/dispute", dispute, MANAGES),
    Row("GET", f"{API}/grants", nothing(f"{API}/grants"), EACH_BUT_TWO),
    Row("GET", f"{API}/grants/{{grant_id}}", lambda s: Call(f"{API}/grants/{grant(s)}"), SEES),
    Row("POST", f"{API}/grants/{{grant_id}}/suspend", lambda s: Call(f"{API}/grants/{grant(s)}/suspend", WHY), GIVES),
    Row("POST", f"{API}/grants/{{grant_id}}/resume", resume, GIVES),
    Row("POST", f"{API}/grants/{{grant_id}}/revoke", lambda s: Call(f"{API}/grants/{grant(s)}/revoke", WHY), GIVES),
    Row(
        "POST",
        f"{API}/grants/{{grant_id}}/renew",
        lambda s: Call(f"{API}/grants/{grant(s, received=True)}/renew", WISH),
        MANAGES,
    ),
    Row("GET", f"{API}/systems/self", nothing(f"{API}/systems/self"), {"system": "++++"}),
    Row("GET", f"{API}/authorities", nothing(f"{API}/authorities"), EACH_BUT_TWO),
    Row("GET", f"{API}/authorities/{{division}}", lambda s: Call(named(s).path), EACH_BUT_TWO),
    Row("PUT", f"{API}/authorities/{{division}}", named, {"system_admin": "++--"}),
    Row("DELETE", f"{API}/authorities/{{division}}", named, {"system_admin": "++--"}),
    Row("GET", f"{API}/notices", nothing(f"{API}/notices"), EACH_BUT_TWO),
    Row("GET", f"{API}/systems/{{client_id}}/webhook", webhook, ADMIN_ONLY),
    Row("PUT", f"{API}/systems/{{client_id}}/webhook", webhook, ADMIN_ONLY),
    Row("DELETE", f"{API}/systems/{{client_id}}/webhook", webhook, ADMIN_ONLY),
    Row("GET", f"{API}/objections", nothing(f"{API}/objections"), EACH_BUT_TWO),
    Row("POST", f"{API}/objections", object_to, {"department_admin": "+---", "data_owner": "+---", "system": "+---"}),
    Row(
        "GET",
        f"{API}/objections/{{objection_id}}",
        lambda s: Call(f"{API}/objections/{objection(s)}"),
        {**SIDE, **HIDDEN},
    ),
    *(step(name) for name in LIFE),
)
