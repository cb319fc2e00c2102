"""Quality and freshness as people look at them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from registry.access.caller import Caller
from registry.catalogue.domain import Freshness
from registry.catalogue.models import Resource
from registry.catalogue.service import resource_of
from registry.history import domain
from registry.history.models import QualityDay, ResourceDay
from registry.organisation.models import Department
from registry.organisation.reach import seen

MOST_RULES = 500


@dataclass(frozen=True, slots=True)
class Broken:
    """How often a rule found something."""

    item: str
    rule: str
    action: str
    count: int
    share: float | None


@dataclass(frozen=True, slots=True)
class Offender(Broken):
    """A rule that is broken, with the resource that breaks it."""

    resource: str
    name: str
    department: str


@dataclass(frozen=True, slots=True)
class Day:
    """One day of a resource."""

    day: date
    freshness: str | None
    published: int
    read: int
    rejected: int
    warned: int

    @property
    def quality(self) -> float | None:
        """The share of its rows that broke no rule."""
        return domain.quality(self.read, self.rejected, self.warned)


@dataclass(frozen=True, slots=True)
class Trend:
    """A resource over days."""

    resource: str
    since: date
    until: date
    days: list[Day]
    rules: list[Broken]

    @property
    def read(self) -> int:
        """Rows read."""
        return sum(day.read for day in self.days)

    @property
    def rejected(self) -> int:
        """Rows rejected."""
        return sum(day.rejected for day in self.days)

    @property
    def warned(self) -> int:
        """Findings that were let through."""
        return sum(day.warned for day in self.days)

    @property
    def quality(self) -> float | None:
        """The share of all rows that broke no rule."""
        return domain.quality(self.read, self.rejected, self.warned)

    @property
    def kept(self) -> float | None:
        """The share of the days with a promise at whose end the data were fresh."""
        bound = [day.freshness for day in self.days if day.freshness not in {None, Freshness.UNBOUND.value}]
        return domain.share(bound.count(Freshness.FRESH.value), len(bound))


def trend(session: Session, caller: Caller, resource_name: str, now: datetime, days: int) -> Trend:
    """Return a resource over the last days. Errors: NotFound, Forbidden."""
    resource = resource_of(session, caller, resource_name)
    until = domain.day_of(now)
    since = until - timedelta(days=days - 1)
    rows = session.scalars(
        select(ResourceDay)
        .where(ResourceDay.slug == resource.slug, ResourceDay.day >= since, ResourceDay.day <= until)
        .order_by(ResourceDay.day)
    )
    kept = [Day(row.day, row.freshness, row.published, row.read, row.rejected, row.warned) for row in rows]
    read = sum(day.read for day in kept)
    total = func.sum(QualityDay.count)
    found = session.execute(
        select(QualityDay.item, QualityDay.rule, QualityDay.action, total)
        .where(QualityDay.slug == resource.slug, QualityDay.day >= since, QualityDay.day <= until)
        .group_by(QualityDay.item, QualityDay.rule, QualityDay.action)
        .order_by(total.desc(), QualityDay.item, QualityDay.rule, QualityDay.action)
        .limit(MOST_RULES)
    )
    rules = [
        Broken(item, rule, action, int(count), domain.share(int(count), read)) for item, rule, action, count in found
    ]
    return Trend(resource.slug, since, until, kept, rules)


def worst(session: Session, caller: Caller, now: datetime, days: int, limit: int) -> list[Offender]:
    """Return the rules that are broken most, by their share of the rows read."""
    until = domain.day_of(now)
    since = until - timedelta(days=days - 1)
    mine = select(Resource.slug).where(seen(caller, Resource.department_id))
    read = (
        select(ResourceDay.slug, func.sum(ResourceDay.read).label("read"))
        .where(ResourceDay.day >= since, ResourceDay.day <= until, ResourceDay.slug.in_(mine))
        .group_by(ResourceDay.slug)
        .having(func.sum(ResourceDay.read) > 0)
        .subquery()
    )
    total = func.sum(QualityDay.count)
    share = total * 1.0 / read.c.read
    rows = session.execute(
        select(
            QualityDay.item, QualityDay.rule, QualityDay.action, total, share, Resource.slug, Resource.name,
            Department.name,
        )
        .join(read, read.c.slug == QualityDay.slug)
        .join(Resource, Resource.slug == QualityDay.slug)
        .join(Department, Department.id == Resource.department_id)
        .where(QualityDay.day >= since, QualityDay.day <= until)
        .group_by(
            QualityDay.item, QualityDay.rule, QualityDay.action, read.c.read, Resource.slug, Resource.name,
            Department.name,
        )
        .order_by(share.desc(), Resource.slug, QualityDay.item, QualityDay.rule, QualityDay.action)
        .limit(limit)
    )  # fmt: skip
    return [
        Offender(item, rule, action, int(count), float(part), slug, name, department)
        for item, rule, action, count, part, slug, name, department in rows
    ]
