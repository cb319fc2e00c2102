"""Notices on the bus: one compacted topic a system, keyed by what the notice is about."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from confluent_kafka import KafkaError, Message, Producer

from exchange.contract import notices_topic
from registry.enforcement.broker import ClientConfig, translated
from registry.notices.domain import Told

Letter = tuple[str, Told]  # the system, and what it is told


class Bus:
    """Publishes notices through one producer. Errors: BrokerUnavailable, BrokerRefused."""

    def __init__(self, config: ClientConfig, timeout_s: float) -> None:
        self._config = {
            **config,
            "enable.idempotence": True,
            "linger.ms": 0,
            "message.timeout.ms": int(timeout_s * 1000),
        }
        self._timeout_s = timeout_s
        self._producer: Producer | None = None

    def publish(self, letters: Sequence[Letter]) -> set[int]:
        """Publish in order; return the ids that arrived.

        For one system nothing counts as arrived that follows a failure: it is published again, after what failed.
        """
        arrived: set[int] = set()
        with translated():
            producer = self._ready()
            for client_id, told in letters:
                producer.produce(
                    notices_topic(client_id), told.to_bytes(), told.subject, on_delivery=_noting(arrived, told.id)
                )
            producer.flush(self._timeout_s + 1)
        kept: set[int] = set()
        stuck: set[str] = set()
        for client_id, told in letters:
            if told.id not in arrived:
                stuck.add(client_id)
            elif client_id not in stuck:
                kept.add(told.id)
        return kept

    def poll(self) -> None:
        """Serve the producer's callbacks: without it no token is renewed."""
        if self._producer is not None:
            self._producer.poll(0)

    def _ready(self) -> Producer:
        if self._producer is None:
            self._producer = Producer(self._config)
            self._producer.poll(0)
        return self._producer


def _noting(arrived: set[int], number: int) -> Callable[[KafkaError | None, Message], None]:
    def note(error: KafkaError | None, _message: Message) -> None:
        if error is None:
            arrived.add(number)

    return note
