"""Requests: asking, editing, reviewing, deciding, disputing, and the grants that come of them."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from exchange.text import Text
from registry.access.caller import Caller
from registry.catalogue.models import Resource
from registry.catalogue.service import resource_of, version_items, version_of
from registry.errors import Invalid, WrongState
from registry.notices.service import tell
from registry.organisation.models import System
from registry.organisation.service import system_of
from registry.sharing import domain
from registry.sharing.answering import Decision, answered, asked_of, news, offer_of, tell_deciders
from registry.sharing.domain import GrantState, Purpose, RequestState
from registry.sharing.models import Grant, Request
from registry.sharing.parties import decider, grant_of, request_of
from registry.sharing.rules import Rules


@dataclass(frozen=True, slots=True)
class Wish:
    """What a request says; ``items`` and ``rows`` None: all of the resource."""

    purpose: Purpose
    legal_basis: str
    reason: str | None = None
    items: Sequence[str] | None = None
    rows: str | None = None
    expected_volume: int | None = None  # records a day
    contact: str | None = None
    until: datetime | None = None


def ask(session: Session, rules: Rules, caller: Caller, client_id: str, resource_name: str, wish: Wish) -> Decision:
    """Take a request in, with its first answer; only the system's own department asks. Errors: those of receive."""
    system = system_of(session, client_id)
    caller.must_manage(system.department_id)
    return _take_in(session, rules, caller, system, resource_of(session, caller, resource_name), wish)


def ask_for_all(
    session: Session, rules: Rules, caller: Caller, client_id: str, resource_names: Sequence[str], wish: Wish
) -> list[Decision]:
    """Take one request a resource in, under one batch: each is decided for itself, and all come in or none.

    Errors: those of ``ask``.
    """
    batch = str(uuid.uuid4())
    decisions = [ask(session, rules, caller, client_id, name, wish) for name in dict.fromkeys(resource_names)]
    for request, _ in decisions:
        request.batch = batch
    session.flush()
    return decisions


def renew(session: Session, rules: Rules, caller: Caller, grant_id: int, wish: Wish) -> Decision:
    """Ask that an active grant ends later; it is active all the while. Errors: those of ``ask``."""
    grant = grant_of(session, caller, grant_id)
    caller.must_manage(grant.system.department_id)
    if grant.state != GrantState.ACTIVE:
        raise WrongState(thing=domain.GRANT, state=grant.state, needed=GrantState.ACTIVE.value)
    return _take_in(session, rules, caller, grant.system, grant.resource, wish, grant)


def edit(session: Session, rules: Rules, caller: Caller, request_id: int, changes: dict[str, Any]) -> Decision:
    """Change a request that waits; its clock starts again. Errors: those of ``ask``, WrongState."""
    request = _own(session, caller, request_id)
    if request.state not in domain.EDITABLE:
        raise WrongState(thing=domain.REQUEST, state=request.state, needed=", ".join(sorted(domain.EDITABLE)))
    for name, value in changes.items():
        setattr(request, name, value)
    request.items = _restriction(session, request.resource, request.items)
    answer = domain.receive(offer_of(session, request.resource, rules), asked_of(session, request), rules.clock())
    request.escalated_at = None
    facts = {"fields": sorted(changes)}
    return answered(session, rules, request, answer, caller.name, "edit", facts)


def withdraw(session: Session, rules: Rules, caller: Caller, request_id: int) -> Request:
    """Take a request back. Errors: NotFound, Forbidden, WrongState."""
    request = _own(session, caller, request_id)
    answer = domain.withdraw(request.as_answer(), rules.clock())
    return answered(session, rules, request, answer, caller.name, "withdraw")[0]


def review(session: Session, rules: Rules, caller: Caller, request_id: int, reason: str | None) -> Request:
    """Pass a request on to its provider, or refuse it with ``reason``. Errors: NotFound, Forbidden, WrongState."""
    request = request_of(session, caller, request_id)
    offer = offer_of(session, request.resource, rules)
    answer = domain.review(request.as_answer(), offer, decider(caller), reason, rules.clock())
    return answered(session, rules, request, answer, caller.name, "review")[0]


def approve(session: Session, rules: Rules, caller: Caller, request_id: int) -> Decision:
    """Approve a request. Errors: NotFound, Forbidden, WrongState, Conflict, Restricted."""
    request = request_of(session, caller, request_id)
    offer = offer_of(session, request.resource, rules)
    asked = asked_of(session, request)
    answer = domain.approve(request.as_answer(), offer, asked, decider(caller), rules.clock())
    return answered(session, rules, request, answer, caller.name, "approve")


