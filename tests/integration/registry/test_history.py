"""What is kept of each day: from receipts and reports to the catalogue, the worst offenders, and drift."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from registry.catalogue.freshness import data_came
from registry.catalogue.models import Resource
from registry.history.domain import day_of, month_of
from registry.history.models import GrantMonth, HistoryMark, ResourceDay
from registry.history.tally import Tally
from registry.receipts.models import ReceiptRow
from registry.sharing.models import Grant, Request
from tests.support.databases import BOTH_DATABASES
from tests.support.permissions.running import REPORT
from tests.support.registry_world import Office, World, world


@pytest.fixture(params=BOTH_DATABASES)
def here(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    url = request.getfixturevalue("postgres_url") if request.param == "postgresql" else None
    with world(tmp_path, url) as made:
        yield made


def receipt(here: World, office: Office, resource: str, side: str, count: int, at: datetime, **more: Any) -> None:
    """A receipt as the intake stores it."""
    with here.runtime.database.write() as session:
        row = session.get_one(Resource, resource)
        session.add(
            ReceiptRow(
                **{
                    "client_id": office.client_id, "side": side, "id": uuid.uuid4().hex, "resource": resource,
                    "topic": row.topic, "adapter": "a", "batch": uuid.uuid4().hex, "count": count, "deletes": 0,
                    "digest": "0" * 32, "schema_id": 1, "at": int(at.timestamp() * 1000), "received_at": at, **more,
                }
            )
        )  # fmt: skip
        if side == "published":
            data_came(session, resource, row.topic, office.client_id, at)


def days(here: World, resource: str) -> dict[date, tuple[str | None, int]]:
    with here.runtime.database.read() as session:
        rows = session.scalars(select(ResourceDay).where(ResourceDay.slug == resource).order_by(ResourceDay.day))
        return {row.day: (row.freshness, row.published) for row in rows}


def test_receipts_become_days_and_months_once_and_days_close_by_themselves(here: World) -> None:
    owner, reader = here.office(), here.office()
    resource, silent = here.resource(owner), here.resource(owner)
    now = here.clock()
    today = day_of(now)
    before = now - timedelta(days=4)
    with here.runtime.database.write() as session:
        session.execute(update(Resource).values(published_at=before - timedelta(days=30)))
        session.add(HistoryMark(name="day", number=(day_of(before) - timedelta(days=1)).toordinal()))
    tally = here.runtime.tally
    receipt(here, owner, resource, "published", 10, before)
    receipt(here, owner, resource, "published", 5, before)
    receipt(here, reader, resource, "published", 99, before)
    receipt(here, owner, resource, "published", 1, now, received_at=now)
    receipt(here, reader, resource, "landed", 15, before)
    tally.round()
    first = day_of(before)
    assert days(here, resource)[first] == ("fresh", 15), "another system's word about it does not count"
    assert today not in days(here, resource), "younger receipts may have older ones still to come before them"
    here.clock.ahead = timedelta(minutes=1)
    for _ in range(2):
        Tally(here.runtime.database, here.clock).round()  # a process that was started again
    found = days(here, resource)
    assert found[first] == ("fresh", 15)
    assert found[today] == (None, 1), "the day is not over"
    closed = [found[day][0] for day in sorted(found) if found[day][0] is not None]
    assert closed[:2] == ["fresh", "fresh"]
    assert closed[3] == "stale", "data of four days ago, although newer came since"
    assert {state for state, _ in days(here, silent).values()} == {"never"}
    with here.runtime.database.read() as session:
        months = {(row.client_id, row.month): row.records for row in session.scalars(select(GrantMonth))}
    assert months == {(reader.client_id, month_of(first)): 15}


def test_what_adapters_tell_is_judged_once_shown_in_the_catalogue_and_listed_worst_first(here: World) -> None:
    owner, other = here.office(), here.office()
    bad, good = here.resource(owner), here.resource(owner)
    rule = {"item": "name", "rule": "length", "action": "warn", "count": 10}
    said = {**REPORT, "resource": bad, "read_total": 100, "rejected_total": 10, "findings": [rule]}
    for _ in range(2):
        owner.system.post("adapters", said)
    owner.system.post(
        "adapters", {**said, "read_total": 200, "rejected_total": 20, "findings": [{**rule, "count": 20}]}
    )
    other.system.post("adapters", {**said, "name": "liar", "resource": good, "rejected_total": 100})
    owner.system.post("adapters", {**said, "name": "good", "resource": good, "rejected_total": 0, "findings": []})
    found = owner.admin.get(f"resources/{bad}/quality")
    assert (found["read"], found["rejected"], found["warned"], found["quality"]) == (200, 20, 20, 0.8)
    assert found["rules"] == [{**rule, "count": 20, "share": 0.1}]
    assert owner.admin.get("quality")["items"][0]["resource"] == bad
    assert other.admin.get("quality")["items"] == [], "another department's rules"
    assert owner.admin.get(f"resources/{good}/quality")["quality"] == 1.0, "nobody else speaks for the source"
    with here.runtime.database.write() as session:
        session.add(HistoryMark(name="day", number=day_of(here.clock()).toordinal() - 1))
    here.clock.ahead = timedelta(days=1, hours=2)
    here.runtime.tally.round()
    here.clock.ahead = timedelta()
    assert owner.admin.get(f"resources/{bad}")["quality"] == 0.8
    listed = [row["resource"] for row in owner.admin.get("resources", sort="quality")["items"]]
    assert listed[:2] == [bad, good]
    page = owner.admin.get("resources", sort="quality", limit=1)
    assert owner.admin.get("resources", sort="quality", limit=1, cursor=page["next"])["items"][0]["resource"] == good
    assert [row["resource"] for row in owner.admin.get("resources", quality_below=0.9)["items"]] == [bad]


def test_drift_is_found_shown_to_its_department_and_counted(here: World) -> None:
    owner, reader = here.office(), here.office()
    zombie, used = here.resource(owner), here.resource(owner)
    here.grant(owner, reader, used)
    grant = here.grant(owner, reader, zombie)["grant"]["id"]
    now = here.clock()
    with here.runtime.database.write() as session:
        session.execute(update(Resource).values(published_at=now - timedelta(days=40)))
        session.execute(update(Grant).values(created_at=now - timedelta(days=100)))
    receipt(here, owner, used, "published", 1, now - timedelta(days=1))
    receipt(here, reader, used, "landed", 1, now - timedelta(days=1))
    here.runtime.tally.round()
    owner.system.post("adapters", {**REPORT, "resource": used, "undeclared": ["phone", "地址"]})
    reader.system.post("adapters", {**REPORT, "resource": used, "undeclared": ["not mine to tell"]})

    def told(office: Office, kind: str) -> list[Any]:
        fields = {"zombie": "resource", "undeclared": "columns", "unused": "grant"}
        return [row[fields[kind]] for row in office.admin.get("drift", kind=kind)["items"]]

    assert told(owner, "zombie") == [zombie]
    assert told(owner, "undeclared") == [["phone", "地址"]]
    assert told(reader, "unused") == [grant], "the one that is used is not among them"
    assert [told(reader, kind) for kind in ("zombie", "undeclared")] == [[], []]
    assert told(owner, "unused") == []
    here.runtime.observer.look()
    counted = here.http.get("/metrics").text
    for kind in ("zombie", "undeclared", "unused"):
        assert f'exchange_catalogue_drift{{kind="{kind}"}} 1' in counted, kind
    owner.system.post("adapters", {**REPORT, "resource": used, "undeclared": []})
    assert told(owner, "undeclared") == [], "the catalogue lists them now"


def test_the_provider_s_clock_is_kept_and_a_dispute_does_not_move_the_first_answer(here: World) -> None:
    owner, reader, authority = here.office("440600"), here.office("440100"), here.office("440600")
    assert here.root.call("PUT", "authorities/440600", {"department_id": authority.id}).is_success
    resource = here.resource(owner)
    asked = here.request(reader, resource)
    owner.admin.post(f"requests/{asked['id']}/refuse", {"reason": "测试"})
    clock = kept(here, asked["id"])
    assert clock[0] is not None
    assert clock[1] is not None
    assert clock[1] <= datetime.now(UTC)
    reader.admin.post(f"requests/{asked['id']}/dispute", {"reason": "测试"})
    authority.admin.post(f"requests/{asked['id']}/approve")
    assert kept(here, asked["id"]) == clock
    at_once = here.request(reader, here.resource(owner, sharing_type=1, sharing_condition=None))
    assert kept(here, at_once["id"]) == (None, None), "the catalogue answered by itself"


def kept(here: World, number: int) -> tuple[datetime | None, datetime | None]:
    with here.runtime.database.read() as session:
        row = session.get_one(Request, number)
        return row.answer_due_at, row.first_answered_at
