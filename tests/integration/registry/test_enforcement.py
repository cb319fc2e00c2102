"""The broker is held equal to the grants: by each decision at once, and against bad hands on the timer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest

from exchange.metrics import NullMetrics
from registry.access.tokens import PROBE
from registry.enforcement.acls import (
    EVERYTHING,
    Acl,
    Kind,
    Operation,
    Policy,
    TopicSpec,
    desired_acls,
    desired_topics,
    principal,
)
from registry.enforcement.broker import Broker
from registry.enforcement.enforcer import Enforcer
from registry.enforcement.probe import Probe
from registry.enforcement.snapshot import read
from tests.integration.registry.conftest import LoneBroker
from tests.support.registry_world import World
from tests.support.wait import wait_until


@pytest.fixture
def here(broker: LoneBroker, tmp_path: Path) -> Iterator[World]:
    with broker.world(tmp_path) as world:
        assert world.runtime.enforcer.reconcile()
        yield world


@pytest.fixture
def hand(broker: LoneBroker) -> Broker:
    """A bad administrator's hand: the broker without the enforcer."""
    return Broker(broker.client("exchange-registry"), 10)


def desired(world: World) -> frozenset[Acl]:
    with world.runtime.database.read() as session:
        return desired_acls(read(session, EVERYTHING))


def reading(client_id: str, topic: str) -> Acl:
    return Acl(Kind.TOPIC, topic, "LITERAL", principal(client_id), Operation.READ)


def drift(world: World, action: str) -> float:
    return world.metric("exchange_acl_drift_total", action=action)


def test_a_decision_is_at_the_broker_when_its_answer_is_given(here: World, hand: Broker) -> None:
    before = drift(here, "removed")
    owner, reader = here.office(), here.office("440600")
    resource = here.resource(owner)
    approved = here.grant(owner, reader, resource)
    acl = reading(reader.client_id, approved["grant"]["topic"])
    assert approved["enforced"] is True
    assert acl in hand.acls(EVERYTHING)
    revoked = owner.admin.post(f"grants/{approved['grant']['id']}/revoke", {"reason": "不再需要"})
    assert revoked["enforced"] is True
    assert acl not in hand.acls(EVERYTHING)
    assert hand.acls(EVERYTHING) == desired(here)
    assert here.runtime.enforcer.reconcile()
    assert (drift(here, "added"), drift(here, "removed")) == (0, before), "decisions are not drift"


def test_topics_are_made_and_their_settings_are_held(here: World, broker: LoneBroker, hand: Broker) -> None:
    owner = here.office()
    resource = here.resource(owner, partitions=3)
    topic = f"440000.{resource}"
    topics = hand.topics()
    assert (topics[topic], topics[f"{topic}.rejects"], topics[f"_exchange.receipts.{owner.client_id}"]) == (3, 1, 1)
    with here.runtime.database.read() as session:
        spec = desired_topics(read(session, EVERYTHING))[topic]
    assert spec.config["cleanup.policy"] == "compact"
    assert not hand.drifted([spec])
    hand.repair([TopicSpec(topic, 3, {"cleanup.policy": "delete"})])
    wait_until(lambda: hand.drifted([spec]), 5, "the bad setting is at the broker")
    assert here.runtime.enforcer.reconcile()
    wait_until(lambda: not hand.drifted([spec]), 5, "the setting is held again")


def test_acls_added_and_removed_by_hand_are_repaired_and_counted(here: World, hand: Broker) -> None:
    owner, reader = here.office(), here.office("440600")
    topic = here.grant(owner, reader, here.resource(owner))["grant"]["topic"]
    before = drift(here, "removed")  # what tests before this one left at the broker
    strange = [
        reading("440000-stranger", topic),
        Acl("TOPIC", "*", "LITERAL", "User:*", "ALL"),
        Acl("TOPIC", "44", "PREFIXED", f"User:{owner.client_id}", "READ", "10.0.0.1", "DENY"),
        Acl("CLUSTER", "kafka-cluster", "LITERAL", f"User:{reader.client_id}", "ALTER"),
        Acl("GROUP", "other.", "PREFIXED", f"User:{reader.client_id}", "READ"),
    ]
    hand.add(strange)
    hand.remove([reading(reader.client_id, topic)])
    wait_until(lambda: set(strange) <= hand.acls(EVERYTHING), 5, "the strange ACLs are there")
    assert here.runtime.enforcer.reconcile()
    wait_until(lambda: hand.acls(EVERYTHING) == desired(here), 5, "the broker equals the grants")
    assert (drift(here, "removed"), drift(here, "added")) == (before + 5, 1)
    assert here.runtime.enforcer.reconcile()
    assert (drift(here, "removed"), drift(here, "added")) == (before + 5, 1), "a second comparison finds nothing"


def test_unknown_principals_can_be_reported_or_preserved(broker: LoneBroker, tmp_path: Path, hand: Broker) -> None:
    with broker.world(tmp_path, unknown_acls="report", preserve_principals=["User:operator*"]) as world:
        assert world.runtime.enforcer.reconcile()
        known = world.office()
        unknown, kept = reading("440000-stranger", "t"), reading("operator-1", "t")
        own = reading(known.client_id, "t")
        before, reported = drift(world, "removed"), drift(world, "reported")
        hand.add([unknown, kept, own])
        wait_until(lambda: own in hand.acls(EVERYTHING), 5, "the ACLs are there")
        assert world.runtime.enforcer.reconcile()
        wait_until(lambda: own not in hand.acls(EVERYTHING), 5, "a known system has no more than its grants")
        assert {unknown, kept} <= hand.acls(EVERYTHING)
        assert world.runtime.enforcer.reconcile()
        assert (drift(world, "reported"), drift(world, "removed")) == (reported + 1, before + 1)
    with broker.world(tmp_path) as world:
        assert world.runtime.enforcer.reconcile()


