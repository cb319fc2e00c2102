"""Divisions, nodes, delegation by tier, mergers and splits, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from registry.audit.models import AuditEntry
from registry.database import Base
from registry.enforcement import snapshot
from registry.enforcement.acls import Acl, Scope, desired_acls
from registry.organisation.models import Department, User
from registry.organisation.reform import STAY, _others
from tests.support.databases import BOTH_DATABASES
from tests.support.registry_world import Office, World, new_uscc, world


@pytest.fixture(params=BOTH_DATABASES)
def here(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    url = request.getfixturevalue("postgres_url") if request.param == "postgresql" else None
    with world(tmp_path, url) as made:
        yield made


def status(response: Any) -> tuple[int, str]:
    return response.status_code, response.json()["code"]


def acls(here: World) -> frozenset[Acl]:
    with here.runtime.database.read() as session:
        return desired_acls(snapshot.read(session, Scope()))


def audited(here: World, action: str) -> list[str]:
    with here.runtime.database.read() as session:
        return list(session.scalars(select(AuditEntry.target).where(AuditEntry.action == action)))


def names(rows: Any) -> list[str]:
    return [row["name"] for row in rows["items"]]


def test_a_division_lives_and_ends(here: World) -> None:
    town = {"code": "440604009", "name": "某镇", "parent": "440604", "level": "town", "valid_from": "2020-01-01"}
    assert here.root.post("divisions", town)["level"] == "town", "the depth of the tree is data"
    assert here.root.post("divisions", {**town, "code": "440604009001", "parent": "440604009", "level": "village"})
    assert status(here.root.call("POST", "divisions", town)) == (409, "conflict")
    assert status(here.root.call("POST", "divisions", {**town, "code": "4406040"})) == (422, "invalid")
    orphan = {**town, "code": "440604010", "parent": "999999"}
    assert status(here.root.call("POST", "divisions", orphan)) == (404, "not_found")

    rename = "divisions/440604009/rename"
    tomorrow = (here.clock() + timedelta(days=1)).date().isoformat()
    assert status(here.root.call("POST", rename, {"name": "x", "on": tomorrow})) == (422, "invalid")
    assert here.root.post(rename, {"name": "新镇", "on": "2024-03-01"})["name"] == "新镇"
    assert status(here.root.call("POST", rename, {"name": "旧镇", "on": "2024-02-01"})) == (409, "conflict")
    assert here.root.post(rename, {"name": "新新镇", "on": "2025-03-01"})["name"] == "新新镇"
    assert here.root.get("divisions/440604009")["former_names"] == [
        {"name": "某镇", "valid_to": "2024-02-29"},
        {"name": "新镇", "valid_to": "2025-02-28"},
    ]

    end = "divisions/440604009/end"
    assert status(here.root.call("POST", end, {})) == (409, "conflict"), "a village is left"
    here.root.post("divisions/440604009001/end", {"on": "2025-12-31"})
    office = here.office("440604009")
    assert status(here.root.call("POST", end, {})) == (409, "conflict"), "a department is left"
    here.root.post(f"departments/{office.id}/merge", {"into": here.office("440604").id})
    assert here.root.post(end, {"on": "2026-01-31"})["valid_to"] == "2026-01-31"
    assert status(here.root.call("POST", end, {})) == (409, "conflict"), "once"
    late = {"uscc": new_uscc("440604"), "name": "某局", "division": "440604009"}
    assert status(here.root.call("POST", "departments", late)) == (409, "conflict"), "nothing begins in what has ended"
    assert audited(here, "division.end") == ["division/440604009001", "division/440604009"]


def test_nodes_know_their_parents(here: World) -> None:
    here.root.post("nodes", {"code": "gd", "name": "省节点", "division": "440000"})
    here.root.post("nodes", {"code": "fs", "name": "市节点", "division": "440600", "parent": "gd"})
    assert status(here.root.call("PATCH", "nodes/gd", {"parent": "fs"})) == (422, "invalid"), "no circle"
    assert status(here.root.call("PATCH", "nodes/fs", {"name": None})) == (422, "invalid")
    assert here.root.call("PATCH", "nodes/fs", {"division": "440604", "name": "区节点"}).json()["parent"] == "gd"
    assert [row["code"] for row in here.root.get("nodes")["items"]] == ["fs", "gd"]
    office = here.office("440604")
    assert here.root.call("PATCH", f"departments/{office.id}", {"node": "fs"}).json()["node"] == "fs"
    assert status(here.root.call("PATCH", f"departments/{office.id}", {"node": "nowhere"})) == (404, "not_found")


def test_administrators_see_their_own_subtree(here: World) -> None:
    province, city, county, other = (here.office(code) for code in ("440000", "440600", "440604", "440100"))
    local = here.person("fs.system", "system_admin", division="440600")
    assert {row["id"] for row in local.get("departments")["items"]} == {city.id, county.id}
    assert {row["client_id"] for row in local.get("systems")["items"]} == {city.client_id, county.client_id}
    assert {row["id"] for row in here.root.get("departments")["items"]} == {province.id, city.id, county.id, other.id}
    assert {row["id"] for row in city.admin.get("departments")["items"]} == {province.id, city.id, county.id, other.id}
    assert names(local.get("users")) == ["fs.system"], "accounts are security's"
    keeper = here.person("fs.security", "security_admin", division="440600")
    assert len(keeper.get("users")["items"]) == 4, "two offices, and the two who are delegated"
    assert {row["client_id"] for row in keeper.get("systems")["items"]} == {city.client_id, county.client_id}
    assert status(local.call("POST", f"departments/{other.id}/merge", {"into": city.id})) == (403, "forbidden")
    assert status(local.call("POST", f"departments/{county.id}/merge", {"into": other.id})) == (403, "forbidden")
    page = local.get("systems", limit=1)
    assert names(local.get("systems", limit=1, cursor=page["next"])) == ["office"], "a page continues in the filter"


def stock(here: World) -> tuple[Office, Office, Office, Office, str, str, str]:
    """Two departments, one with two systems; a resource each way, granted; and a third that has grants of both."""
    old, new, third, county = (here.office(code) for code in ("440600", "440600", "440100", "440604"))
    second = f"s-second-{old.id}"
    told = here.root.post("systems", {"client_id": second, "department_id": old.id, "name": "第二系统"})
    apart = Office(old.id, old.admin, here.system(second, told["secret"]))
    one, two, theirs = here.resource(old), here.resource(apart), here.resource(new)
    here.grant(old, third, one)
    here.grant(apart, county, two)
    here.grant(new, apart, theirs)
    return old, new, third, apart, one, two, theirs


def test_a_merger_moves_all_and_no_acl(here: World) -> None:
    old, new, third, apart, one, two, theirs = stock(here)
    waiting = here.request(third, two)["id"]
    before = acls(here)
    assert before
    done = here.root.post(f"departments/{old.id}/merge", {"into": new.id, "on": "2026-06-30"})
    assert acls(here) == before, "nothing is lost or widened"
    assert (done["department"]["valid_to"], done["department"]["successor_id"]) == ("2026-06-30", new.id)
    assert (done["moved"][0]["systems"], done["moved"][0]["resources"]) == (2, 2)
    assert {row["client_id"] for row in new.admin.get("systems")["items"]} >= {old.client_id, apart.client_id}
    assert new.admin.post(f"requests/{waiting}/approve")["state"] == "approved", "its requests are the successor's"
    assert status(old.admin.call("GET", "me")) == (401, "unauthenticated"), "accounts go nowhere"
    with here.runtime.database.read() as session:
        kept = session.scalars(select(User.name).where(User.department_id == old.id)).all()
    assert kept == [old.admin.name]
    assert old.system.get("me")["department_id"] == new.id, "systems work on"
    assert sorted(audited(here, "resource.move")) == sorted([f"resource/{one}", f"resource/{two}"])
    assert audited(here, "department.merge") == [f"department/{old.id}"]
    for body in ({"into": new.id}, {"into": old.id}):
        assert status(here.root.call("POST", f"departments/{old.id}/merge", body)) == (409, "conflict"), "it is over"
    assert status(here.root.call("POST", f"departments/{new.id}/merge", {"into": new.id})) == (409, "conflict")
    late = {"client_id": "too-late", "department_id": old.id, "name": "x"}
    assert status(here.root.call("POST", "systems", late)) == (409, "conflict")
    grants = {row["resource"] for row in new.admin.get("grants")["items"]}
    assert grants >= {one, two, theirs}


def test_a_split_takes_resources_along(here: World) -> None:
    old, new, _third, apart, one, two, _theirs = stock(here)
    before = acls(here)
    path = f"departments/{old.id}/split"
    twice = {"parts": [{"department_id": new.id, "systems": [apart.client_id, apart.client_id]}]}
    assert status(here.root.call("POST", path, twice)) == (422, "invalid")
    foreign = {"parts": [{"department_id": new.id, "systems": [new.client_id]}]}
    assert status(here.root.call("POST", path, foreign)) == (422, "invalid")
    done = here.root.post(path, {"parts": [{"department_id": new.id, "systems": [apart.client_id]}]})
    assert acls(here) == before
    assert done["moved"] == [{"department_id": new.id, "systems": 1, "resources": 1, "others": 0}]
    assert done["department"]["valid_to"] is None, "the rest goes on"
    assert [row["client_id"] for row in old.admin.get("systems")["items"]] == [old.client_id]
    assert status(old.admin.call("POST", f"resources/{two}/withdraw"))[0] == 403, "it is another's now"
    revoked = next(row["id"] for row in new.admin.get("grants")["items"] if row["resource"] == two)
    assert new.admin.post(f"grants/{revoked}/revoke", {"reason": "重组"})["state"] == "revoked"
    assert old.admin.get(f"resources/{one}")["resource"] == one


def test_every_table_of_a_department_is_moved() -> None:
    """A new table that names a department is moved at mergers by itself; users and departments stay by decision."""
    known = {key.parent.table.name for table in Base.metadata.sorted_tables for key in table.foreign_keys
             if key.column.table.name == Department.__tablename__}  # fmt: skip
    assert known == {column.table.name for column in _others()} | STAY | {"systems", "resources"}
