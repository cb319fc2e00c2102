"""Making evaluations, following figures down to their facts, and appeals."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, insert, or_, select
from sqlalchemy.orm import Session

from exchange.text import Text
from registry.access.caller import Caller
from registry.audit.service import note
from registry.clock import Clock
from registry.database import Database
from registry.errors import Conflict, Forbidden, NotFound
from registry.evaluation import domain
from registry.evaluation.domain import AppealState, Fact, Figure, Indicator, Period
from registry.evaluation.facts import Asked, facts_of, figures_of_all
from registry.evaluation.models import Appeal, Evaluation, FigureRow, Score
from registry.history.domain import end_of, last_over
from registry.notices.service import tell_department
from registry.organisation.models import Department
from registry.organisation.reach import seen
from registry.organisation.service import department_of
from registry.settings import EvaluationGroup
from registry.workdays import Workdays


@dataclass(frozen=True, slots=True)
class Method:
    """How evaluations are made here: the time, the working days, the configuration."""

    clock: Clock
    workdays: Workdays
    settings: EvaluationGroup

    def as_json(self) -> dict[str, Any]:
        """Return what is kept beside an evaluation: weights and limits."""
        weights = {each.value: getattr(self.settings, f"weight_{each.value}") for each in Indicator}
        limits = {name: getattr(self.settings, name) for name in ("use_days", "difference_days")}
        return {"weights": weights, **limits}


def weights_of(evaluation: Evaluation) -> dict[Indicator, float]:
    """Return the weights that an evaluation was made with."""
    return {each: float(evaluation.method["weights"][each.value]) for each in Indicator}


def make(database: Database, method: Method, caller: Caller, period_name: str) -> Evaluation:
    """Evaluate all departments over a period; a system administrator of the whole node does.

    A period that is not over gives a provisional evaluation. Errors: Forbidden, Invalid, Conflict (not begun).
    """
    caller.must_administer()
    period, now = Period.parse(period_name), method.clock()
    if end_of(period.since - timedelta(days=1)) > now:
        raise Conflict(reason=Text("the period has not begun", "评价期尚未开始"))
    evaluation = Evaluation(
        period=period.name,
        since=period.since,
        until=period.until,
        final=last_over(now) >= period.until.fromordinal(period.until.toordinal() - 1),
        method=method.as_json(),
        made_by=caller.name,
        made_at=now,
        appeals_until=method.workdays.due(now, method.settings.appeal_days),
    )
    asked = _asked(evaluation, method.workdays)
    with database.read() as session:  # a year of facts takes seconds: others write meanwhile
        counted = figures_of_all(session, asked)
    with database.write() as session:
        session.add(evaluation)
        session.flush()
        _keep(session, evaluation, counted)
        facts = {"period": period.name, "final": evaluation.final, **evaluation.method}
        note(session, method.clock, actor=caller.name, action="evaluation.make", target=_name(evaluation), facts=facts)
    return evaluation


def evaluation_of(session: Session, number: int) -> Evaluation:
    """Return an evaluation. Errors: NotFound."""
    row = session.get(Evaluation, number)
    if row is None:
        raise NotFound(kind=Text("evaluation", "绩效评价"), name=number)
    return row


def scores(evaluation: Evaluation) -> Select[Score]:
    """Return the statement for an evaluation's table."""
    return select(Score).where(Score.evaluation_id == evaluation.id)


def score_of(session: Session, evaluation: Evaluation, department_id: int) -> Score:
    """Return a department's line. Errors: NotFound."""
    row = session.get(Score, (evaluation.id, department_id))
    if row is None:
        raise NotFound(kind=Text("department in this evaluation", "参评部门"), name=department_id)
    return row


def figures_of(
    session: Session, evaluation: Evaluation, departments: Sequence[int] | None = None
) -> dict[int, dict[Indicator, FigureRow]]:
    """Return the figures of departments, or of all."""
    wanted = select(FigureRow).where(FigureRow.evaluation_id == evaluation.id)
    if departments is not None:
        wanted = wanted.where(FigureRow.department_id.in_(departments))
    found: dict[int, dict[Indicator, FigureRow]] = defaultdict(dict)
    for row in session.scalars(wanted):
        found[row.department_id][Indicator(row.indicator)] = row
    return found


def facts_behind(
    session: Session, caller: Caller, evaluation: Evaluation, workdays: Workdays, department_id: int, wanted: Indicator
) -> list[Fact]:
    """Return the facts behind a figure, to the department itself and those above it. Errors: NotFound, Forbidden."""
    department = score_of(session, evaluation, department_id).department
    if not caller.sees(department.id, department.division):
        raise Forbidden(reason=Text("the facts of another department", "非本部门的明细"))
    return list(facts_of(session, wanted, _asked(evaluation, workdays, department.id)))


