"""An objection from its raising to the archive: who may see it, who is told, and what happens when nobody answers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from registry.receipts.models import ReceiptRow
from tests.support.databases import BOTH_DATABASES
from tests.support.registry_world import Office, Person, World, world


@pytest.fixture(params=BOTH_DATABASES)
def here(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    url = request.getfixturevalue("postgres_url") if request.param == "postgresql" else None
    with world(tmp_path, url) as made:
        yield made


def status(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def complaint(office: Office, resource: str) -> dict[str, str]:
    return {"resource": resource, "client_id": office.client_id, "key": "A1", "complaint": "名称与现场核实不一致"}


def told(person: Person, objection: Any) -> list[dict[str, Any]]:
    subject = f"objection/{objection['id']}"
    return [row for row in person.get("notices", limit=500)["items"] if row["subject"] == subject]


def test_an_objection_is_raised_marked_verified_corrected_and_closed(here: World) -> None:
    owner, raiser, reader, gone, stranger = (here.office() for _ in range(5))
    resource = here.resource(owner, sharing_type=1)
    for office in (raiser, reader):
        here.request(office, resource)
    _landed(here, gone, resource)
    assert status(stranger.admin.call("POST", "objections", complaint(stranger, resource))) == (403, "forbidden")
    made = raiser.system.post("objections", complaint(raiser, resource))
    path = f"objections/{made['id']}"
    assert (made["state"], made["marked_at"]) == ("raised", None)
    for outsider in (stranger, reader):
        assert status(outsider.admin.call("GET", path)) == (404, "not_found"), "between the two sides"
        assert outsider.admin.get("objections")["items"] == []
    assert status(here.root.call("GET", path)) == (404, "not_found")
    assert status(raiser.admin.call("POST", f"{path}/accept")) == (403, "forbidden")
    assert status(owner.admin.call("POST", f"{path}/mark")) == (409, "wrong_state"), "accepted first"
    owner.admin.post(f"{path}/accept")
    assert owner.admin.post(f"{path}/mark")["marked_at"] is not None
    owner.admin.post(f"{path}/verify", {"founded": True, "finding": "录入有误"})
    assert status(raiser.admin.call("POST", f"{path}/close")) == (409, "conflict"), "corrected first"
    owner.admin.post(f"{path}/correct", {"result": "已更正"})
    assert raiser.admin.post(f"{path}/close")["due_at"] is None
    assert owner.admin.post(f"{path}/archive")["state"] == "archived"

    steps = ["raised", "accepted", "marked", "verified", "corrected", "closed", "archived"]
    for side in (raiser, owner):
        assert [row["facts"]["state"] for row in told(side.system, made)] == steps
    for other in (reader, gone):
        heard = told(other.system, made)
        assert [row["facts"]["state"] for row in heard] == ["marked", "verified", "corrected", "closed"]
        assert {row["facts"]["key"] for row in heard} == {"A1"}
        assert all("complaint" not in row["facts"] and "finding" not in row["facts"] for row in heard)
    assert told(stranger.system, made) == []


def _landed(here: World, office: Office, resource: str) -> None:
    """A receipt of one who has no grant any more, but the data."""
    receipt = ReceiptRow(
        client_id=office.client_id, side="landed", id="r1", resource=resource, topic=f"440000.{resource}", adapter="a",
        batch="0" * 32, count=1, deletes=0, digest="0" * 32, schema_id=1, at=0, received_at=here.clock(),
    )  # fmt: skip
    with here.runtime.database.write() as session:
        session.add(receipt)


def test_an_unfounded_objection_closes_without_a_correction(here: World) -> None:
    owner, raiser = here.office(), here.office()
    resource = here.resource(owner, sharing_type=1)
    here.request(raiser, resource)
    path = f"objections/{raiser.admin.post('objections', complaint(raiser, resource))['id']}"
    for step in ("accept", "mark"):
        owner.admin.post(f"{path}/{step}")
    assert status(owner.admin.call("POST", f"{path}/verify", {"founded": False, "finding": " "})) == (422, "invalid")
    owner.admin.post(f"{path}/verify", {"founded": False, "finding": "与登记一致"})
    assert status(owner.admin.call("POST", f"{path}/correct", {"result": "无"})) == (409, "conflict")
    assert owner.admin.post(f"{path}/close")["state"] == "closed"


def test_a_late_step_is_noted_once_and_both_sides_are_told(here: World) -> None:
    owner, raiser = here.office(), here.office()
    resource = here.resource(owner, sharing_type=1)
    here.request(raiser, resource)
    made = raiser.admin.post("objections", complaint(raiser, resource))
    here.runtime.duty.look()
    assert raiser.admin.get(f"objections/{made['id']}")["overdue"] is False
    here.clock.ahead = datetime.fromisoformat(made["due_at"]) - here.clock() + timedelta(seconds=1)
    for _ in range(2):
        here.runtime.duty.look()
    for side in (owner, raiser):
        person = here.user(side.admin.name, side.admin.secret)
        assert [row["kind"] for row in told(person, made)].count("objection.overdue") == 1
    provider = here.user(owner.admin.name, owner.admin.secret)
    assert provider.get(f"objections/{made['id']}")["overdue"] is True
    assert provider.post(f"objections/{made['id']}/accept")["overdue"] is False
