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
    expire,
    open_grant,
    receive,
    refuse,
    revoke,
)

NOW = datetime(2024, 5, 1, tzinfo=UTC)
OWNER, OTHER = 1, 2

offers = st.builds(
    Offer,
    owner=st.just(OWNER),
    source_system=st.sampled_from(["source", "reader"]),
    lifecycle=st.sampled_from(Lifecycle),
    sharing_type=st.sampled_from(SharingType),
    sharing_condition=st.just("依据"),
)
times = st.none() | st.integers(-5, 5).map(lambda hours: NOW + timedelta(hours=hours))
asks = st.builds(
    Ask, client_id=st.just("reader"), department=st.just(OTHER), system_active=st.booleans(), until=times,
    has_grant=st.booleans(),
)  # fmt: skip
deciders = st.sampled_from([OWNER, OTHER, None])
answers = st.builds(Answer, state=st.sampled_from(RequestState))
grants = st.builds(Grant, state=st.sampled_from(GrantState), until=times)
REFUSALS = (Conflict, Invalid, Forbidden, WrongState)


def grantable(offer: Offer, ask: Ask) -> bool:
    return (
        offer.lifecycle is Lifecycle.PUBLISHED
        and ask.system_active
        and ask.client_id != offer.source_system
        and not ask.has_grant
        and (ask.until is None or ask.until > NOW)
    )


@given(offers, asks)
def test_the_first_answer_follows_the_sharing_type(offer: Offer, ask: Ask) -> None:
    if not grantable(offer, ask):
        with pytest.raises(REFUSALS):
            receive(offer, ask, NOW)
        return
    expected = {
        SharingType.UNCONDITIONAL: RequestState.APPROVED,
        SharingType.CONDITIONAL: RequestState.WAITING,
        SharingType.NOT_SHARED: RequestState.REFUSED,
    }
    answer = receive(offer, ask, NOW)
    assert answer.state is expected[offer.sharing_type]
    assert (answer.reason == "依据") == (answer.state is RequestState.REFUSED)


@given(answers, offers, asks, deciders)
def test_only_the_owner_approves_and_only_what_waits_and_can_be_granted(
    answer: Answer, offer: Offer, ask: Ask, decider: int | None
) -> None:
    allowed = (
        decider == OWNER
        and answer.state is RequestState.WAITING
        and grantable(offer, ask)
        and offer.sharing_type is not SharingType.NOT_SHARED
    )
    try:
        approved = approve(answer, offer, ask, decider, NOW)
    except REFUSALS:
        assert not allowed
    else:
        assert allowed
        assert approved.state is RequestState.APPROVED


@given(answers, offers, deciders, st.sampled_from(["不符合条件", "", "  "]))
def test_a_refusal_needs_owner_and_reason(answer: Answer, offer: Offer, decider: int | None, reason: str) -> None:
    allowed = decider == OWNER and answer.state is RequestState.WAITING and bool(reason.strip())
    try:
        refused = refuse(answer, offer, decider, reason, NOW)
    except REFUSALS:
        assert not allowed
    else:
        assert allowed
        assert (refused.state, refused.reason) == (RequestState.REFUSED, reason)


@given(grants, offers, deciders, st.sampled_from(["不再需要", ""]))
def test_a_grant_ends_once(grant: Grant, offer: Offer, decider: int | None, reason: str) -> None:
    allowed = decider == OWNER and grant.state is GrantState.ACTIVE and bool(reason)
    try:
        ended = revoke(grant, offer, decider, reason, NOW)
    except REFUSALS:
        assert not allowed
    else:
        assert allowed
        assert (ended.state, ended.ended_at, ended.end_reason) == (GrantState.REVOKED, NOW, reason)


@given(grants)
def test_expiry_ends_what_is_active_and_due_and_nothing_else(grant: Grant) -> None:
    due = grant.state is GrantState.ACTIVE and grant.until is not None and grant.until <= NOW
    after = expire(grant, NOW)
    assert after.state is GrantState.EXPIRED if due else after == grant
    assert expire(after, NOW) == after


@given(answers, times)
def test_only_an_approval_opens_a_grant(answer: Answer, until: datetime | None) -> None:
    grant = open_grant(answer, until)
    assert (grant is not None) == (answer.state is RequestState.APPROVED)
    assert grant is None or grant == Grant(GrantState.ACTIVE, until)