def refuse(session: Session, rules: Rules, caller: Caller, request_id: int, reason: str) -> Request:
    """Refuse a request. Errors: NotFound, Forbidden, WrongState, Invalid."""
    request = request_of(session, caller, request_id)
    offer = offer_of(session, request.resource, rules)
    answer = domain.refuse(request.as_answer(), offer, decider(caller), reason, rules.clock())
    return answered(session, rules, request, answer, caller.name, "refuse")[0]


def dispute(session: Session, rules: Rules, caller: Caller, request_id: int, reason: str) -> Request:
    """Bring a refusal before the authority of the provider's tier.

    Errors: NotFound, Forbidden, WrongState, Conflict.
    """
    request = _own(session, caller, request_id)
    offer = offer_of(session, request.resource, rules)
    answer = domain.dispute(request.as_answer(), offer, request.due_at, rules.clock())
    request.dispute = domain.said(reason)
    return answered(session, rules, request, answer, caller.name, "dispute")[0]


def remind(session: Session, rules: Rules) -> int:
    """Remind whoever is to answer of what is due soon; return how many requests that were."""
    now = rules.clock()
    soon = rules.workdays.due(now, rules.limits.remind_days)
    due = select(Request).where(Request.state.in_(domain.OPEN), Request.reminded_at.is_(None), Request.due_at <= soon)
    requests = session.scalars(due).all()
    for request in requests:
        request.reminded_at = now
        tell_deciders(session, rules, request, "request.due")
    return len(requests)


def pass_on_overdue(session: Session, rules: Rules) -> int:
    """Pass on each request whose time ran out; return how many there were."""
    now = rules.clock()
    late = select(Request).where(
        Request.state.in_({RequestState.REVIEWING, RequestState.WAITING}),
        Request.due_at <= now,
        Request.escalated_at.is_(None),
    )
    requests = session.scalars(late).all()
    for request in requests:
        before = request.as_answer()
        after = domain.overdue(before, offer_of(session, request.resource, rules))
        if before.state is not RequestState.REVIEWING:
            request.escalated_at = now
        answered(session, rules, request, after, None, "overdue", {"was": before.state.value})
        tell(session, now, [request.system], **news(request, "request.overdue"))
    return len(requests)


def active_grant(session: Session, client_id: str, slug: str) -> Grant | None:
    """Return the active grant of a system on a resource, if there is one."""
    return session.scalar(
        select(Grant).where(Grant.client_id == client_id, Grant.slug == slug, Grant.state == GrantState.ACTIVE.value)
    )


def count_by_state(session: Session) -> dict[str, int]:
    """Return how many grants there are in each state."""
    return dict(session.execute(select(Grant.state, func.count()).group_by(Grant.state)).all())


def _take_in(
    session: Session,
    rules: Rules,
    caller: Caller,
    system: System,
    resource: Resource,
    wish: Wish,
    renewed: Grant | None = None,
) -> Decision:
    request = Request(
        slug=resource.slug,
        resource=resource,
        client_id=system.client_id,
        system=system,
        renews=renewed.id if renewed else None,
        purpose=wish.purpose.value,
        legal_basis=wish.legal_basis,
        reason=wish.reason,
        items=_restriction(session, resource, wish.items),
        rows=wish.rows,
        expected_volume=wish.expected_volume,
        contact=wish.contact,
        until=wish.until,
        requested_by=caller.name,
        created_at=rules.clock(),
    )
    answer = domain.receive(offer_of(session, resource, rules), asked_of(session, request), rules.clock())
    request.take_answer(answer, None)
    session.add(request)
    session.flush()
    facts = {"resource": resource.slug, "client_id": system.client_id, "purpose": request.purpose}
    return answered(session, rules, request, answer, caller.name, "ask", facts)


def _own(session: Session, caller: Caller, request_id: int) -> Request:
    request = request_of(session, caller, request_id)
    caller.must_manage(request.system.department_id)
    return request


def _restriction(session: Session, resource: Resource, items: Sequence[str] | None) -> list[str] | None:
    """Return the items that are asked for; None when they are all. Errors: Invalid (an unknown one)."""
    if items is None:
        return None
    there = [item.name for item in version_items(version_of(session, resource, resource.version))]
    unknown = sorted(set(items) - set(there))
    if unknown:
        names = ", ".join(unknown)
        raise Invalid(field="items", reason=Text(f"the resource has no {names}", f"该资源没有信息项 {names}"))
    return None if set(items) == set(there) else [name for name in there if name in set(items)]
