"""An evaluation from facts that the registry keeps, down to each fact, appealed, corrected and reported."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from openpyxl.worksheet.worksheet import Worksheet
from sqlalchemy import insert

from registry.history.domain import day_of, end_of
from registry.history.models import GrantMonth, ResourceDay
from registry.receipts.models import Difference
from registry.sharing.models import Grant, Request
from tests.support.databases import BOTH_DATABASES
from tests.support.registry_world import PASSWORD, Office, Person, World, world

NOTHING = {"published": 0, "read": 0, "rejected": 0, "warned": 0}


@pytest.fixture(params=BOTH_DATABASES)
def here(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    url = request.getfixturevalue("postgres_url") if request.param == "postgresql" else None
    with world(tmp_path, url) as made:
        yield made


def month_before(day: date) -> date:
    return (day.replace(day=1) - timedelta(days=1)).replace(day=1)


def days(here: World, office: Office, resource: str, first: date, states: list[str], **more: int) -> None:
    rows = [
        {**NOTHING, **more, "slug": resource, "day": first + timedelta(days=n), "freshness": state,
         "department_id": office.id}
        for n, state in enumerate(states)
    ]  # fmt: skip
    with here.runtime.database.write() as session:
        session.execute(insert(ResourceDay), rows)


def figures(line: dict[str, Any]) -> dict[str, tuple[float, float]]:
    return {each["indicator"]: (each["met"], each["base"]) for each in line["figures"]}


def test_an_evaluation_is_counted_followed_down_appealed_and_reported(here: World) -> None:
    provider, user, idle = here.office(), here.office(), here.office()
    good, stale = here.resource(provider), here.resource(provider)
    grant = here.grant(provider, user, good)["grant"]["id"]
    unused = here.grant(provider, user, stale)["grant"]["id"]
    month = month_before(datetime.now(UTC).date())
    name = f"{month:%Y-%m}"
    back_date(here, month)
    days(here, provider, good, month, ["fresh"] * 10, read=100, rejected=5, warned=5)
    days(here, provider, stale, month, ["fresh"] * 4 + ["stale"] * 6)
    with here.runtime.database.write() as session:
        session.add(GrantMonth(slug=good, client_id=user.client_id, month=month, records=7, last_at=datetime.now(UTC)))
        session.add(
            Difference(
                slug=good, client_id=user.client_id, batch="0" * 32, kind="lost", owner="subscriber", records=1,
                reason="-", opened_at=datetime(month.year, month.month, 2, tzinfo=UTC),
            )
        )  # fmt: skip
    assert provider.admin.call("POST", "evaluations", {"period": name}).status_code == 403
    made = here.root.post("evaluations", {"period": name})
    assert made["final"]
    lines = {line["department_id"]: line for line in here.root.get(f"evaluations/{made['id']}/scores")["items"]}
    assert figures(lines[provider.id]) == {
        "collection": (1, 2), "answers": (2, 2), "freshness": (14, 20), "quality": (0.9, 1), "reconciliation": (1, 1),
    }  # fmt: skip
    assert figures(lines[user.id]) == {"reconciliation": (0, 1), "use": (1, 2)}
    assert (lines[idle.id]["score"], lines[idle.id]["rank"], lines[idle.id]["figures"]) == (None, None, [])
    weighed = 25 * 0.5 + 15 * 1 + 20 * 0.7 + 15 * 0.9 + 10 * 1
    assert lines[provider.id]["score"] == pytest.approx(100 * weighed / 85, abs=0.005)
    assert lines[user.id]["score"] == 25.0

    followed_down(here, made["id"], provider, user, stale, unused)
    appealed(here, made["id"], user, {"grant": grant})
    reported(here, made["id"], len(lines))


def back_date(here: World, month: date) -> None:
    """What was asked and granted just now happened in that month."""
    first = datetime(month.year, month.month, 1, tzinfo=UTC)
    with here.runtime.database.write() as session:
        for request in session.query(Request):
            request.answer_due_at, request.first_answered_at = first + timedelta(days=9), first + timedelta(days=3)
        for grant in session.query(Grant):
            grant.created_at = first + timedelta(days=3)


def followed_down(here: World, number: int, provider: Office, user: Office, stale: str, unused: int) -> None:
    asked = {"department": provider.id, "indicator": "freshness"}
    facts = provider.admin.get(f"evaluations/{number}/facts", **asked)
    assert (facts["met"], facts["base"], facts["count"]) == (14, 20, 2)
    assert facts["items"][0]["subject"] == f"resource/{stale}", "what was missed comes first"
    assert user.admin.call("GET", f"evaluations/{number}/facts", **asked).status_code == 403, "another's facts"
    for indicator, subject in (("use", f"grant/{unused}"), ("reconciliation", "stream/")):
        found = user.admin.get(f"evaluations/{number}/facts", department=user.id, indicator=indicator)["items"]
        assert found[0]["subject"].startswith(subject)
        assert found[0]["met"] == 0
    assert here.root.get(f"evaluations/{number}/facts", **asked)["count"] == 2


def appealed(here: World, number: int, user: Office, about: dict[str, Any]) -> None:
    path = f"evaluations/{number}/appeals"
    body = {"indicator": "use", "reason": "项目延期，已报备"}
    assert user.admin.call("POST", path, {**body, "indicator": "quality"}).status_code == 404, "it has no such figure"
    raised = user.admin.post(path, body)
    assert user.admin.call("POST", path, body).status_code == 409, "once a figure"
    answer = f"{path}/{raised['id']}/answer"
    given = {"outcome": "corrected", "reason": "经核实"}
    assert user.admin.call("POST", answer, {**given, "met": 2, "base": 2}).status_code == 403, "not one's own"
    for bad in ({}, {"met": 3, "base": 2}, {"met": 1}):
        assert here.root.call("POST", answer, {**given, **bad}).status_code == 422, bad
    assert here.root.post(answer, {**given, "met": 2, "base": 2})["state"] == "corrected"
    assert here.root.call("POST", answer, {"outcome": "upheld", "reason": "再次"}).status_code == 409, "answered once"
    line = user.admin.get(f"evaluations/{number}/scores/{user.id}")
    use = next(each for each in line["figures"] if each["indicator"] == "use")
    assert (use["value"], use["corrected"], use["counted"]) == (1, True, 0.5)
    assert line["score"] == 50.0
    assert user.admin.get("notices", kind="appeal.corrected")["items"], "the department is told"
    actions = {entry["action"] for entry in here.auditor.get("audit/entries", limit=500)["items"]}
    assert {"evaluation.make", "appeal.raise", "appeal.corrected"} <= actions


def reported(here: World, number: int, departments: int) -> None:
    found = file(here.root, number, "xlsx")
    book = openpyxl.load_workbook(io.BytesIO(found))
    table, method = book.worksheets
    assert [table.cell(4, column).value for column in (1, 2, 4, 5)] == ["排名", "部门", "得分", "采集率"]
    assert table.max_row == 4 + departments
    assert method["B5"].value == 25
    assert "15 天" in method["E10"].value, "the formula is printed with its limits"
    assert isinstance(method, Worksheet)
    assert len(method._charts) == 3  # type: ignore[attr-defined]
    assert file(here.root, number, "pdf").startswith(b"%PDF-")


def file(caller: Person, number: int, form: str) -> bytes:
    headers = {"Authorization": f"Bearer {caller.token}", "Accept-Language": "zh-CN"}
    answer = caller.http.get(f"/api/v1/evaluations/{number}/report", params={"format": form}, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.content


def test_a_resource_that_moved_counts_for_each_department_for_its_days(here: World) -> None:
    before, after = here.office(), here.office()
    resource, other = here.resource(after), here.resource(after)
    month = month_before(datetime.now(UTC).date())
    days(here, before, resource, month, ["fresh"] * 4 + ["stale"])
    days(here, after, resource, month + timedelta(days=5), ["fresh"] * 3)
    days(here, after, other, month, ["unbound"] * 3 + ["never"])
    number = here.root.post("evaluations", {"period": f"{month:%Y-%m}"})["id"]
    lines = {line["department_id"]: line for line in here.root.get(f"evaluations/{number}/scores")["items"]}
    assert figures(lines[before.id]) == {"freshness": (4, 5)}
    assert figures(lines[after.id]) == {"freshness": (3, 4), "collection": (1, 2)}
    for office, base in ((before, 5), (after, 4)):
        asked = {"department": office.id, "indicator": "freshness"}
        assert office.admin.get(f"evaluations/{number}/facts", **asked)["base"] == base, "the facts make the figure"
    gone = before.admin.get(f"evaluations/{number}/facts", department=before.id, indicator="collection")
    assert (gone["count"], gone["base"]) == (0, 0), "who had it last is asked for it"


def test_a_period_can_be_evaluated_from_its_first_day(here: World) -> None:
    now = datetime.now(UTC)
    first = (day_of(now).replace(day=1) + timedelta(days=32)).replace(day=1)
    here.clock.ahead = end_of(first - timedelta(days=1)) + timedelta(minutes=10) - now
    root = here.user("admin", here.root.secret)
    assert not root.post("evaluations", {"period": f"{first:%Y-%m}"})["final"]
    here.clock.ahead -= timedelta(minutes=20)
    assert root.call("POST", "evaluations", {"period": f"{first:%Y-%m}"}).status_code == 409, "the day before"


def test_a_period_that_is_not_over_is_provisional_and_a_late_appeal_is_refused(here: World) -> None:
    office = here.office()
    resource = here.resource(office)
    today = day_of(datetime.now(UTC))
    days(here, office, resource, today, ["fresh"])
    name = f"{today:%Y-%m}"
    made = here.root.post("evaluations", {"period": name})
    assert not made["final"]
    body = {"indicator": "freshness", "reason": "测试"}
    assert office.admin.call("POST", f"evaluations/{made['id']}/appeals", body).status_code == 409
    for wrong in ("2026-13", "2026-Q5", "26", "2026-H3"):
        assert here.root.call("POST", "evaluations", {"period": wrong}).status_code == 422, wrong
    assert here.root.call("POST", "evaluations", {"period": f"{today.year + 1}"}).status_code == 409
    here.clock.ahead = timedelta(days=35)
    final = here.user("admin", here.root.secret).post("evaluations", {"period": name})
    assert final["final"]
    here.clock.ahead = timedelta(days=65)
    late = here.user(office.admin.name, PASSWORD)
    assert late.call("POST", f"evaluations/{final['id']}/appeals", body).status_code == 409, "the time is over"
