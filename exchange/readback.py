"""Reading a topic from its start to its end, once: what its resource holds now."""

from __future__ import annotations

import time
from collections.abc import Iterator

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from exchange.errors import BrokerUnavailable
from exchange.kafka import Broker
from exchange.text import Text

ANSWER_TIMEOUT_S = 30.0
CHUNK = 10_000


def read_back(broker: Broker, group: str, topic: str) -> Iterator[Message]:
    """Yield every committed record of ``topic``, oldest first in each partition, up to the end as it is now.

    ``group`` only names the reader; nothing is committed. Errors: NotGranted, LoginFailed, BrokerUnavailable.
    """
    reader = Consumer(
        broker.config(
            group_id=group,
            isolation_level="read_committed",
            enable_partition_eof=True,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_queue_backoff_ms=20,  # a full queue is asked again soon: after the second by default it has run dry
        )
    )
    try:
        yield from _until_the_end(broker, reader, topic)
    finally:
        reader.close()


def _until_the_end(broker: Broker, reader: Consumer, topic: str) -> Iterator[Message]:
    unfinished = _partitions(broker, reader, topic)
    reader.assign([TopicPartition(topic, number, 0) for number in unfinished])
    last_answer = time.monotonic()
    while unfinished:
        messages = reader.consume(CHUNK, 0.2)
        for message in messages:
            error = message.error()
            if error is None:
                yield message
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - librdkafka's own codes start with _
                unfinished.discard(message.partition())
            else:
                raise broker.translate(error, topic)
        if messages:
            last_answer = time.monotonic()
        elif time.monotonic() - last_answer > ANSWER_TIMEOUT_S:
            raise BrokerUnavailable(reason=Text(f"no answer for {topic}", f"读取 {topic} 无响应"))


def _partitions(broker: Broker, reader: Consumer, topic: str) -> set[int]:
    try:
        found = reader.list_topics(topic, ANSWER_TIMEOUT_S).topics[topic]
    except KafkaException as exc:
        raise broker.translate(exc, topic) from exc
    if found.error is not None:
        raise broker.translate(found.error, topic)
    return set(found.partitions)
