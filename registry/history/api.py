"""Quality and freshness over HTTP: a resource's trend and rules, and the worst offenders of all."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel

from registry.catalogue.forms import Slug
from registry.history import service
from registry.history.domain import WINDOW_DAYS
from registry.web.access import Authenticated, Registry
from registry.web.forms import Limit

router = APIRouter(prefix="/api/v1", tags=["quality"])
Days = Annotated[int, Query(ge=1, le=400, description="days up to the present one")]


class RuleOut(BaseModel):
    """How often a rule found something; ``share``: of the rows read; ``action``: reject, warn or repair."""

    item: str
    rule: str
    action: str
    count: int
    share: float | None


class OffenderOut(RuleOut):
    """A rule that is broken, with the resource that breaks it."""

    resource: str
    name: str
    department: str


class OffendersOut(BaseModel):
    """The rules that are broken most, by their share of the rows read."""

    items: list[OffenderOut]


class DayOut(BaseModel):
    """A day; ``freshness`` null: not over, or not listed; ``quality`` null: nothing was read."""

    day: dt.date
    freshness: str | None
    published: int
    read: int
    rejected: int
    warned: int
    quality: float | None


class QualityOut(BaseModel):
    """A resource's quality and kept freshness over days, its rules, the worst first, and its trend."""

    resource: str
    since: dt.date
    until: dt.date
    read: int
    rejected: int
    warned: int
    quality: float | None
    kept: float | None
    rules: list[RuleOut]
    days: list[DayOut]


@router.get("/resources/{resource}/quality")
def quality(registry: Registry, caller: Authenticated, resource: Slug, days: Days = WINDOW_DAYS) -> QualityOut:
    """Return a resource's scores, per rule and per day, to whoever sees the resource."""
    with registry.database.read() as session:
        found = service.trend(session, caller, resource, registry.clock(), days)
    return QualityOut.model_validate(found, from_attributes=True)


@router.get("/quality")
def offenders(registry: Registry, caller: Authenticated, days: Days = WINDOW_DAYS, limit: Limit = 100) -> OffendersOut:
    """List the rules that are broken most, in the resources of one's own department or of those one administers."""
    with registry.database.read() as session:
        found = service.worst(session, caller, registry.clock(), days, limit)
    return OffendersOut.model_validate({"items": found}, from_attributes=True)
