"""Encoding and decoding of one record, beside confluent-kafka's own AvroSerializer and AvroDeserializer."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from typing import Any

from confluent_kafka.schema_registry import Schema as ConfluentSchema
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

from exchange.avro import record_schema
from exchange.codec import RecordCodec
from exchange.values import parse
from tests.bench.book import Bench, rounds
from tests.bench.persons import ITEMS, persons

RECORDS = 20_000
SCHEMA = record_schema("307440000-000001", ITEMS)


def run(bench: Bench) -> None:
    """Measure both directions on the ten-column person."""
    rows = [tuple(parse(item, text) for item, text in zip(ITEMS, row, strict=True)) for row in persons(RECORDS)]
    codec = RecordCodec(SCHEMA, 1, lambda _id: SCHEMA)
    values = [codec.header + codec.encode(row) for row in rows]
    client = SchemaRegistryClient.new_client(
        {"url": "mock://bench"}
    )  # Confluent's own in-memory registry: no HTTP in the figure
    context = SerializationContext("bench", MessageField.VALUE)
    serializer = AvroSerializer(client, json.dumps(SCHEMA))
    names = [item.name for item in ITEMS]
    dicts = [dict(zip(names, row, strict=True)) for row in rows]
    theirs = [serializer(record, context) for record in dicts]
    assert client.register_schema("bench-value", ConfluentSchema(json.dumps(SCHEMA), "AVRO")) > 0
    deserializer = AvroDeserializer(client, json.dumps(SCHEMA))
    ours, peer = rounds(
        lambda: rate(codec.encode, rows), lambda: rate(lambda record: serializer(record, context), dicts)
    )
    bench.add("codec.encode", ours, "records/s", "confluent AvroSerializer", peer)
    ours, peer = rounds(
        lambda: rate(codec.decode, values), lambda: rate(lambda value: deserializer(value, context), theirs)
    )
    bench.add("codec.decode", ours, "records/s", "confluent AvroDeserializer", peer)


def rate(work: Callable[[Any], object], things: Sequence[Any]) -> float:
    """Return how many things a second ``work`` does."""
    started = time.perf_counter()
    for thing in things:
        work(thing)
    return len(things) / (time.perf_counter() - started)
