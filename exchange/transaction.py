"""A transactional producer that keeps a position: records and position are committed together, or not at all.

The position is the metadata of an offset commit of the producer's own group, so it lives at the broker, needs no topic
of its own and is guarded by the group's ACL. After an error, close the producer and make a new one: making it settles
what the old one left behind (``init_transactions``), and reads the position that holds.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from exchange.errors import BrokerUnavailable, ExchangeError, Fenced
from exchange.kafka import Broker
from exchange.text import Text

Headers = list[tuple[str, str | bytes | None]]

TIMEOUT_S = 60.0
START_TIMEOUT_S = 30.0
ANY_PARTITION, NOW = -1, 0  # what librdkafka takes for "by the key" and "when it is sent"
CONSEQUENCES = frozenset({KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT})  # noqa: SLF001 - librdkafka's own codes
LARGEST_MESSAGE = 10_000_000  # bytes; the registry gives the topics of resources the same limit
_TOO_LATE = Text(
    f"a transaction was open for {TIMEOUT_S:.0f} s, and the broker gave it up",
    f"事务超过 {TIMEOUT_S:.0f} 秒未提交，已被消息服务放弃",
)
POSITION_BYTES = 3000  # the broker takes 4096 bytes of metadata with an offset (offset.metadata.max.bytes)


class TransactionalProducer:
    """Sends to ``topic`` and others in transactions. Errors: NotGranted, Fenced, LoginFailed, BrokerUnavailable."""

    def __init__(self, broker: Broker, group: str, topic: str) -> None:
        """``group``: the consumer group whose offset metadata keeps the position; group and topic name the writer."""
        self._broker = broker
        self._group = group
        self._topic = topic
        self._commits = 0
        self._open = False
        self._begun: float | None = None  # when the transaction that is open was
        self._failed: KafkaError | None = None
        self._producer = Producer(
            broker.config(
                transactional_id=f"{group}.{topic}",
                compression_type="lz4",
                linger_ms=5,
                queue_buffering_max_messages=200_000,
                delivery_report_only_error=True,
                transaction_timeout_ms=int(TIMEOUT_S * 1000),
                message_max_bytes=LARGEST_MESSAGE,
            )
        )
        with self._translated():
            self._producer.init_transactions(START_TIMEOUT_S)
        self.position = self._read_position()

    def send(self, topic: str, key: bytes | None, value: bytes | None, headers: Headers) -> None:
        """Add one record to the open transaction, or open one; waits while librdkafka's queue is full."""
        try:  # as ``_translated``, written out: this is done for each record
            self._begin()
            self._produce(topic, key, value, headers)
        except KafkaException as exc:
            raise self._translate(exc) from exc

    def send_all(self, topic: str, keys: Sequence[bytes], values: Sequence[bytes], headers: Headers) -> None:
        """Add many records, as ``send`` does one: the quick way asks nothing of each but to be taken."""
        produce, failed, taken = self._producer.produce, self._note_failure, 0
        with self._translated():
            self._begin()
            try:
                for key, value in zip(keys, values, strict=True):
                    produce(topic, value, key, ANY_PARTITION, failed, None, NOW, headers)  # words cost a sixth more
                    taken += 1
            except BufferError:
                for key, value in zip(keys[taken:], values[taken:], strict=True):
                    self._produce(topic, key, value, headers)

    def commit(self, position: Mapping[str, Any] | None) -> None:
        """Commit what was sent, and ``position`` with it (None: it stays); nothing to do for an empty transaction."""
        with self._translated():
            if position is not None:
                self._move(position)
            if self._open:
                self._commit()
        self.position = position if position is not None else self.position

    def abort(self) -> None:
        """Give up what was sent since the last commit."""
        if not self._open:
            return
        self._open = False
        with self._translated():
            self._producer.abort_transaction(TIMEOUT_S)
        self._begun = None

    def close(self) -> None:
        """Leave; the broker aborts an open transaction when the next producer of this name comes, or in a minute."""
        with suppress(KafkaException):  # a producer that is beyond use says so again; who uses it was told already
            self._producer.poll(0)  # alone: in the midst of flush, the exception would meet the records' own reports
        with suppress(KafkaException):
            self._producer.purge()
            self._producer.flush(1)

    def _begin(self) -> None:
        if not self._open:
            self._producer.begin_transaction()
            self._open, self._begun = True, time.monotonic()

    def _produce(self, topic: str, key: bytes | None, value: bytes | None, headers: Headers) -> None:
        while True:
            try:
                self._producer.produce(topic, value, key, headers=headers, on_delivery=self._note_failure)
            except BufferError:
                self._producer.poll(0.05)
            else:
                return

    def _commit(self) -> None:
        deadline = time.monotonic() + TIMEOUT_S
        while True:
            try:
                self._producer.commit_transaction(TIMEOUT_S)
            except KafkaException as exc:
                if exc.args[0].retriable() and time.monotonic() < deadline:
                    continue
                self._give_up(exc)
            self._open, self._begun = False, None
            return

    def _give_up(self, error: KafkaException) -> None:
        of_record = self._failed  # before the abort, which fails every record that is still queued
        if error.args[0].txn_requires_abort():
            with suppress(ExchangeError):  # the first error says more than what follows from it
                self.abort()
        if of_record is not None:  # a record's own error says more than the transaction's
            raise KafkaException(of_record) from error
        raise error

    def _move(self, position: Mapping[str, Any]) -> None:
        text = json.dumps(position, separators=(",", ":"))
        if len(text) > POSITION_BYTES:
            raise ValueError(f"a position has at most {POSITION_BYTES} bytes of JSON, not {len(text)}")
        self._begin()
        self._commits += 1
        moved = TopicPartition(self._topic, 0, self._commits, text)
        self._producer.send_offsets_to_transaction([moved], self._group_metadata, TIMEOUT_S)

    def _read_position(self) -> Mapping[str, Any] | None:
        reader = Consumer(self._broker.config(group_id=self._group))
        try:
            committed = reader.committed([TopicPartition(self._topic, 0)], START_TIMEOUT_S)[0]
            self._group_metadata = reader.consumer_group_metadata()
        except KafkaException as exc:
            raise self._broker.translate(exc, self._group) from exc
        finally:
            reader.close()
        if committed.error is not None:
            raise self._broker.translate(committed.error, self._topic)
        self._commits = max(committed.offset, 0)
        position: Mapping[str, Any] | None = json.loads(committed.metadata) if committed.metadata else None
        return position

    def _note_failure(self, error: KafkaError | None, _message: Message) -> None:
        if error is not None and error.code() not in CONSEQUENCES:
            self._failed = self._failed or error

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except KafkaException as exc:
            raise self._translate(exc) from exc

    def _translate(self, error: KafkaException) -> ExchangeError:
        beyond_use = error.args[0].code() == KafkaError._FATAL  # noqa: SLF001
        found = self._broker.translate(self._cause() or error if beyond_use else error, self._topic)
        if isinstance(found, Fenced) and self._begun is not None and time.monotonic() - self._begun >= TIMEOUT_S:
            # The broker fences whoever leaves a transaction open for so long, as it does when a successor comes; who
            # was only held up goes on. If there is a successor after all, it is fenced now: one of the two stays.
            return BrokerUnavailable(reason=_TOO_LATE)
        return found

    def _cause(self) -> KafkaException | None:
        """Return why the producer is beyond use: ``produce`` says only that it is, any call of the transaction why."""
        try:
            self._producer.begin_transaction()
        except KafkaException as exc:
            return exc
        return None
