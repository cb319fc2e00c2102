"""Seeded faults on the real parts: a lost, a doubled, a changed and a late record, at publisher, broker and sink.

Each is found (by the matching of receipts, by ``exchange reconcile``, or by both), with the side that has to answer for
it; each is repaired, and what was opened closes with evidence. In the end both tables are equal row for row.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from sqlalchemy import text

from adapters.config import read_adapter
from adapters.reconcile import Options, reconcile
from adapters.reconcile_topic import TopicSide
from adapters.reconcile_words import Record, Report
from exchange.cli.reconcile import evidence
from exchange.codec import RecordCodec
from exchange.contract import receipts_topic, slug
from exchange.items import Row
from exchange.kafka import Broker
from exchange.node.kafka import broker_part, start_broker
from exchange.publisher import BATCH_HEADER
from exchange.receipts import Receipt, Side, hex_digest, record_digest, set_digest
from exchange.registry_client import RegistryClient
from exchange.values import parse
from tests.integration.adapters.places import SqlOrigin, SqlTarget, World, people, write_file
from tests.integration.adapters.runs import once, until_idle
from tests.support.catalogue import PEOPLE, Catalogue
from tests.support.node import BRIEF, RunningNode, running_node
from tests.support.superuser import Headers, Superuser
from tests.support.wait import wait_until

pytestmark = [pytest.mark.proof, pytest.mark.timeout(300)]

QUICK = {"EXCHANGE_RECONCILIATION_INTERVAL_S": "1", "EXCHANGE_REGISTRY_RECEIPT_GRACE_S": "3"}
PATIENCE_S = 60


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    """A node whose registry matches each second, and waits three for what is late."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in QUICK.items():
            patch.setenv(name, value)
        with running_node(tmp_path_factory.mktemp("quick") / "var", jvm_options=BRIEF) as node:
            yield node


@pytest.fixture(scope="module")
def offices(quick: RunningNode) -> Catalogue:
    return Catalogue(quick)


@dataclass
class Scene:
    """A source of ten persons that is published and landed, and hands that can do wrong at each of the three places."""

    world: World
    origin: SqlOrigin
    target: SqlTarget
    source: Path
    sink: Path

    @property
    def topic(self) -> str:
        return self.world.catalogue.topic(self.world.code)

    def find(self, *files: Path, repair: bool = False) -> Report:
        return reconcile([read_adapter(file) for file in files], Options(repair=repair, apart=False))

    def differences(self, *, open_only: bool = True) -> list[dict[str, Any]]:
        found = self.world.owner.admin.differences_found(open_only=open_only)
        return [dict(each) for each in found if each["resource"] == slug(self.world.code)]

    def opened(self) -> tuple[str, str, int]:
        """The one difference that the registry finds by itself."""
        wait_until(self.differences, PATIENCE_S, "a difference is found")
        [found] = self.differences()
        return found["kind"], found["owner"], found["records"]

    def record(self, key: str) -> Record:
        with_topic = TopicSide(read_adapter(self.source))
        try:
            return with_topic.records(frozenset([key.encode()]), None)[key.encode()]
        finally:
            with_topic.close()

    def value(self, *texts: str) -> bytes:
        """A person as the topic has it."""
        registry = RegistryClient(self.world.owner.registry, self.world.owner.settings.identity)
        contract = registry.contract(self.world.code)
        registry.close()
        codec = RecordCodec(contract.schema, contract.schema_id, registry.schema)
        row: Row = tuple(parse(item, each) for item, each in zip(PEOPLE, texts, strict=True))
        return codec.header + codec.encode(row)

    def send(self, topic: str, key: bytes | None, value: bytes, headers: Headers) -> None:
        """What the source's system sends past its adapter."""
        settings = self.world.owner.settings
        registry = RegistryClient(settings.registry, settings.identity)
        producer = Producer(Broker.of(settings, registry).config())
        registry.close()
        producer.produce(topic, value, key=key, headers=headers)
        assert producer.flush(20) == 0

    def say(self, batch: str, key: bytes, value: bytes) -> None:
        """The receipt of a batch of one record."""
        receipt = Receipt(
            id=batch,
            side=Side.PUBLISHED,
            resource=slug(self.world.code),
            topic=self.topic,
            client_id=self.world.owner.client_id,
            adapter="by-hand",
            batch=batch,
            count=1,
            deletes=0,
            digest=hex_digest(set_digest([record_digest(key, value)])),
            schema_id=int.from_bytes(value[1:5], "big"),
            at=time.time_ns() // 10**6,
        )
        self.send(receipts_topic(self.world.owner.client_id), None, receipt.to_bytes(), [])

    def change(self, place: SqlOrigin | SqlTarget, *statements: str) -> None:
        with place.engine.begin() as connection:
            for statement in statements:
                connection.execute(text(statement))

    def settle(self) -> None:
        """In the end nothing is open, and both tables are equal row for row."""
        wait_until(lambda: not self.differences(), PATIENCE_S, "every difference is closed")
        assert all(each["evidence"] for each in self.differences(open_only=False))
        assert self.find(self.source, self.sink).differences == 0
        with self.origin.engine.connect() as connection:
            rows = connection.execute(text("SELECT id, name, born, amount FROM people")).all()
        wanted = {row[0]: tuple(None if value is None else str(value) for value in row[1:]) for row in rows}
        assert self.target.rows() == wanted


