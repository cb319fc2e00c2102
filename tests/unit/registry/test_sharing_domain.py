"""Decisions about requests and grants, over all facts that can meet."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.catalogue.domain import Lifecycle, SharingType
from registry.errors import Conflict, Forbidden, Invalid, WrongState
from registry.sharing.domain import (
    Answer,
    Ask,
    Grant,
    GrantState,
    Offer,
    RequestState,
    approve,
    dispute,
    end_with_resource,
    expire,
    extend,
    open_grant,
    overdue,
    receive,
    refuse,
    resume,
    review,
    revoke,
    suspend,
    withdraw,
)

NOW = datetime(2024, 5, 1, tzinfo=UTC)
OWNER, OTHER, AUTHORITY = 1, 2, 3

offers = st.builds(
    Offer,
    owner=st.just(OWNER),
    source_system=st.sampled_from(["source", "reader"]),
    lifecycle=st.sampled_from(Lifecycle),
    sharing_type=st.sampled_from(SharingType),
    sharing_condition=st.just("依据"),
    authority=st.sampled_from([None, AUTHORITY]),
    reviewed=st.booleans(),
)
times = st.none() | st.integers(-5, 5).map(lambda hours: NOW + timedelta(hours=hours))
asks = st.builds(
    Ask, client_id=st.just("reader"), department=st.just(OTHER), system_active=st.booleans(), until=times,
    has_grant=st.booleans(), restricted=st.booleans(), renews=st.booleans(), present_end=times,
)  # fmt: skip
deciders = st.sampled_from([OWNER, OTHER, AUTHORITY, None])
answers = st.builds(Answer, state=st.sampled_from(RequestState), reason=st.just("前因"), final=st.booleans())
grants = st.builds(Grant, state=st.sampled_from(GrantState), until=times)
REFUSALS = (Conflict, Invalid, Forbidden, WrongState)


def grantable(offer: Offer, ask: Ask) -> bool:
    longer = ask.present_end is not None and (ask.until is None or ask.until > ask.present_end)
    fits = ask.has_grant and longer if ask.renews else not ask.has_grant
    return (
        offer.lifecycle is Lifecycle.PUBLISHED
        and ask.system_active
        and ask.client_id != offer.source_system
        and fits
        and (ask.until is None or ask.until > NOW)
    )


def may_decide(answer: Answer, offer: Offer, decider: int | None) -> bool:
    """Whose turn it is, told once more and in other words than the domain's."""
    authority = decider is not None and decider == offer.authority
    match answer.state:
        case RequestState.WAITING:
            return decider == OWNER
        case RequestState.ESCALATED:
            return decider == OWNER or authority
        case RequestState.DISPUTED:
            return authority
    return False


@given(offers, asks)
def test_the_first_answer_follows_the_sharing_type(offer: Offer, ask: Ask) -> None:
    if not grantable(offer, ask):
        with pytest.raises(REFUSALS):
            receive(offer, ask, NOW)
        return
    seen_first = offer.reviewed and offer.authority is not None
    expected = {
        SharingType.UNCONDITIONAL: RequestState.REFUSED if ask.restricted else RequestState.APPROVED,
        SharingType.CONDITIONAL: RequestState.REVIEWING if seen_first else RequestState.WAITING,
        SharingType.NOT_SHARED: RequestState.REFUSED,
    }
    answer = receive(offer, ask, NOW)
    assert answer.state is expected[offer.sharing_type]
    assert (answer.reason == "依据") == (offer.sharing_type is SharingType.NOT_SHARED)


@given(answers, offers, asks, deciders)
def test_only_whose_turn_it_is_approves_and_only_what_can_be_granted(
    answer: Answer, offer: Offer, ask: Ask, decider: int | None
) -> None:
    allowed = (
        may_decide(answer, offer, decider)
        and grantable(offer, ask)
        and offer.sharing_type is not SharingType.NOT_SHARED
        and not ask.restricted
    )
    try:
        approved = approve(answer, offer, ask, decider, NOW)
    except REFUSALS:
        assert not allowed
    else:
        assert allowed
        assert approved.state is RequestState.APPROVED


@given(answers, offers, deciders, st.sampled_from(["不符合条件", "", "  "]))
def test_a_refusal_needs_whose_turn_it_is_and_a_reason(
    answer: Answer, offer: Offer, decider: int | None, reason: str
) -> None:
    allowed = may_decide(answer, offer, decider) and bool(reason.strip())
    try:
        refused = refuse(answer, offer, decider, reason, NOW)
    except REFUSALS:
        assert not allowed
    else:
        assert allowed
        assert (refused.state, refused.reason) == (RequestState.REFUSED, reason)
        assert refused.final == (decider == AUTHORITY), "what the authority refuses cannot come before it again"