def appeal(
    session: Session, clock: Clock, caller: Caller, evaluation: Evaluation, indicator: Indicator, reason: str
) -> Appeal:
    """Appeal against a figure of the caller's own department. Errors: Forbidden, NotFound, Conflict."""
    department = caller.department_id
    if department is None:
        raise Forbidden(reason=Text("a department appeals for itself", "仅参评部门可申诉"))
    caller.must_decide(department)
    now = clock()
    if session.get(FigureRow, (evaluation.id, department, indicator.value)) is None:
        raise NotFound(kind=Text("figure of your department", "本部门的该项指标"), name=indicator.value)
    domain.check_appeal(final=evaluation.final, until=evaluation.appeals_until, now=now)
    row = Appeal(
        evaluation_id=evaluation.id,
        department_id=department,
        department=department_of(session, department),
        indicator=indicator.value,
        reason=reason,
        state=AppealState.OPEN.value,
        raised_by=caller.name,
        raised_at=now,
    )
    session.add(row)
    session.flush()
    facts = {"evaluation": evaluation.id, "department": department, "indicator": indicator.value}
    note(session, clock, actor=caller.name, action="appeal.raise", target=_called(row), facts=facts)
    return row


def appeals(caller: Caller, evaluation: Evaluation) -> Select[Appeal]:
    """Return the statement for the appeals that the caller may look at: one's own, and those of the subtree."""
    return select(Appeal).where(Appeal.evaluation_id == evaluation.id, seen(caller, Appeal.department_id))


def answer(
    session: Session,
    clock: Clock,
    caller: Caller,
    evaluation: Evaluation,
    number: int,
    outcome: AppealState,
    reason: str,
    figure: Figure | None,
) -> Appeal:
    """Answer an appeal: a system administrator of the department's division does, and says why.

    Errors: NotFound, Forbidden, WrongState, Invalid.
    """
    session.refresh(evaluation, with_for_update=True)  # one answer after the other: each ranks all departments anew
    row = session.scalar(appeals(caller, evaluation).where(Appeal.id == number))
    if row is None:
        raise NotFound(kind=Text("appeal", "申诉"), name=number)
    caller.must_administer(row.department.division)
    domain.answer_appeal(AppealState(row.state), outcome, figure)
    row.state, row.answer, row.answered_by, row.answered_at = outcome.value, reason, caller.name, clock()
    facts: dict[str, Any] = {
        "evaluation": evaluation.id,
        "department_id": row.department_id,
        "indicator": row.indicator,
    }
    if figure is not None:
        facts |= _correct(session, evaluation, row, figure)
    told = {**facts, "state": row.state, "answer": reason}
    tell_department(session, clock(), row.department_id, kind=f"appeal.{row.state}", subject=_called(row), **told)
    note(session, clock, actor=caller.name, action=f"appeal.{row.state}", target=_called(row), facts=facts)
    return row


def _correct(session: Session, evaluation: Evaluation, row: Appeal, figure: Figure) -> dict[str, Any]:
    """Let a corrected figure count: all scores and ranks follow. Return the change as the audit tells it."""
    wrong = session.get_one(FigureRow, (evaluation.id, row.department_id, row.indicator))
    before = {"base": wrong.base, "met": wrong.met}
    wrong.corrected_base, wrong.corrected_met = figure.base, figure.met
    session.flush()
    _rank(session, evaluation)
    return {"was": before, "is": {"base": figure.base, "met": figure.met}}


def _keep(session: Session, evaluation: Evaluation, counted: Mapping[Indicator, Mapping[int, Figure]]) -> None:
    taking_part = set(session.scalars(select(Department.id).where(_there(evaluation))))
    rows = [
        {
            "evaluation_id": evaluation.id,
            "department_id": department,
            "indicator": indicator.value,
            "base": figure.base,
            "met": figure.met,
        }
        for indicator, of_departments in counted.items()
        for department, figure in of_departments.items()
        if department in taking_part
    ]
    if rows:
        session.execute(insert(FigureRow), rows)
    table = [
        {"evaluation_id": evaluation.id, "department_id": department, "place": place}
        for place, department in enumerate(sorted(taking_part), 1)
    ]
    if table:
        session.execute(insert(Score), table)
    _rank(session, evaluation)


def _there(evaluation: Evaluation) -> ColumnElement[bool]:
    """Return the condition for the departments that take part: those that were not merged away before the end."""
    return or_(Department.valid_to.is_(None), Department.valid_to >= evaluation.until)


def _rank(session: Session, evaluation: Evaluation) -> None:
    weights, found = weights_of(evaluation), figures_of(session, evaluation)
    rows = {row.department_id: row for row in session.scalars(scores(evaluation))}
    judged = {
        department: domain.score({name: row.figure for name, row in found.get(department, {}).items()}, weights)
        for department in rows
    }
    for place, (department, score, rank) in enumerate(domain.ranked(judged), 1):
        row = rows[department]
        row.place, row.score, row.rank = place, score, rank
    session.flush()


def _asked(evaluation: Evaluation, workdays: Workdays, department: int | None = None) -> Asked:
    return Asked(
        period=Period(evaluation.period, evaluation.since, evaluation.until),
        now=evaluation.made_at,
        workdays=workdays,
        use_days=int(evaluation.method["use_days"]),
        difference_days=int(evaluation.method["difference_days"]),
        department=department,
    )


def _name(evaluation: Evaluation) -> str:
    return f"evaluation/{evaluation.id}"


def _called(row: Appeal) -> str:
    return f"appeal/{row.id}"
