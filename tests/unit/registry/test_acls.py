"""The desired ACLs: nobody reads without a grant, nobody but the source writes, and no name reaches into another's."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from registry.enforcement.acls import (
    Acl,
    Difference,
    Flow,
    Kind,
    Policy,
    Scope,
    Snapshot,
    desired_acls,
    desired_topics,
    difference,
    undo,
)

CLIENTS = ["aaa", "aaa-b", "bbb", "ccc"]
TOPICS = ["440000.t-1", "440000.t-2", "440600.t-1"]
client_ids = st.sampled_from(CLIENTS)
topics = st.sampled_from(TOPICS)
flows = st.lists(st.builds(Flow, topic=topics, source=client_ids), unique_by=lambda flow: flow.topic).map(tuple)
snapshots = st.builds(
    Snapshot,
    systems=st.frozensets(client_ids),
    flows=flows,
    grants=st.frozensets(st.tuples(client_ids, topics)),
)
acls = st.builds(
    Acl,
    kind=st.sampled_from(["TOPIC", "GROUP", "CLUSTER"]),
    name=st.sampled_from([*TOPICS, "aaa.", "*"]),
    pattern=st.sampled_from(["LITERAL", "PREFIXED"]),
    principal=st.sampled_from(["User:aaa", "User:bbb", "User:*", "User:operator"]),
    operation=st.sampled_from(["READ", "WRITE", "ALL"]),
)
sets = st.frozensets(acls, max_size=8)


@given(snapshots)
def test_reading_and_writing_follow_the_grants_exactly(snapshot: Snapshot) -> None:
    desired = desired_acls(snapshot)
    for flow in snapshot.flows:
        for client_id in CLIENTS:
            source = flow.source == client_id
            may_read = source or (client_id, flow.topic) in snapshot.grants
            active = client_id in snapshot.systems
            assert allowed(desired, client_id, flow.topic, "READ") == (active and may_read)
            assert allowed(desired, client_id, flow.topic, "WRITE") == (active and source)
            assert allowed(desired, client_id, f"{flow.topic}.rejects", "READ") == (active and source)


@given(snapshots)
def test_a_system_has_its_own_names_and_no_other(snapshot: Snapshot) -> None:
    desired = desired_acls(snapshot)
    for client_id in CLIENTS:
        for other in CLIENTS:
            mine = client_id == other and client_id in snapshot.systems
            assert allowed(desired, client_id, f"{other}.group", "READ", Kind.GROUP) == mine
            assert allowed(desired, client_id, f"{other}.tx", "WRITE", Kind.TRANSACTIONAL_ID) == mine
            assert allowed(desired, client_id, f"_exchange.receipts.{other}", "WRITE") == mine


@given(snapshots)
def test_every_literal_topic_of_an_acl_is_made(snapshot: Snapshot) -> None:
    named = {acl.name for acl in desired_acls(snapshot) if acl.kind == Kind.TOPIC}
    assert named <= set(desired_topics(snapshot))


def allowed(desired: frozenset[Acl], client_id: str, name: str, operation: str, kind: Kind = Kind.TOPIC) -> bool:
    return any(
        acl.kind == kind
        and acl.principal == f"User:{client_id}"
        and acl.operation == operation
        and (acl.name == name if acl.pattern == "LITERAL" else name.startswith(acl.name))
        for acl in desired
    )


def applied(actual: frozenset[Acl], step: Difference) -> frozenset[Acl]:
    return (actual | step.add) - step.remove


@given(sets, sets)
def test_applying_the_difference_gives_the_desired(actual: frozenset[Acl], desired: frozenset[Acl]) -> None:
    assert applied(actual, difference(actual, desired, Policy())) == desired


@given(sets, sets)
def test_unknown_principals_are_reported_and_preserved_ones_left(
    actual: frozenset[Acl], desired: frozenset[Acl]
) -> None:
    policy = Policy(remove_unknown=False, preserved=("User:operator",))
    step = difference(actual, desired, policy, known=frozenset({"User:aaa"}))
    extra = actual - desired
    assert step.add == desired - actual
    assert step.remove == {acl for acl in extra if acl.principal == "User:aaa"}
    assert step.report == {acl for acl in extra if acl.principal in {"User:bbb", "User:*"}}


@given(sets, sets, sets)
def test_a_decision_meanwhile_wins(actual: frozenset[Acl], before: frozenset[Acl], after: frozenset[Acl]) -> None:
    """Process A compares with ``before``; B makes it ``after`` and enforces; A applies what it saw, and undoes."""
    seen = difference(actual, before, Policy())
    by_other = difference(before, after, Policy())
    for broker in (
        applied(applied(actual, by_other), seen),  # B was first
        applied(applied(actual, seen), by_other),  # A was first
    ):
        end = applied(broker, undo(seen, after))
        touched = seen.add | seen.remove | by_other.add | by_other.remove
        assert end & touched == after & touched


def test_an_acl_without_words_is_reported() -> None:
    strange = frozenset({Acl("UNKNOWN", "x", "LITERAL", "User:aaa", "READ")})
    assert difference(strange, frozenset(), Policy()) == Difference(frozenset(), frozenset(), strange)


def test_a_scope_holds_its_own() -> None:
    acl = Acl("TOPIC", "440000.t-1", "LITERAL", "User:aaa", "READ")
    assert Scope().holds(acl)
    assert Scope("aaa").holds(acl)
    assert Scope("aaa", "440000.t-1").holds(acl)
    assert Scope(topic="440000.t-1").holds(acl)
    assert not Scope("bbb", "440000.t-1").holds(acl)
    assert not Scope("aaa", "440000.t-2").holds(acl)
