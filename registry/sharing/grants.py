"""What becomes of a grant: suspended, resumed, revoked, expired, or ended with its resource."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session

from registry.access.caller import Caller
from registry.audit.service import note
from registry.clock import Clock
from registry.notices.service import tell
from registry.sharing import domain
from registry.sharing.answering import grant_facts, offer_of
from registry.sharing.models import Grant
from registry.sharing.parties import decider, grant_of

MOST_AT_ONCE = 500


def suspend(session: Session, clock: Clock, caller: Caller, grant_id: int, reason: str) -> Grant:
    """Let a grant of the caller's own resource rest. Errors: NotFound, Forbidden, WrongState, Invalid."""
    grant = grant_of(session, caller, grant_id)
    rests = domain.suspend(grant.as_value(), offer_of(session, grant.resource), decider(caller), reason)
    return _changed(session, clock, grant, rests, caller.name, "suspend")


def resume(session: Session, clock: Clock, caller: Caller, grant_id: int) -> Grant:
    """Make a suspended grant active again. Errors: NotFound, Forbidden, WrongState, Conflict."""
    grant = grant_of(session, caller, grant_id)
    active = domain.resume(grant.as_value(), offer_of(session, grant.resource), decider(caller), clock())
    return _changed(session, clock, grant, active, caller.name, "resume")


def revoke(session: Session, clock: Clock, caller: Caller, grant_id: int, reason: str) -> Grant:
    """Revoke a standing grant of the caller's own resource. Errors: NotFound, Forbidden, WrongState, Invalid."""
    grant = grant_of(session, caller, grant_id)
    ended = domain.revoke(grant.as_value(), offer_of(session, grant.resource), decider(caller), reason, clock())
    return _changed(session, clock, grant, ended, caller.name, "revoke")


def expire(session: Session, clock: Clock) -> list[Grant]:
    """End the grants whose time is over, some hundred at once; return them."""
    now = clock()
    wanted = select(Grant).where(Grant.state.in_(domain.STANDING), Grant.until <= now).limit(MOST_AT_ONCE)
    return _all(
        session, clock, ((grant, domain.expire(grant.as_value(), now)) for grant in session.scalars(wanted).all())
    )


def end_with_resource(session: Session, clock: Clock, slug: str) -> list[Grant]:
    """End all grants of a resource that was withdrawn; return them."""
    now = clock()
    wanted = select(Grant).where(Grant.state.in_(domain.STANDING), Grant.slug == slug)
    grants = session.scalars(wanted).all()
    return _all(session, clock, ((grant, domain.end_with_resource(grant.as_value(), now)) for grant in grants))


def _all(session: Session, clock: Clock, ended: Iterable[tuple[Grant, domain.Grant]]) -> list[Grant]:
    return [_changed(session, clock, grant, value, None, value.state.value) for grant, value in ended]


def _changed(session: Session, clock: Clock, grant: Grant, value: domain.Grant, by: str | None, action: str) -> Grant:
    grant.take_value(value, by)
    session.flush()
    word = {"suspend": "suspended", "resume": "resumed", "revoke": "revoked"}.get(action, action)
    target = f"grant/{grant.id}"
    tell(session, clock(), [grant.system], kind=f"grant.{word}", subject=target, **grant_facts(grant))
    facts = {"resource": grant.slug, "client_id": grant.client_id, "state": grant.state}
    note(session, clock, actor=by or "registry", action=f"grant.{action}", target=target, facts=facts)
    return grant
