"""Nothing that is published after the answer to a revocation arrives, even through a fetch that was parked before."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition

from tests.integration.registry.conftest import LoneBroker
from tests.support.wait import wait_until

PARKED_MS = 5000


class Reader:
    """A subscriber in a thread of its own, whose fetches wait five seconds at the broker."""

    def __init__(self, config: dict[str, Any], group: str, topic: str) -> None:
        self.values: list[bytes] = []
        self.refused = threading.Event()
        self._stop = threading.Event()
        self._consumer = Consumer(
            {
                **config,
                "group.id": group,
                "fetch.wait.max.ms": PARKED_MS,
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
            }
        )
        self._consumer.assign([TopicPartition(topic, 0, 0)])
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while not self._stop.is_set():
            message = self._consumer.poll(0.05)
            if message is None:
                continue
            error = message.error()
            if error is None:
                self.values.append(message.value() or b"")
            elif error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
                self.refused.set()

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        self._consumer.close()


def publish(producer: Producer, topic: str, value: bytes) -> None:
    producer.begin_transaction()
    producer.produce(topic, value, key=value)
    producer.commit_transaction(10)


@pytest.mark.parametrize("fence", [True, False])
def test_what_is_published_after_the_answer_never_arrives(broker: LoneBroker, tmp_path: Path, fence: bool) -> None:
    with broker.world(tmp_path, fence=fence) as world:
        assert world.runtime.enforcer.reconcile()
        owner, subscriber = world.office(), world.office("440600")
        grant = world.grant(owner, subscriber, world.resource(owner))["grant"]
        source = {**broker.client(owner.client_id), "transactional.id": f"{owner.client_id}.test"}
        producer = Producer(source)
        producer.poll(0)
        producer.init_transactions(10)
        reader = Reader(broker.client(subscriber.client_id), f"{subscriber.client_id}.test", grant["topic"])
        try:
            publish(producer, grant["topic"], b"before")
            wait_until(lambda: reader.values == [b"before"], 15, "the subscriber reads")
            # The reader's next fetch is at the broker when a moment passes without news; nothing tells when it is.
            threading.Event().wait(0.5)
            answer = owner.admin.post(f"grants/{grant['id']}/revoke", {"reason": "测试"})
            assert answer["enforced"] is True
            publish(producer, grant["topic"], b"after")
            wait_until(reader.refused.is_set, 2 * PARKED_MS / 1000, "the broker refuses the subscriber")
        finally:
            reader.close()
    # Without the fence the parked fetch delivers it: the test sees the hole that the fence closes.
    assert reader.values == ([b"before"] if fence else [b"before", b"after"])
