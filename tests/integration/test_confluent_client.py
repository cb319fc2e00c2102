"""Confluent's own Python clients, unmodified, against our registry and broker: no code of ours moves a record here.

They ask /oauth2/token for their token, register their schema, serialise, produce, consume, look the schema up by the id
in the record, and deserialise.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import httpx
import pytest
from confluent_kafka import Consumer, KafkaError, Message, Producer
from confluent_kafka.schema_registry import Schema, SchemaReference, SchemaRegistryClient, SchemaRegistryError
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

from exchange import Subscriber
from exchange.contract import slug
from tests.support.catalogue import PEOPLE, Catalogue, Office
from tests.support.clients import Librdkafka
from tests.support.node import RunningNode
from tests.support.wait import wait_until

PERSON = {"id": "1", "name": "甲", "born": datetime.date(1990, 1, 2), "amount": Decimal("12.50")}


@pytest.fixture(scope="module")
def catalogue(node: RunningNode) -> Catalogue:
    return Catalogue(node)


@pytest.fixture(scope="module")
def owner(catalogue: Catalogue) -> Office:
    return catalogue.office("sr-owner")


@pytest.fixture(scope="module")
def city(catalogue: Catalogue) -> Office:
    return catalogue.office("sr-city")


def client_of(office: Office) -> SchemaRegistryClient:
    return SchemaRegistryClient(
        {
            "url": f"{office.registry.url}/schema-registry",
            "bearer.auth.credentials.source": "OAUTHBEARER",
            "bearer.auth.client.id": office.client_id,
            "bearer.auth.client.secret": office.secret,
            "bearer.auth.scope": "registry",
            "bearer.auth.issuer.endpoint.url": f"{office.registry.url}/oauth2/token",
            "bearer.auth.logical.cluster": "exchange",
            "bearer.auth.identity.pool.id": "exchange",
        }
    )


def admin_client(node: RunningNode) -> SchemaRegistryClient:
    form = {"grant_type": "password", "username": "admin", "password": node.passwords["admin"]}
    url = node.registry_url
    token = httpx.post(f"{url}/oauth2/token", data=form).raise_for_status().json()["access_token"]
    return SchemaRegistryClient(
        {
            "url": f"{url}/schema-registry",
            "bearer.auth.credentials.source": "STATIC_TOKEN",
            "bearer.auth.token": token,
            "bearer.auth.logical.cluster": "exchange",
            "bearer.auth.identity.pool.id": "exchange",
        }
    )


@pytest.fixture
def registry(owner: Office) -> Iterator[SchemaRegistryClient]:
    with client_of(owner) as client:
        yield client


def published_by(plain: Librdkafka, office: Office, topic: str, key: str, value: bytes | None) -> None:
    outcome: list[KafkaError | None] = []
    producer = Producer(plain.config(office))
    producer.produce(topic, value, key, on_delivery=lambda error, _message: outcome.append(error))
    producer.flush(20)
    assert outcome == [None]


def read_by(plain: Librdkafka, office: Office, topic: str) -> Message:
    found: list[Message] = []
    config = plain.config(office, **{"group.id": f"{office.client_id}.plain", "auto.offset.reset": "earliest"})
    consumer = Consumer(config)
    consumer.subscribe([topic])

    def polled() -> bool:
        message = consumer.poll(0.2)
        if message is not None and message.error() is None:
            found.append(message)
        return bool(found)

    try:
        wait_until(polled, 30, "the record arrives")
    finally:
        consumer.close()
    return found[0]


def test_records_cross_with_nothing_but_confluents_clients(
    node: RunningNode, catalogue: Catalogue, owner: Office, city: Office, registry: SchemaRegistryClient
) -> None:
    code = catalogue.resource(owner)
    catalogue.grant(owner, city, code)
    topic, plain = catalogue.topic(code), Librdkafka(node.bootstrap_servers)
    subject = f"{topic}-value"
    derived = registry.get_latest_version(subject)
    assert derived.schema is not None
    text = derived.schema.schema_str
    assert isinstance(text, str)

    written = AvroSerializer(registry, text, conf={"auto.register.schemas": True})
    value = written(PERSON, SerializationContext(topic, MessageField.VALUE))
    assert isinstance(value, bytes)
    assert value[:5] == b"\0" + int(derived.schema_id or 0).to_bytes(4, "big"), "the catalogue's schema was found"
    published_by(plain, owner, topic, "1", value)

    message = read_by(plain, city, topic)
    with client_of(city) as theirs:
        read = AvroDeserializer(theirs)
        assert read(message.value(), SerializationContext(topic, MessageField.VALUE)) == PERSON
    with Subscriber.open(city.settings, code, "sdk") as subscriber:
        ours: list[Any] = []

        def polled() -> bool:
            ours.extend(subscriber.poll(10, 0.2))
            return bool(ours)

        wait_until(polled, 30, "the SDK reads it too")
    assert ours[0].row == tuple(PERSON.values())


def test_a_schema_that_differs_from_the_items_never_reaches_the_topic(
    catalogue: Catalogue, owner: Office, registry: SchemaRegistryClient
) -> None:
    code = catalogue.resource(owner)
    topic = catalogue.topic(code)
    other = json.dumps({"type": "record", "name": "Other", "fields": [{"name": "id", "type": "string"}]})
    serializer = AvroSerializer(registry, other)
    with pytest.raises(SchemaRegistryError) as refused:
        serializer({"id": "1"}, SerializationContext(topic, MessageField.VALUE))
    assert (refused.value.http_status_code, refused.value.error_code) == (409, 409)
    assert "change the items" in refused.value.error_message
    assert registry.get_versions(f"{topic}-value") == [1]


def test_a_subscriber_reads_and_does_not_write(catalogue: Catalogue, owner: Office, city: Office) -> None:
    code = catalogue.resource(owner, PEOPLE)
    subject = f"440000.{slug(code)}-value"
    with client_of(city) as theirs:
        latest = theirs.get_latest_version(subject)
        assert latest.schema is not None
        with pytest.raises(SchemaRegistryError) as refused:
            theirs.register_schema(subject, latest.schema)
        assert (refused.value.http_status_code, refused.value.error_code) == (403, 40301)


def test_every_call_of_the_client_is_understood(node: RunningNode) -> None:
    address = '{"type":"record","name":"Address","namespace":"demo","fields":[{"name":"road","type":"string"}]}'
    home = '{"type":"record","name":"Home","namespace":"demo","fields":[{"name":"at","type":"demo.Address"}]}'
    longer = home.replace("]}", ',{"name":"no","type":["null","string"],"default":null}]}')
    with admin_client(node) as client:
        first = client.register_schema("demo/address", Schema(address, "AVRO"))
        used = [SchemaReference("demo.Address", "demo/address", 1)]
        schema = Schema(home, "AVRO", used)
        second = client.register_schema("demo/home", schema, normalize_schemas=True)
        client.clear_caches()
        assert client.get_schema(first).schema_str == address
        assert client.get_schema(second, subject_name="demo/home").references == used
        assert client.lookup_schema("demo/home", schema, normalize_schemas=True).version == 1
        assert client.get_schema_types() == ["AVRO"]
        assert client.get_contexts() == ["."]
        assert {"demo/address", "demo/home"} <= set(client.get_subjects())
        assert client.get_subjects(subject_prefix="demo/") == ["demo/address", "demo/home"]
        assert client.get_subjects_by_schema_id(second) == ["demo/home"]
        assert [(use.subject, use.version) for use in client.get_schema_versions(second)] == [("demo/home", 1)]
        assert client.get_referenced_by("demo/address", 1) == [second]
        assert client.get_version("demo/home", 1).schema_id == second
        assert client.get_latest_version("demo/home").version == 1
        assert client.get_versions("demo/home") == [1]

        longer_schema = Schema(longer, "AVRO", used)
        assert client.test_compatibility("demo/home", longer_schema) is True
        assert client.test_compatibility_all_versions("demo/home", longer_schema) is True
        assert client.test_compatibility("demo/home", Schema('"string"', "AVRO")) is False
        assert client.set_compatibility("demo/home", "NONE") == {"compatibility": "NONE"}
        assert client.get_compatibility("demo/home") == "NONE"
        assert client.get_config("demo/home").compatibility_level is not None
        client.delete_config("demo/home")
        assert client.get_compatibility() == "BACKWARD"
        assert client.update_mode("demo/home", "READONLY") == "READONLY"
        assert client.get_mode("demo/home") == "READONLY"
        assert client.delete_mode("demo/home") == "READONLY"
        assert client.get_global_mode() == "READWRITE"
        assert client.update_global_mode("READWRITE") == "READWRITE"

        with pytest.raises(SchemaRegistryError) as refused:
            client.register_schema("demo/home", Schema("{}", "JSON"))
        assert (refused.value.http_status_code, refused.value.error_code) == (422, 42201)
        with pytest.raises(SchemaRegistryError) as refused:
            client.delete_subject("demo/address")
        assert refused.value.error_code == 42206
        assert client.delete_version("demo/home", 1) == 1
        assert client.get_versions("demo/home", deleted=True) == [1]
        assert client.delete_version("demo/home", 1, permanent=True) == 1
        assert client.delete_subject("demo/address") == [1]
        assert client.delete_subject("demo/address", permanent=True) == [1]
        with pytest.raises(SchemaRegistryError) as refused:
            client.get_latest_version("demo/address")
        assert (refused.value.http_status_code, refused.value.error_code) == (404, 40401)