def test_a_switched_off_system_and_a_withdrawn_resource_have_no_acl(here: World, hand: Broker) -> None:
    owner, reader = here.office(), here.office("440600")
    resource = here.resource(owner)
    here.grant(owner, reader, resource)
    assert here.root.post(f"systems/{reader.client_id}/deactivate")["enforced"] is True
    assert principal(reader.client_id) not in {acl.principal for acl in hand.acls(EVERYTHING)}
    assert here.root.post(f"systems/{reader.client_id}/activate")["enforced"] is True
    assert reading(reader.client_id, f"440000.{resource}") in hand.acls(EVERYTHING)
    assert owner.admin.post(f"resources/{resource}/withdraw")["enforced"] is True
    assert not any(acl.covers(f"440000.{resource}") for acl in hand.acls(EVERYTHING))
    assert hand.acls(EVERYTHING) == desired(here)


def test_an_expired_grant_ends_at_the_broker(here: World, hand: Broker) -> None:
    owner, reader = here.office(), here.office("440600")
    until = here.clock().replace(microsecond=0).isoformat()
    here.clock.ahead = timedelta(hours=-1)
    grant = here.grant(owner, reader, here.resource(owner), until=until)["grant"]
    here.clock.ahead = timedelta()
    here.runtime.loop.tick()
    assert owner.admin.get(f"grants/{grant['id']}")["state"] == "expired"
    assert reading(reader.client_id, grant["topic"]) not in hand.acls(EVERYTHING)


class Interrupted(Broker):
    """A broker where another process decides just before this one changes ACLs."""

    decision: Callable[[], object] | None = None

    @property
    def waits(self) -> bool:
        return self.decision is not None

    def add(self, acls: Iterable[Acl]) -> None:
        decision, self.decision = self.decision, None
        if decision:
            decision()
        super().add(acls)


@pytest.mark.parametrize("decision", ["revoked", pytest.param("approved", marks=pytest.mark.long)])
def test_a_decision_of_another_process_during_a_comparison_wins(
    broker: LoneBroker, tmp_path: Path, hand: Broker, decision: str
) -> None:
    with ExitStack() as stack:
        one, other = (stack.enter_context(broker.world(tmp_path)) for _ in range(2))
        assert one.runtime.enforcer.reconcile()
        owner, reader = other.office(), other.office("440600")
        resource = other.resource(owner)
        acl = reading(reader.client_id, f"440000.{resource}")
        interrupted = Interrupted(broker.client("exchange-registry"), 10)
        if decision == "revoked":  # the comparison wants to add an ACL whose grant ends now
            grant = other.grant(owner, reader, resource)["grant"]
            hand.remove([acl])
            wait_until(lambda: acl not in hand.acls(EVERYTHING), 5, "the ACL is gone")
            interrupted.decision = lambda: owner.admin.post(f"grants/{grant['id']}/revoke", {"reason": "测试"})
        else:  # the comparison wants to remove an ACL whose grant begins now
            hand.add([acl])
            wait_until(lambda: acl in hand.acls(EVERYTHING), 5, "the ACL is there")
            interrupted.decision = lambda: other.grant(owner, reader, resource)
        enforcer = Enforcer(
            broker=interrupted,
            fence=None,
            probe=Probe(broker.client(PROBE), interrupted, 10),
            database=one.runtime.database,
            policy=Policy(),
            metrics=NullMetrics(),
            settle_s=10,
        )
        assert enforcer.reconcile()
        assert not interrupted.waits, "the decision was made meanwhile"
        wait_until(lambda: hand.acls(EVERYTHING) == desired(other), 5, "the broker equals the grants")
        assert (acl in hand.acls(EVERYTHING)) == (decision == "approved")


@pytest.mark.long
def test_a_decision_while_the_broker_is_away_is_done_when_it_is_back(
    broker: LoneBroker, tmp_path: Path, hand: Broker
) -> None:
    with broker.world(tmp_path, timeout_s=3) as world:
        assert world.runtime.enforcer.reconcile()
        owner, reader = world.office(), world.office("440600")
        grant = world.grant(owner, reader, world.resource(owner))["grant"]
        acl = reading(reader.client_id, grant["topic"])
        with broker.stopped():
            answer = owner.admin.post(f"grants/{grant['id']}/revoke", {"reason": "测试"})
            assert (answer["state"], answer["enforced"]) == ("revoked", False)
            assert world.http.get("/healthz").status_code == 200
            assert world.http.get("/readyz").status_code == 503
        wait_until(lambda: _retried(world), 60, "the revocation is at the broker")
        assert acl not in hand.acls(EVERYTHING)
        assert world.metric("exchange_enforcement_failures_total") >= 1


def _retried(world: World) -> bool:
    world.runtime.enforcer.retry()
    return not world.runtime.enforcer.pending
