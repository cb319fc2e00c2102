"""The API on both databases, with the broker away: who may do what, and what is refused how."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from exchange.contract import Contract
from exchange.items import Item, ItemType
from tests.support.databases import BOTH_DATABASES
from tests.support.registry_world import ITEMS, PASSWORD, World, good, world


@pytest.fixture(params=BOTH_DATABASES)
def here(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    url = request.getfixturevalue("postgres_url") if request.param == "postgresql" else None
    with world(tmp_path, url) as made:
        yield made


def status(response: Any) -> tuple[int, str]:
    return response.status_code, response.json()["code"]


def test_the_story_of_a_request(here: World) -> None:
    province, city, county = here.office("440000"), here.office("440600"), here.office("440604")
    resource = here.resource(province)
    contract = Contract.from_json(city.system.get(f"resources/{resource}/contract"))
    assert (contract.may_read, contract.may_write, contract.topic) == (False, False, f"440000.{resource}")
    assert (contract.items, contract.key_names) == (ITEMS, ("id",))

    asked = here.request(city, resource)
    assert (asked["state"], asked["grant"], asked["enforced"]) == ("waiting", None, True)
    approve = f"requests/{asked['id']}/approve"
    assert status(city.admin.call("POST", approve)) == (403, "forbidden"), "a city does not decide for the province"
    assert status(here.root.call("POST", approve)) == (403, "forbidden"), "nor does a system administrator"
    assert status(province.system.call("POST", approve)) == (403, "forbidden"), "nor does a system"
    assert status(county.admin.call("POST", approve)) == (404, "not_found"), "a stranger does not see it"
    approved = province.admin.post(approve)
    assert (approved["state"], approved["enforced"]) == ("approved", False), "the broker is away"
    assert status(province.admin.call("POST", approve)) == (409, "wrong_state")
    assert city.system.get(f"resources/{resource}/contract")["may_read"] is True
    assert [grant["resource"] for grant in city.system.get("systems/self")["grants"]] == [resource]
    assert status(city.admin.call("POST", "requests", _ask(city.client_id, resource))) == (409, "conflict")

    wanted = here.request(county, resource)
    refuse = f"requests/{wanted['id']}/refuse"
    assert status(province.admin.call("POST", refuse, {"reason": " "})) == (422, "invalid")
    refused = province.admin.post(refuse, {"reason": "由市级下发"})
    assert (refused["state"], refused["reason"], refused["grant"]) == ("refused", "由市级下发", None)

    revoke = f"grants/{approved['grant']['id']}/revoke"
    assert status(city.admin.call("POST", revoke, {"reason": "x"})) == (403, "forbidden")
    assert province.admin.post(revoke, {"reason": "不再需要"})["state"] == "revoked"
    assert status(province.admin.call("POST", revoke, {"reason": "x"})) == (409, "wrong_state")
    assert city.system.get(f"resources/{resource}/contract")["may_read"] is False
    assert here.grant(province, city, resource)["grant"]["state"] == "active", "it can be granted again"


def _ask(client_id: str, resource: str) -> dict[str, str]:
    return {"resource": resource, "client_id": client_id, "purpose": "data_verification", "legal_basis": "依据"}


def test_the_sharing_type_answers_first(here: World) -> None:
    owner, city = here.office(), here.office("440600")
    free = here.resource(owner, sharing_type=1, sharing_condition=None)
    closed = here.resource(owner, sharing_type=3, sharing_condition="《某条例》第十条")
    assert here.request(city, free)["grant"]["state"] == "active"
    answer = here.request(city, closed)
    assert (answer["state"], answer["reason"]) == ("refused", "《某条例》第十条")
    body = {**_ask(city.client_id, free), "until": (here.clock() - timedelta(days=1)).isoformat()}
    assert status(city.admin.call("POST", "requests", body))[0] == 409
    other = here.office("440604")
    assert status(city.admin.call("POST", "requests", _ask(other.client_id, free))) == (403, "forbidden")
    assert status(owner.admin.call("POST", "requests", _ask(owner.client_id, free))) == (409, "conflict")


def test_a_grant_that_is_over_expires(here: World) -> None:
    owner, city = here.office(), here.office("440600")
    resource = here.resource(owner)
    until = here.clock() + timedelta(minutes=5)
    grant = here.grant(owner, city, resource, until=until.isoformat())["grant"]
    here.clock.ahead = timedelta(minutes=5)
    here.runtime.loop.tick()
    assert owner.admin.get(f"grants/{grant['id']}")["state"] == "expired"


def test_versions_of_a_resource(here: World) -> None:
    owner, city = here.office(), here.office("440600")
    draft = here.draft(owner)
    assert status(city.admin.call("GET", f"resources/{draft}")) == (404, "not_found"), "drafts are private"
    assert status(owner.system.call("GET", f"resources/{draft}/contract")) == (409, "wrong_state")
    bold = (ITEMS[0], replace(ITEMS[1], type=ItemType.MEMO, length=None, required=False))
    assert _put(owner.admin, draft, bold).status_code == 200, "a draft changes as it likes"
    owner.admin.post(f"resources/{draft}/publish")
    first = city.system.get(f"resources/{draft}/contract")
    more = (*bold, Item("note", "备注", ItemType.MEMO))
    assert good(_put(owner.admin, draft, more))["version"] == 3
    broken = _put(owner.admin, draft, (*more, Item("must", "必填", ItemType.TEXT, length=5, required=True)))
    assert status(broken) == (409, "incompatible_schema")
    assert broken.json()["items"] == ["must"]
    assert status(_put(city.admin, draft, more)) == (403, "forbidden")
    assert status(_put(owner.admin, draft, ITEMS[1:])) == (422, "invalid")
    assert good(_put(owner.admin, draft, bold))["version"] == 4
    again = city.system.get(f"resources/{draft}/contract")
    assert again["schema_id"] == first["schema_id"], "the same schema is the same id"

    registry = Schemas(here, city.system.token)
    subject = f"440000.{draft}-value"
    assert subject in registry("subjects")
    assert registry(f"subjects/{subject}/versions") == [1, 2], "those since it was published"
    latest = registry(f"subjects/{subject}/versions/latest")
    assert (latest["version"], latest["subject"]) == (2, subject)
    assert registry(f"schemas/ids/{latest['id']}") == {"schema": latest["schema"]}
    assert here.http.get("/schema-registry/subjects").status_code == 401


class Schemas:
    def __init__(self, here: World, token: str) -> None:
        self.here, self.token = here, token

    def __call__(self, path: str) -> Any:
        headers = {"Authorization": f"Bearer {self.token}"}
        return good(self.here.http.get(f"/schema-registry/{path}", headers=headers))


def _put(admin: Any, resource: str, items: tuple[Item, ...]) -> Any:
    return admin.call("PUT", f"resources/{resource}/items", {"items": [item.as_json() for item in items]})


def test_tokens_are_for_whom_they_name(here: World) -> None:
    office = here.office()
    form = {"grant_type": "client_credentials"}
    basic = base64.b64encode(f"{office.client_id}:{office.system.secret}".encode()).decode()
    answer = here.http.post("/oauth2/token", data=form, headers={"Authorization": f"Basic {basic}"})
    assert (answer.status_code, answer.json()["token_type"], answer.json()["expires_in"]) == (200, "Bearer", 900)
    assert answer.headers["cache-control"] == "no-store"
    kafka = here.token(**form, client_id=office.client_id, client_secret=office.system.secret, scope="kafka")
    response = here.http.get("/api/v1/node", headers={"Authorization": f"Bearer {kafka}"})
    assert status(response) == (401, "unauthenticated"), "a token for the broker is none for the registry"
    here.root.post(f"systems/{office.client_id}/deactivate")
    assert status(office.system.call("GET", "node")) == (401, "unauthenticated"), "switched off at once"
    here.root.post(f"systems/{office.client_id}/activate")
    renewed = here.security.post(f"systems/{office.client_id}/secret")["secret"]
    assert here.system(office.client_id, renewed).get("node")["division"] == "440000"


def test_keys_are_rotated_by_administrators(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        assert status(here.office().admin.call("POST", "keys/rotate")) == (403, "forbidden")
        before = here.http.get("/oauth2/jwks").json()["keys"]
        kid = here.security.post("keys/rotate")["kid"]
        assert {key["kid"] for key in here.http.get("/oauth2/jwks").json()["keys"]} == {before[0]["kid"], kid}
        assert here.root.get("node")["division"] == "440000", "the token of the old key is good still"


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ({}, (400, "invalid_request")),
        ({"grant_type": "implicit"}, (400, "unsupported_grant_type")),
        ({"grant_type": "client_credentials"}, (400, "invalid_request")),
        ({"grant_type": "client_credentials", "client_id": "x\0", "client_secret": "y"}, (400, "invalid_request")),
        ({"grant_type": "client_credentials", "client_id": "nobody", "client_secret": "y"}, (401, "invalid_client")),
        ({"grant_type": "password", "username": "admin", "password": "wrong"}, (400, "invalid_grant")),
        ({"grant_type": "password", "username": "nobody", "password": "wrong"}, (400, "invalid_grant")),
        ({"grant_type": "password", "username": "a", "password": "b", "scope": "kafka"}, (400, "invalid_scope")),
        ({"grant_type": "client_credentials", "client_id": "x", "client_secret": "y", "scope": "root"},
         (400, "invalid_scope")),
    ],
)  # fmt: skip
def test_a_refused_token_request_says_why(tmp_path: Path, form: dict[str, str], expected: tuple[int, str]) -> None:
    with world(tmp_path) as here:
        answer = here.http.post("/oauth2/token", data=form)
        assert (answer.status_code, answer.json()["error"]) == expected
        assert here.metric("exchange_tokens_total", outcome=expected[1]) == 1


def test_bad_input_is_named(here: World) -> None:
    office = here.office()
    bad: dict[str, list[dict[str, Any]]] = {
        "systems": [
            {"client_id": name, "department_id": office.id, "name": "x"}
            for name in ("broker", "anonymous", "exchange-x", "a.b", "Abc", "ab", "-abc", "a" * 64, "user:x", "a\0bc")
        ],
        "departments": [
            {"uscc": "91440000MA00DEM14H", "name": "x", "division": "440000"},
            {"uscc": "91440000MA00DEM14G", "name": "x", "division": "4400"},
            {"uscc": "91440000MA00DEM14G", "name": "x" * 257, "division": "440000"},
            {"uscc": "91440000MA00DEM14G", "name": "x", "division": "440000", "more": 1},
        ],
        "users": [
            {"name": "someone", "password": PASSWORD, "role": "department_admin"},
            {"name": "someone", "password": PASSWORD, "role": "system_admin", "department_id": office.id},
            {"name": "someone", "password": "short", "role": "system_admin"},
            {"name": "someone", "password": PASSWORD, "role": "god"},
        ],
    }
    for path, bodies in bad.items():
        for body in bodies:
            answer = (here.security if path == "users" else here.root).call("POST", path, body)
            assert status(answer) == (422, "invalid"), body
            assert PASSWORD not in answer.text
    missing = {"uscc": "91440000MA00DEM14G", "name": "x", "division": "999999"}
    assert status(here.root.call("POST", "departments", missing)) == (404, "not_found")
    higher = {"name": "someone", "password": PASSWORD, "role": "system_admin"}
    assert status(office.admin.call("POST", "users", higher)) == (403, "forbidden")
    assert status(here.root.call("GET", "systems", cursor="nonsense")) == (422, "invalid")
    assert status(here.root.call("GET", "systems", limit=501)) == (422, "invalid")
    assert status(here.root.call("GET", f"grants/{2**70}")) == (422, "invalid")


def test_a_large_body_is_refused_announced_or_not(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        large = b"x" * (1 << 20) + b"x"
        assert status(here.http.post("/oauth2/token", content=large)) == (413, "too_large")
        assert status(here.http.post("/oauth2/token", content=iter([large]))) == (413, "too_large")


def test_errors_speak_the_readers_language(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        chinese = here.http.get("/api/v1/node", headers={"Accept-Language": "zh-CN"})
        english = here.http.get("/api/v1/node", headers={"Accept-Language": "en"})
        assert chinese.headers["content-type"] == "application/problem+json"
        assert chinese.json()["message"] == "令牌无效：未提供令牌"
        assert english.json()["detail"] == "No valid token: there is none"
        assert english.json()["hint"]


def test_lists_continue_where_they_ended(here: World) -> None:
    for _ in range(3):
        here.office()
    seen, cursor = [], None
    while True:
        page = here.root.get("departments", limit=2, **({"cursor": cursor} if cursor else {}))
        seen += [row["id"] for row in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert seen == sorted(set(seen))
    assert len(seen) == 3
    cities = here.root.get("divisions", parent="440000", limit=500)["items"]
    assert len(cities) == 21
    assert here.root.get("divisions", parent="441900")["items"] == [], "东莞 has no counties"


def test_alive_without_a_broker_and_documented_without_a_network(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        assert here.http.get("/healthz").status_code == 200
        ready = here.http.get("/readyz")
        assert (ready.status_code, ready.json()["database"], ready.json()["broker"]) == (
            503,
            "ok",
            "broker_unavailable",
        )
        page = here.http.get("/docs").text
        assert "https://" not in page.replace("https://json-schema.org", ""), "assets are served here"
        assert "exchange_http_request_seconds" in here.http.get("/metrics").text
        assert (tmp_path / "admin.password").stat().st_mode & 0o777 == 0o600
