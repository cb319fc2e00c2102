"""Evaluations over HTTP: the table is everybody's to see, the facts behind a figure the department's own."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from sqlalchemy import select

from registry.catalogue.api import Language
from registry.evaluation import report, service
from registry.evaluation.domain import AppealState, Indicator, figures
from registry.evaluation.forms import (
    AnswerForm,
    AppealForm,
    AppealOut,
    EvaluationForm,
    EvaluationOut,
    FactOut,
    FactsOut,
    ScoreOut,
)
from registry.evaluation.models import Appeal, Evaluation, Score
from registry.evaluation.report_pdf import pdf
from registry.evaluation.report_xlsx import xlsx
from registry.web.access import Authenticated, Registry
from registry.web.forms import MOST, Cursor, Limit, Number, Page, page, part

router = APIRouter(prefix="/api/v1/evaluations", tags=["evaluation"])
DepartmentId = Annotated[int, Query(ge=1, le=2**63 - 1)]


class ReportFormat(StrEnum):
    """What a report is written as."""

    XLSX = "xlsx"
    PDF = "pdf"


MEDIA = {
    ReportFormat.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ReportFormat.PDF: "application/pdf",
}
FILES: dict[int | str, dict[str, Any]] = {
    200: {"content": {media: {"schema": {"type": "string", "format": "binary"}} for media in MEDIA.values()}}
}


@router.post("", status_code=201)
def make(registry: Registry, caller: Authenticated, lang: Language, form: EvaluationForm) -> EvaluationOut:
    """Evaluate all departments over a period; a system administrator of the whole node does this."""
    return EvaluationOut.of(service.make(registry.database, registry.method, caller, form.period), lang)


@router.get("")
def evaluations(
    registry: Registry, _caller: Authenticated, lang: Language, limit: Limit = 100, cursor: Cursor = None
) -> Page[EvaluationOut]:
    """List the evaluations, with their formulas and weights."""
    with registry.database.read() as session:
        wanted = select(Evaluation)
        return page(session, wanted, Evaluation.id, lambda row: EvaluationOut.of(row, lang), limit=limit, cursor=cursor)


@router.get("/{evaluation_id}")
def evaluation(registry: Registry, _caller: Authenticated, lang: Language, evaluation_id: Number) -> EvaluationOut:
    """Return an evaluation with its formulas and weights."""
    with registry.database.read() as session:
        return EvaluationOut.of(service.evaluation_of(session, evaluation_id), lang)


@router.get("/{evaluation_id}/scores")
def scores(
    registry: Registry, _caller: Authenticated, evaluation_id: Number, limit: Limit = 100, cursor: Cursor = None
) -> Page[ScoreOut]:
    """Return the table of the departments, the best first, those that nothing applies to last."""
    with registry.database.read() as session:
        found = service.evaluation_of(session, evaluation_id)
        rows, following = part(session, service.scores(found), Score.place, limit=limit, cursor=cursor)
        own = service.figures_of(session, found, [row.department_id for row in rows])
        return Page(items=[ScoreOut.of(row, own.get(row.department_id, {})) for row in rows], next=following)


@router.get("/{evaluation_id}/scores/{department_id}")
def score(registry: Registry, _caller: Authenticated, evaluation_id: Number, department_id: Number) -> ScoreOut:
    """Return one department's score and figures."""
    with registry.database.read() as session:
        found = service.evaluation_of(session, evaluation_id)
        row = service.score_of(session, found, department_id)
        return ScoreOut.of(row, service.figures_of(session, found, [department_id]).get(department_id, {}))


@router.get("/{evaluation_id}/facts")
def facts(
    registry: Registry,
    caller: Authenticated,
    lang: Language,
    evaluation_id: Number,
    department: DepartmentId,
    indicator: Indicator,
    limit: Annotated[int, Query(ge=1, le=MOST, description="facts, what was missed first")] = 100,
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> FactsOut:
    """Follow a figure down to the facts that count in it: requests, resources, streams, grants, objections."""
    workdays = registry.rules.workdays
    with registry.database.read() as session:
        found = service.evaluation_of(session, evaluation_id)
        behind = service.facts_behind(session, caller, found, workdays, department, indicator)
        formula = report.formula_of(found, indicator, lang)
    whole = figures(behind).get(department)
    behind.sort(key=lambda fact: fact.met / fact.base)  # stable: facts that missed as much stay in their order
    return FactsOut(
        indicator=indicator,
        formula=formula,
        department_id=department,
        base=whole.base if whole else 0,
        met=whole.met if whole else 0,
        count=len(behind),
        items=[FactOut.of(fact) for fact in behind[offset : offset + limit]],
    )


@router.get("/{evaluation_id}/report", response_class=Response, responses=FILES)
def report_file(
    registry: Registry,
    _caller: Authenticated,
    lang: Language,
    evaluation_id: Number,
    form: Annotated[ReportFormat, Query(alias="format")] = ReportFormat.XLSX,
) -> Response:
    """Return the report with its charts, formulas and weights, as XLSX or PDF."""
    with registry.database.read() as session:
        found = service.evaluation_of(session, evaluation_id)
        made = report.report_of(session, found, lang)
    data = xlsx(made) if form is ReportFormat.XLSX else pdf(made, registry.settings.evaluation.font_file)
    headers = {"Content-Disposition": f'attachment; filename="evaluation-{found.period}.{form.value}"'}
    return Response(data, media_type=MEDIA[form], headers=headers)


@router.post("/{evaluation_id}/appeals", status_code=201)
def appeal(registry: Registry, caller: Authenticated, evaluation_id: Number, form: AppealForm) -> AppealOut:
    """Appeal against a figure of one's own department; its administrator or data owner does this, once a figure."""
    with registry.database.write() as session:
        found = service.evaluation_of(session, evaluation_id)
        return AppealOut.of(service.appeal(session, registry.clock, caller, found, form.indicator, form.reason))


@router.get("/{evaluation_id}/appeals")
def appeals(
    registry: Registry, caller: Authenticated, evaluation_id: Number, limit: Limit = 100, cursor: Cursor = None
) -> Page[AppealOut]:
    """List the appeals of one's own department, or of the departments that one administers."""
    with registry.database.read() as session:
        wanted = service.appeals(caller, service.evaluation_of(session, evaluation_id))
        return page(session, wanted, Appeal.id, AppealOut.of, limit=limit, cursor=cursor)


@router.post("/{evaluation_id}/appeals/{appeal_id}/answer")
def answer(
    registry: Registry, caller: Authenticated, evaluation_id: Number, appeal_id: Number, form: AnswerForm
) -> AppealOut:
    """Answer an appeal: the figure is upheld or corrected, and why; scores and ranks follow a correction."""
    with registry.database.write() as session:
        found = service.evaluation_of(session, evaluation_id)
        outcome = AppealState(form.outcome)
        row = service.answer(session, registry.clock, caller, found, appeal_id, outcome, form.reason, form.figure)
        return AppealOut.of(row)
