"""Receipts at the registry: what no known key has signed is named and counted; a day ends with its certificate."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from exchange.certificate import BadCertificate, compare, verify
from exchange.contract import receipts_topic
from exchange.publisher import BATCH_HEADER
from exchange.receipts import Receipt, Side, hex_digest, record_digest, set_digest
from exchange.signing import SigningKey
from registry.certificates.issuer import Issuer
from registry.enforcement.broker import client_config
from registry.provenance import finder
from registry.receipts.matching import Matcher
from registry.receipts.models import ReceiptRow
from registry.receipts.signatures import Signature
from registry.receipts.witness import TopicWitness
from registry.settings import ReconciliationGroup
from tests.integration.registry.conftest import LoneBroker
from tests.support.registry_world import Office, World
from tests.support.wait import wait_until

pytestmark = pytest.mark.long


@dataclass
class Sides:
    """A publisher and a subscriber, each with a key that the registry knows."""

    broker: LoneBroker
    world: World
    owner: Office
    reader: Office
    resource: str
    topic: str
    before: dict[str, float] = field(default_factory=dict)
    keys: dict[str, SigningKey] = field(default_factory=dict)
    said: list[Receipt] = field(default_factory=list)
    records: list[tuple[bytes, bytes]] = field(default_factory=list)

    def register(self, office: Office) -> SigningKey:
        key = self.keys[office.client_id] = SigningKey.generate()
        assert office.system.post("receipt-keys", {"jwk": key.jwk})["kid"] == key.kid
        return key

    def put(self, *keys: str) -> str:
        """Publish a batch, as the broker has it."""
        batch = uuid.uuid4().hex
        self.records = [(key.encode(), b"\x00\x00\x00\x00\x07" + key.encode()) for key in keys]
        producer = Producer(self.broker.client(self.owner.client_id))
        producer.poll(0)
        for key, value in self.records:
            producer.produce(self.topic, value, key=key, headers=[(BATCH_HEADER, bytes.fromhex(batch))])
        assert producer.flush(10) == 0
        return batch

    def receipt(self, batch: str, side: Side, first: int = 0) -> Receipt:
        count = len(self.records)
        published = Receipt(
            id=batch,
            side=side,
            resource=self.resource,
            topic=self.topic,
            client_id=self.owner.client_id,
            adapter="a",
            batch=batch,
            count=count,
            deletes=0,
            digest=hex_digest(set_digest(record_digest(*record) for record in self.records)),
            schema_id=7,
            at=int(self.world.clock().timestamp() * 1000),
        )
        if side is Side.PUBLISHED:
            return published
        where: dict[str, Any] = {
            "partition": 0,
            "first_offset": first,
            "last_offset": first + count - 1,
            "landing": "one",
        }
        return replace(published, id=uuid.uuid4().hex, client_id=self.reader.client_id, **where)

    def say(self, receipt: Receipt, *, outcome: str | None = None) -> None:
        """Send a receipt, signed by the system's key if it has one, and wait until it is in."""
        key = self.keys.get(receipt.client_id)
        self.send(receipt.signed(key) if key and receipt.signature is None else receipt, outcome)

    def send(self, receipt: Receipt, outcome: str | None = None) -> None:
        side = outcome or receipt.side.value
        before = self.world.metric("exchange_receipts_total", side=side)
        producer = Producer(self.broker.client(receipt.client_id))
        producer.poll(0)
        producer.produce(receipts_topic(receipt.client_id), receipt.to_bytes())
        assert producer.flush(10) == 0
        wait_until(lambda: self.world.metric("exchange_receipts_total", side=side) > before, 30, "the receipt is in")
        if outcome is None:
            self.said.append(receipt)

    def counted(self, result: str) -> float:
        """Receipts since the test began; those of earlier tests, which the broker has still, may be among them."""
        return self.world.metric("exchange_receipt_signatures_total", result=result) - self.before.get(result, 0)

    def await_counted(self, result: str, least: int) -> None:
        wait_until(lambda: self.counted(result) >= least, 30, f"{least} receipts are {result}")

    def stored(self) -> list[ReceiptRow]:
        with self.world.runtime.database.read() as session:
            mine = ReceiptRow.client_id.in_((self.owner.client_id, self.reader.client_id))
            return list(session.query(ReceiptRow).where(mine).order_by(ReceiptRow.number))

    def tomorrow(self) -> tuple[Matcher, Issuer]:
        """What reconciles and certifies, when the day is over; callers' tokens stay as young as they are."""
        runtime = self.world.runtime

        def clock() -> datetime:
            return self.world.clock() + timedelta(days=1, hours=1, minutes=1)

        witness = TopicWitness(client_config(runtime.settings.broker, runtime.tokens))
        database, metrics = runtime.database, runtime.metrics
        matcher = Matcher(database=database, clock=clock, metrics=metrics, witness=witness, grace_s=5)
        signer = runtime.certificates
        issuer = Issuer(
            database=database, clock=clock, metrics=metrics, signer=signer, node="440000", grace_s=5, after_s=3600
        )
        return matcher, issuer

    def trace(self, office: Office, **asked: Any) -> Any:
        return office.system.call("POST", "provenance", {"resource": self.resource, **asked})


