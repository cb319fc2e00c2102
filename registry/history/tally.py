"""Writes the history: receipts become days and months as they come, and each day is closed when it is over."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import takewhile
from typing import Any

from sqlalchemy import Select, Table, bindparam, case, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from exchange.receipts import Side
from registry.catalogue.domain import Freshness, Lifecycle, UpdateCycle, freshness
from registry.catalogue.models import Resource
from registry.clock import Clock
from registry.database import Base, Database
from registry.history.domain import (
    WINDOW_DAYS,
    Counted,
    day_of,
    day_of_ms,
    end_of,
    last_over,
    month_of,
    quality,
    share,
    warned,
)
from registry.history.models import GrantMonth, HistoryMark, QualityDay, ResourceDay
from registry.receipts.models import ReceiptRow

AT_ONCE = 5_000  # receipts of one transaction
AT_MOST = 20  # transactions of each kind in a round: a stop does not wait for more
# Numbers are given before their transactions commit: a receipt that is younger may have a lower number still to come.
SETTLED = timedelta(seconds=30)
RECEIPTS, DAY = "receipts", "day"
NOTHING = {"published": 0, "read": 0, "rejected": 0, "warned": 0}


class Tally:
    """Makes rounds; of several processes the one with the lease does."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def round(self) -> None:
        """Take in the receipts that came, then close the days that are over. Errors: DatabaseUnavailable, Conflict."""
        now = self._clock()
        for _ in range(AT_MOST):
            if self._receipts(now) < AT_ONCE:
                break
        else:
            return  # a day is closed when its receipts are in
        for _ in range(AT_MOST):
            if not self._close(now):
                return

    def _receipts(self, now: datetime) -> int:
        with self._database.write() as session:
            mark = _mark(session, RECEIPTS) or 0
            fresh = session.execute(
                select(
                    ReceiptRow.number,
                    ReceiptRow.side,
                    ReceiptRow.resource,
                    ReceiptRow.topic,
                    ReceiptRow.client_id,
                    ReceiptRow.count,
                    ReceiptRow.at,
                    ReceiptRow.received_at,
                )
                .where(ReceiptRow.number > mark)
                .order_by(ReceiptRow.number)
                .limit(AT_ONCE)
            ).all()
            # Only up to the first that is too young: what stands behind it waits too.
            rows = list(takewhile(lambda row: row.received_at <= now - SETTLED, fresh))
            if rows:
                latest = int(now.timestamp() * 1000)
                _published(session, [row for row in rows if row.side == Side.PUBLISHED.value], latest)
                _landed(session, [row for row in rows if row.side == Side.LANDED.value], latest)
                _set_mark(session, RECEIPTS, rows[-1].number)
        return len(rows)

    def _close(self, now: datetime) -> bool:
        """Close the next day; return whether there was one. The first one is the day on which the history begins."""
        over = last_over(now)
        with self._database.write() as session:
            mark = _mark(session, DAY)
            if mark is None:
                _set_mark(session, DAY, over.toordinal())
                return False
            if mark >= over.toordinal():
                return False
            day = date.fromordinal(mark + 1)
            close(session, day)
            show(session, day)
            _set_mark(session, DAY, day.toordinal())
        return True


def close(session: Session, day: date) -> None:
    """Write how the data of each listed resource stood when ``day`` ended."""
    end = end_of(day)
    listed = session.execute(
        select(Resource.slug, Resource.department_id, Resource.update_cycle, Resource.last_data_at).where(
            Resource.lifecycle == Lifecycle.PUBLISHED.value, Resource.published_at < end
        )
    ).all()
    known = select(ResourceDay.slug, func.max(ResourceDay.data_at)).where(ResourceDay.day <= day)
    later = {row.slug for row in listed if row.last_data_at is not None and row.last_data_at >= end}
    before: dict[str, datetime | None] = (
        {slug: at for slug, at in session.execute(known.group_by(ResourceDay.slug)) if slug in later} if later else {}
    )
    rows = [
        {
            **NOTHING,
            "slug": row.slug,
            "day": day,
            "department_id": row.department_id,
            "freshness": freshness(
                UpdateCycle(row.update_cycle), before.get(row.slug) if row.slug in later else row.last_data_at, end
            ).value,
        }
        for row in listed
    ]
    _upsert(session, ResourceDay, rows, keep=("department_id", "freshness"))


def show(session: Session, day: date) -> None:
    """Give each resource its quality and kept freshness of the last days, for the catalogue to show and sort by."""
    found = session.execute(of_days(day - timedelta(days=WINDOW_DAYS - 1), day)).all()
    values = [
        {
            "slug": row.slug,
            "quality": quality(int(row.read), int(row.rejected), int(row.warned)),  # PostgreSQL sums up to decimals
            "kept": share(int(row.fresh), int(row.bound)),
        }
        for row in found
    ]
    known = {
        row.slug: (row.quality, row.kept)
        for row in session.execute(select(Resource.slug, Resource.quality, Resource.kept))
    }
    changed = [each for each in values if known.get(each["slug"]) != (each["quality"], each["kept"])]
    if changed:  # a plain UPDATE: it must not meet who changes the entry meanwhile
        table = Resource.__table__
        assert isinstance(table, Table)
        given: dict[str, Any] = {"quality": bindparam("quality"), "kept": bindparam("kept")}
        session.connection().execute(
            table.update().where(table.c.slug == bindparam("of")).values(**given),
            [{"of": each["slug"], "quality": each["quality"], "kept": each["kept"]} for each in changed],
        )


