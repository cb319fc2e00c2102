"""Tables of evaluations: the method that was used, scores, figures, appeals."""

from __future__ import annotations

import datetime as dt
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from registry.database import Base
from registry.evaluation.domain import AppealState, Figure
from registry.organisation.models import Department

APPEAL_STATES = ", ".join(f"'{state}'" for state in AppealState)


class Evaluation(Base):
    """An evaluation of all departments over a period; ``method``: the weights and limits that it was made with.

    ``final``: the period was over when it was made; one that is not can not be appealed.
    """

    __tablename__ = "evaluations"

    id: Mapped[int] = mapped_column(primary_key=True)
    period: Mapped[str] = mapped_column(String(7))
    since: Mapped[dt.date]
    until: Mapped[dt.date]
    final: Mapped[bool]
    method: Mapped[dict[str, Any]] = mapped_column(JSON)
    made_by: Mapped[str] = mapped_column(String(80))
    made_at: Mapped[dt.datetime]
    appeals_until: Mapped[dt.datetime]


class Score(Base):
    """A department's score; ``place`` is its line in the table, unique in an evaluation."""

    __tablename__ = "evaluation_scores"

    evaluation_id: Mapped[int] = mapped_column(ForeignKey("evaluations.id"), primary_key=True)
    department_id: Mapped[int] = mapped_column(ForeignKey("departments.id"), primary_key=True)
    place: Mapped[int]
    rank: Mapped[int | None]
    score: Mapped[float | None]
    department: Mapped[Department] = relationship(lazy="joined", innerjoin=True)


class FigureRow(Base):
    """A figure, as it was counted and as an appeal corrected it."""

    __tablename__ = "evaluation_figures"

    evaluation_id: Mapped[int] = mapped_column(ForeignKey("evaluations.id"), primary_key=True)
    department_id: Mapped[int] = mapped_column(ForeignKey("departments.id"), primary_key=True)
    indicator: Mapped[str] = mapped_column(String(20), primary_key=True)
    base: Mapped[float]
    met: Mapped[float]
    corrected_base: Mapped[float | None]
    corrected_met: Mapped[float | None]

    @property
    def figure(self) -> Figure:
        """The figure that counts."""
        if self.corrected_base is None or self.corrected_met is None:
            return Figure(self.base, self.met)
        return Figure(self.corrected_base, self.corrected_met)


class Appeal(Base):
    """A department's appeal (申诉) against one of its figures: one a figure, answered once."""

    __tablename__ = "evaluation_appeals"
    __table_args__ = (
        CheckConstraint(f"state IN ({APPEAL_STATES})", name="state"),
        Index("uq_evaluation_appeals_figure", "evaluation_id", "department_id", "indicator", unique=True),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    evaluation_id: Mapped[int] = mapped_column(ForeignKey("evaluations.id"))
    department_id: Mapped[int] = mapped_column(ForeignKey("departments.id"))
    indicator: Mapped[str] = mapped_column(String(20))
    reason: Mapped[str] = mapped_column(String(1000))
    state: Mapped[str] = mapped_column(String(20))
    answer: Mapped[str | None] = mapped_column(String(1000))
    raised_by: Mapped[str] = mapped_column(String(80))
    raised_at: Mapped[dt.datetime]
    answered_by: Mapped[str | None] = mapped_column(String(80))
    answered_at: Mapped[dt.datetime | None]
    department: Mapped[Department] = relationship(lazy="joined", innerjoin=True)
