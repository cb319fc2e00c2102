"""The evaluation of departments (绩效评价): each figure is a count of facts, each score a mean of figures.

A fact says how much it counts (``base``) and how much of that was kept (``met``); a figure is the sum of both over a
department's facts, so whoever looks at the facts sees the figure. Pure values and decisions.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from exchange.text import Text
from registry.catalogue.domain import Freshness
from registry.errors import Conflict, Invalid, WrongState

DIGITS = 2  # of a score; departments that agree in these share a rank
PERIOD = re.compile(r"(?P<year>20[0-9]{2})(?:-(?:(?P<month>0[1-9]|1[0-2])|Q(?P<quarter>[1-4])|H(?P<half>[12])))?")


class Indicator(StrEnum):
    """What a department is measured by."""

    COLLECTION = "collection"
    ANSWERS = "answers"
    FRESHNESS = "freshness"
    QUALITY = "quality"
    RECONCILIATION = "reconciliation"
    USE = "use"
    OBJECTIONS = "objections"


class AppealState(StrEnum):
    """Where an appeal stands: the figure was upheld, or corrected."""

    OPEN = "open"
    UPHELD = "upheld"
    CORRECTED = "corrected"


@dataclass(frozen=True, slots=True)
class Described:
    """How an indicator is called, and what is divided by what."""

    name: Text
    formula: Text


DESCRIBED: Mapping[Indicator, Described] = {
    Indicator.COLLECTION: Described(
        Text("collection rate", "采集率"),
        Text(
            "resources whose data were there and within their update cycle at the end of the period ÷ resources listed",
            "期末有数据且未超更新周期的信息资源数 ÷ 目录所列信息资源数",
        ),
    ),
    Indicator.ANSWERS: Described(
        Text("requests answered in time", "申请按时答复率"),
        Text(
            "requests first answered within their working days ÷ requests whose answer was due in the period",
            "在工作日时限内首次答复的申请数 ÷ 期内应答复的申请数",
        ),
    ),
    Indicator.FRESHNESS: Described(
        Text("freshness kept", "更新及时率"),
        Text(
            "days at whose end the data were within the update cycle ÷ days listed with a cycle, over all resources",
            "日终数据未超更新周期的资源日数 ÷ 有更新周期的资源在册日数",
        ),
    ),
    Indicator.QUALITY: Described(
        Text("quality", "数据质量"),
        Text(
            "mean over resources of: 1 − (rows rejected + findings let through) ÷ rows read",
            "各信息资源的平均值：1 −（拒收行数 + 告警次数）÷ 读取行数",
        ),
    ),
    Indicator.RECONCILIATION: Described(
        Text("reconciliation", "对账情况"),
        Text(
            "streams without a difference of the department's own left open for more than {difference_days} working "
            "days ÷ streams that moved data, as publisher or subscriber",
            "无超过 {difference_days} 个工作日未办结的本方责任差异的数据流 ÷ 期内有数据的数据流（发布方或使用方）",
        ),
    ),
    Indicator.USE: Described(
        Text("use of granted data", "授权数据使用率"),
        Text(
            "grants by which something landed in the period ÷ grants held that stood for {use_days} days of it",
            "期内有数据落地的授权数 ÷ 期内有效满 {use_days} 天的授权数",
        ),
    ),
    Indicator.OBJECTIONS: Described(
        Text("objections handled", "异议处理率"),
        Text(
            "objections whose steps all came in time ÷ objections raised in the period that are closed or came late",
            "各环节均按时办理的异议数 ÷ 期内提出且已办结或已逾期的异议数",
        ),
    ),
}


@dataclass(frozen=True, slots=True)
class Period:
    """A year, half-year, quarter or month, by its name; ``until`` is the first day after it."""

    name: str
    since: date
    until: date

    @classmethod
    def parse(cls, name: str) -> Period:
        """Return the period of a name like 2026, 2026-H1, 2026-Q3 or 2026-07. Errors: Invalid."""
        found = PERIOD.fullmatch(name)
        if found is None:
            raise Invalid(
                field="period",
                reason=Text("like 2026, 2026-H1, 2026-Q3 or 2026-07", "格式如 2026、2026-H1、2026-Q3、2026-07"),
            )
        year, first, months = int(found["year"]), 1, 12
        if found["month"]:
            first, months = int(found["month"]), 1
        elif found["quarter"]:
            first, months = int(found["quarter"]) * 3 - 2, 3
        elif found["half"]:
            first, months = int(found["half"]) * 6 - 5, 6
        after = first + months
        return cls(name, date(year, first, 1), date(year + (after > 12), (after - 1) % 12 + 1, 1))  # noqa: PLR2004 (months)


@dataclass(frozen=True, slots=True)
class Fact:
    """What counts in a figure: ``subject`` like ``request/17``, ``about`` the values that it was judged by."""

    department_id: int
    subject: str
    base: float
    met: float
    about: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Figure:
    """The sum of a department's facts."""

    base: float
    met: float

    @property
    def value(self) -> float | None:
        """The share; None of nothing: the indicator does not apply to the department."""
        return self.met / self.base if self.base > 0 else None


