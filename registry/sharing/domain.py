"""Requests and grants as values, and each decision about them as a function of those values."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from exchange.text import Text
from registry.catalogue.domain import Lifecycle, SharingType
from registry.errors import Conflict, Forbidden, Invalid, WrongState
from registry.sharing.errors import Restricted

REQUEST = Text("the request", "申请")
GRANT = Text("the grant", "授权")


class Purpose(StrEnum):
    """What the data are used for (使用用途): the code table of purposes."""

    ADMINISTRATIVE_BASIS = "administrative_basis"  # 行政依据
    WORK_REFERENCE = "work_reference"  # 工作参考
    DATA_VERIFICATION = "data_verification"  # 数据校核
    COLLABORATION = "collaboration"  # 业务协同


class RequestState(StrEnum):
    """Where a request stands: with the authority, with the provider, overdue, in dispute, or answered."""

    REVIEWING = "reviewing"
    WAITING = "waiting"
    ESCALATED = "escalated"
    DISPUTED = "disputed"
    APPROVED = "approved"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


OPEN = frozenset({RequestState.REVIEWING, RequestState.WAITING, RequestState.ESCALATED, RequestState.DISPUTED})
UNDECIDED = frozenset({RequestState.WAITING, RequestState.ESCALATED})
ANSWERED = frozenset({RequestState.APPROVED, RequestState.REFUSED, RequestState.WITHDRAWN})
EDITABLE = frozenset({RequestState.REVIEWING, RequestState.WAITING})


class GrantState(StrEnum):
    """Only an active grant is an ACL."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    REVOKED = "revoked"
    EXPIRED = "expired"


STANDING = frozenset({GrantState.ACTIVE, GrantState.SUSPENDED})


@dataclass(frozen=True, slots=True)
class Offer:
    """What a resource's owner offers; ``authority``: the department in charge of the owner's tier, if one is named."""

    owner: int  # the department
    source_system: str
    lifecycle: Lifecycle
    sharing_type: SharingType
    sharing_condition: str | None
    authority: int | None = None
    reviewed: bool = False  # whether the authority sees requests first


