"""A revocation holds in a cluster too, where the broker that leads the topic is not the one that took the decision."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from tests.integration.registry.conftest import LoneBroker, lone_broker
from tests.integration.registry.test_fence import PARKED_MS, Reader, publish
from tests.support.registry_world import World
from tests.support.second_broker import SECOND, second_broker
from tests.support.wait import wait_until

ROUNDS = 4


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoneBroker]:
    with lone_broker(tmp_path_factory.mktemp("cluster") / "var") as lone, second_broker(lone.node, lone.layout):
        admin = AdminClient(lone.client("exchange-registry"))
        admin.poll(0)
        wait_until(lambda: SECOND in admin.list_topics(timeout=10).brokers, 60, "the second broker has joined")
        yield lone


def topic_at_the_second(cluster: LoneBroker, topic: str) -> None:
    """The registry takes a topic that is there as its own."""
    admin = AdminClient(cluster.client("exchange-registry"))
    admin.poll(0)
    wanted = NewTopic(topic, 1, replica_assignment=[[SECOND]], config={"cleanup.policy": "compact"})
    admin.create_topics([wanted])[topic].result(20)
    wait_until(lambda: _leader(admin, topic) == SECOND, 20, "the second broker leads the topic")


def _leader(admin: AdminClient, topic: str) -> int:
    partitions = admin.list_topics(topic, timeout=10).topics[topic].partitions
    return partitions[0].leader if partitions else -1


def read_around_a_revocation(cluster: LoneBroker, world: World) -> list[bytes]:
    """What a subscriber gets that has a fetch parked at the second broker when its grant is revoked."""
    owner, subscriber = world.office(), world.office("440600")
    resource = world.draft(owner)
    topic_at_the_second(cluster, f"440000.{resource}")
    owner.admin.post(f"resources/{resource}/publish")
    grant = world.grant(owner, subscriber, resource)["grant"]
    producer = Producer({**cluster.client(owner.client_id), "transactional.id": f"{owner.client_id}.test"})
    producer.poll(0)
    producer.init_transactions(20)
    reader = Reader(cluster.client(subscriber.client_id), f"{subscriber.client_id}.test", grant["topic"])
    try:
        publish(producer, grant["topic"], b"before")
        wait_until(lambda: reader.values == [b"before"], 15, "the subscriber reads")
        threading.Event().wait(0.5)  # its next fetch is parked; nothing tells when it is
        assert owner.admin.post(f"grants/{grant['id']}/revoke", {"reason": "测试"})["enforced"] is True
        publish(producer, grant["topic"], b"after")
        wait_until(reader.refused.is_set, 2 * PARKED_MS / 1000, "the broker refuses the subscriber")
    finally:
        reader.close()
    return reader.values


def test_nothing_published_after_the_answer_arrives_from_the_other_broker(cluster: LoneBroker, tmp_path: Path) -> None:
    """Several times: what another broker has not heard yet is a matter of milliseconds."""
    with cluster.world(tmp_path) as world:
        assert world.runtime.enforcer.reconcile()
        found = [read_around_a_revocation(cluster, world) for _ in range(ROUNDS)]
    assert found == [[b"before"]] * ROUNDS
