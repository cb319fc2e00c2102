"""What follows an answer: its clock, the grant that it opens or extends, the notices, the audit."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from registry.audit.service import note
from registry.catalogue.domain import Lifecycle, SharingType
from registry.catalogue.models import Resource
from registry.notices.service import tell, tell_department
from registry.sharing import domain
from registry.sharing.domain import Answer, GrantState, RequestState
from registry.sharing.models import Grant, Request
from registry.sharing.parties import authority_of, source_of
from registry.sharing.rules import Rules

Decision = tuple[Request, Grant | None]
BY_RULE = frozenset({"ask", "edit"})  # what is answered then, the catalogue answers


def answered(
    session: Session,
    rules: Rules,
    request: Request,
    answer: Answer,
    by: str | None,
    action: str,
    facts: dict[str, Any] | None = None,
) -> Decision:
    """Keep an answer, with all that follows: its clock, the grant, the notices, the audit."""
    now = rules.clock()
    request.take_answer(answer, None if action in BY_RULE else by)
    request.due_at, request.reminded_at = rules.due(answer, now), None
    request.keep_clock(now)
    session.flush()
    grant = _extended(session, rules, request) if request.renews is not None else _opened(session, rules, request)
    tell(session, now, [request.system], **news(request, f"request.{request.state}"))
    if answer.state in domain.OPEN:
        tell_deciders(session, rules, request, f"request.{request.state}")
    if grant is not None:
        kind = "grant.renewed" if request.renews is not None else "grant.opened"
        sides = [grant.system, source_of(session, request.resource)]
        tell(session, now, sides, kind=kind, subject=f"grant/{grant.id}", **grant_facts(grant))
    told = {**(facts or {}), "state": request.state, **({"grant": grant.id} if grant else {})}
    note(session, rules.clock, actor=by or "registry", action=f"request.{action}", target=_name(request), facts=told)
    return request, grant


def grant_facts(grant: Grant) -> dict[str, Any]:
    """Return what a notice says of a grant."""
    return {
        "resource": grant.slug,
        "topic": grant.resource.topic,
        "client_id": grant.client_id,
        "state": grant.state,
        "until": grant.until.isoformat() if grant.until else None,
        "reason": grant.end_reason,
    }


def _opened(session: Session, rules: Rules, request: Request) -> Grant | None:
    value = domain.open_grant(request.as_answer(), request.until)
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
        created_at=rules.clock(),
    )
    session.add(grant)
    session.flush()
    return grant


def _extended(session: Session, rules: Rules, request: Request) -> Grant | None:
    if request.state != RequestState.APPROVED:
        return None
    grant = session.get_one(Grant, request.renews)
    grant.take_value(domain.extend(domain.expire(grant.as_value(), rules.clock()), request.until), None)
    session.flush()
    return grant


def tell_deciders(session: Session, rules: Rules, request: Request, kind: str) -> None:
    """Tell those whose turn it is: the provider's system, or the people of the authority."""
    now = rules.clock()
    if request.state in domain.UNDECIDED:
        tell(session, now, [source_of(session, request.resource)], **news(request, kind))
    authority = authority_of(session, request.resource.department)
    if request.state != RequestState.WAITING and authority is not None:
        tell_department(session, now, authority, **news(request, kind))


def news(request: Request, kind: str) -> dict[str, Any]:
    """Return what a notice says of a request."""
    return {
        "kind": kind,
        "subject": _name(request),
        "resource": request.slug,
        "client_id": request.client_id,
        "state": request.state,
        "reason": request.answer,
        "due_at": request.due_at.isoformat() if request.due_at else None,
    }


def _name(request: Request) -> str:
    return f"request/{request.id}"


def offer_of(session: Session, resource: Resource, rules: Rules | None = None) -> domain.Offer:
    """Return what the owner of a resource offers, and who is in charge of that owner."""
    return domain.Offer(
        owner=resource.department_id,
        source_system=resource.source_system,
        lifecycle=Lifecycle(resource.lifecycle),
        sharing_type=SharingType(resource.sharing_type),
        sharing_condition=resource.sharing_condition,
        authority=authority_of(session, resource.department),
        reviewed=rules is not None and rules.limits.review,
    )


def asked_of(session: Session, request: Request) -> domain.Ask:
    """Return what a request asks for, beside the grant that its system has."""
    standing = session.scalar(
        select(Grant).where(
            Grant.client_id == request.client_id, Grant.slug == request.slug, Grant.state.in_(domain.STANDING)
        )
    )
    renewed = standing if standing is not None and standing.id == request.renews else None
    return domain.Ask(
        client_id=request.client_id,
        department=request.system.department_id,
        system_active=request.system.active,
        until=request.until,
        has_grant=_renewable(renewed) if request.renews else standing is not None,
        restricted=request.restricted,
        renews=request.renews is not None,
        present_end=renewed.until if renewed else None,
    )


def _renewable(grant: Grant | None) -> bool:
    return grant is not None and grant.state == GrantState.ACTIVE