@dataclass(frozen=True, slots=True)
class Ask:
    """What is asked for one system; ``renews``: it extends the grant that the system has, which ends ``present_end``.

    ``restricted``: only some items or rows are asked for.
    """

    client_id: str
    department: int
    system_active: bool
    until: datetime | None
    has_grant: bool
    restricted: bool = False
    renews: bool = False
    present_end: datetime | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a request, and why; a ``final`` refusal cannot be disputed (again)."""

    state: RequestState
    reason: str | None = None
    at: datetime | None = None
    final: bool = False


@dataclass(frozen=True, slots=True)
class Grant:
    """An approved request while it lasts, and how it ended or why it rests."""

    state: GrantState
    until: datetime | None
    ended_at: datetime | None = None
    end_reason: str | None = None


def receive(offer: Offer, ask: Ask, now: datetime) -> Answer:
    """Return the first answer to a request: type 1 is granted, type 3 refused with its legal basis, type 2 waits.

    A restricted request of type 1 is refused with the honest reason: the broker can only open the whole topic.
    Errors: WrongState (not published), Conflict (nothing to grant), Invalid (ends before it begins).
    """
    _must_be_grantable(offer, ask, now)
    match offer.sharing_type:
        case SharingType.UNCONDITIONAL if ask.restricted:
            said = Restricted().text
            return Answer(RequestState.REFUSED, f"{said.zh} ({said.en})", now, final=True)
        case SharingType.UNCONDITIONAL:
            return Answer(RequestState.APPROVED, at=now)
        case SharingType.NOT_SHARED:
            return Answer(RequestState.REFUSED, offer.sharing_condition, now)
        case SharingType.CONDITIONAL:
            seen_first = offer.reviewed and offer.authority is not None
            return Answer(RequestState.REVIEWING if seen_first else RequestState.WAITING)


def review(answer: Answer, offer: Offer, decider: int | None, reason: str | None, now: datetime) -> Answer:
    """Return the request as the authority passes it on to the provider, or refused with ``reason``.

    Errors: Forbidden, WrongState, Invalid (empty reason).
    """
    _must_be_authority(offer, decider)
    _must_be(REQUEST, answer.state, {RequestState.REVIEWING})
    if reason is None:
        return Answer(RequestState.WAITING)
    return Answer(RequestState.REFUSED, said(reason), now, final=True)


def approve(answer: Answer, offer: Offer, ask: Ask, decider: int | None, now: datetime) -> Answer:
    """Return the request approved by department ``decider``.

    Errors: Forbidden, WrongState, Conflict, Invalid, Restricted (only the whole resource can be opened).
    """
    _must_decide(answer, offer, decider)
    _must_be_grantable(offer, ask, now)  # what held when it was asked has to hold still
    if offer.sharing_type is SharingType.NOT_SHARED:
        raise Conflict(
            reason=Text("the catalogue says that the resource is not shared", "目录中该资源为不予共享，须先变更目录")
        )
    if ask.restricted:
        raise Restricted
    return Answer(RequestState.APPROVED, at=now)


def refuse(answer: Answer, offer: Offer, decider: int | None, reason: str, now: datetime) -> Answer:
    """Return the request refused by department ``decider``. Errors: Forbidden, WrongState, Invalid (no reason)."""
    _must_decide(answer, offer, decider)
    final = answer.state is RequestState.DISPUTED or (decider == offer.authority and decider != offer.owner)
    return Answer(RequestState.REFUSED, said(reason), now, final=final)


def dispute(answer: Answer, offer: Offer, last: datetime | None, now: datetime) -> Answer:
    """Return a refused request in dispute before the authority; ``last``: the end of the time for it.

    Errors: WrongState, Conflict (final, too late, or nobody to decide).
    """
    _must_be(REQUEST, answer.state, {RequestState.REFUSED})
    if answer.final:
        raise Conflict(reason=Text("the refusal is final", "该拒绝为最终决定"))
    if last is not None and last <= now:
        raise Conflict(reason=Text("the time for a dispute is over", "已超过提出争议的期限"))
    if offer.authority is None:
        raise Conflict(reason=Text("no authority is named for that division", "该区划未指定主管部门"))
    return Answer(RequestState.DISPUTED, answer.reason, None)


def withdraw(answer: Answer, now: datetime) -> Answer:
    """Return the request taken back by who made it. Errors: WrongState."""
    _must_be(REQUEST, answer.state, OPEN)
    return Answer(RequestState.WITHDRAWN, answer.reason, now, final=True)


def overdue(answer: Answer, offer: Offer) -> Answer:
    """Return what a request becomes when its time runs out without an answer.

    A review that is late passes the request on to the provider; a decision that is late goes to the authority, if one
    is named; anything else stays as it is.
    """
    if answer.state is RequestState.REVIEWING:
        return Answer(RequestState.WAITING)
    if answer.state is RequestState.WAITING and offer.authority is not None:
        return Answer(RequestState.ESCALATED)
    return answer


def open_grant(answer: Answer, until: datetime | None) -> Grant | None:
    """Return the grant that an answer opens; None unless it is an approval."""
    return Grant(GrantState.ACTIVE, until) if answer.state is RequestState.APPROVED else None


def extend(grant: Grant, until: datetime | None) -> Grant:
    """Return the grant with its end moved: it is active all the while. Errors: WrongState."""
    _must_be(GRANT, grant.state, {GrantState.ACTIVE})
    return replace(grant, until=until)


def suspend(grant: Grant, offer: Offer, decider: int | None, reason: str) -> Grant:
    """Return the grant at rest, until it is resumed. Errors: Forbidden, WrongState, Invalid (no reason)."""
    _must_own(offer, decider)
    _must_be(GRANT, grant.state, {GrantState.ACTIVE})
    return replace(grant, state=GrantState.SUSPENDED, end_reason=said(reason))


def resume(grant: Grant, offer: Offer, decider: int | None, now: datetime) -> Grant:
    """Return the suspended grant active again. Errors: Forbidden, WrongState."""
    _must_own(offer, decider)
    _must_be(GRANT, grant.state, {GrantState.SUSPENDED})
    if offer.lifecycle is not Lifecycle.PUBLISHED:
        raise _not_published(offer)
    if grant.until is not None and grant.until <= now:
        raise Conflict(reason=Text("its time is over", "授权已到期"))
    return replace(grant, state=GrantState.ACTIVE, end_reason=None)


def revoke(grant: Grant, offer: Offer, decider: int | None, reason: str, now: datetime) -> Grant:
    """Return the grant revoked by department ``decider``. Errors: Forbidden, WrongState, Invalid (no reason)."""
    _must_own(offer, decider)
    _must_be(GRANT, grant.state, STANDING)
    return replace(grant, state=GrantState.REVOKED, ended_at=now, end_reason=said(reason))


def end_with_resource(grant: Grant, now: datetime) -> Grant:
    """Return the grant ended because its resource was withdrawn; one that has ended already is the same."""
    if grant.state not in STANDING:
        return grant
    why = "信息资源已撤销 (the resource was withdrawn)"
    return replace(grant, state=GrantState.REVOKED, ended_at=now, end_reason=why)


def expire(grant: Grant, now: datetime) -> Grant:
    """Return the grant expired if its time is over, else the same."""
    if grant.state not in STANDING or grant.until is None or grant.until > now:
        return grant
    return replace(grant, state=GrantState.EXPIRED, ended_at=now)


def said(reason: str) -> str:
    """Return a reason without blanks around it. Errors: Invalid (there is none)."""
    if not reason.strip():
        raise Invalid(field="reason", reason=Text("a reason is required", "必须说明理由"))
    return reason.strip()


def _must_be_grantable(offer: Offer, ask: Ask, now: datetime) -> None:
    if offer.lifecycle is not Lifecycle.PUBLISHED:
        raise _not_published(offer)
    if not ask.system_active:
        raise Conflict(reason=Text("the system is switched off", "业务系统已停用"))
    if ask.client_id == offer.source_system:
        raise Conflict(reason=Text("the system is the source itself", "该系统即为数据来源系统"))
    if ask.renews:
        _must_be_longer(ask)
    elif ask.has_grant:
        raise Conflict(reason=Text("the system has a grant already; renew it", "该系统已有授权，请续期"))
    if ask.until is not None and ask.until <= now:
        raise Invalid(field="until", reason=Text("lies in the past", "早于当前时间"))


def _must_be_longer(ask: Ask) -> None:
    if not ask.has_grant:
        raise Conflict(reason=Text("there is no active grant to renew", "没有可续期的有效授权"))
    if ask.present_end is None or (ask.until is not None and ask.until <= ask.present_end):
        raise Invalid(
            field="until", reason=Text("is not later than the grant's present end", "不晚于现有授权的到期时间")
        )


def _must_decide(answer: Answer, offer: Offer, decider: int | None) -> None:
    """The provider decides what waits, the authority what is in dispute, and either what is overdue."""
    allowed = {
        RequestState.ESCALATED: {offer.owner, offer.authority},
        RequestState.DISPUTED: {offer.authority},
    }.get(answer.state, {offer.owner})
    if decider is None or decider not in allowed:
        raise _not_the_owner()
    _must_be(REQUEST, answer.state, UNDECIDED | {RequestState.DISPUTED})


def _must_own(offer: Offer, decider: int | None) -> None:
    if decider is None or decider != offer.owner:
        raise _not_the_owner()


def _must_be_authority(offer: Offer, decider: int | None) -> None:
    if decider is None or decider != offer.authority:
        raise Forbidden(reason=Text("the authority of the division decides", "仅该区划的主管部门可决定"))


def _must_be(thing: Text, state: StrEnum, needed: set[RequestState] | frozenset[StrEnum] | set[GrantState]) -> None:
    if state not in needed:
        raise WrongState(thing=thing, state=state.value, needed=", ".join(sorted(needed)))


def _not_published(offer: Offer) -> WrongState:
    return WrongState(
        thing=Text("the resource", "信息资源"), state=offer.lifecycle.value, needed=Lifecycle.PUBLISHED.value
    )


def _not_the_owner() -> Forbidden:
    return Forbidden(reason=Text("the resource's own department decides", "仅资源提供部门可决定"))
