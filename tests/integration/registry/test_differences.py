"""Seeded faults: a lost, a doubled, a changed and a late record, each found, with the right owner, and closed."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from exchange.contract import receipts_topic
from exchange.publisher import BATCH_HEADER
from exchange.receipts import Receipt, Side, hex_digest, record_digest, set_digest
from registry.enforcement.broker import client_config
from registry.receipts.matching import Matcher
from registry.receipts.witness import TopicWitness
from tests.integration.registry.conftest import LoneBroker
from tests.support.registry_world import Office, World
from tests.support.wait import wait_until

pytestmark = pytest.mark.long


@dataclass
class Exchange:
    """A resource whose publisher and subscriber say, and do, whatever a test wants."""

    broker: LoneBroker
    world: World
    owner: Office
    reader: Office
    resource: str
    topic: str
    sent: int = 0
    offset: int = 0

    def batch(self, count: int) -> tuple[str, list[tuple[bytes, bytes]]]:
        self.sent += 1
        return uuid.uuid4().hex, [(b"k%d-%d" % (self.sent, n), b"value %d" % n) for n in range(count)]

    def put(self, batch: str, records: list[tuple[bytes, bytes]]) -> None:
        """What the broker really gets."""
        producer = Producer(self.broker.client(self.owner.client_id))
        producer.poll(0)
        for key, value in records:
            producer.produce(self.topic, value, key=key, headers=[(BATCH_HEADER, bytes.fromhex(batch))])
        assert producer.flush(10) == 0

    def published(self, batch: str, records: list[tuple[bytes, bytes]]) -> None:
        """What the publisher says."""
        self._say(self.owner, self._receipt(batch, records))

    def landed(self, batch: str, records: list[tuple[bytes, bytes]], first: int | None = None) -> None:
        """What the subscriber says."""
        start = self.offset if first is None else first
        self.offset = max(self.offset, start + len(records))
        receipt = replace(
            self._receipt(batch, records),
            id=uuid.uuid4().hex,
            side=Side.LANDED,
            client_id=self.reader.client_id,
            partition=0,
            first_offset=start,
            last_offset=start + len(records) - 1,
            landing="one",
        )
        self._say(self.reader, receipt)

    def later(self) -> list[dict[str, Any]]:
        """The open differences when the grace is over."""
        self.world.clock.ahead += timedelta(minutes=2)
        self.world.runtime.matcher.round()
        found: list[dict[str, Any]] = self.owner.admin.get("differences", open="true")["items"]
        return found

    def _receipt(self, batch: str, records: list[tuple[bytes, bytes]]) -> Receipt:
        return Receipt(
            id=batch,
            side=Side.PUBLISHED,
            resource=self.resource,
            topic=self.topic,
            client_id=self.owner.client_id,
            adapter="a",
            batch=batch,
            count=len(records),
            deletes=0,
            digest=hex_digest(set_digest(record_digest(key, value) for key, value in records)),
            schema_id=1,
            at=int(self.world.clock().timestamp() * 1000),
        )

    def _say(self, office: Office, receipt: Receipt) -> None:
        side = receipt.side.value
        before = self.world.metric("exchange_receipts_total", side=side)
        producer = Producer(self.broker.client(office.client_id))
        producer.poll(0)
        producer.produce(receipts_topic(office.client_id), receipt.to_bytes())
        assert producer.flush(10) == 0
        wait_until(lambda: self.world.metric("exchange_receipts_total", side=side) > before, 30, "the receipt is in")


@pytest.fixture
def exchange(broker: LoneBroker, tmp_path: Path) -> Iterator[Exchange]:
    with broker.world(tmp_path) as world:
        assert world.runtime.enforcer.reconcile()
        owner, reader = world.office(), world.office("440600")
        resource = world.resource(owner)
        topic = world.grant(owner, reader, resource)["grant"]["topic"]
        world.runtime.intake.start()
        try:
            yield Exchange(broker, world, owner, reader, resource, topic)
        finally:
            world.runtime.intake.stop()


def said(rows: list[dict[str, Any]]) -> list[tuple[str, str, int]]:
    return [(row["kind"], row["owner"], row["records"]) for row in rows]


def test_what_agrees_or_is_on_its_way_is_no_difference(exchange: Exchange) -> None:
    batch, records = exchange.batch(3)
    exchange.put(batch, records)
    exchange.published(batch, records)
    exchange.landed(batch, records)
    young, more = exchange.batch(2)
    exchange.published(young, more)
    exchange.world.runtime.matcher.round()
    assert exchange.owner.admin.get("differences")["items"] == []
    assert exchange.world.metric("exchange_reconciliation_pending") == 1
    exchange.landed(young, more)
    assert exchange.later() == []
    assert exchange.world.metric("exchange_reconciliation_pending") == 0


def test_a_lost_record_is_the_subscribers_and_closes_when_it_lands_late(exchange: Exchange) -> None:
    batch, records = exchange.batch(5)
    exchange.put(batch, records)
    exchange.published(batch, records)
    exchange.landed(batch, records[:4])
    found = exchange.later()
    assert said(found) == [("lost", "subscriber", 1)]
    assert exchange.reader.admin.get("differences")["items"] == found, "both sides see it"
    assert exchange.world.office().admin.get("differences")["items"] == [], "nobody else does"
    labels = {"kind": "lost", "owner": "subscriber"}
    assert exchange.world.metric("exchange_reconciliation_open", **labels) == 1
    assert exchange.later() == found, "a difference is one, however often it is seen"
    assert exchange.world.metric("exchange_reconciliation_differences_total", **labels) == 1
    exchange.landed(batch, records[4:])
    assert exchange.later() == []
    closed = exchange.owner.admin.get(f"differences/{found[0]['id']}")
    assert (closed["closed_by"], "both receipts agree" in closed["evidence"]) == ("registry", True)
    assert exchange.world.metric("exchange_reconciliation_open", **labels) == 0


def test_a_doubled_and_a_changed_record_at_the_sink(exchange: Exchange) -> None:
    batch, records = exchange.batch(3)
    exchange.put(batch, records)
    exchange.published(batch, records)
    exchange.landed(batch, records)
    exchange.landed(batch, records[:1], first=0)
    changed, more = exchange.batch(2)
    exchange.put(changed, more)
    exchange.published(changed, more)
    exchange.landed(changed, [more[0], (more[1][0], b"something else")])
    found = exchange.later()
    assert sorted(said(found)) == [("differing", "subscriber", 2), ("duplicated", "subscriber", 1)]
    path = f"differences/{found[0]['id']}/close"
    assert exchange.owner.admin.call("POST", path, {"evidence": "查明"}).status_code == 403, "its owner closes it"
    assert exchange.reader.admin.post(path, {"evidence": "已查明并重新落地"})["closed_by"] == exchange.reader.admin.name
    assert exchange.reader.admin.call("POST", path, {"evidence": "再次"}).status_code == 409
    assert len(exchange.later()) == 1, "what a person closed is not opened again"


def test_a_publisher_that_says_more_or_less_than_it_sent(exchange: Exchange) -> None:
    batch, records = exchange.batch(4)
    exchange.put(batch, records[:3])
    exchange.published(batch, records)
    exchange.landed(batch, records[:3])
    assert said(exchange.later()) == [("lost", "publisher", 1)]
    silent, more = exchange.batch(2)
    exchange.put(silent, more)
    exchange.landed(silent, more)
    assert ("unmatched", "publisher", 1) in said(exchange.later())


def test_what_neither_side_has_is_the_brokers(exchange: Exchange) -> None:
    batch, records = exchange.batch(4)
    exchange.put(batch, records[:3])
    exchange.published(batch, records)
    exchange.landed(batch, records[:2])
    found = exchange.later()
    assert said(found) == [("lost", "broker", 2)]
    assert "published: 4" in found[0]["reason"]
    assert "at the broker: 3" in found[0]["reason"]


def test_a_restarted_registry_neither_forgets_nor_doubles(exchange: Exchange) -> None:
    batch, records = exchange.batch(2)
    exchange.put(batch, records)
    exchange.published(batch, records)
    exchange.landed(batch, records[:1])
    found = exchange.later()
    runtime = exchange.world.runtime
    witness = TopicWitness(client_config(runtime.settings.broker, runtime.tokens))
    anew = Matcher(database=runtime.database, clock=runtime.clock, metrics=runtime.metrics, witness=witness, grace_s=5)
    anew.round()
    assert exchange.owner.admin.get("differences", open="true")["items"] == found
    exchange.landed(batch, records[1:])
    anew.round()
    assert exchange.owner.admin.get("differences", open="true")["items"] == []
