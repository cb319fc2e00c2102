"""Subscribing: committed records of one resource, decoded, with receipts for what was landed.

In ten lines::

    from exchange import Subscriber

    with Subscriber.open("system.toml", "307440000/000001") as subscriber:
        for records in subscriber.batches():
            for record in records:
                print(record.key, record.row)  # row: values in item order; None when it was deleted
            subscriber.done(records)

``done`` after the work is at-least-once. A destination that keeps ``next_offsets(records)`` in the same transaction
as the rows, and gives them back as ``positions``, has each record exactly once: adapters do that.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, cast

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from exchange.codec import BadWire, RecordCodec
from exchange.config import load
from exchange.contract import Contract, receipts_topic
from exchange.errors import BrokerUnavailable
from exchange.kafka import Broker
from exchange.log import log_of
from exchange.metrics import Metrics, NullMetrics
from exchange.publisher import BATCH_HEADER
from exchange.receipts import Receipt, landed_receipts, record_digest
from exchange.record import Marks, Received, Taken
from exchange.registry_client import RegistryClient
from exchange.settings import SystemSettings
from exchange.signing import SigningKey, signing_key
from exchange.text import Text
from exchange.wire import schema_id_of

Positions = Callable[[str], Mapping[int, int]]

OFFSET_BEGINNING = 0
GATHER_S = 0.005  # after a first record, how long to wait for more of them
FLUSH_TIMEOUT_S = 30.0


class Subscriber:
    """One system's eye on one resource.

    Errors of all its methods: NotGranted, Fenced, LoginFailed, BrokerUnavailable, RegistryUnavailable.
    """

    def __init__(
        self,
        broker: Broker,
        registry: RegistryClient,
        contract: Contract,
        name: str,
        *,
        positions: Positions | None = None,
        exclusive: bool = False,
        metrics: Metrics | None = None,
        key: SigningKey | None = None,
    ) -> None:
        """``key``: what signs the receipts; None: they are not signed."""
        self._key = key
        self.contract = contract
        self.name = name
        self.metrics = metrics or NullMetrics()
        self._broker = broker
        self._registry = registry
        self._codec = RecordCodec(contract.schema, contract.schema_id, registry.schema)
        self._positions = positions
        self._landing = f"{broker.client_id}.{name}"  # the group: what it was handed again is the same landing
        self._pending: KafkaError | None = None
        self.taken_bytes = 0  # of all values that were polled
        self._receipts: Producer | None = None
        # A static member: who starts again gets the partitions at once, not after the session timeout of the killed one
        sole = {"group_instance_id": self._landing} if exclusive else {}
        self._consumer = Consumer(
            broker.config(
                group_id=self._landing,
                isolation_level="read_committed",
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                fetch_wait_max_ms=100,
                queued_max_messages_kbytes=32_768,
                fetch_queue_backoff_ms=20,  # a full queue is asked again soon: the second by default lets it run dry
                topic_metadata_refresh_interval_ms=5_000,  # a grant given meanwhile is noticed
                **sole,
            )
        )
        self._consumer.subscribe([contract.topic], on_assign=self._assigned)

    @classmethod
    def open(
        cls,
        settings: SystemSettings | Path | str,
        resource: str,
        name: str = "subscriber",
        *,
        positions: Positions | None = None,
        exclusive: bool = False,
        metrics: Metrics | None = None,
    ) -> Self:
        """Return a subscriber of ``resource`` (code or slug) as the system in ``settings`` (or the file of them).

        ``name`` names the consumer group after the system: programs of one name share the partitions.
        ``positions``: given a log (exchange.log), returns the next offset of each partition as the destination has it;
        the subscriber starts there, whatever Kafka has noted. Without it, Kafka's committed offsets count.
        ``exclusive``: only one program of this name at a time: a later one takes over at once, and this one is Fenced.
        """
        known = settings if isinstance(settings, SystemSettings) else load(SystemSettings, Path(settings))
        registry = RegistryClient(known.registry, known.identity)
        broker = Broker.of(known, registry)
        contract = registry.contract(resource)
        key = signing_key(known.identity.key_dir, known.identity.client_id, registry)
        return cls(
            broker,
            registry,
            contract,
            name,
            positions=positions,
            exclusive=exclusive,
            metrics=metrics,
            key=key if isinstance(key, SigningKey) else None,
        )

    @property
    def client_id(self) -> str:
        """The system that subscribes."""
        return self._broker.client_id

    def poll(self, max_records: int, timeout_s: float) -> list[Received]:
        """Return the next records, at most ``max_records``; empty when none came in ``timeout_s`` seconds.

        Errors: as ``take``.
        """
        return self.decoded(self.take(max_records, timeout_s))

    def take(self, max_records: int, timeout_s: float) -> Taken:
        """Return the next records as ``poll`` does, not decoded.

        Errors: NotGranted as soon as the broker refuses; records that came before it are returned first.
        """
        pending, self._pending = self._pending, None
        if pending is not None:
            raise self._broker.translate(pending, self.contract.topic)
        messages = self._consume(max_records, timeout_s)
        self.taken_bytes += sum(map(len, messages))
        for at, message in enumerate(messages):
            error = message.error()
            if error is not None:
                if not at:
                    raise self._broker.translate(error, self.contract.topic)
                self._pending = error
                return _taken(messages[:at])
        return _taken(messages)

    def batches(self, max_records: int = 1000, idle_s: float | None = None) -> Iterator[list[Received]]:
        """Yield what ``poll`` returns, for ever; with ``idle_s``, until nothing came for so many seconds."""
        last = time.monotonic()
        while idle_s is None or time.monotonic() - last < idle_s:
            records = self.poll(max_records, 0.5)
            if records:
                yield records
                last = time.monotonic()

    def decoded(self, taken: Taken) -> list[Received]:
        """Return records with their rows; one that is no record of the resource has its fault instead."""
        made: list[Received] = []
        marks = taken.marks
        told = zip(marks.partitions, marks.offsets, marks.timestamps_ms, marks.batches, marks.digests, strict=True)
        for key, value, mark in zip(taken.keys, taken.values, told, strict=True):
            row, fault, schema_id = None, None, None
            if value is not None:
                schema_id = schema_id_of(value)
                try:
                    row = self._codec.decode(value)
                except BadWire as exc:
                    fault = exc
            made.append(Received(key, row, *mark, fault, schema_id))
        return made

    def behind(self) -> int | None:
        """Return about how many records of the topic were not polled yet, as last heard; None before it is known.

        Marks of transactions count too, so it is an upper bound. Asks nobody: cheap.
        """
        left = 0
        try:
            for held in self._consumer.position(self._consumer.assignment()):
                _low, high = self._consumer.get_watermark_offsets(held, cached=True)
                if held.offset < 0 or high < 0:
                    return None
                left += max(0, high - held.offset)
        except KafkaException:
            return None
        return left

    def done(self, records: Sequence[Received]) -> None:
        """Say that ``records`` were dealt with: receipts, then the offsets."""
        marks = Marks.of(records)
        self.send_receipts(
            landed_receipts(marks, self.contract, self.client_id, self.name, self._landing, time.time_ns() // 10**6)
        )
        self.commit(marks.next_offsets())

    def commit(self, offsets: Mapping[int, int]) -> None:
        """Note at the broker that everything before these offsets is done, by partition."""
        marks = [TopicPartition(self.contract.topic, number, offset) for number, offset in offsets.items()]
        try:
            self._consumer.commit(offsets=marks, asynchronous=False)
        except KafkaException as exc:
            raise self._broker.translate(exc, f"{self.client_id}.{self.name}") from exc

    def rewind(self) -> None:
        """Go back to the destination's positions, after a landing that failed."""
        assert self._positions is not None, "only a subscriber with positions can be rewound"
        known = self._positions(log_of(self._broker, self.contract.topic))
        self._pending = None
        try:
            for held in self._consumer.assignment():
                offset = known.get(held.partition, OFFSET_BEGINNING)
                self._consumer.seek(TopicPartition(held.topic, held.partition, offset))
        except KafkaException as exc:
            raise self._broker.translate(exc, self.contract.topic) from exc

    def send_receipts(self, receipts: Sequence[Receipt]) -> None:
        """Sign receipts and send them to this system's receipts topic; returns when the broker has all of them."""
        if self._receipts is None:
            self._receipts = Producer(self._broker.config(enable_idempotence=True, linger_ms=5, compression_type="lz4"))
        topic = receipts_topic(self.client_id)
        failures: list[KafkaError] = []
        for receipt in receipts:
            signed = receipt.signed(self._key) if self._key else receipt
            self._receipts.produce(
                topic, signed.to_bytes(), on_delivery=lambda err, _msg: failures.append(err) if err else None
            )
            self._receipts.poll(0)
        left = self._receipts.flush(FLUSH_TIMEOUT_S)
        if failures:
            raise self._broker.translate(failures[0], topic)
        if left:
            raise BrokerUnavailable(reason=Text(f"{left} receipts not acknowledged", f"{left} 条回执未获确认"))

    def close(self) -> None:
        """Leave the group, the broker and the registry; safe to call twice."""
        self._consumer.close()
        self._registry.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _consume(self, max_records: int, timeout_s: float) -> list[Message]:
        try:
            first = self._consumer.poll(timeout_s)
            if first is None:
                return []
            return [first, *self._consumer.consume(max_records - 1, GATHER_S)] if max_records > 1 else [first]
        except KafkaException as exc:
            raise self._broker.translate(exc, self.contract.topic) from exc

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        if self._positions is None:
            return
        known = self._positions(log_of(self._broker, self.contract.topic))
        for partition in partitions:
            partition.offset = known.get(partition.partition, OFFSET_BEGINNING)
        consumer.assign(partitions)


def _taken(messages: Sequence[Message]) -> Taken:
    """Each field in a loop of its own: measured, a third of the time of one loop over the records."""
    keys = [message.key() or b"" for message in messages]
    values = [message.value() for message in messages]
    marks = Marks(
        partitions=cast("list[int]", [message.partition() for message in messages]),  # what is no error has one
        offsets=cast("list[int]", [message.offset() for message in messages]),
        timestamps_ms=[message.timestamp()[1] for message in messages],
        batches=list(_batches(messages)),
        digests=list(map(record_digest, keys, values)),
        deleted=[value is None for value in values],
    )
    return Taken(keys, values, marks)


def _batches(messages: Iterable[Message]) -> Iterator[str]:
    before, batch = None, ""  # of the record before: records of a batch come together
    for message in messages:
        headers = message.headers()
        if headers != before:
            found = dict(headers or ()).get(BATCH_HEADER)
            before, batch = headers, found.hex() if isinstance(found, bytes) else ""
        yield batch
