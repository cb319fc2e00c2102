"""PostgreSQL into Kafka: the adapter with everything on, a bare loop of the same steps, and Debezium's snapshot."""

from __future__ import annotations

import time
import uuid
from pathlib import Path

from confluent_kafka import Producer

from exchange.encoder import make_encoder
from exchange.items import KeyCodec
from exchange.kafka import Broker
from exchange.registry_client import RegistryClient
from tests.bench.book import Bench
from tests.bench.peers import connect_worker, resolve
from tests.bench.peers_settings import source
from tests.bench.persons import ITEMS
from tests.bench.postgres_stage import COLUMNS, ROWS, SOURCE, Sample, Stage, stage, turns

FETCH = 20_000
PEER = "Debezium snapshot"


def run(bench: Bench) -> None:
    """Add rows/s, CPU seconds, memory, and the share of the bare loop."""
    plugins = resolve()
    with stage() as here:
        here.fill("persons", ROWS)
        measures = {"adapter": lambda: publish(here), "bare loop": lambda: publish_bare(here)}
        if plugins is not None:
            measures[PEER] = lambda: publish_peer(here, plugins)
        found = turns(measures)
    ours, bare, peer = found["adapter"], found["bare loop"], found.get(PEER, Sample(0))
    name = PEER if PEER in found else None
    bench.add("source_postgres.rows", ours.rate, "rows/s", name, peer.rate or None)
    bench.add("source_postgres.cpu", ours.cpu_s, "s", name, peer.cpu_s or None)
    bench.add("source_postgres.memory", ours.peak_mb, "MB", name, peer.peak_mb or None)
    bench.add("source_postgres.bare_loop", ours.rate, "rows/s", "cursor + encoder + idempotent produce", bare.rate)


def publish(here: Stage) -> Sample:
    """Measure the adapter, from its first connection to its last commit; CPU and memory of its whole process."""
    ran = here.publish(here.catalogue.resource(here.owner, ITEMS), "persons")
    assert ran.summary["published"] == ROWS, ran.summary
    return Sample(ROWS / ran.summary["seconds"], ran.cpu_s, ran.peak_mb)


def publish_bare(here: Stage) -> Sample:
    """Measure a loop that reads, encodes and produces, and does nothing else."""
    registry = RegistryClient(here.owner.settings.registry, here.owner.settings.identity)
    contract = registry.contract(here.catalogue.resource(here.owner, ITEMS))
    broker = Broker.of(here.owner.settings, registry)
    before, started = time.process_time(), time.perf_counter()
    producer = Producer(broker.config(enable_idempotence=True, compression_type="lz4", linger_ms=5))
    encode, key_of, topic = make_encoder(contract.schema), KeyCodec(ITEMS).encode, contract.topic
    header = b"\x00" + contract.schema_id.to_bytes(4, "big")
    with here.connect() as database, database.cursor(name="bare", binary=True) as cursor:
        cursor.execute(f"SELECT {COLUMNS} FROM persons")
        while rows := cursor.fetchmany(FETCH):
            for row in rows:
                while True:
                    try:
                        producer.produce(topic, header + encode(row), key_of(row))
                        break
                    except BufferError:
                        producer.poll(0.01)
            producer.poll(0)
    assert producer.flush(60) == 0
    took = time.perf_counter() - started
    return Sample(ROWS / took, time.process_time() - before)


def publish_peer(here: Stage, plugins: Path) -> Sample:
    """Measure Debezium from the start of its connector in a worker that is up to its last record at the broker.

    CPU is without the start of the worker, unlike ours.
    """
    name = f"peer_{uuid.uuid4().hex[:8]}"
    cluster = here.cluster
    settings = source(name, cluster.port, cluster.password, SOURCE, "persons", "initial_only")
    with connect_worker(here.catalogue.node, here.place / name, plugins) as connect:
        before, started = connect.cpu_s(), time.perf_counter()
        connect.start(name, settings)
        connect.await_records(name, f"{name}.public.persons", ROWS)
        took, spent, peak = time.perf_counter() - started, connect.cpu_s() - before, connect.peak_mb()
        connect.stop(name)
    return Sample(ROWS / took, spent, peak)
