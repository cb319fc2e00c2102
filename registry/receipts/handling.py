"""Differences as people see them: who may look, and who may close one."""

from __future__ import annotations

from sqlalchemy import Select, or_, select
from sqlalchemy.orm import Session

from exchange.text import Text
from registry.access.caller import Caller
from registry.audit.service import note
from registry.catalogue.models import Resource
from registry.certificates.days import Stream, mark
from registry.clock import Clock
from registry.errors import Conflict, NotFound
from registry.organisation.models import Department, System
from registry.organisation.reach import seen
from registry.receipts.differences import Owner
from registry.receipts.models import Difference
from registry.workdays import CHINA


def visible(caller: Caller) -> Select[Difference]:
    """Return the statement for the differences that the caller may look at: those of either side's department."""
    own = select(Department.id).where(seen(caller, Department.id))
    return (
        select(Difference)
        .join(Resource, Resource.slug == Difference.slug)
        .join(System, System.client_id == Difference.client_id)
        .where(or_(Resource.department_id.in_(own), System.department_id.in_(own)))
    )


def difference_of(session: Session, caller: Caller, number: int) -> Difference:
    """Return a difference. Errors: NotFound, also where the caller is no side of it."""
    row = session.scalar(visible(caller).where(Difference.id == number))
    if row is None:
        raise NotFound(kind=Text("difference", "差异"), name=number)
    return row


def day_of_difference(row: Difference) -> Stream:
    """Return the day whose certificate tells of a difference."""
    at = row.published_at or row.opened_at
    return row.slug, row.client_id, at.astimezone(CHINA).date()


def close(session: Session, clock: Clock, caller: Caller, number: int, evidence: str) -> Difference:
    """Close a difference: its owner's side does; the provider where the owner is not a side. Errors: Conflict."""
    row = difference_of(session, caller, number)
    side = row.system if row.owner == Owner.SUBSCRIBER.value else row.resource
    caller.must_decide(side.department_id)
    if row.closed_at is not None:
        raise Conflict(reason=Text("the difference is closed already", "该差异已关闭"))
    row.closed_at, row.closed_by, row.evidence = clock(), caller.name, evidence
    mark(session, [day_of_difference(row)])
    note(session, clock, actor=caller.name, action="difference.close", target=f"difference/{number}")
    return row
