"""Finds the records of a key in a topic, the newest first, reading as the registry itself; values are not decoded."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from threading import BoundedSemaphore
from typing import Protocol

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from exchange.errors import BrokerUnavailable
from exchange.publisher import BATCH_HEADER
from exchange.wire import HEADER_BYTES
from registry.access.tokens import SELF
from registry.enforcement.broker import ClientConfig, translated
from registry.errors import BrokerRefused, TooManyRequests
from registry.provenance.domain import Place

WINDOW = 100_000  # offsets of a partition that are read at once, from the end; each further window is twice as large
AT_ONCE = 10_000
PATIENCE_S = 20.0
MOST_PLACES = 20
ROOM = BoundedSemaphore(2)  # traces at once: reading a topic is work for the broker
WAIT_S = 2.0
POLL_S = 0.1  # each window takes at least as long: a poll waits for company


@dataclass(frozen=True, slots=True)
class Found:
    """The records of a key, the newest first; ``whole``: all that could hold a newer or the only one was read."""

    places: tuple[Place, ...]
    whole: bool


class Finder(Protocol):
    """Somebody who finds records."""

    def find(self, topic: str, key: bytes) -> Found:
        """Return where a topic has a key. Errors: BrokerUnavailable, BrokerRefused, TooManyRequests."""


class TopicFinder:
    """Reads a topic back from its end, window by window, until the key is found."""

    def __init__(self, config: ClientConfig, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._config: ClientConfig = {
            **config,
            "group.id": f"{SELF}.provenance",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 50,  # the end of a partition is said by a fetch that found nothing
            "fetch.queue.backoff.ms": 20,
        }

    def find(self, topic: str, key: bytes) -> Found:
        """Return where a topic has a key. Errors: BrokerUnavailable, BrokerRefused, TooManyRequests."""
        if not ROOM.acquire(timeout=WAIT_S):
            raise TooManyRequests(wait_s=PATIENCE_S / 2)
        try:
            with translated():
                consumer = Consumer(self._config)
                try:
                    return self._search(consumer, topic, key)
                finally:
                    consumer.close()
        finally:
            ROOM.release()

    def _search(self, consumer: Consumer, topic: str, key: bytes) -> Found:
        described = consumer.list_topics(topic, self._timeout_s).topics[topic]
        if described.error is not None:
            raise BrokerRefused(reason=described.error.name())
        lows, highs = dict[int, int](), dict[int, int]()
        for number in described.partitions:
            place = TopicPartition(topic, number)
            lows[number], highs[number] = consumer.get_watermark_offsets(place, timeout=self._timeout_s)
        deadline, window = time.monotonic() + PATIENCE_S, WINDOW
        while any(highs[number] > lows[number] for number in highs):
            starts = {number: max(lows[number], high - window) for number, high in highs.items() if high > lows[number]}
            found = _read(consumer, topic, key, starts, highs, deadline)
            if found is None:
                return Found((), whole=False)
            if found:
                newest = sorted(found, key=lambda place: (place.at, place.offset), reverse=True)
                return Found(tuple(newest[:MOST_PLACES]), whole=True)
            highs |= starts
            window *= 2
        return Found((), whole=True)


def _read(
    consumer: Consumer, topic: str, key: bytes, starts: Mapping[int, int], ends: Mapping[int, int], deadline: float
) -> list[Place] | None:
    """Return the places of the key between starts and ends; None when time is over before all was read."""
    wanted = [TopicPartition(topic, number, offset) for number, offset in starts.items()]
    consumer.assign(wanted)
    consumer.resume(wanted)  # a partition that was paused in the window before stays paused when it is assigned again
    unread, found = set(starts), list[Place]()
    while unread:
        if time.monotonic() > deadline:
            return None
        for message in consumer.consume(AT_ONCE, POLL_S):
            number, error = message.partition() or 0, message.error()
            if error is not None and error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001 (a public name)
                raise BrokerUnavailable(reason=error.name())
            if error is not None or (message.offset() or 0) >= ends[number]:
                if number in unread:
                    unread.discard(number)
                    consumer.pause([TopicPartition(topic, number)])
            elif message.key() == key:
                found.append(_place(message))
    return found


def _place(message: Message) -> Place:
    value, batch = message.value(), dict(message.headers() or ()).get(BATCH_HEADER)
    return Place(
        partition=message.partition() or 0,
        offset=message.offset() or 0,
        at=message.timestamp()[1],
        batch=batch.hex() if isinstance(batch, bytes) else None,
        schema_id=int.from_bytes(value[1:HEADER_BYTES], "big") if value is not None else None,
        deleted=value is None,
    )
