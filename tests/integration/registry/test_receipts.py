"""Receipts come in from the broker once each, under the system whose topic they are in; what is not one is counted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from confluent_kafka import Producer

from exchange.contract import receipts_topic
from exchange.receipts import Receipt, Side, hex_digest
from tests.integration.registry.conftest import LoneBroker
from tests.support.registry_world import World
from tests.support.wait import wait_until


def count(world: World, side: str) -> float:
    return world.metric("exchange_receipts_total", side=side)


def send(broker: LoneBroker, client_id: str, *values: bytes | None) -> None:
    producer = Producer(broker.client(client_id))
    producer.poll(0)
    for value in values:
        producer.produce(receipts_topic(client_id), value, key=b"k")
    assert producer.flush(10) == 0


def test_receipts_are_stored_once_and_reconciled(broker: LoneBroker, tmp_path: Path) -> None:
    with broker.world(tmp_path) as world:
        assert world.runtime.enforcer.reconcile()
        owner, reader = world.office(), world.office("440600")
        resource = world.resource(owner)
        grant = world.grant(owner, reader, resource)["grant"]
        published = Receipt(
            id="b1",
            side=Side.PUBLISHED,
            resource=resource,
            topic=grant["topic"],
            client_id=owner.client_id,
            adapter="a",
            batch="0" * 32,
            count=10,
            deletes=1,
            digest=hex_digest(7),
            schema_id=1,
            at=int(world.clock().timestamp() * 1000),
        )
        landed = replace(
            published, id="l1", side=Side.LANDED, client_id=reader.client_id, count=6, digest=hex_digest(3),
            partition=0, first_offset=0, last_offset=5, landing="one",
        )  # fmt: skip
        forged = replace(published, id="b2", batch="1" * 32, client_id=owner.client_id)
        world.runtime.intake.start()
        try:
            send(broker, owner.client_id, published.to_bytes(), published.to_bytes(), b"garbage", None, b'{"id": 1}')
            send(broker, reader.client_id, landed.to_bytes(), forged.to_bytes(), replace(landed, count=-1).to_bytes())
            wait_until(lambda: count(world, "landed") and count(world, "refused"), 30, "the receipts are in")
            wait_until(lambda: count(world, "garbage") == 4, 10, "garbage is counted")
            found = owner.admin.get("reconciliation", resource=resource, client_id=reader.client_id)
            assert (found["published"], found["landed"], found["in_flight"], found["lost"]) == (10, 6, 4, 0)
            assert (count(world, "published"), count(world, "repeated")) == (1, 1)
            rest = replace(landed, id="l2", count=4, digest=hex_digest(4), first_offset=6, last_offset=9)
            send(broker, reader.client_id, rest.to_bytes())
            wait_until(lambda: count(world, "landed") == 2, 30, "the rest is in")
        finally:
            world.runtime.intake.stop()
        found = reader.admin.get("reconciliation", resource=resource, client_id=reader.client_id)
        zero = ("lost", "duplicated", "differing", "in_flight", "cut_off", "unmatched")
        assert (found["batches"], found["published"], found["landed"]) == (1, 10, 10)
        assert [found[name] for name in zero] == [0] * len(zero)
        stranger = world.office("440604")
        refused = stranger.admin.call("GET", "reconciliation", resource=resource, client_id=reader.client_id)
        assert refused.status_code == 403
