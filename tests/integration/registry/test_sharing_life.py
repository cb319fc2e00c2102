"""The life of requests and grants through the API: review, clock, escalation, dispute, renewal, rest, and end."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from registry.settings import SharingGroup
from registry.workdays import CHINA
from tests.support.databases import BOTH_DATABASES
from tests.support.registry_world import Office, Person, World, world

DAY = timedelta(days=1)


@pytest.fixture(params=BOTH_DATABASES)
def here(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    url = request.getfixturevalue("postgres_url") if request.param == "postgresql" else None
    with world(tmp_path, url, sharing=SharingGroup(review=True)) as made:
        yield made


def status(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def reason(text: str = "测试") -> dict[str, str]:
    return {"reason": text}


def authority(here: World, division: str = "440000") -> Office:
    office = here.office(division, "authority")
    assert here.root.call("PUT", f"authorities/{division}", {"department_id": office.id}).is_success
    return office


def state(person: Person, request: Any) -> str:
    return str(person.get(f"requests/{request['id']}")["state"])


def kinds(person: Person) -> list[str]:
    return [notice["kind"] for notice in person.get("notices", limit=500)["items"]]


def test_review_decision_refusal_dispute(here: World) -> None:
    owner, city = here.office(), here.office("440600")
    resource = here.resource(owner)
    unseen = here.request(city, resource)
    assert unseen["state"] == "waiting", "no authority is named, so nobody reviews"
    city.admin.post(f"requests/{unseen['id']}/withdraw")
    data_bureau = authority(here)
    asked = here.request(city, resource)
    assert asked["state"] == "reviewing"
    path = f"requests/{asked['id']}"
    assert status(owner.admin.call("POST", f"{path}/review", {})) == (403, "forbidden")
    assert status(owner.admin.call("POST", f"{path}/approve")) == (409, "wrong_state")
    assert asked["id"] in [row["id"] for row in data_bureau.admin.get("requests", state="reviewing")["items"]]
    assert data_bureau.admin.post(f"{path}/review", {})["state"] == "waiting"
    refused = owner.admin.post(f"{path}/refuse", reason("超出职责范围"))
    assert (refused["state"], refused["final"]) == ("refused", False)
    assert status(owner.admin.call("POST", f"{path}/dispute", reason())) == (403, "forbidden")
    disputed = city.admin.post(f"{path}/dispute", reason("属法定职责"))
    assert (disputed["state"], disputed["reason"], disputed["dispute"]) == ("disputed", "超出职责范围", "属法定职责")
    assert status(owner.admin.call("POST", f"{path}/approve")) == (403, "forbidden"), "it is out of its hands"
    approved = data_bureau.admin.post(f"{path}/approve")
    assert approved["grant"]["state"] == "active"
    assert kinds(city.system)[-5:] == [
        "request.waiting", "request.refused", "request.disputed", "request.approved", "grant.opened",
    ]  # fmt: skip
    assert "request.disputed" in kinds(data_bureau.admin)
    assert status(here.office("440100").admin.call("GET", path)) == (404, "not_found")


def test_what_the_authority_refuses_is_final_and_a_late_dispute_is_none(here: World) -> None:
    owner, city = here.office(), here.office("440600")
    data_bureau = authority(here)
    first = here.request(city, here.resource(owner))
    refused = data_bureau.admin.post(f"requests/{first['id']}/review", {"refusal": "材料不全"})
    assert (refused["state"], refused["final"], refused["due_at"]) == ("refused", True, None)
    assert status(city.admin.call("POST", f"requests/{first['id']}/dispute", reason())) == (409, "conflict")
    second = here.request(city, here.resource(owner, sharing_type=3))
    assert second["state"] == "refused"
    here.clock.ahead = 40 * DAY
    here_again = here.user(city.admin.name, city.admin.secret)
    assert status(here_again.call("POST", f"requests/{second['id']}/dispute", reason())) == (409, "conflict")


def test_the_clock_reminds_passes_on_and_escalates(here: World) -> None:
    owner, city = here.office(), here.office("440600")
    data_bureau = authority(here)
    asked = here.request(city, here.resource(owner))
    due = datetime.fromisoformat(asked["due_at"])
    assert due.astimezone(CHINA).hour == 0
    calendar = here.runtime.rules.workdays
    assert due == calendar.due(datetime.fromisoformat(asked["created_at"]), 2)
    _move_to(here, due + timedelta(seconds=1))
    here.runtime.duty.look()
    person = here.user(owner.admin.name, owner.admin.secret)
    assert state(person, asked) == "waiting", "a late review does not hold the request up"
    waiting = datetime.fromisoformat(person.get(f"requests/{asked['id']}")["due_at"])
    assert waiting == calendar.due(here.clock(), 10)
    _move_to(here, waiting - timedelta(hours=1))
    here.runtime.duty.look()
    here.runtime.duty.look()
    person = here.user(owner.admin.name, owner.admin.secret)
    assert kinds(person).count("request.due") == 1, "one reminder, to the provider"
    assert state(person, asked) == "waiting"
    _move_to(here, waiting + timedelta(seconds=1))
    here.runtime.duty.look()
    bureau = here.user(data_bureau.admin.name, data_bureau.admin.secret)
    assert state(bureau, asked) == "escalated"
    assert "request.escalated" in kinds(bureau)
    assert bureau.post(f"requests/{asked['id']}/approve")["grant"]["state"] == "active"


def _move_to(here: World, instant: datetime) -> None:
    here.clock.ahead += instant - here.clock()


def test_a_request_is_edited_withdrawn_and_asked_in_a_batch(here: World) -> None:
    owner, city = here.office(), here.office("440600")
    names = [here.resource(owner), here.resource(owner, sharing_type=1), here.resource(owner, sharing_type=3)]
    body = {
        "resources": names, "client_id": city.client_id, "purpose": "collaboration", "legal_basis": "依据",
        "expected_volume": 5000, "contact": "数据处",
    }  # fmt: skip
    batch = city.admin.post("request-batches", body)
    assert [made["state"] for made in batch["requests"]] == ["waiting", "approved", "refused"]
    listed = owner.admin.get("requests", batch=batch["batch"])["items"]
    assert [row["resource"] for row in listed] == names
    assert {row["contact"] for row in listed} == {"数据处"}
    missing = {**body, "resources": [here.resource(owner), "307440000-999999"]}
    assert status(city.admin.call("POST", "request-batches", missing)) == (404, "not_found")
    assert len(city.admin.get("requests")["items"]) == 3, "all or none"
    waiting = batch["requests"][0]
    path = f"requests/{waiting['id']}"
    edited = city.admin.call("PATCH", path, {"purpose": "work_reference", "expected_volume": None}).json()
    assert (edited["purpose"], edited["expected_volume"], edited["contact"]) == ("work_reference", None, "数据处")
    assert status(city.admin.call("PATCH", path, {"purpose": "curiosity"})) == (422, "invalid")
    assert status(owner.admin.call("PATCH", path, {"contact": "x"})) == (403, "forbidden")
    assert city.admin.post(f"{path}/withdraw")["state"] == "withdrawn"
    assert status(owner.admin.call("POST", f"{path}/approve")) == (409, "wrong_state")
    assert status(city.admin.call("PATCH", path, {"contact": "x"})) == (409, "wrong_state")


def test_a_restricted_grant_is_refused_rather_than_widened(here: World) -> None:
    owner, city = here.office(), here.office("440600")
    conditional, free = here.resource(owner), here.resource(owner, sharing_type=1)
    asked = here.request(city, conditional, items=["id", "name"], rows="region_code = 440600")
    assert (asked["items"], asked["state"]) == (["id", "name"], "waiting")
    assert status(owner.admin.call("POST", f"requests/{asked['id']}/approve")) == (409, "restricted_grant")
    assert state(owner.admin, asked) == "waiting", "it can still be edited to the whole"
    at_once = here.request(city, free, rows="region_code = 440600")
    assert (at_once["state"], at_once["grant"]) == ("refused", None)
    assert "整体授权" in at_once["reason"]
    wrong = {"resource": free, "client_id": city.client_id, "purpose": "collaboration", "legal_basis": "依据"}
    assert status(city.admin.call("POST", "requests", {**wrong, "items": ["nothing"]})) == (422, "invalid")
    city.admin.call("PATCH", f"requests/{asked['id']}", {"rows": None, "items": ["id", "name", "amount"]})
    assert owner.admin.post(f"requests/{asked['id']}/approve")["grant"]["state"] == "active", "all items are the whole"


def test_a_renewal_extends_the_same_grant(here: World) -> None:
    owner, city = here.office(), here.office("440600")
    until = (here.clock() + 30 * DAY).replace(microsecond=0)
    grant = here.grant(owner, city, here.resource(owner), until=until.isoformat())["grant"]
    path, wish = f"grants/{grant['id']}/renew", {"purpose": "collaboration", "legal_basis": "依据"}
    shorter = {**wish, "until": (until - DAY).isoformat()}
    assert status(city.admin.call("POST", path, shorter)) == (422, "invalid")
    assert status(owner.admin.call("POST", path, wish)) == (403, "forbidden")
    longer = {**wish, "until": (until + 20 * DAY).isoformat()}
    asked = city.admin.post(path, longer)
    assert (asked["state"], asked["renews"], asked["grant"]) == ("waiting", grant["id"], None)
    renewed = owner.admin.post(f"requests/{asked['id']}/approve")["grant"]
    assert (renewed["id"], renewed["state"]) == (grant["id"], "active")
    assert datetime.fromisoformat(renewed["until"]) == until + 20 * DAY
    _move_to(here, until + DAY)
    here.runtime.loop.tick()
    admin = here.user(city.admin.name, city.admin.secret)
    assert admin.get(f"grants/{grant['id']}")["state"] == "active", "without a gap"
    _move_to(here, until + 21 * DAY)
    here.runtime.loop.tick()
    admin = here.user(city.admin.name, city.admin.secret)
    assert admin.get(f"grants/{grant['id']}")["state"] == "expired"
    assert kinds(admin)[-2:] == ["grant.renewed", "grant.expired"]


def test_a_grant_rests_and_ends_with_its_resource(here: World) -> None:
    owner, city = here.office(), here.office("440600")
    resource = here.resource(owner)
    grant = here.grant(owner, city, resource)["grant"]
    path = f"grants/{grant['id']}"
    assert status(city.admin.call("POST", f"{path}/suspend", reason())) == (403, "forbidden")
    assert status(owner.admin.call("POST", f"{path}/suspend", {"reason": " "})) == (422, "invalid")
    rests = owner.admin.post(f"{path}/suspend", reason("核查"))
    assert (rests["state"], rests["end_reason"]) == ("suspended", "核查")
    assert city.system.get("systems/self")["grants"] == []
    again = {"resource": resource, "client_id": city.client_id, "purpose": "collaboration", "legal_basis": "依据"}
    assert status(city.admin.call("POST", "requests", again)) == (409, "conflict"), "a grant that rests is a grant"
    assert owner.admin.post(f"{path}/resume")["state"] == "active"
    assert len(city.system.get("systems/self")["grants"]) == 1
    owner.admin.post(f"resources/{resource}/withdraw")
    ended = city.admin.get(path)
    assert ended["state"] == "revoked"
    assert "信息资源已撤销" in ended["end_reason"]
    assert [kind for kind in kinds(city.system) if kind.startswith("grant.")] == [
        "grant.opened", "grant.suspended", "grant.resumed", "grant.revoked",
    ]  # fmt: skip


def test_an_authority_is_not_in_charge_of_itself(here: World) -> None:
    province, city_bureau = authority(here), authority(here, "440600")
    county, city = here.office("440604"), here.office("440600")
    theirs = here.request(city, here.resource(city_bureau))
    assert status(city_bureau.admin.call("POST", f"requests/{theirs['id']}/review", {})) == (403, "forbidden")
    assert province.admin.post(f"requests/{theirs['id']}/review", {})["state"] == "waiting"
    below = here.request(city, here.resource(county))
    assert status(province.admin.call("GET", f"requests/{below['id']}")) == (404, "not_found")
    assert below["id"] in [row["id"] for row in city_bureau.admin.get("requests")["items"]]
    assert theirs["id"] in [row["id"] for row in province.admin.get("requests")["items"]]
    assert city_bureau.admin.post(f"requests/{below['id']}/review", {})["state"] == "waiting"
    assert here.root.call("DELETE", "authorities/440600").status_code == 204
    assert province.admin.get(f"requests/{below['id']}")["state"] == "waiting", "the tier above is in charge now"
