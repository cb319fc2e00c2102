"""The SDK as a department's programmer uses it: what is published comes out, exactly, and can be accounted for."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import date
from decimal import Decimal

import pytest

from exchange import Publisher, Subscriber, log, transaction
from exchange.errors import BadRecord, BrokerUnavailable, Fenced
from exchange.items import Row
from exchange.kafka import Broker
from exchange.publisher import Batch
from exchange.registry_client import RegistryClient
from tests.support.catalogue import Catalogue, Office
from tests.support.node import RunningNode
from tests.support.wait import wait_until

ANNA: Row = ("k1", "安娜", date(1990, 2, 28), Decimal("12.50"))


@pytest.fixture
def parties(node: RunningNode) -> tuple[Office, Office, str]:
    catalogue = Catalogue(node)
    owner, reader = catalogue.office("sdk-out"), catalogue.office("sdk-in", "440600")
    code = catalogue.resource(owner)
    catalogue.grant(owner, reader, code)
    return owner, reader, code


def publish(office: Office, code: str, *keys: str) -> None:
    with Publisher.open(office.settings, code) as publisher, publisher.batch() as batch:
        for key in keys:
            batch.put({"id": key, "name": "某人"})


def received(office: Office, code: str, name: str = "subscriber") -> list[tuple[str, Row | None]]:
    found = []
    with Subscriber.open(office.settings, code, name) as subscriber:
        for records in subscriber.batches(idle_s=3):
            found += [(record.key.decode(), record.row) for record in records]
            subscriber.done(records)
    return found


def test_rows_and_deletes_come_out_as_they_went_in(parties: tuple[Office, Office, str]) -> None:
    owner, reader, code = parties
    with Publisher.open(owner.settings, code) as publisher:
        with publisher.batch() as batch:
            batch.put({"id": "k1", "name": "安娜", "born": date(1990, 2, 28), "amount": Decimal("12.50")})
            batch.put({"id": "k2", "name": "某人"})
        with publisher.batch() as batch:
            batch.delete(publisher.key({"id": "k2"}))
        assert publisher.state().keys() == {b"k1"}
    assert received(reader, code) == [("k1", ANNA), ("k2", ("k2", "某人", None, None)), ("k2", None)]
    assert received(reader, code) == [], "what is done is not handed out again"


def test_who_was_held_up_for_longer_than_a_transaction_may_last_is_not_called_fenced(
    parties: tuple[Office, Office, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broker gives the transaction up with the same words as for a successor; an adapter has to go on."""
    monkeypatch.setattr(transaction, "TIMEOUT_S", 2.0)
    owner, reader, code = parties
    publisher = Publisher.open(owner.settings, code)
    batch = publisher.batch()
    put_one(publisher, batch)
    with pytest.raises(BrokerUnavailable, match="gave it up"):
        wait_until(lambda: put_one(publisher, batch), 60, "the broker's look at transactions that last too long")
    publisher.close()
    publish(owner, code, "k2")
    assert [key for key, _row in received(reader, code)] == ["k2"], "nothing of it was committed"


def test_a_broker_that_gives_no_answer_is_away(
    parties: tuple[Office, Office, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever way it is told in, an adapter has to wait for it: found by the soak."""
    monkeypatch.setattr(log, "ANSWER_TIMEOUT_S", 1.0)
    settings = parties[1].settings
    with closing(RegistryClient(settings.registry, settings.identity)) as registry, silent() as address:
        kafka = settings.kafka.model_copy(update={"bootstrap_servers": address})
        broker = Broker.of(settings.model_copy(update={"kafka": kafka}), registry)
        with pytest.raises(BrokerUnavailable):
            log.log_of(broker, "440000.any")


@contextmanager
def silent() -> Iterator[str]:
    """A server that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def put_one(publisher: Publisher, batch: Batch) -> None:
    batch.put_encoded(*publisher.encode(ANNA))


def put_many(publisher: Publisher, batch: Batch) -> None:
    batch.put_all(*publisher.encode_rows([ANNA]))


@pytest.mark.parametrize("put", [put_one, put_many])
def test_who_is_fenced_in_the_midst_of_a_batch_is_told_so(
    parties: tuple[Office, Office, str], put: Callable[[Publisher, Batch], None]
) -> None:
    owner, _reader, code = parties
    first = Publisher.open(owner.settings, code)
    batch = first.batch()
    put(first, batch)
    with Publisher.open(owner.settings, code), pytest.raises(Fenced):
        wait_until(lambda: put(first, batch), 20, "being fenced: librdkafka learns of it in a thread of its own")
    first.close()


def test_a_batch_with_an_error_in_it_never_was(parties: tuple[Office, Office, str]) -> None:
    owner, reader, code = parties
    with Publisher.open(owner.settings, code) as publisher:
        with pytest.raises(BadRecord, match="name"), publisher.batch() as batch:  # noqa: PT012 - the second put fails
            batch.put({"id": "k1", "name": "安娜"})
            batch.put({"id": "k2"})
        with publisher.batch() as batch:
            batch.put({"id": "k3", "name": "某人"})
            batch.set_position({"page": 3})
        assert publisher.position() == {"page": 3}
    with Publisher.open(owner.settings, code) as publisher:
        assert publisher.position() == {"page": 3}
    assert [key for key, _row in received(reader, code)] == ["k3"]


def test_a_second_publisher_of_one_name_takes_over(parties: tuple[Office, Office, str]) -> None:
    owner, _reader, code = parties
    first = Publisher.open(owner.settings, code)
    with Publisher.open(owner.settings, code) as second:
        with pytest.raises(Fenced), first.batch() as batch:
            batch.put({"id": "k1", "name": "旧"})
        with second.batch() as batch:
            batch.put({"id": "k1", "name": "新"})
        first.close()
        assert second.state().keys() == {b"k1"}


def test_a_restarted_program_is_the_same_destination(parties: tuple[Office, Office, str]) -> None:
    owner, reader, code = parties
    publish(owner, code, "k1", "k2")
    assert len(received(reader, code)) == 2
    publish(owner, code, "k3")
    assert len(received(reader, code)) == 1

    def accounts() -> dict[str, int]:
        found = owner.admin.reconciliation(code, reader.client_id)
        return {name: found[name] for name in ("published", "landed", "lost", "duplicated", "differing", "in_flight")}

    complete = {"published": 3, "landed": 3, "lost": 0, "duplicated": 0, "differing": 0, "in_flight": 0}
    wait_until(lambda: accounts() == complete, 30, "the receipts of both sides are in and agree")