def figures(facts: Iterable[Fact]) -> dict[int, Figure]:
    """Return the figure of each department that has a fact."""
    sums: dict[int, list[float]] = {}
    for fact in facts:
        found = sums.setdefault(fact.department_id, [0.0, 0.0])
        found[0] += fact.base
        found[1] += fact.met
    return {department: Figure(base, met) for department, (base, met) in sums.items()}


def score(values: Mapping[Indicator, Figure], weights: Mapping[Indicator, float]) -> float | None:
    """Return the weighted mean of the figures that apply, of 100; None when none does.

    What does not apply weighs nothing, and the others share its weight: a department is not punished for having had
    no request, nor paid for it.
    """
    applying = [
        (weights[indicator], value)
        for indicator, figure in values.items()
        if (value := figure.value) is not None and weights[indicator] > 0
    ]
    total = sum(weight for weight, _ in applying)
    return round(100 * sum(weight * value for weight, value in applying) / total, DIGITS) if total else None


def ranked(scores: Mapping[int, float | None]) -> list[tuple[int, float | None, int | None]]:
    """Return (department, score, rank) in the order of the table: equals share a rank, and the next one skips.

    Departments that nothing applies to have no rank, and come last.
    """
    judged = sorted((-found, department) for department, found in scores.items() if found is not None)
    table: list[tuple[int, float | None, int | None]] = []
    rank, last = 0, None
    for place, (minus, department) in enumerate(judged, 1):
        rank = rank if minus == last else place
        last = minus
        table.append((department, -minus, rank))
    return table + [(department, None, None) for department, found in sorted(scores.items()) if found is None]


def collected(at_the_end: Freshness) -> bool:
    """Whether a resource counts as collected: there are data, as young as promised if anything was promised."""
    return at_the_end in {Freshness.FRESH, Freshness.UNBOUND}


def in_time(due: datetime, answered: datetime | None, *, withdrawn: bool) -> bool | None:
    """Whether a request whose answer was due was answered in time; None: it was taken back before, and counts not."""
    if withdrawn and answered is not None and answered <= due:
        return None
    return answered is not None and answered <= due


def settled(closed: datetime | None, due: datetime, now: datetime) -> bool:
    """Whether a difference was closed in time, or still has time."""
    return (closed or now) <= due


def used(stood_days: int, needed: int, records: int) -> bool | None:
    """Whether a grant was used; None: it did not stand for long enough to tell, unless it was."""
    if records > 0:
        return True
    return False if stood_days >= needed else None


def handled(*, closed: bool, late: bool) -> bool | None:
    """Whether an objection was handled in time; None: it is on its way, and nothing is late."""
    return None if not closed and not late else not late


def days_between(since: date, until: date, first: date, last: date | None) -> int:
    """Return how many days of [since, until) lie in [first, last]; ``last`` None: it goes on."""
    begin, end = max(since, first).toordinal(), until.toordinal()
    return max(0, (end if last is None else min(end, last.toordinal() + 1)) - begin)


def check_appeal(*, final: bool, until: datetime, now: datetime) -> None:
    """Raise Conflict unless the figures of an evaluation can be appealed now."""
    if not final:
        raise Conflict(
            reason=Text("the period is not over: the evaluation is provisional", "评价期未结束，该评价仅供参考")
        )
    if now > until:
        raise Conflict(reason=Text("the time for appeals is over", "申诉期限已过"))


def answer_appeal(state: AppealState, outcome: AppealState, figure: Figure | None) -> None:
    """Raise unless an open appeal can get this answer: corrected, and only that, comes with a figure.

    Errors: WrongState, Invalid.
    """
    if state is not AppealState.OPEN:
        raise WrongState(thing=Text("the appeal", "申诉"), state=state.value, needed=AppealState.OPEN.value)
    if (outcome is AppealState.CORRECTED) != (figure is not None):
        raise Invalid(
            field="met",
            reason=Text(
                "base and met belong to outcome `corrected`, and only to it", "base 与 met 仅在更正时填写，且必须填写"
            ),
        )
    if figure is not None and figure.met > figure.base:
        raise Invalid(field="met", reason=Text("is more than base", "大于 base"))