@pytest.fixture
def scene(offices: Catalogue, tmp_path: Path) -> Scene:
    owner, reader = offices.office("owner"), offices.office("reader", "440600")
    code = offices.resource(owner)
    world = World(offices, owner, reader, code, offices.grant(owner, reader, code), tmp_path)
    origin = SqlOrigin(f"sqlite:///{tmp_path}/source.db", tmp_path)
    target = SqlTarget(f"sqlite:///{tmp_path}/target.db", tmp_path)
    origin.put({key: (name, born, "1.50") for key, (name, born, _) in people(10).items()})
    made = Scene(world, origin, target, write_file(world, "source", origin), write_file(world, "sink", target))
    once(made.source)
    until_idle(made.sink)
    return made


def said(report: Report) -> dict[str, tuple[str, str]]:
    return {found.key.decode(): (found.kind.value, found.owner.value) for found in report.findings}


# ---- at the publisher


def test_lost_at_the_publisher(scene: Scene) -> None:
    """A source that follows a timestamp never sees a row that was written with an old one, nor a delete."""
    scene.change(scene.origin, "ALTER TABLE people ADD COLUMN updated text")
    scene.change(scene.origin, "UPDATE people SET updated = '2026-01-02 00:00:00'")
    watermark = {"mode": "watermark", "timestamp": "updated", "lag_s": 0.0}
    scene.source = write_file(scene.world, "source", scene.origin, source=watermark, adapter={"name": "by-time"})
    once(scene.source)
    scene.change(
        scene.origin,
        "INSERT INTO people VALUES ('late', '迟', '2001-01-01', '2.50', '2026-01-01 00:00:00')",
        "DELETE FROM people WHERE id = 'k000002'",
    )
    assert once(scene.source).published == 0, "it is lost"
    report = scene.find(scene.source, repair=True)
    assert said(report) == {"late": ("missing", "publisher"), "k000002": ("extra", "publisher")}
    assert report.open == 0
    until_idle(scene.sink)
    scene.settle()


def test_doubled_at_the_publisher(scene: Scene) -> None:
    """What is sent twice under one batch is more than its receipt says; landed twice, it is still one row."""
    record = scene.record("k000003")
    assert record.value is not None
    scene.send(scene.topic, b"k000003", record.value, [(BATCH_HEADER, bytes.fromhex(record.batch))])
    until_idle(scene.sink)
    assert scene.opened() == ("duplicated", "publisher", 1)
    report = scene.find(scene.source, repair=True)
    assert (report.differences, report.open) == (0, 0)
    [found] = scene.differences()
    scene.world.owner.admin.close_difference(found["id"], evidence(report).en)
    scene.settle()


def test_changed_at_the_publisher(scene: Scene) -> None:
    """Its system publishes what its table does not say; both receipts agree, so only the tables tell."""
    batch, value = uuid.uuid4().hex, scene.value("k000004", "误", "2001-02-03", "9.99")
    scene.send(scene.topic, b"k000004", value, [(BATCH_HEADER, bytes.fromhex(batch))])
    scene.say(batch, b"k000004", value)
    until_idle(scene.sink)
    assert said(scene.find(scene.source, scene.sink)) == {"k000004": ("differing", "publisher")}
    assert scene.find(scene.source, repair=True).repaired == 1
    until_idle(scene.sink)
    scene.settle()


def test_late_at_the_publisher(scene: Scene) -> None:
    """A batch whose receipt is held back."""
    record = scene.record("k000005")
    assert record.value is not None
    batch = uuid.uuid4().hex
    scene.send(scene.topic, b"k000005", record.value, [(BATCH_HEADER, bytes.fromhex(batch))])
    until_idle(scene.sink)
    assert scene.opened() == ("unmatched", "publisher", 1)
    scene.say(batch, b"k000005", record.value)
    scene.settle()