@pytest.fixture(params=["accept"])
def sides(request: pytest.FixtureRequest, broker: LoneBroker, tmp_path: Path) -> Iterator[Sides]:
    group = ReconciliationGroup(signatures=request.param)
    with broker.world(tmp_path, reconciliation=group) as world:
        assert world.runtime.enforcer.reconcile()
        owner, reader = world.office(), world.office("440600")
        resource = world.resource(owner)
        topic = world.grant(owner, reader, resource)["grant"]["topic"]
        world.runtime.intake.start()
        try:
            sides = Sides(broker, world, owner, reader, resource, topic)
            sides.before = {each.value: sides.counted(each.value) for each in Signature}
            yield sides
        finally:
            world.runtime.intake.stop()


def test_what_no_key_has_signed_is_named(sides: Sides) -> None:
    batch = sides.put("k1", "k2")
    plain = sides.receipt(batch, Side.PUBLISHED)
    sides.send(replace(plain, id="plain"))
    sides.await_counted("unsigned", 1)  # an older SDK's receipt counts, and is counted as what it is
    key, stranger = sides.register(sides.owner), SigningKey.generate()
    sides.send(replace(plain, id="stranger").signed(stranger))
    sides.await_counted("unknown_key", 1)
    sides.say(plain)
    sides.await_counted("signed", 1)
    sides.send(replace(plain.signed(key), id="changed"), "refused")
    sides.send(replace(replace(plain, id="forged").signed(stranger), kid=key.kid), "refused")
    sides.await_counted("wrong", 2)
    assert (
        sides.owner.admin.call("POST", f"systems/{sides.reader.client_id}/receipt-keys/{key.kid}/end").status_code
        == 404
    )
    sides.owner.admin.post(f"systems/{sides.owner.client_id}/receipt-keys/{key.kid}/end")
    sides.send(replace(plain, id="ended").signed(key), "refused")
    sides.await_counted("ended_key", 1)
    assert [(row.id, row.kid) for row in sides.stored()] == [("plain", None), ("stranger", None), (batch, key.kid)]
    told = sides.world.auditor.get("audit/entries", action="receipt.refuse")["items"]
    assert [entry["facts"]["signature"] for entry in told] == ["wrong", "wrong", "ended_key"]
    assert {entry["target"] for entry in told} == {f"system/{sides.owner.client_id}"}
    again = sides.owner.system.call("POST", "receipt-keys", {"jwk": key.jwk})
    assert again.status_code == 409, "a key that was ended does not come back"
    listed = sides.owner.admin.get(f"systems/{sides.owner.client_id}/receipt-keys")["items"]
    assert [(row["kid"], row["ended_by"]) for row in listed] == [(key.kid, sides.owner.admin.name)]
    assert sides.owner.system.call("POST", "receipt-keys", {"jwk": {**key.jwk, "d": "x"}}).status_code == 422


@pytest.mark.parametrize("sides", ["require"], indirect=True)
def test_where_signatures_are_required_nothing_else_counts(sides: Sides) -> None:
    batch = sides.put("k1")
    plain = sides.receipt(batch, Side.PUBLISHED)
    sides.send(replace(plain, id="plain"), "refused")
    sides.send(replace(plain, id="stranger").signed(SigningKey.generate()), "refused")
    sides.register(sides.owner)
    sides.say(plain)
    assert [row.id for row in sides.stored()] == [batch]


def test_a_day_ends_with_a_certificate_that_each_side_verifies_alone(sides: Sides, tmp_path: Path) -> None:
    sides.register(sides.owner)
    sides.register(sides.reader)
    batch = sides.put("k1", "k2", "k3")
    sides.say(sides.receipt(batch, Side.PUBLISHED))
    sides.say(sides.receipt(batch, Side.LANDED))
    lost = sides.put("k4")
    sides.say(sides.receipt(lost, Side.PUBLISHED))
    sides.world.runtime.issuer.issue()
    assert sides.owner.admin.get("certificates")["items"] == [], "the day is not over"
    matcher, issuer = sides.tomorrow()
    matcher.round()
    issuer.issue()
    (listed,) = sides.owner.admin.get("certificates", resource=sides.resource)["items"]
    assert (listed["published"], listed["landed"], listed["differences"], listed["revision"]) == (4, 3, 1, 1)
    assert sides.reader.admin.get("certificates")["items"] == [listed], "both sides have the same one"
    stranger = sides.world.office("440604")
    assert stranger.admin.get("certificates")["items"] == []
    assert stranger.admin.call("GET", f"certificates/{listed['id']}").status_code == 404
    kept = sides.reader.admin.get(f"certificates/{listed['id']}")
    jwks = sides.world.http.get("/api/v1/certificate-keys").json()
    said = verify("f", kept, jwks["keys"])
    assert (said["account"]["published"], said["account"]["lost"], said["differences_open"]) == (4, 1, 1)
    assert said["unsigned"] == {"published": 0, "landed": 0}
    assert said["landed"]["offsets"] == [[0, 0, 2]]
    for office in (sides.owner, sides.reader):
        mine = [receipt for receipt in sides.said if receipt.client_id == office.client_id]
        assert compare(said, mine, office.client_id) == []
        assert compare(said, mine[1:], office.client_id) != []
    with pytest.raises(BadCertificate):
        verify("f", {**kept, "certificate": {**said, "differences_open": 0}}, jwks["keys"])

    issuer.issue()
    assert len(sides.owner.admin.get("certificates")["items"]) == 1, "nothing new, nothing issued"
    late = sides.receipt(lost, Side.LANDED, first=3)
    sides.say(replace(late, at=said["landed"]["since"] + 1000))
    matcher.round()
    issuer.issue()
    first, second = sides.owner.admin.get("certificates")["items"]
    assert (first, second["revision"], second["landed"], second["differences"]) == (listed, 2, 4, 0)
    assert verify("f", sides.owner.admin.get(f"certificates/{second['id']}"), jwks["keys"])["previous"] is not None
    assert set(jwks["keys"][0]) == {"kty", "crv", "x", "kid", "alg", "use"}, "the public half alone"


