"""What every endpoint does alike: repeats, preconditions, limits, bounds, marks, and a document that tells of it."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text

from registry.access.limits import Buckets
from registry.errors import TooManyRequests
from registry.organisation.models import Department
from registry.settings import ApiGroup, LimitsGroup
from registry.web.models import KeptAnswer
from tests.support.databases import BOTH_DATABASES
from tests.support.registry_world import Person, World, world

pytestmark = pytest.mark.long

LONGEST = 10_000  # characters or things: more is no bound
FINITE = re.compile(r"\^[^*+]*\$")  # a pattern without repetition; {n,} is not used here
UNBOUNDED_KINDS = {"date", "date-time", "uuid"}


@pytest.fixture
def here(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        yield made


@pytest.fixture(params=BOTH_DATABASES)
def either(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    url = request.getfixturevalue("postgres_url") if request.param == "postgresql" else None
    with world(tmp_path, url) as made:
        yield made


def send(who: Person, method: str, path: str, body: Any = None, **headers: str) -> Any:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    authorised = {"Authorization": f"Bearer {who.token}", **named}
    return who.http.request(method, f"/api/v1/{path}", json=body, headers=authorised)


def test_a_repeated_creation_is_done_once_and_tells_the_secret_again(either: World) -> None:
    office = either.office()
    body = {"client_id": "440000-twice", "department_id": office.id, "name": "重复"}
    first = send(either.root, "POST", "systems", body, Idempotency_Key="k-1")
    again = send(either.root, "POST", "systems", body, Idempotency_Key="k-1")
    assert first.status_code == again.status_code == 201
    assert again.json() == first.json()
    assert again.headers["idempotency-replayed"] == "true"
    assert send(either.root, "POST", "systems", body).status_code == 409  # without a key it is a second creation
    other = send(either.root, "POST", "systems", {**body, "name": "另一"}, Idempotency_Key="k-1")
    assert (other.status_code, other.json()["code"]) == (422, "invalid")
    with either.runtime.database.read() as session:
        kept = session.scalars(select(KeptAnswer)).one()
    assert kept.body is not None
    secret = first.json().get("secret")
    assert secret is None or secret.encode() not in kept.body
    either.clock.ahead += either.clock.ahead.__class__(hours=25)
    fresh = either.user("admin", (either.runtime.settings.registry.data_dir / "admin.password").read_text())
    assert send(fresh, "POST", "systems", body, Idempotency_Key="k-1").status_code == 409  # after a day, it is new


def test_a_refused_creation_gives_its_key_back(here: World) -> None:
    office = here.office()
    body = {"client_id": "440000-later", "department_id": 999_999, "name": "稍后"}
    assert send(here.root, "POST", "systems", body, Idempotency_Key="k").status_code == 404
    assert (
        send(here.root, "POST", "systems", {**body, "department_id": office.id}, Idempotency_Key="k").status_code == 201
    )


def test_two_at_once_under_one_key_create_once(either: World) -> None:
    office = either.office()
    body = {"client_id": "440000-race", "department_id": office.id, "name": "并发"}

    def create(_number: int) -> Any:
        return send(either.root, "POST", "systems", body, Idempotency_Key="race").status_code

    with ThreadPoolExecutor(4) as pool:
        statuses = list(pool.map(create, range(8)))
    assert set(statuses) <= {201, 409}
    assert 201 in statuses
    assert send(either.root, "POST", "systems", body, Idempotency_Key="race").status_code == 201


def test_keys_of_two_callers_do_not_meet(here: World) -> None:
    owner, asker = here.office(), here.office()
    resource = here.resource(owner, sharing_type=1, sharing_condition=None)
    body = {"resource": resource, "purpose": "data_verification", "legal_basis": "依据"}
    made = [
        send(office.admin, "POST", "requests", {**body, "client_id": office.client_id}, Idempotency_Key="same")
        for office in (asker, here.office())
    ]
    assert [answer.status_code for answer in made] == [201, 201], made[0].text
    assert made[0].json() != made[1].json()


def test_a_change_of_what_was_changed_meanwhile_is_refused(either: World) -> None:
    owner = either.office()
    draft = either.draft(owner)
    read = owner.admin.call("GET", f"resources/{draft}")
    tag = read.headers["etag"]
    items = {"items": [{**item, "label": "新"} for item in read.json()["items"]]}
    assert send(owner.admin, "PUT", f"resources/{draft}/items", items, If_Match=tag).status_code == 200
    late = send(owner.admin, "PUT", f"resources/{draft}/items", items, If_Match=tag)
    assert (late.status_code, late.json()["code"]) == (412, "precondition_failed")
    assert owner.admin.get(f"resources/{draft}")["version"] == 2  # the late one left nothing behind
    now = owner.admin.call("GET", f"resources/{draft}").headers["etag"]
    assert now != tag
    assert send(owner.admin, "PUT", f"resources/{draft}/items", items, If_Match=f'"no", {now}').status_code == 200
    assert send(owner.admin, "PUT", f"resources/{draft}/items", items, If_Match="*").status_code == 200


def test_only_who_may_change_it_learns_that_it_changed(here: World) -> None:
    owner, stranger = here.office(), here.office()
    draft = here.draft(owner)
    body = {"items": owner.admin.get(f"resources/{draft}")["items"]}
    assert send(stranger.admin, "PUT", f"resources/{draft}/items", body, If_Match='"no"').status_code in {403, 404}


def test_of_two_changes_on_one_state_one_is_done(either: World) -> None:
    owner = either.office()
    draft = either.draft(owner)
    read = owner.admin.call("GET", f"resources/{draft}")
    tag = read.headers["etag"]

    def change(number: int) -> Any:
        items = {"items": [{**item, "label": f"第{number}"} for item in read.json()["items"]]}
        return send(owner.admin, "PUT", f"resources/{draft}/items", items, If_Match=tag).status_code

    with ThreadPoolExecutor(4) as pool:
        statuses = sorted(pool.map(change, range(4)))
    assert statuses[0] == 200
    assert set(statuses[1:]) <= {409, 412}


def test_if_match_can_be_demanded(tmp_path: Path) -> None:
    with world(tmp_path, api=ApiGroup(require_if_match=True)) as here:
        owner = here.office()
        draft = here.draft(owner)
        body = {"items": owner.admin.get(f"resources/{draft}")["items"]}
        bare = send(owner.admin, "PUT", f"resources/{draft}/items", body)
        assert (bare.status_code, bare.json()["code"]) == (428, "precondition_required")

        assert here.root.call("PUT", "classifications/3970001", {"en": "new", "zh": "新增"}).is_success
        again = here.root.call("PUT", "classifications/3970001", {"en": "newer", "zh": "更新"})
        assert again.status_code == 428, "what is made replaces nothing, what is there does"


@pytest.mark.parametrize("path", ["classifications/3960001", "authorities/440605", "systems/{client_id}/webhook"])
def test_what_is_put_has_an_etag_of_its_own(here: World, path: str) -> None:
    office = here.office("440605")
    path = path.format(client_id=office.client_id)
    bodies: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
        "classifications": ({"en": "one", "zh": "一"}, {"en": "two", "zh": "二"}),
        "authorities": ({"department_id": office.id}, {"department_id": here.office("440605").id}),
        "systems": ({"url": "https://one.example.org/"}, {"url": "https://two.example.org/"}),
    }
    first, second = bodies[path.partition("/")[0]]
    who = office.admin if path.startswith("systems") else here.root
    assert who.call("PUT", path, first).is_success
    tag = who.call("GET", path).headers["etag"]
    assert send(who, "PUT", path, second, If_Match=tag).status_code == 200
    assert send(who, "PUT", path, first, If_Match=tag).status_code == 412
    assert send(who, "DELETE", path, None, If_Match=tag).status_code == 412
    read = who.call("GET", path)
    assert str(next(iter(second.values()))) in read.text, "the late ones left nothing behind"
    now = read.headers["etag"]
    assert send(who, "DELETE", path, None, If_Match=now).status_code == 204


def test_a_client_that_asks_too_much_is_told_when_to_come_back(tmp_path: Path) -> None:
    with world(tmp_path, limits=LimitsGroup(requests_per_s=0.001, requests_burst=20)) as here:
        other = here.office()
        answers = [here.root.call("GET", "departments") for _ in range(30)]
        assert answers[-1].status_code == 429
        assert 1 <= int(answers[-1].headers["retry-after"]) <= 1000
        assert answers[-1].json()["code"] == "too_many_requests"
        headers = {"Authorization": f"Bearer {here.root.token}"}
        confluents = here.http.get("/schema-registry/subjects", headers=headers)
        assert (confluents.status_code, confluents.json()["error_code"]) == (429, 429)
        assert 1 <= int(confluents.headers["retry-after"]) <= 1000, "Confluent's form has it too"
        assert other.admin.call("GET", "departments").status_code == 200  # others are not hindered


def test_guessing_tokens_and_passwords_is_slowed_down(tmp_path: Path) -> None:
    limits = LimitsGroup(failures_per_s=0.001, failures_burst=3, tokens_per_s=1, tokens_burst=50)
    with world(tmp_path, limits=limits) as here:
        guesses = [here.http.get("/api/v1/departments", headers={"Authorization": "Bearer x"}) for _ in range(5)]
        assert [answer.status_code for answer in guesses] == [401, 401, 401, 429, 429]
        assert here.root.call("GET", "departments").status_code == 200
        form = {"grant_type": "client_credentials", "client_id": "nobody", "client_secret": "no"}
        tried = [here.http.post("/oauth2/token", data=form).status_code for _ in range(5)]
        assert tried == [401, 401, 401, 429, 429]


def test_a_bucket_fills_again() -> None:
    moments = itertools.chain([0.0] * 3, [0.4], itertools.repeat(1.0))
    buckets = Buckets(rate=2, burst=2, now=lambda: next(moments))
    buckets.take("a")
    buckets.take("a")
    with pytest.raises(TooManyRequests) as told:
        buckets.take("a")
    assert told.value.wait_s == 1
    with pytest.raises(TooManyRequests):
        buckets.take("a")  # 0.8 of one is not one
    buckets.take("a")
    for _ in range(100):
        Buckets(rate=0, burst=1).take("a")


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ({"X-Request-ID": "abc-123"}, "abc-123"),
        (
            {"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"},
            "4bf92f3577b34da6a3ce929d0e0e4736",
        ),
        ({"X-Request-ID": "bad id\t"}, None),
    ],
)
def test_each_answer_has_the_requests_id(here: World, sent: dict[str, str], expected: str | None) -> None:
    told = here.http.get("/healthz", headers=sent).headers["x-request-id"]
    assert told == expected if expected else len(told) == 32


def test_the_pages_are_safe_to_show(here: World) -> None:
    for path in ("/docs", "/api/v1/node"):
        headers = here.http.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert "default-src 'none'" in headers["content-security-policy"]
    assert "http://" not in here.http.get("/docs").text  # nothing is fetched from elsewhere


def test_a_failed_change_leaves_no_entry(here: World) -> None:
    here.root.get("departments")  # signs in
    before = _entries(here)
    assert here.root.call("POST", "departments", {"uscc": "x", "name": "n", "division": "440000"}).status_code == 422
    assert _entries(here) == before


def test_lists_are_sorted_and_continued_by_the_server(here: World) -> None:
    """The helper itself; the areas' own lists use it."""
    from registry.organisation.api import DepartmentOut  # noqa: PLC0415
    from registry.web.forms import page  # noqa: PLC0415

    for division in ("440600", "440000", "440600", "440100"):
        here.office(division)
    seen: list[str] = []
    cursor = None
    with here.runtime.database.read() as session:
        while True:
            part = page(
                session,
                select(Department),
                Department.id,
                DepartmentOut.of,
                limit=1,
                cursor=cursor,
                sort="-division",
                sortable={"division": Department.division},
            )
            seen += [item.division for item in part.items]
            cursor = part.next
            if cursor is None:
                break
    assert seen == ["440600", "440600", "440100", "440000"]


