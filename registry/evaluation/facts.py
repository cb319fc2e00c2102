"""The facts that count in each indicator, from what the registry keeps: one query and one decision each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import ColumnElement, case, func, select
from sqlalchemy.orm import Session
from sqlalchemy.sql.elements import SQLCoreOperations

from registry.catalogue.domain import Freshness
from registry.catalogue.models import Resource
from registry.evaluation import domain
from registry.evaluation.domain import Fact, Indicator, Period
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
    return FACTS[indicator](session, asked)


def _collection(session: Session, asked: Asked) -> Iterator[Fact]:
    listed = select(ResourceDay.slug, func.max(ResourceDay.day).label("day")).where(*_listed_days(asked))
    last = listed.group_by(ResourceDay.slug).subquery()
    rows = session.execute(
        select(ResourceDay.slug, ResourceDay.day, ResourceDay.department_id, ResourceDay.freshness)
        .join(last, (last.c.slug == ResourceDay.slug) & (last.c.day == ResourceDay.day))
        .where(*asked.of(ResourceDay.department_id))
        .order_by(ResourceDay.slug)
    )
    for slug, day, department, freshness in rows:
        assert freshness is not None  # listed days have one
        about = {"day": day.isoformat(), "freshness": freshness}
        yield Fact(department, f"resource/{slug}", 1, domain.collected(Freshness(freshness)), about)


def _freshness(session: Session, asked: Asked) -> Iterator[Fact]:
    fresh = func.sum(case((ResourceDay.freshness == Freshness.FRESH.value, 1), else_=0))
    rows = session.execute(
        select(ResourceDay.department_id, ResourceDay.slug, func.count(), fresh)
        .where(*_listed_days(asked), ResourceDay.freshness != Freshness.UNBOUND.value)
        .where(*asked.of(ResourceDay.department_id))
        .group_by(ResourceDay.slug, ResourceDay.department_id)
        .order_by(ResourceDay.slug)
    )
    for department, slug, days, kept in rows:
        yield Fact(department, f"resource/{slug}", days, int(kept), {"days": days, "fresh_days": int(kept)})


def _quality(session: Session, asked: Asked) -> Iterator[Fact]:
    rows = session.execute(
        select(
            ResourceDay.department_id,
            ResourceDay.slug,
            func.sum(ResourceDay.read),
            func.sum(ResourceDay.rejected),
            func.sum(ResourceDay.warned),
        )
        .where(*_days(asked), ResourceDay.read > 0, *asked.of(ResourceDay.department_id))
        .group_by(ResourceDay.slug, ResourceDay.department_id)
        .order_by(ResourceDay.slug)
    )
    for department, slug, *sums in rows:
        read, rejected, warned = map(int, sums)  # PostgreSQL sums up to decimals
        found = quality(read, rejected, warned)
        if found is not None:
            about = {"read": read, "rejected": rejected, "warned": warned}
            yield Fact(department, f"resource/{slug}", 1, found, about)


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
    for number, slug, client_id, owner, opened, closed in rows:
        if not domain.settled(closed, asked.workdays.due(opened, asked.difference_days), asked.now):
            found[slug, client_id, owner].append(number)
    return found


def _days(asked: Asked) -> tuple[ColumnElement[bool], ...]:
    return ResourceDay.day >= asked.period.since, ResourceDay.day <= asked.last


def _listed_days(asked: Asked) -> tuple[ColumnElement[bool], ...]:
    return (*_days(asked), ResourceDay.freshness.is_not(None))


FACTS: Mapping[Indicator, Callable[[Session, Asked], Iterator[Fact]]] = {
    Indicator.COLLECTION: _collection,
    Indicator.ANSWERS: _answers,
    Indicator.FRESHNESS: _freshness,
    Indicator.QUALITY: _quality,
    Indicator.RECONCILIATION: _reconciliation,
    Indicator.USE: _use,
    Indicator.OBJECTIONS: _objections,
}
