"""The fence: completes the fetches that were parked at the broker before a revocation.

A parked fetch was authorised when it arrived, so it would deliver what is published next. An aborted transaction in
each partition completes it with nothing that a subscriber of committed records sees.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Mapping

from confluent_kafka import KafkaException, Producer

from registry.access.tokens import SELF
from registry.enforcement.broker import ClientConfig, translated

KEY = b"\x00fence"  # no row has this key: NUL is refused in values; and it is a tombstone besides
BACKOFF_MS = 5  # librdkafka waits this long for the coordinator; its default makes a fence four times slower


class Fence:
    """Fences topics through one producer, which is kept between uses. Errors: BrokerUnavailable, BrokerRefused."""

    def __init__(self, config: ClientConfig, timeout_s: float) -> None:
        self._config = {
            **config,
            "transactional.id": f"{SELF}.fence-{secrets.token_hex(8)}",
            "retry.backoff.ms": BACKOFF_MS,
            "linger.ms": 0,
            "transaction.timeout.ms": 10_000,
        }
        self._timeout_s = timeout_s
        self._producer: Producer | None = None
        self._lock = threading.Lock()

    def poll(self) -> None:
        """Serve the producer's callbacks: without it no token is renewed."""
        producer = self._producer
        if producer is not None:
            producer.poll(0)

    def prepare(self) -> None:
        """Log the producer in now, so that the first fence is quick."""
        with self._lock, translated():
            self._ready()

    def raise_in(self, partitions: Mapping[str, int]) -> None:
        """Put one aborted transaction over all partitions of the topics, given with their numbers of partitions."""
        if not partitions:
            return
        with self._lock, translated():
            producer = self._ready()
            try:
                producer.begin_transaction()
                for topic, count in partitions.items():
                    for partition in range(count):
                        producer.produce(topic, value=None, key=KEY, partition=partition)
                # The records must have reached the broker: an abort drops what is still queued here.
                left = producer.flush(self._timeout_s)
                producer.abort_transaction(self._timeout_s)
            except KafkaException:
                self._producer = None  # its state is unknown: the next fence takes a new one
                raise
            if left:
                raise TimeoutError

    def _ready(self) -> Producer:
        if self._producer is None:
            producer = Producer(self._config)
            producer.poll(0)
            producer.init_transactions(self._timeout_s)
            self._producer = producer
        return self._producer
