"""What a report of an evaluation says, before it is a spreadsheet or a document."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from exchange.text import Lang, Text
from registry.evaluation.domain import DESCRIBED, Indicator
from registry.evaluation.models import Appeal, Evaluation
from registry.evaluation.service import figures_of, scores, weights_of

TITLE = Text("Evaluation of data sharing, {period}", "{period} 政务信息资源共享绩效评价")
PROVISIONAL = Text("provisional: the period is not over", "评价期未结束，仅供参考")
FINAL = Text("the period is over", "评价期已结束")
ABOUT = Text(
    "{since} to {before} · made {made} by {by} · {state} · {departments} departments, {judged} of them judged · "
    "{appeals} appeals, {corrected} of them corrected",
    "评价期 {since} 至 {before} · {made} 由 {by} 生成 · {state} · 参评部门 {departments} 个，其中有得分 {judged} 个 · "
    "申诉 {appeals} 件，其中更正 {corrected} 件",
)
RANK, DEPARTMENT, DIVISION, SCORE = (
    Text("rank", "排名"), Text("department", "部门"), Text("division", "行政区划"), Text("score", "得分"),
)  # fmt: skip
INDICATOR, WEIGHT, FORMULA, MEAN, JUDGED = (
    Text("indicator", "指标"), Text("weight", "权重"), Text("formula", "计算方法"), Text("mean", "平均值"),
    Text("departments", "适用部门数"),
)  # fmt: skip
MEANS = Text("mean of each indicator", "各指标平均值")
BEST = Text("highest scores", "得分最高的部门")
LOWEST = Text("lowest scores", "得分最低的部门")
TABLE = Text("scores", "得分")
METHOD = Text("formulas and weights", "计算方法与权重")
SCORED = Text(
    "Score = weighted mean of the figures that apply, of 100. What does not apply weighs nothing. Equal scores share a "
    "rank.",
    "得分 = 适用指标的加权平均值（百分制）；不适用的指标不计权重；得分相同者名次并列。",
)
NOTHING = "–"


@dataclass(frozen=True, slots=True)
class Measure:
    """An indicator: its weight, its formula, the mean over the departments that it applies to."""

    name: str
    weight: float
    formula: str
    mean: float | None
    applies_to: int


@dataclass(frozen=True, slots=True)
class Line:
    """A department: ``values`` in the order of the measures, None where one does not apply."""

    rank: int | None
    department: str
    division: str
    score: float | None
    values: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """A whole evaluation in one language."""

    lang: Lang
    title: str
    about: str
    measures: Sequence[Measure]
    lines: Sequence[Line]

    @property
    def judged(self) -> list[Line]:
        """The departments that have a score, the best first."""
        return [line for line in self.lines if line.score is not None]


def report_of(session: Session, evaluation: Evaluation, lang: Lang) -> Report:
    """Return the report of an evaluation."""
    found = figures_of(session, evaluation)
    lines = []
    for row in session.scalars(scores(evaluation).order_by("place")):
        own = found.get(row.department_id, {})
        values = tuple(own[each].figure.value if each in own else None for each in Indicator)
        lines.append(Line(row.rank, row.department.name, row.department.division, row.score, values))
    weights = weights_of(evaluation)
    measures = [
        _measure(each, weights[each], [line.values[place] for line in lines], evaluation, lang)
        for place, each in enumerate(Indicator)
    ]
    title = TITLE.format(lang, period=evaluation.period)
    return Report(lang, title, _about(session, evaluation, lines, lang), measures, lines)


def formula_of(evaluation: Evaluation, indicator: Indicator, lang: Lang) -> str:
    """Return an indicator's formula with the limits that were used."""
    limits = {name: evaluation.method[name] for name in ("use_days", "difference_days")}
    return DESCRIBED[indicator].formula.format(lang, **limits)


def percent(value: float | None) -> str:
    """Return a share as people read it."""
    return NOTHING if value is None else f"{value:.1%}"


def _measure(
    indicator: Indicator, weight: float, values: Sequence[float | None], evaluation: Evaluation, lang: Lang
) -> Measure:
    there = [value for value in values if value is not None]
    mean = sum(there) / len(there) if there else None
    name = DESCRIBED[indicator].name.format(lang)
    return Measure(name, weight, formula_of(evaluation, indicator, lang), mean, len(there))


def _about(session: Session, evaluation: Evaluation, lines: Sequence[Line], lang: Lang) -> str:
    counted = select(Appeal.state, func.count()).where(Appeal.evaluation_id == evaluation.id).group_by(Appeal.state)
    appeals: dict[str, int] = dict(session.execute(counted).all())
    return ABOUT.format(
        lang,
        since=evaluation.since.isoformat(),
        before=evaluation.until.fromordinal(evaluation.until.toordinal() - 1).isoformat(),
        made=f"{evaluation.made_at:%Y-%m-%d %H:%M} UTC",
        by=evaluation.made_by,
        state=FINAL if evaluation.final else PROVISIONAL,
        departments=len(lines),
        judged=sum(line.score is not None for line in lines),
        appeals=sum(appeals.values()),
        corrected=appeals.get("corrected", 0),
    )