@given(answers, offers, deciders, st.sampled_from([None, "不完整", " "]))
def test_a_review_is_the_authoritys(answer: Answer, offer: Offer, decider: int | None, reason: str | None) -> None:
    allowed = (
        answer.state is RequestState.REVIEWING
        and decider is not None
        and decider == offer.authority
        and (reason is None or bool(reason.strip()))
    )
    try:
        after = review(answer, offer, decider, reason, NOW)
    except REFUSALS:
        assert not allowed
    else:
        assert allowed
        assert after.state is (RequestState.WAITING if reason is None else RequestState.REFUSED)


@given(answers, offers, times)
def test_a_refusal_is_disputed_once_in_time_and_before_somebody(
    answer: Answer, offer: Offer, last: datetime | None
) -> None:
    allowed = (
        answer.state is RequestState.REFUSED
        and not answer.final
        and offer.authority is not None
        and (last is None or last > NOW)
    )
    try:
        after = dispute(answer, offer, last, NOW)
    except REFUSALS:
        assert not allowed
    else:
        assert allowed
        assert (after.state, after.reason) == (RequestState.DISPUTED, "前因"), "the reason stays for all to see"


@given(answers, offers)
def test_time_never_answers_for_a_person(answer: Answer, offer: Offer) -> None:
    after = overdue(answer, offer)
    assert after.state not in {RequestState.APPROVED, RequestState.REFUSED} or after == answer
    if answer.state is RequestState.REVIEWING:
        assert after.state is RequestState.WAITING
    if answer.state is RequestState.WAITING:
        assert (after.state is RequestState.ESCALATED) == (offer.authority is not None)


@given(answers)
def test_what_is_answered_cannot_be_withdrawn(answer: Answer) -> None:
    open_still = answer.state in {
        RequestState.REVIEWING, RequestState.WAITING, RequestState.ESCALATED, RequestState.DISPUTED,
    }  # fmt: skip
    try:
        after = withdraw(answer, NOW)
    except WrongState:
        assert not open_still
    else:
        assert open_still
        assert after.state is RequestState.WITHDRAWN


standing = {GrantState.ACTIVE, GrantState.SUSPENDED}


@given(grants, offers, deciders, st.sampled_from(["不再需要", ""]))
def test_a_grant_ends_once(grant: Grant, offer: Offer, decider: int | None, reason: str) -> None:
    allowed = decider == OWNER and grant.state in standing and bool(reason)
    try:
        ended = revoke(grant, offer, decider, reason, NOW)
    except REFUSALS:
        assert not allowed
    else:
        assert allowed
        assert (ended.state, ended.ended_at, ended.end_reason) == (GrantState.REVOKED, NOW, reason)


@given(grants, offers, deciders)
def test_what_rests_is_resumed_while_it_could_be_granted(grant: Grant, offer: Offer, decider: int | None) -> None:
    allowed = (
        decider == OWNER
        and grant.state is GrantState.SUSPENDED
        and offer.lifecycle is Lifecycle.PUBLISHED
        and (grant.until is None or grant.until > NOW)
    )
    try:
        active = resume(grant, offer, decider, NOW)
    except REFUSALS:
        assert not allowed
    else:
        assert allowed
        assert active == Grant(GrantState.ACTIVE, grant.until)
        assert resume(suspend(active, offer, decider, "核查"), offer, decider, NOW) == active


@given(grants)
def test_expiry_ends_what_stands_and_is_due_and_nothing_else(grant: Grant) -> None:
    due = grant.state in standing and grant.until is not None and grant.until <= NOW
    after = expire(grant, NOW)
    assert after.state is GrantState.EXPIRED if due else after == grant
    assert expire(after, NOW) == after


@given(grants, times)
def test_only_an_active_grant_is_extended(grant: Grant, until: datetime | None) -> None:
    try:
        after = extend(grant, until)
    except WrongState:
        assert grant.state is not GrantState.ACTIVE
    else:
        assert after == Grant(GrantState.ACTIVE, until)


@given(grants)
def test_a_withdrawn_resource_leaves_no_grant_standing(grant: Grant) -> None:
    after = end_with_resource(grant, NOW)
    assert after.state not in standing
    assert grant.state in standing or after == grant


@given(answers, times)
def test_only_an_approval_opens_a_grant(answer: Answer, until: datetime | None) -> None:
    grant = open_grant(answer, until)
    assert (grant is not None) == (answer.state is RequestState.APPROVED)
    assert grant is None or grant == Grant(GrantState.ACTIVE, until)
