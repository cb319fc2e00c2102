"""The facts that count in each indicator, from what the registry keeps: one query and one decision each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Integer, Row, Select, String, case, cast, false, func, select, type_coerce
from sqlalchemy.orm import Session
from sqlalchemy.sql.elements import SQLCoreOperations

from registry.catalogue.domain import Freshness
from registry.catalogue.models import Resource
from registry.evaluation import domain
from registry.evaluation.domain import Fact, Figure, Indicator, Period
from registry.history.domain import day_of, end_of, quality
from registry.history.models import GrantMonth, ResourceDay
from registry.objections.domain import State
from registry.objections.models import Objection
from registry.organisation.models import System
from registry.receipts.differences import Owner
from registry.receipts.models import Difference
from registry.sharing.domain import RequestState
from registry.sharing.models import Grant, Request
from registry.workdays import Workdays

AT_ONCE = 500  # slugs in one question
ISO_DAY = 10  # characters of a day
CLOSED = (State.CLOSED.value, State.ARCHIVED.value)


@dataclass(frozen=True, slots=True)
class Asked:
    """What is looked at: the period, up to ``now``; of one department, or of all (None)."""

    period: Period
    now: datetime
    workdays: Workdays
    use_days: int
    difference_days: int
    department: int | None = None

    @property
    def last(self) -> date:
        """The last day that counts."""
        return min(self.period.until - timedelta(days=1), day_of(self.now))

    @property
    def since(self) -> datetime:
        """The first instant of the period."""
        return end_of(self.period.since - timedelta(days=1))

    @property
    def until(self) -> datetime:
        """The first instant after what counts: of the period that is over, after it."""
        return min(end_of(self.period.until - timedelta(days=1)), self.now)

    def of(self, column: SQLCoreOperations[int]) -> list[ColumnElement[bool]]:
        """Return the condition for the department."""
        return [] if self.department is None else [column == self.department]

    def concerns(self, department: int) -> bool:
        """Whether a fact of a department is asked for."""
        return self.department in {None, department}


def facts_of(session: Session, indicator: Indicator, asked: Asked) -> Iterator[Fact]:
    """Yield the facts that count in an indicator, in a stable order."""
    if indicator in OF_DAYS:
        found = OF_DAYS[indicator](_sums(session, asked))
        return (fact for fact in found if asked.concerns(fact.department_id))
    return FACTS[indicator](session, asked)


def figures_of_all(session: Session, asked: Asked) -> dict[Indicator, dict[int, Figure]]:
    """Return each department's figure of each indicator; the days of a period are read once for all that need them."""
    sums = _sums(session, asked)
    found = {indicator: domain.figures(count(sums)) for indicator, count in OF_DAYS.items()}
    return found | {indicator: domain.figures(count(session, asked)) for indicator, count in FACTS.items()}


@dataclass(frozen=True, slots=True)
class Sum:
    """A resource's days under one department; ``last``: the last day on which it was listed, and how it stood then."""

    slug: str
    department_id: int
    last: str | None
    bound: int
    fresh: int
    read: int
    rejected: int
    warned: int


def _sums(session: Session, asked: Asked) -> list[Sum]:
    """Return the sums over the period, in the order of slugs: of the resources that the department ever had.

    A resource has one department but after a reform, so what had several is asked for once more, by department: the
    first question is answered in the order of the table, without sorting a year of days.
    """
    several = func.min(ResourceDay.department_id) != func.max(ResourceDay.department_id)
    of_slugs = _summed(asked, func.min(ResourceDay.department_id), several).group_by(ResourceDay.slug)
    rows = list(session.execute(of_slugs.order_by(ResourceDay.slug)))
    moved = [row.slug for row in rows if row.several]
    for at in range(0, len(moved), AT_ONCE):
        part = ResourceDay.slug.in_(moved[at : at + AT_ONCE])
        both = _summed(asked, ResourceDay.department_id, false()).where(part)
        rows += session.execute(both.group_by(ResourceDay.slug, ResourceDay.department_id))
    return sorted((_sum(row) for row in rows if not row.several), key=lambda each: each.slug)


