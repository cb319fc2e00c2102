"""Requests, their answers, and the grants that come of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session

from exchange.text import Text
from registry.access.caller import Caller
from registry.catalogue.domain import Lifecycle, SharingType
from registry.catalogue.models import Resource
from registry.catalogue.service import resource_of
from registry.clock import Clock
from registry.errors import NotFound
from registry.organisation.models import System
from registry.organisation.service import system_of
from registry.sharing import domain
from registry.sharing.models import Grant, Request


@dataclass(frozen=True, slots=True)
class Wish:
    """A request as it is made."""

    resource: str
    client_id: str
    purpose: str
    legal_basis: str
    reason: str | None
    until: datetime | None


def ask(session: Session, clock: Clock, caller: Caller, wish: Wish) -> tuple[Request, Grant | None]:
    """Take a request in, with its first answer; only the system's own department asks. Errors: those of receive."""
    system = system_of(session, wish.client_id)
    caller.must_manage(system.department_id)
    resource = resource_of(session, caller, wish.resource)
    now = clock()
    answer = domain.receive(_offer(resource), _asked(session, system, resource, wish.until), now)
    request = Request(
        slug=resource.slug,
        resource=resource,
        client_id=system.client_id,
        system=system,
        purpose=wish.purpose,
        legal_basis=wish.legal_basis,
        reason=wish.reason,
        until=wish.until,
        requested_by=caller.name,
        created_at=now,
    )
    request.take_answer(answer, None)
    session.add(request)
    session.flush()
    return request, _grant(session, request, answer, now)


def approve(session: Session, clock: Clock, caller: Caller, request_id: int) -> tuple[Request, Grant | None]:
    """Approve a waiting request of the caller's own resource. Errors: NotFound, Forbidden, WrongState, Conflict."""
    request = request_of(session, caller, request_id)
    now = clock()
    asked = _asked(session, request.system, request.resource, request.until)
    answer = domain.approve(request.as_answer(), _offer(request.resource), asked, decider(caller), now)
    request.take_answer(answer, caller.name)
    session.flush()
    return request, _grant(session, request, answer, now)


def refuse(session: Session, clock: Clock, caller: Caller, request_id: int, reason: str) -> Request:
    """Refuse a waiting request of the caller's own resource. Errors: NotFound, Forbidden, WrongState, Invalid."""
    request = request_of(session, caller, request_id)
    answer = domain.refuse(request.as_answer(), _offer(request.resource), decider(caller), reason, clock())
    request.take_answer(answer, caller.name)
    return request


def revoke(session: Session, clock: Clock, caller: Caller, grant_id: int, reason: str) -> Grant:
    """Revoke an active grant of the caller's own resource. Errors: NotFound, Forbidden, WrongState, Invalid."""
    grant = grant_of(session, caller, grant_id)
    ended = domain.revoke(grant.as_value(), _offer(grant.resource), decider(caller), reason, clock())
    grant.take_value(ended, caller.name)
    return grant


def expire(session: Session, now: datetime) -> list[Grant]:
    """End all grants whose time is over; return them."""
    due = session.scalars(select(Grant).where(Grant.state == domain.GrantState.ACTIVE.value, Grant.until <= now)).all()
    for grant in due:
        grant.take_value(domain.expire(grant.as_value(), now), None)
    return list(due)


def active_grant(session: Session, client_id: str, slug: str) -> Grant | None:
    """Return the active grant of a system on a resource, if there is one."""
    return session.scalar(
        select(Grant).where(
            Grant.client_id == client_id, Grant.slug == slug, Grant.state == domain.GrantState.ACTIVE.value
        )
    )


def request_of(session: Session, caller: Caller, request_id: int) -> Request:
    """Return a request that the caller is a party to. Errors: NotFound."""
    request = session.get(Request, request_id)
    if request is None or not _party(caller, request.system, request.resource):
        raise NotFound(kind=Text("request", "申请"), name=request_id)
    return request


def grant_of(session: Session, caller: Caller, grant_id: int) -> Grant:
    """Return a grant that the caller is a party to. Errors: NotFound."""
    grant = session.get(Grant, grant_id)
    if grant is None or not _party(caller, grant.system, grant.resource):
        raise NotFound(kind=Text("grant", "授权"), name=grant_id)
    return grant


def visible(caller: Caller, table: type[Request | Grant]) -> ColumnElement[bool]:
    """Return the condition for the rows that the caller is a party to."""
    if caller.sees_everything:
        return table.id > 0
    mine = select(System.client_id).where(System.department_id == caller.department_id)
    ours = select(Resource.slug).where(Resource.department_id == caller.department_id)
    return or_(table.client_id.in_(mine), table.slug.in_(ours))


def decider(caller: Caller) -> int | None:
    """Return the department that decides through the caller; None for one who decides for none."""
    return caller.department_id if caller.role is not None else None


def _party(caller: Caller, system: System, resource: Resource) -> bool:
    return caller.belongs_to(system.department_id) or caller.belongs_to(resource.department_id)


def _offer(resource: Resource) -> domain.Offer:
    return domain.Offer(
        owner=resource.department_id,
        source_system=resource.source_system,
        lifecycle=Lifecycle(resource.lifecycle),
        sharing_type=SharingType(resource.sharing_type),
        sharing_condition=resource.sharing_condition,
    )


def _asked(session: Session, system: System, resource: Resource, until: datetime | None) -> domain.Ask:
    return domain.Ask(
        client_id=system.client_id,
        department=system.department_id,
        system_active=system.active,
        until=until,
        has_grant=active_grant(session, system.client_id, resource.slug) is not None,
    )


def _grant(session: Session, request: Request, answer: domain.Answer, now: datetime) -> Grant | None:
    value = domain.open_grant(answer, request.until)
    if value is None:
        return None
    grant = Grant(
        request_id=request.id,
        slug=request.slug,
        resource=request.resource,
        client_id=request.client_id,
        system=request.system,
        state=value.state.value,
        until=value.until,
        created_at=now,
    )
    session.add(grant)
    session.flush()
    return grant


def count_by_state(session: Session) -> dict[str, int]:
    """Return how many grants there are in each state."""
    return dict(session.execute(select(Grant.state, func.count()).group_by(Grant.state)).all())
