"""What the decisions about sharing go by: the time, the working days, and the limits of the configuration."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from registry.clock import Clock
from registry.settings import SharingGroup
from registry.sharing.domain import Answer, RequestState
from registry.workdays import Workdays


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of one registry."""

    clock: Clock
    workdays: Workdays
    limits: SharingGroup

    def due(self, answer: Answer, now: datetime) -> datetime | None:
        """Return when the next answer is due that a request in this state waits for; None: it waits for none.

        A refused request may be disputed until then.
        """
        limits = self.limits
        days = {
            RequestState.REVIEWING: limits.review_days,
            RequestState.WAITING: limits.decide_days,
            RequestState.ESCALATED: limits.decide_days,
            RequestState.DISPUTED: limits.dispute_days,
            RequestState.REFUSED: None if answer.final else limits.dispute_days,
        }.get(answer.state)
        return self.workdays.due(now, days) if days is not None else None