def _summed(asked: Asked, department: SQLCoreOperations[int], several: ColumnElement[bool]) -> Select[*tuple[Any, ...]]:
    """Return the statement for sums; its condition on the day uses no index, which would have all of it sorted."""
    day = func.coalesce(ResourceDay.day, ResourceDay.day)
    chosen = select(ResourceDay.slug).where(*asked.of(ResourceDay.department_id))
    return select(
        ResourceDay.slug,
        type_coerce(department, Integer).label("department_id"),
        several.label("several"),
        func.sum(case((ResourceDay.freshness != Freshness.UNBOUND.value, 1), else_=0)).label("bound"),
        func.sum(case((ResourceDay.freshness == Freshness.FRESH.value, 1), else_=0)).label("fresh"),
        func.sum(ResourceDay.read).label("read"),
        func.sum(ResourceDay.rejected).label("rejected"),
        func.sum(ResourceDay.warned).label("warned"),
        func.max(cast(ResourceDay.day, String(10)) + ResourceDay.freshness).label("last"),
    ).where(
        day >= asked.period.since,
        day <= asked.last,
        *([] if asked.department is None else [ResourceDay.slug.in_(chosen)]),
    )


def _sum(row: Row[*tuple[Any, ...]]) -> Sum:
    """Return a row as a value; PostgreSQL sums up to decimals."""
    names = ("bound", "fresh", "read", "rejected", "warned")
    return Sum(row.slug, row.department_id, row.last, **{name: int(getattr(row, name)) for name in names})


def _collection(sums: Sequence[Sum]) -> Iterator[Fact]:
    """A resource that went from one department to another counts for the one that had it last."""
    last: dict[str, Sum] = {}
    for each in sums:
        known = last.get(each.slug)
        if each.last is not None and (known is None or each.last > (known.last or "")):
            last[each.slug] = each
    for slug, each in last.items():
        assert each.last is not None
        day, freshness = each.last[:ISO_DAY], each.last[ISO_DAY:]
        about = {"day": day, "freshness": freshness}
        yield Fact(each.department_id, f"resource/{slug}", 1, domain.collected(Freshness(freshness)), about)


def _freshness(sums: Sequence[Sum]) -> Iterator[Fact]:
    for each in sums:
        if each.bound:
            about = {"days": each.bound, "fresh_days": each.fresh}
            yield Fact(each.department_id, f"resource/{each.slug}", each.bound, each.fresh, about)


def _quality(sums: Sequence[Sum]) -> Iterator[Fact]:
    for each in sums:
        found = quality(each.read, each.rejected, each.warned)
        if found is not None:
            about = {"read": each.read, "rejected": each.rejected, "warned": each.warned}
            yield Fact(each.department_id, f"resource/{each.slug}", 1, found, about)


def _answers(session: Session, asked: Asked) -> Iterator[Fact]:
    rows = session.execute(
        select(Request.id, Request.state, Request.answer_due_at, Request.first_answered_at, Resource.department_id)
        .join(Resource, Resource.slug == Request.slug)
        .where(Request.answer_due_at > asked.since, Request.answer_due_at <= asked.until)
        .where(*asked.of(Resource.department_id))
        .order_by(Request.id)
    )
    for number, state, due, answered, department in rows:
        assert due is not None  # it is what is asked for
        kept = domain.in_time(due, answered, withdrawn=state == RequestState.WITHDRAWN.value)
        if kept is not None:
            about = {"due_at": due.isoformat(), "answered_at": answered.isoformat() if answered else None}
            yield Fact(department, f"request/{number}", 1, kept, about)


def _reconciliation(session: Session, asked: Asked) -> Iterator[Fact]:
    """A stream is a fact of both its sides; each answers for the differences of its own."""
    wrong = _unsettled(session, asked)
    for (slug, client_id), (provider, subscriber, records) in _streams(session, asked).items():
        for side, department in ((Owner.PUBLISHER, provider), (Owner.SUBSCRIBER, subscriber)):
            if asked.concerns(department):
                left = wrong.get((slug, client_id, side.value), [])
                about = {"side": side.value, "records": records, "differences": left}
                yield Fact(department, f"stream/{slug}/{client_id}", 1, not left, about)


