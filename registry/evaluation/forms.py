"""Bodies and answers of evaluations."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from exchange.text import Lang
from registry.evaluation.domain import DESCRIBED, AppealState, Fact, Figure, Indicator
from registry.evaluation.models import Appeal, Evaluation, FigureRow, Score
from registry.evaluation.report import formula_of
from registry.evaluation.service import weights_of
from registry.web.forms import Form, Prose

Amount = Annotated[float, Field(ge=0, le=1e12, allow_inf_nan=False)]


class EvaluationForm(Form):
    """The period to evaluate: a year, half-year, quarter or month."""

    period: Annotated[str, StringConstraints(min_length=4, max_length=7), Field(examples=["2026-Q3"])]


class IndicatorOut(BaseModel):
    """An indicator: its name and formula in the reader's language, and the weight that it was given."""

    indicator: Indicator
    name: str
    formula: str
    weight: float


class EvaluationOut(BaseModel):
    """An evaluation; ``until`` is the first day after the period; ``final`` false: the period was not over."""

    id: int
    period: str
    since: dt.date
    until: dt.date
    final: bool
    made_by: str
    made_at: dt.datetime
    appeals_until: dt.datetime
    indicators: list[IndicatorOut]

    @staticmethod
    def of(row: Evaluation, lang: Lang) -> EvaluationOut:
        """Return the answer for a row."""
        weights = weights_of(row)
        told = [
            IndicatorOut(
                indicator=each,
                name=DESCRIBED[each].name.format(lang),
                formula=formula_of(row, each, lang),
                weight=weights[each],
            )
            for each in Indicator
        ]
        own = {name: getattr(row, name) for name in EvaluationOut.model_fields if name != "indicators"}
        return EvaluationOut(**own, indicators=told)


class FigureOut(BaseModel):
    """A figure: ``value`` = ``met`` ÷ ``base``; ``corrected``: by an appeal, ``counted`` is what it was before."""

    indicator: Indicator
    base: float
    met: float
    value: float | None
    corrected: bool
    counted: float | None

    @staticmethod
    def of(indicator: Indicator, row: FigureRow) -> FigureOut:
        """Return the answer for a row."""
        figure, corrected = row.figure, row.corrected_base is not None
        return FigureOut(
            indicator=indicator,
            base=figure.base,
            met=figure.met,
            value=figure.value,
            corrected=corrected,
            counted=Figure(row.base, row.met).value if corrected else None,
        )


class ScoreOut(BaseModel):
    """A department's line; without ``score``: no indicator applied to it. ``figures``: those that applied."""

    department_id: int
    department: str
    division: str
    rank: int | None
    score: float | None
    figures: list[FigureOut]

    @staticmethod
    def of(row: Score, figures: Mapping[Indicator, FigureRow]) -> ScoreOut:
        """Return the answer for a row."""
        told = [FigureOut.of(each, figures[each]) for each in Indicator if each in figures]
        department = row.department
        return ScoreOut(
            department_id=department.id,
            department=department.name,
            division=department.division,
            rank=row.rank,
            score=row.score,
            figures=told,
        )


class FactOut(BaseModel):
    """A fact that counts ``base`` in a figure, of which ``met`` was kept; ``about``: what it was judged by."""

    subject: str
    base: float
    met: float
    about: dict[str, Any]

    @staticmethod
    def of(fact: Fact) -> FactOut:
        """Return the answer for a fact."""
        return FactOut(subject=fact.subject, base=fact.base, met=fact.met, about=dict(fact.about))


class FactsOut(BaseModel):
    """The facts behind a figure, what was missed first; ``base`` and ``met`` are their sums, ``count`` is of all."""

    indicator: Indicator
    formula: str
    department_id: int
    base: float
    met: float
    count: int
    items: list[FactOut]


class AppealForm(Form):
    """An appeal against a figure of the caller's own department."""

    indicator: Indicator
    reason: Annotated[Prose, Field(examples=["节假日系统停机已报备"])]


class AnswerForm(Form):
    """The answer to an appeal: upheld with a reason, or corrected with a reason and the figure that counts."""

    outcome: Literal["upheld", "corrected"]
    reason: Annotated[Prose, Field(examples=["经核实，予以更正"])]
    base: Amount | None = None
    met: Amount | None = None

    @model_validator(mode="after")
    def _both(self) -> AnswerForm:
        if (self.base is None) != (self.met is None):
            raise ValueError("base and met belong together")
        return self

    @property
    def figure(self) -> Figure | None:
        """The figure that counts instead."""
        return None if self.base is None or self.met is None else Figure(self.base, self.met)


class AppealOut(BaseModel):
    """An appeal (申诉); ``answer``: why the figure was upheld or corrected."""

    id: int
    evaluation_id: int
    department_id: int
    indicator: Indicator
    reason: str
    state: AppealState
    answer: str | None
    raised_by: str
    raised_at: dt.datetime
    answered_by: str | None
    answered_at: dt.datetime | None

    model_config = ConfigDict(from_attributes=True)

    @staticmethod
    def of(row: Appeal) -> AppealOut:
        """Return the answer for a row."""
        return AppealOut.model_validate(row)
