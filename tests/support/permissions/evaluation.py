"""Evaluations, quality and drift: tables are everybody's, facts and appeals the department's and its division's."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import cache

from sqlalchemy import select

from registry.evaluation.domain import Indicator
from registry.evaluation.models import Appeal, Evaluation, FigureRow, Score
from tests.support.permissions.matrix import NO_AUDITOR, Call, Row, Stage, nothing

API = "/api/v1"
OWN = dict.fromkeys(("department_admin", "data_owner", "developer", "system"), "+---")
WHOLE = {"system_admin": "----+"}
NUMBERS = "{evaluation_id}"


@cache
def evaluation(stage: Stage) -> int:
    """An evaluation of a period that is over, with a figure of the home department; returns its id."""
    now = datetime.now(UTC)
    weights = {each.value: 1.0 for each in Indicator}
    with stage.world.runtime.database.write() as session:
        row = Evaluation(
            period="2025",
            since=date(2025, 1, 1),
            until=date(2026, 1, 1),
            final=True,
            method={"weights": weights, "use_days": 15, "difference_days": 5},
            made_by="admin",
            made_at=now,
            appeals_until=now + timedelta(days=365),
        )
        session.add(row)
        session.flush()
        common = {"evaluation_id": row.id, "department_id": stage.home.id}
        session.add(Score(**common, place=1, rank=1, score=50.0))
        session.add(FigureRow(**common, indicator="quality", base=2.0, met=1.0))
        return row.id


def of(ending: str, **params: object) -> Row:
    """A row of what everybody may look at."""
    return Row(
        "GET",
        f"{API}/evaluations/{NUMBERS}{ending}",
        lambda stage: Call(f"{API}/evaluations/{evaluation(stage)}{ending}", params=dict(params)),
        NO_AUDITOR,
    )


def facts(stage: Stage) -> Call:
    path = f"{API}/evaluations/{evaluation(stage)}/facts"
    return Call(path, params={"department": stage.home.id, "indicator": "quality"})


def unappealed(stage: Stage) -> Call:
    with stage.world.runtime.database.write() as session:
        for row in session.scalars(select(Appeal)):
            session.delete(row)
    return Call(f"{API}/evaluations/{evaluation(stage)}/appeals", {"indicator": "quality", "reason": "测试"})


def answered(stage: Stage) -> Call:
    call = unappealed(stage)
    number = stage.home.admin.post(call.path.removeprefix(f"{API}/"), call.body)["id"]
    return Call(f"{call.path}/{number}/answer", {"outcome": "upheld", "reason": "测试"})


def one_department(stage: Stage) -> Call:
    return Call(f"{API}/evaluations/{evaluation(stage)}/scores/{stage.home.id}")


def published(stage: Stage) -> Call:
    return Call(f"{API}/resources/{stage.world.resource(stage.home)}/quality")


ROWS = (
    Row("POST", f"{API}/evaluations", lambda _stage: Call(f"{API}/evaluations", {"period": "2025-12"}), WHOLE),
    Row("GET", f"{API}/evaluations", nothing(f"{API}/evaluations"), NO_AUDITOR),
    of(""),
    of("/scores"),
    of("/report"),
    of("/appeals"),
    Row("GET", f"{API}/evaluations/{NUMBERS}/scores/{{department_id}}", one_department, NO_AUDITOR),
    Row("GET", f"{API}/evaluations/{NUMBERS}/facts", facts, {**OWN, "system_admin": "++--"}),
    Row(
        "POST",
        f"{API}/evaluations/{NUMBERS}/appeals",
        unappealed,
        {"department_admin": "+???", "data_owner": "+???"},
    ),
    Row(
        "POST",
        f"{API}/evaluations/{NUMBERS}/appeals/{{appeal_id}}/answer",
        answered,
        {
            "system_admin": "++??",
            "security_admin": "????",
            "department_admin": "-???",
            "data_owner": "-???",
            "developer": "-???",
            "system": "-???",
        },
    ),
    Row("GET", f"{API}/resources/{{resource}}/quality", published, NO_AUDITOR),
    Row("GET", f"{API}/quality", nothing(f"{API}/quality"), NO_AUDITOR),
    Row("GET", f"{API}/drift", lambda _stage: Call(f"{API}/drift", params={"kind": "zombie"}), NO_AUDITOR),
)