def _use(session: Session, asked: Asked) -> Iterator[Fact]:
    landed = {stream: records for stream, (_, _, records) in _streams(session, asked).items()}
    rows = session.execute(
        select(Grant.id, Grant.slug, Grant.client_id, Grant.created_at, Grant.ended_at, System.department_id)
        .join(System, System.client_id == Grant.client_id)
        .where(Grant.created_at < asked.until, (Grant.ended_at.is_(None)) | (Grant.ended_at > asked.since))
        .where(*asked.of(System.department_id))
        .order_by(Grant.id)
    )
    after = asked.last + timedelta(days=1)
    for number, slug, client_id, created, ended, department in rows:
        stood = domain.days_between(
            asked.period.since, after, day_of(created), day_of(ended) if ended is not None else None
        )
        records = landed.get((slug, client_id), 0)
        kept = domain.used(stood, asked.use_days, records)
        if kept is not None:
            yield Fact(department, f"grant/{number}", 1, kept, {"days": stood, "records": records, "resource": slug})


def _objections(session: Session, asked: Asked) -> Iterator[Fact]:
    rows = session.execute(
        select(Objection.id, Objection.state, Objection.late, Objection.created_at, Resource.department_id)
        .join(Resource, Resource.slug == Objection.slug)
        .where(Objection.created_at >= asked.since, Objection.created_at < asked.until)
        .where(*asked.of(Resource.department_id))
        .order_by(Objection.id)
    )
    for number, state, late, created, department in rows:
        kept = domain.handled(closed=state in CLOSED, late=late)
        if kept is not None:
            about = {"state": state, "late": late, "raised_at": created.isoformat()}
            yield Fact(department, f"objection/{number}", 1, kept, about)


def _streams(session: Session, asked: Asked) -> dict[tuple[str, str], tuple[int, int, int]]:
    """Return provider, subscriber and landed records of each granted resource and system that moved data."""
    granted = select(Grant.slug, Grant.client_id).distinct().subquery()
    rows = session.execute(
        select(
            GrantMonth.slug,
            GrantMonth.client_id,
            Resource.department_id,
            System.department_id.label("subscriber"),
            func.sum(GrantMonth.records),
        )
        .join(granted, (granted.c.slug == GrantMonth.slug) & (granted.c.client_id == GrantMonth.client_id))
        .join(Resource, Resource.slug == GrantMonth.slug)
        .join(System, System.client_id == GrantMonth.client_id)
        .where(GrantMonth.month >= asked.period.since, GrantMonth.month < asked.period.until)
        .group_by(GrantMonth.slug, GrantMonth.client_id, Resource.department_id, System.department_id)
        .order_by(GrantMonth.slug, GrantMonth.client_id)
    )
    return {
        (slug, client_id): (provider, subscriber, int(records))
        for slug, client_id, provider, subscriber, records in rows
        if asked.concerns(provider) or asked.concerns(subscriber)
    }


def _unsettled(session: Session, asked: Asked) -> Mapping[tuple[str, str, str], list[int]]:
    """Return, by stream and side, the differences of the period that were left open for too long."""
    rows = session.execute(
        select(Difference.id, Difference.slug, Difference.client_id, Difference.owner)
        .add_columns(Difference.opened_at, Difference.closed_at)
        .where(Difference.opened_at >= asked.since, Difference.opened_at < asked.until)
        .order_by(Difference.id)
    )
    found: dict[tuple[str, str, str], list[int]] = defaultdict(list)

    @cache  # it depends on the day only, and a calendar is slow
    def due(day: date) -> datetime:
        return asked.workdays.due(end_of(day - timedelta(days=1)), asked.difference_days)

    for number, slug, client_id, owner, opened, closed in rows:
        if not domain.settled(closed, due(day_of(opened)), asked.now):
            found[slug, client_id, owner].append(number)
    return found


OF_DAYS: Mapping[Indicator, Callable[[Sequence[Sum]], Iterator[Fact]]] = {
    Indicator.COLLECTION: _collection,
    Indicator.FRESHNESS: _freshness,
    Indicator.QUALITY: _quality,
}
FACTS: Mapping[Indicator, Callable[[Session, Asked], Iterator[Fact]]] = {
    Indicator.ANSWERS: _answers,
    Indicator.RECONCILIATION: _reconciliation,
    Indicator.USE: _use,
    Indicator.OBJECTIONS: _objections,
}
