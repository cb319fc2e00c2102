"""Reconciliation of one resource for one subscriber, from the receipts that have arrived."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from exchange.receipts import Side
from exchange.text import Text
from registry.access.caller import Caller
from registry.catalogue.models import Resource
from registry.catalogue.service import resource_of
from registry.enforcement.acls import COMPACTION_LAG_MS
from registry.errors import Forbidden, NotFound
from registry.organisation.service import system_of
from registry.receipts.domain import Batch, Fragment, Period, Totals, reconcile
from registry.receipts.models import ReceiptRow
from registry.sharing.models import Grant


@dataclass(frozen=True, slots=True)
class Result:
    """The totals, and the landing (the destination's own id) that they are about; None: nothing has landed."""

    totals: Totals
    landing: str | None


def of_subscriber(
    session: Session, caller: Caller, resource_name: str, client_id: str, now: datetime, grace_s: int
) -> Result:
    """Reconcile what a system has landed of a resource. Errors: NotFound, Forbidden."""
    resource = resource_of(session, caller, resource_name)
    system = system_of(session, client_id)
    if not any(caller.sees(side.department_id, side.department.division) for side in (resource, system)):
        raise Forbidden(reason=Text("neither side is yours", "非相关双方"))
    grant = session.scalar(
        select(Grant)
        .where(Grant.client_id == client_id, Grant.slug == resource.slug)
        .order_by(Grant.id.desc())
        .limit(1)
    )
    if grant is None:
        raise NotFound(kind=Text("grant", "授权"), name=f"{client_id} {resource.slug}")
    landing, started = _newest_landing(session, resource, client_id)
    # What is older than the compaction lag when the landing starts may be gone from the topic by right.
    start = min(started, _ms(now)) if started else _ms(now)
    period = Period(
        since=start - COMPACTION_LAG_MS,
        until=_ms(grant.ended_at) if grant.ended_at else None,
        now=_ms(now),
        grace=_whole_ms(grace_s),
    )
    fragments = _fragments(session, resource, client_id, landing) if started else []
    return Result(reconcile(_published(session, resource), fragments, period), landing)


def _newest_landing(session: Session, resource: Resource, client_id: str) -> tuple[str | None, int | None]:
    newest = session.execute(
        select(ReceiptRow.landing, func.min(ReceiptRow.at))
        .where(*_landed(resource, client_id))
        .group_by(ReceiptRow.landing)
        .order_by(func.min(ReceiptRow.number).desc())
        .limit(1)
    ).first()
    return (newest[0], newest[1]) if newest else (None, None)


def _published(session: Session, resource: Resource) -> list[Batch]:
    rows = session.execute(
        select(ReceiptRow.batch, ReceiptRow.count, ReceiptRow.digest, ReceiptRow.at).where(
            ReceiptRow.resource == resource.slug,
            ReceiptRow.side == Side.PUBLISHED.value,
            ReceiptRow.client_id == resource.source_system,  # nobody else speaks for the source
            ReceiptRow.topic == resource.topic,
        )
    )
    return [Batch(batch, count, int(digest, 16), at) for batch, count, digest, at in rows]


def _fragments(session: Session, resource: Resource, client_id: str, landing: str | None) -> list[Fragment]:
    rows = session.scalars(
        select(ReceiptRow).where(*_landed(resource, client_id), ReceiptRow.landing.is_not_distinct_from(landing))
    )
    return [
        Fragment(
            batch=row.batch,
            count=row.count,
            digest=int(row.digest, 16),
            partition=row.partition or 0,
            first_offset=row.first_offset or 0,
            last_offset=row.last_offset or 0,
        )
        for row in rows
    ]


def _landed(resource: Resource, client_id: str) -> tuple[ColumnElement[bool], ...]:
    return (
        ReceiptRow.resource == resource.slug,
        ReceiptRow.side == Side.LANDED.value,
        ReceiptRow.client_id == client_id,
        ReceiptRow.topic == resource.topic,
    )


def _ms(at: datetime) -> int:
    return _whole_ms(at.timestamp())


def _whole_ms(seconds: float) -> int:
    return int(timedelta(seconds=seconds) / timedelta(milliseconds=1))
