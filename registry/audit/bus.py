"""The audit's head on the bus: a compacted topic that only the registry reads and writes."""

from __future__ import annotations

import json
import threading

from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition

from exchange.errors import BrokerUnavailable
from registry.access.tokens import SELF
from registry.audit.signing import Head
from registry.enforcement.acls import AUDIT_TOPIC
from registry.enforcement.broker import ClientConfig, translated


class HeadTopic:
    """Publishes heads and reads the newest one back; one record a node. Errors: BrokerUnavailable, BrokerRefused."""

    def __init__(self, config: ClientConfig, timeout_s: float) -> None:
        self._config = config
        self._timeout_s = timeout_s
        self._producer: Producer | None = None
        self._lock = threading.Lock()

    def poll(self) -> None:
        """Serve the producer's callbacks: without it no token is renewed."""
        producer = self._producer
        if producer is not None:
            producer.poll(0)

    def publish(self, head: Head) -> None:
        """Publish a head, and return when the broker has it."""
        answers: list[KafkaError | None] = []

        def delivered(error: KafkaError | None, _message: Message) -> None:
            answers.append(error)

        value = json.dumps(head.as_json(), sort_keys=True).encode()
        with self._lock, translated():
            producer = self._ready()
            producer.produce(AUDIT_TOPIC, value=value, key=head.node.encode(), on_delivery=delivered)
            producer.flush(self._timeout_s)
        if not answers or answers[0] is not None:
            self._producer = None  # what is still queued must not arrive after a newer head
            raise BrokerUnavailable(reason=str(answers[0]) if answers else "timeout")

    def newest(self, node: str) -> Head | None:
        """Return the newest head of a node that the bus has."""
        config = {
            **self._config,
            "group.id": f"{SELF}.audit",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
        }
        place = TopicPartition(AUDIT_TOPIC, 0)
        found: Head | None = None
        with translated():
            consumer = Consumer(config)
            try:
                if AUDIT_TOPIC not in consumer.list_topics(timeout=self._timeout_s).topics:
                    return None
                low, high = consumer.get_watermark_offsets(place, timeout=self._timeout_s)
                place.offset = low
                consumer.assign([place])
                while high > low:
                    message = consumer.poll(self._timeout_s)
                    if message is None:
                        raise BrokerUnavailable(reason="timeout")
                    error = message.error()
                    if error is not None:
                        if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 (confluent-kafka's public name)
                            break
                        raise BrokerUnavailable(reason=error.name())
                    key, value = message.key(), message.value()
                    if key == node.encode() and value is not None:
                        found = Head.from_json(json.loads(value))
                    if (message.offset() or 0) + 1 >= high:
                        break
            finally:
                consumer.close()
        return found

    def _ready(self) -> Producer:
        if self._producer is None:
            self._producer = Producer({**self._config, "enable.idempotence": True, "linger.ms": 0})
            self._producer.poll(0)
        return self._producer
