"""What the broker itself holds of a batch: the third word beside the two receipts."""

from __future__ import annotations

import time
from typing import Protocol

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from exchange.publisher import BATCH_HEADER
from exchange.receipts import MODULUS, record_digest
from registry.access.tokens import SELF
from registry.enforcement.broker import ClientConfig
from registry.receipts.differences import Held

EARLIER_MS = 600_000  # clocks of publishers may be off by so much
AT_ONCE = 1000
PATIENCE_S = 20.0
MOST_RECORDS = 2_000_000


class Witness(Protocol):
    """Somebody who can be asked what the topic holds."""

    def held(self, topic: str, batch: str, at: int) -> Held | None:
        """Return what the topic holds of a batch published at about ``at`` (milliseconds, UTC); None: not known."""


class TopicWitness:
    """Reads the topic from the batch's time on, as the registry itself."""

    def __init__(self, config: ClientConfig) -> None:
        self._config: ClientConfig = {
            **config,
            "group.id": f"{SELF}.witness",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
        }

    def held(self, topic: str, batch: str, at: int) -> Held | None:
        """Return what the topic holds of a batch; None when the broker does not answer or there is too much to read."""
        try:
            consumer = Consumer(self._config)
            try:
                return self._read(consumer, topic, bytes.fromhex(batch), max(0, at - EARLIER_MS))
            finally:
                consumer.close()
        except KafkaException:
            return None

    def _read(self, consumer: Consumer, topic: str, batch: bytes, since_ms: int) -> Held | None:
        partitions = consumer.list_topics(topic, PATIENCE_S).topics[topic].partitions
        asked = [TopicPartition(topic, number, since_ms) for number in partitions]
        starts = consumer.offsets_for_times(asked, PATIENCE_S)
        consumer.assign(starts)
        left, read, count, digest = len(starts), 0, 0, 0
        deadline = time.monotonic() + PATIENCE_S
        while left:
            if time.monotonic() > deadline or read > MOST_RECORDS:
                return None
            for message in consumer.consume(AT_ONCE, 1.0):
                if message.error() is not None:  # the end of a partition, or nothing that could be read
                    left -= 1
                    continue
                read += 1
                if _batch_of(message) == batch:
                    count += 1
                    digest += record_digest(message.key() or b"", message.value())
        return Held(count, digest % MODULUS)


def _batch_of(message: Message) -> bytes | None:
    found = dict(message.headers() or ()).get(BATCH_HEADER)
    return found if isinstance(found, bytes) else None