def of_days(first: date, last: date) -> Select[*tuple[Any, ...]]:
    """Return the sums of each resource over days, both included: ``bound`` days have a promise, ``fresh`` kept it."""
    bound = ResourceDay.freshness != Freshness.UNBOUND.value
    return (
        select(
            ResourceDay.slug,
            func.sum(case((bound, 1), else_=0)).label("bound"),
            func.sum(case((ResourceDay.freshness == Freshness.FRESH.value, 1), else_=0)).label("fresh"),
            func.sum(ResourceDay.published).label("published"),
            func.sum(ResourceDay.read).label("read"),
            func.sum(ResourceDay.rejected).label("rejected"),
            func.sum(ResourceDay.warned).label("warned"),
        )
        .where(ResourceDay.day >= first, ResourceDay.day <= last)
        .group_by(ResourceDay.slug)
    )


def add_quality(session: Session, resource: Resource, counted: Counted, now: datetime) -> None:
    """Add what a source counted to the present day; who does not say what was read is not judged."""
    if counted.read is None:
        return
    day = day_of(now)
    row = {
        **NOTHING,
        "slug": resource.slug,
        "day": day,
        "department_id": resource.department_id,
        "read": counted.read,
        "rejected": counted.rejected,
        "warned": warned(counted.findings),
    }
    if counted.read or counted.rejected:
        _upsert(session, ResourceDay, [row], add=("read", "rejected", "warned"))
    found = [
        {"slug": resource.slug, "day": day, **rule._asdict(), "count": count}
        for rule, count in counted.findings.items()
    ]
    _upsert(session, QualityDay, found, add=("count",))


def _published(session: Session, rows: Sequence[Any], latest: int) -> None:
    """Nobody but the source speaks for a resource; a clock that runs ahead makes no day of tomorrow."""
    slugs = {row.resource for row in rows}
    sources = {
        each.slug: each
        for each in session.execute(
            select(Resource.slug, Resource.topic, Resource.source_system, Resource.department_id).where(
                Resource.slug.in_(slugs)
            )
        )
    }
    counts: dict[tuple[str, date], int] = defaultdict(int)
    times: dict[tuple[str, date], int] = {}
    for row in rows:
        source = sources.get(row.resource)
        if source is None or (source.topic, source.source_system) != (row.topic, row.client_id):
            continue
        at = min(row.at, latest)
        place = (row.resource, day_of_ms(at))
        counts[place] += row.count
        times[place] = max(at, times.get(place, 0))
    found = [
        {
            **NOTHING,
            "slug": slug,
            "day": day,
            "department_id": sources[slug].department_id,
            "published": count,
            "data_at": datetime.fromtimestamp(times[slug, day] / 1000, UTC),
        }
        for (slug, day), count in counts.items()
    ]
    _upsert(session, ResourceDay, found, add=("published",), latest=("data_at",))


def _landed(session: Session, rows: Sequence[Any], latest: int) -> None:
    records: dict[tuple[str, str, date], int] = defaultdict(int)
    times: dict[tuple[str, str, date], int] = {}
    for row in rows:
        at = min(row.at, latest)
        place = (row.resource, row.client_id, month_of(day_of_ms(at)))
        records[place] += row.count
        times[place] = max(at, times.get(place, 0))
    found = [
        {
            "slug": slug,
            "client_id": client_id,
            "month": month,
            "records": count,
            "last_at": datetime.fromtimestamp(times[slug, client_id, month] / 1000, UTC),
        }
        for (slug, client_id, month), count in records.items()
    ]
    _upsert(session, GrantMonth, found, add=("records",), latest=("last_at",))


def _upsert(
    session: Session,
    table: type[Base],
    rows: Sequence[Mapping[str, Any]],
    *,
    add: Iterable[str] = (),
    keep: Iterable[str] = (),
    latest: Iterable[str] = (),
) -> None:
    """Insert rows; where one is there, ``add`` sums up, ``keep`` takes the new value, ``latest`` the later of both."""
    if not rows:
        return
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    statement = insert(table)
    columns = table.__table__.c
    changes: dict[str, Any] = {name: columns[name] + statement.excluded[name] for name in add}
    changes |= {name: statement.excluded[name] for name in keep}
    for name in latest:
        given, there = statement.excluded[name], columns[name]
        changes[name] = case((there.is_(None), given), (given > there, given), else_=there)
    keys = [column.name for column in table.__table__.primary_key]
    session.execute(statement.on_conflict_do_update(index_elements=keys, set_=changes), [dict(row) for row in rows])


def _mark(session: Session, name: str) -> int | None:
    # Locked: a process whose lease ran out while it worked must not count the same receipts once more.
    return session.scalar(select(HistoryMark.number).where(HistoryMark.name == name).with_for_update())


def _set_mark(session: Session, name: str, number: int) -> None:
    session.merge(HistoryMark(name=name, number=number))
