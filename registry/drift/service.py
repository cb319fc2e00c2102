"""Drift between the catalogue and the data: entries without data, columns without an entry, grants without use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import ColumnElement, Select, func, select, true
from sqlalchemy.orm import InstrumentedAttribute, Session

from registry.access.caller import Caller
from registry.catalogue.domain import Lifecycle
from registry.catalogue.models import Resource
from registry.history.domain import day_of, month_of
from registry.history.models import GrantMonth
from registry.organisation.models import System
from registry.organisation.reach import seen
from registry.running.models import RunningAdapter
from registry.settings import EvaluationGroup
from registry.sharing.domain import GrantState
from registry.sharing.models import Grant


class Kind(StrEnum):
    """What does not fit."""

    ZOMBIE = "zombie"  # 僵尸目录: published, and no data behind it
    UNDECLARED = "undeclared"  # the source has columns that the catalogue entry does not list
    UNUSED = "unused"  # a grant by which nothing lands


@dataclass(frozen=True, slots=True)
class Limits:
    """Since when something counts as drift."""

    now: datetime
    zombie: timedelta
    unused: timedelta

    @classmethod
    def of(cls, settings: EvaluationGroup, now: datetime) -> Limits:
        """Return the limits of the configuration."""
        return cls(now, timedelta(days=settings.zombie_days), timedelta(days=settings.unused_days))


def zombies(limits: Limits, caller: Caller | None = None) -> Select[Resource]:
    """Return the statement for published resources that nothing was ever published for."""
    return select(Resource).where(
        _own(caller, Resource.department_id),
        Resource.lifecycle == Lifecycle.PUBLISHED.value,
        Resource.last_data_at.is_(None),
        Resource.published_at < limits.now - limits.zombie,
    )


def undeclared(caller: Caller | None = None) -> Select[RunningAdapter]:
    """Return the statement for adapters of sources that told of columns which no item comes from."""
    return (
        select(RunningAdapter)
        .join(Resource, Resource.slug == RunningAdapter.resource)
        .where(
            _own(caller, Resource.department_id),
            RunningAdapter.side == "source",
            RunningAdapter.undeclared.is_not(None),
            Resource.source_system == RunningAdapter.client_id,  # nobody else speaks for the source
            Resource.lifecycle == Lifecycle.PUBLISHED.value,
        )
    )


def unused(limits: Limits, caller: Caller | None = None) -> Select[Grant]:
    """Return the statement for active grants by which nothing landed for so long."""
    since = limits.now - limits.unused
    # By month first: the months that are over decide most, and the key of the table begins with slug and system.
    lately = select(GrantMonth.slug).where(
        GrantMonth.slug == Grant.slug,
        GrantMonth.client_id == Grant.client_id,
        GrantMonth.month >= month_of(day_of(since)),
        GrantMonth.last_at >= since,
    )
    holders = select(System.client_id).where(_own(caller, System.department_id))
    return select(Grant).where(
        Grant.client_id.in_(holders), Grant.state == GrantState.ACTIVE.value, Grant.created_at < since, ~lately.exists()
    )


def counts(session: Session, limits: Limits) -> dict[Kind, int]:
    """Return how much drift there is of each kind, in the whole node."""
    statements: Mapping[Kind, Select[Resource] | Select[RunningAdapter] | Select[Grant]] = {
        Kind.ZOMBIE: zombies(limits),
        Kind.UNDECLARED: undeclared(),
        Kind.UNUSED: unused(limits),
    }
    return {
        kind: session.scalar(select(func.count()).select_from(statement.subquery())) or 0
        for kind, statement in statements.items()
    }


def _own(caller: Caller | None, department_id: InstrumentedAttribute[int]) -> ColumnElement[bool]:
    """Return the condition for what is the caller's own, or that of those whom it administers; None: the registry."""
    return true() if caller is None else seen(caller, department_id)