def test_a_record_is_traced_to_its_source_and_to_who_received_it(sides: Sides) -> None:
    sides.register(sides.owner)
    other = sides.world.office("440604")
    sides.world.grant(sides.owner, other, sides.resource)
    batch = sides.put("440000001001", "k2")
    sides.say(sides.receipt(batch, Side.PUBLISHED))
    sides.say(sides.receipt(batch, Side.LANDED))
    newer = sides.put("440000001001")
    sides.say(sides.receipt(newer, Side.PUBLISHED))

    found = sides.trace(sides.owner, key=["440000001001"]).json()
    assert found["view"] == "owner"
    assert [trail["batch"] for trail in found["trails"]] == [newer, batch], "the newest first"
    assert found["gaps"] == ["compacted"]
    assert [node["division"] for node in found["path"]] == ["440000"]
    now, before = found["trails"]
    assert (now["receivers"], now["gaps"]) == ([], ["no_landing"])
    assert now["waiting"] == sorted([sides.reader.client_id, other.client_id])
    assert (before["record"]["partition"], before["record"]["offset"], before["schema_id"]) == (0, 0, 7)
    assert (before["source"]["client_id"], before["source"]["signed"]) == (sides.owner.client_id, True)
    (receiver,) = before["receivers"]
    assert (receiver["client_id"], receiver["signed"], receiver["grant_state"]) == (
        sides.reader.client_id,
        False,
        "active",
    )

    mine = sides.trace(sides.reader, key=["440000001001"]).json()
    assert (mine["view"], [trail["batch"] for trail in mine["trails"]]) == ("receiver", [batch])
    assert sides.trace(other, key=["440000001001"]).json()["trails"] == [], "nothing landed there"
    assert other.client_id not in json.dumps(mine), "a receiver is not told of others"
    assert sides.trace(sides.owner, key=["nobody"]).json()["gaps"] == ["compacted", "not_found"]
    assert sides.trace(sides.world.office("440604"), key=["440000001001"]).status_code == 403
    assert (
        sides.world.auditor.call("POST", "provenance", {"resource": sides.resource, "key": ["k2"]}).status_code == 403
    )
    looked = sides.world.auditor.post("provenance", {"resource": sides.resource, "batch": batch})
    assert [each["client_id"] for each in looked["trails"][0]["receivers"]] == [sides.reader.client_id]
    _the_looks_are_in_the_audit(sides, batch)


def test_a_key_is_found_however_far_back(sides: Sides, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finder, "WINDOW", 1)  # so that each further window is looked at too
    sides.put("oldest", *(f"k{number}" for number in range(20)))
    found = sides.world.runtime.finder.find(sides.topic, b"oldest")
    assert ([place.offset for place in found.places], found.whole) == ([0], True)
    assert sides.world.runtime.finder.find(sides.topic, b"nobody") == finder.Found((), whole=True)


def _the_looks_are_in_the_audit(sides: Sides, batch: str) -> None:
    entries = sides.world.auditor.get("audit/entries", action="provenance.read")["items"]
    targets = [entry["target"].removeprefix(f"resource/{sides.resource}/") for entry in entries]
    assert targets[-1] == f"batch/{batch}"
    assert len({target for target in targets if target.startswith("record/")}) == 2, "one digest a key"
    everything = json.dumps(list(sides.world.auditor.get("audit/entries", limit=500)["items"]))
    assert "440000001001" not in everything, "a citizen's key is nowhere in the audit"
    headers = {"Authorization": f"Bearer {sides.owner.system.token}", "Idempotency-Key": f"t-{time.time_ns()}"}
    body = {"resource": sides.resource, "key": ["440000001001"]}
    for _ in range(2):
        answer = sides.world.http.post("/api/v1/provenance", json=body, headers=headers)
        assert "Idempotency-Replayed" not in answer.headers, "a look is never answered from what was kept"