# ---- at the broker


def test_lost_at_the_broker(scene: Scene) -> None:
    """Who administers the broker deletes a record; the sink does what the topic says, and both sides have a word."""
    Superuser(scene.world.catalogue.node).produce(scene.topic, b"k000001", None, [])
    assert said(scene.find(scene.source)) == {"k000001": ("missing", "broker")}
    until_idle(scene.sink)
    assert said(scene.find(scene.source, scene.sink)) == {"k000001": ("missing", "broker")}
    assert scene.find(scene.source, repair=True).repaired == 1
    until_idle(scene.sink)
    scene.settle()


def test_doubled_at_the_broker(scene: Scene) -> None:
    """A copy with the publisher's own batch cannot be told from one that the publisher made: it is named."""
    record = scene.record("k000006")
    headers: Headers = [(BATCH_HEADER, bytes.fromhex(record.batch))]
    Superuser(scene.world.catalogue.node).produce(scene.topic, b"k000006", record.value, headers)
    until_idle(scene.sink)
    assert scene.opened() == ("duplicated", "publisher", 1)
    report = scene.find(scene.source, scene.sink, repair=True)
    assert report.differences == 0, "a row is one, however often it comes"
    [found] = scene.differences()
    scene.world.owner.admin.close_difference(found["id"], evidence(report).en)
    scene.settle()


def test_changed_at_the_broker(scene: Scene) -> None:
    value = scene.value("k000007", "篡", "2001-02-03", "9.99")
    Superuser(scene.world.catalogue.node).produce(scene.topic, b"k000007", value, [])
    until_idle(scene.sink)
    assert said(scene.find(scene.sink)) == {}, "the sink has what the topic says"
    assert said(scene.find(scene.source)) == {"k000007": ("differing", "broker")}
    assert scene.find(scene.source, scene.sink, repair=True).repaired == 1
    until_idle(scene.sink)
    scene.settle()


def test_late_at_the_broker(scene: Scene) -> None:
    """The broker is away between publishing and landing: nobody can say who is to blame, until it is back."""
    scene.change(scene.origin, "INSERT INTO people VALUES ('late', '迟', '2001-01-01', '2.50')")
    once(scene.source)
    totals = scene.world.owner.admin.reconciliation
    wait_until(
        lambda: totals(scene.world.code, scene.world.reader.client_id)["published"] == 11, PATIENCE_S, "its receipt"
    )
    node = scene.world.catalogue.node
    broker_part(node.layout).stop()
    try:
        assert scene.opened() == ("lost", "unknown", 1)
    finally:
        start_broker(node.settings, node.layout)
    wait_until(lambda: until_idle(scene.sink).landed, PATIENCE_S, "it is landed")
    scene.settle()


# ---- at the sink


def test_lost_and_changed_at_the_sink(scene: Scene) -> None:
    scene.change(
        scene.target,
        "DELETE FROM people WHERE id = 'k000002'",
        "UPDATE people SET amount = 7 WHERE id = 'k000003'",
        "INSERT INTO people (id, name) VALUES ('by-hand', '手')",
    )
    found = said(scene.find(scene.sink))
    assert found["k000002"] == ("missing", "subscriber")
    assert found["k000003"] == ("differing", "subscriber")
    assert found["by-hand"] == ("extra", "unknown"), "one side alone cannot tell who lost or made it"
    assert said(scene.find(scene.source, scene.sink))["by-hand"] == ("extra", "subscriber")
    report = scene.find(scene.sink, repair=True)
    assert (report.repaired, report.open) == (3, 0)
    scene.settle()


def test_doubled_at_the_sink(scene: Scene) -> None:
    """A landing is replayed from its middle."""
    scene.change(scene.target, "UPDATE exchange_position SET next_offset = 4")
    until_idle(scene.sink)
    kind, owner, _ = scene.opened()
    assert (kind, owner) == ("duplicated", "subscriber")
    report = scene.find(scene.sink, repair=True)
    assert report.differences == 0
    [found] = scene.differences()
    scene.world.reader.admin.close_difference(found["id"], evidence(report).en)
    scene.settle()


def test_late_at_the_sink(scene: Scene) -> None:
    scene.change(scene.origin, "INSERT INTO people VALUES ('late', '迟', '2001-01-01', '2.50')")
    once(scene.source)
    assert scene.opened() == ("lost", "subscriber", 1)
    report = scene.find(scene.sink)
    assert (report.differences, report.waiting) == (0, 1), "it is on its way"
    assert scene.find(scene.source, scene.sink).waiting == 1
    until_idle(scene.sink)
    scene.settle()