def test_every_operation_tells_of_its_refusals(here: World) -> None:
    for where, operation in operations(here):
        responses = operation["responses"]
        wanted = {"401", "403", "404", "413", "422", "429", "503"}
        wanted |= set() if where.startswith("get") else {"409", "412", "428"}
        assert wanted <= set(responses), where
        assert operation.get("summary"), where
        assert "HTTPValidationError" not in str(responses), where


def test_every_string_and_list_that_is_taken_is_bounded(here: World) -> None:
    document = here.http.get("/openapi.json").json()
    faults: list[str] = []
    for where, operation in operations(here):
        for parameter in operation.get("parameters", []):
            faults += unbounded(f"{where} {parameter['name']}", parameter["schema"], document, frozenset())
        for content in operation.get("requestBody", {}).get("content", {}).values():
            faults += unbounded(where, content.get("schema", {}), document, frozenset())
    assert faults == []


def operations(here: World) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in here.http.get("/openapi.json").json()["paths"].items():
        for method, operation in methods.items():
            yield f"{method} {path}", operation


def unbounded(where: str, schema: dict[str, Any], document: dict[str, Any], seen: frozenset[str]) -> list[str]:
    """The places in a schema that take a text or list of any length."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        if name in seen:
            return []
        return unbounded(where, document["components"]["schemas"][name], document, seen | {name})
    faults: list[str] = []
    kind = schema.get("type")
    fixed = "enum" in schema or "const" in schema or schema.get("format") in UNBOUNDED_KINDS
    fixed |= "contentMediaType" in schema  # a file: the body's own bound is its bound
    fixed |= bool(FINITE.fullmatch(schema.get("pattern", "")))
    if kind == "string" and not fixed and schema.get("maxLength", LONGEST**2) > LONGEST**2 - 1:
        faults.append(where)
    if kind == "array" and schema.get("maxItems", LONGEST**2) > LONGEST:
        faults.append(where)
    for name, inner in schema.get("properties", {}).items():
        faults += unbounded(f"{where}.{name}", inner, document, seen)
    for inner in [*schema.get("anyOf", []), *schema.get("allOf", []), *schema.get("oneOf", [])]:
        faults += unbounded(where, inner, document, seen)
    if isinstance(schema.get("items"), dict):
        faults += unbounded(f"{where}[]", schema["items"], document, seen)
    return faults


def _entries(here: World) -> int:
    with here.runtime.database.read() as session:
        return int(session.execute(text("SELECT max(number) FROM audit_entries")).scalar_one())
