"""A revocation holds in a cluster too, where the broker that leads the topic is not the one that took the decision."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from registry.access.tokens import PROBE
from registry.enforcement.acls import EVERYTHING, principal
from registry.enforcement.broker import Broker
from tests.integration.registry.conftest import LoneBroker, lone_broker
from tests.integration.registry.test_fence import PARKED_MS, Reader, publish
from tests.support.registry_world import Office, World
from tests.support.relay import Relay
from tests.support.second_broker import SECOND, second_broker
from tests.support.wait import wait_until

ROUNDS = 4
HELD_S = 2.0  # the controller counts a broker out after 9 s


@dataclass(frozen=True)
class Cluster:
    lone: LoneBroker
    controller: Relay  # between the second broker and it


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    place = tmp_path_factory.mktemp("cluster") / "var"
    with lone_broker(place) as lone, second_broker(lone.node, lone.layout) as second:
        admin = AdminClient(lone.client("exchange-registry"))
        admin.poll(0)
        wait_until(lambda: SECOND in admin.list_topics(timeout=10).brokers, 60, "the second broker has joined")
        yield Cluster(lone, second.controller)


def topic_at_the_second(lone: LoneBroker, topic: str) -> None:
    """The registry takes a topic that is there as its own."""
    admin = AdminClient(lone.client("exchange-registry"))
    admin.poll(0)
    wanted = NewTopic(topic, 1, replica_assignment=[[SECOND]], config={"cleanup.policy": "compact"})
    admin.create_topics([wanted])[topic].result(20)
    wait_until(lambda: _leader(admin, topic) == SECOND, 20, "the second broker leads the topic")


def _leader(admin: AdminClient, topic: str) -> int:
    partitions = admin.list_topics(topic, timeout=10).topics[topic].partitions
    return partitions[0].leader if partitions else -1


@contextmanager
def parked(lone: LoneBroker, world: World) -> Iterator[Parked]:
    """A subscriber that has a fetch parked at the second broker."""
    owner, subscriber = world.office(), world.office("440600")
    resource = world.draft(owner)
    topic_at_the_second(lone, f"440000.{resource}")
    owner.admin.post(f"resources/{resource}/publish")
    grant = world.grant(owner, subscriber, resource)["grant"]
    producer = Producer({**lone.client(owner.client_id), "transactional.id": f"{owner.client_id}.test"})
    producer.poll(0)
    producer.init_transactions(20)
    reader = Reader(lone.client(subscriber.client_id), f"{subscriber.client_id}.test", grant["topic"])
    try:
        publish(producer, grant["topic"], b"before")
        wait_until(lambda: reader.values == [b"before"], 15, "the subscriber reads")
        threading.Event().wait(0.5)  # its next fetch is parked; nothing tells when it is
        yield Parked(owner, grant, producer, reader)
    finally:
        reader.close()


@dataclass(frozen=True)
class Parked:
    owner: Office
    grant: dict[str, Any]
    producer: Producer
    reader: Reader

    def revoke(self) -> bool:
        """Return what the registry says of the broker."""
        enforced: bool = self.owner.admin.post(f"grants/{self.grant['id']}/revoke", {"reason": "测试"})["enforced"]
        return enforced

    def read_after(self) -> list[bytes]:
        """Publish once more; return all that the subscriber has read."""
        publish(self.producer, self.grant["topic"], b"after")
        wait_until(self.reader.refused.is_set, 2 * PARKED_MS / 1000, "the broker refuses the subscriber")
        return self.reader.values


def test_nothing_published_after_the_answer_arrives_from_the_other_broker(cluster: Cluster, tmp_path: Path) -> None:
    """Several times: what another broker has not heard yet is a matter of milliseconds."""
    found = []
    with cluster.lone.world(tmp_path) as world:
        assert world.runtime.enforcer.reconcile()
        for _ in range(ROUNDS):
            with parked(cluster.lone, world) as subscriber:
                assert subscriber.revoke()
                found.append(subscriber.read_after())
        there = Broker(cluster.lone.client("exchange-registry"), 10).acls(EVERYTHING)
        assert principal(PROBE) not in {acl.principal for acl in there}, "the probe takes its own ACLs away"
    assert found == [[b"before"]] * ROUNDS


def test_a_broker_that_hears_late_is_waited_for(cluster: Cluster, tmp_path: Path) -> None:
    with cluster.lone.world(tmp_path) as world, ThreadPoolExecutor() as pool:
        assert world.runtime.enforcer.reconcile()
        with parked(cluster.lone, world) as subscriber:
            with cluster.controller.held():
                answer = pool.submit(subscriber.revoke)
                threading.Event().wait(HELD_S)
                assert not answer.done(), "the broker that leads the topic has not heard of it"
            assert answer.result(30)
            assert subscriber.read_after() == [b"before"]
