"""Requests and grants as values, and each decision about them as a function of those values."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from exchange.text import Text
from registry.catalogue.domain import Lifecycle, SharingType
from registry.errors import Conflict, Forbidden, Invalid, WrongState


class RequestState(StrEnum):
    """A request waits until its one answer."""

    WAITING = "waiting"
    APPROVED = "approved"
    REFUSED = "refused"


class GrantState(StrEnum):
    """Only an active grant is an ACL."""

    ACTIVE = "active"
    REVOKED = "revoked"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Offer:
    """What a resource's owner offers."""

    owner: int  # the department
    source_system: str
    lifecycle: Lifecycle
    sharing_type: SharingType
    sharing_condition: str | None


@dataclass(frozen=True, slots=True)
class Ask:
    """What is asked for one system."""

    client_id: str
    department: int
    system_active: bool
    until: datetime | None
    has_grant: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a request, and why."""

    state: RequestState
    reason: str | None = None
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Grant:
    """An approved request while it lasts, and how it ended."""

    state: GrantState
    until: datetime | None
    ended_at: datetime | None = None
    end_reason: str | None = None


def receive(offer: Offer, ask: Ask, now: datetime) -> Answer:
    """Return the first answer to a request: type 1 is granted, type 3 refused with its legal basis, type 2 waits.

    Errors: WrongState (not published), Conflict (nothing to grant), Invalid (ends before it begins).
    """
    if offer.lifecycle is not Lifecycle.PUBLISHED:
        raise WrongState(
            thing=Text("the resource", "信息资源"), state=offer.lifecycle.value, needed=Lifecycle.PUBLISHED.value
        )
    if not ask.system_active:
        raise Conflict(reason=Text("the system is switched off", "业务系统已停用"))
    if ask.client_id == offer.source_system:
        raise Conflict(reason=Text("the system is the source itself", "该系统即为数据来源系统"))
    if ask.has_grant:
        raise Conflict(reason=Text("the system has an active grant already", "该系统已有有效授权"))
    _must_be_ahead(ask.until, now)
    match offer.sharing_type:
        case SharingType.UNCONDITIONAL:
            return Answer(RequestState.APPROVED, at=now)
        case SharingType.NOT_SHARED:
            return Answer(RequestState.REFUSED, offer.sharing_condition, now)
        case SharingType.CONDITIONAL:
            return Answer(RequestState.WAITING)


def approve(answer: Answer, offer: Offer, ask: Ask, decider: int | None, now: datetime) -> Answer:
    """Return the request approved by department ``decider``. Errors: Forbidden, WrongState, Conflict, Invalid."""
    _must_decide(answer, offer, decider)
    if receive(offer, ask, now).state is RequestState.REFUSED:  # what held when it was asked has to hold still
        raise Conflict(reason=Text("the resource is not shared any more", "该资源已不予共享"))
    return Answer(RequestState.APPROVED, at=now)


def refuse(answer: Answer, offer: Offer, decider: int | None, reason: str, now: datetime) -> Answer:
    """Return the request refused by department ``decider``. Errors: Forbidden, WrongState, Invalid (no reason)."""
    _must_decide(answer, offer, decider)
    return Answer(RequestState.REFUSED, _said(reason), now)


def open_grant(answer: Answer, until: datetime | None) -> Grant | None:
    """Return the grant that an answer opens; None unless it is an approval."""
    return Grant(GrantState.ACTIVE, until) if answer.state is RequestState.APPROVED else None


def revoke(grant: Grant, offer: Offer, decider: int | None, reason: str, now: datetime) -> Grant:
    """Return the grant revoked by department ``decider``. Errors: Forbidden, WrongState, Invalid (no reason)."""
    if decider != offer.owner:
        raise _not_the_owner()
    if grant.state is not GrantState.ACTIVE:
        raise WrongState(thing=Text("the grant", "授权"), state=grant.state.value, needed=GrantState.ACTIVE.value)
    return replace(grant, state=GrantState.REVOKED, ended_at=now, end_reason=_said(reason))


def expire(grant: Grant, now: datetime) -> Grant:
    """Return the grant expired if its time is over, else the same."""
    if grant.state is not GrantState.ACTIVE or grant.until is None or grant.until > now:
        return grant
    return replace(grant, state=GrantState.EXPIRED, ended_at=now)


def _must_decide(answer: Answer, offer: Offer, decider: int | None) -> None:
    if decider != offer.owner:
        raise _not_the_owner()
    if answer.state is not RequestState.WAITING:
        raise WrongState(thing=Text("the request", "申请"), state=answer.state.value, needed=RequestState.WAITING.value)


def _must_be_ahead(until: datetime | None, now: datetime) -> None:
    if until is not None and until <= now:
        raise Invalid(field="until", reason=Text("lies in the past", "早于当前时间"))


def _not_the_owner() -> Forbidden:
    return Forbidden(reason=Text("the resource's own department decides", "仅资源提供部门可决定"))


def _said(reason: str) -> str:
    if not reason.strip():
        raise Invalid(field="reason", reason=Text("a reason is required", "必须说明理由"))
    return reason.strip()
