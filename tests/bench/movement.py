"""How quickly records move, with everything on, beside a bare loop of the same steps without any of it."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

import psycopg
from confluent_kafka import Producer

from exchange.codec import RecordCodec
from exchange.demo.runs import write_adapter_file
from exchange.items import KeyCodec
from exchange.kafka import Broker
from exchange.node.ports import free_ports
from exchange.node.postgres import PostgresCluster, temporary_cluster
from exchange.registry_client import RegistryClient
from exchange.values import parse
from tests.bench.book import ROUNDS, Bench, rounds
from tests.bench.persons import ITEMS, write_csv
from tests.support.catalogue import Catalogue, Office
from tests.support.node import running_node

ROWS = 100_000
COPY_BATCH = 5_000


def run(bench: Bench) -> None:
    """Publish a CSV file of persons, and land it in PostgreSQL."""
    with (
        tempfile.TemporaryDirectory(prefix="exchange-bench-") as place,
        temporary_cluster(free_ports(1)[0]) as cluster,
        running_node(Path(place) / "var") as node,
    ):
        stage = Stage(Catalogue(node), cluster, Path(place))
        ours, bare = rounds(stage.publish, stage.publish_bare)
        bench.add("source_csv.bare_loop", ours, "rows/s", "csv + parse + fastavro + idempotent produce", bare)
        ours, bare = rounds(stage.land, stage.land_bare)
        bench.add("sink_sql.bare_loop", ours, "rows/s", "COPY into staging + upsert, no Kafka", bare)


class Stage:
    """One node, one database, one file of persons; a resource of its own for each measure."""

    def __init__(self, catalogue: Catalogue, cluster: PostgresCluster, place: Path) -> None:
        self._catalogue = catalogue
        self._cluster = cluster
        self._place = place
        self._owner = catalogue.office("bench-out")
        self._reader = catalogue.office("bench-in", "440600")
        self._published: list[str] = []
        self._file = place / "persons.csv"
        write_csv(self._file, ROWS)

    def publish(self) -> float:
        """Return rows/s of the CSV adapter, from its first connection to its last commit."""
        code = self._catalogue.resource(self._owner, ITEMS)
        self._published.append(code)
        tables = self._head(self._owner, code) | {"source": {"kind": "csv", "path": self._file.name}}
        summary = self._adapter(tables, "--once")
        assert summary["published"] == ROWS, summary
        return ROWS / float(summary["seconds"])

    def publish_bare(self) -> float:
        """Return rows/s of a loop that parses, encodes and produces, and does nothing else."""
        code = self._catalogue.resource(self._owner, ITEMS)
        registry = RegistryClient(self._owner.settings.registry, self._owner.settings.identity)
        contract = registry.contract(code)
        broker = Broker.of(self._owner.settings, registry)
        started = time.perf_counter()
        codec, keys = RecordCodec(contract.schema, contract.schema_id, registry.schema), KeyCodec(ITEMS)
        producer = Producer(broker.config(enable_idempotence=True, compression_type="lz4", linger_ms=5))
        with self._file.open(encoding="utf-8", newline="") as lines:
            for texts in list(csv.reader(lines))[1:]:
                row = tuple(parse(item, text) for item, text in zip(ITEMS, texts, strict=True))
                while True:
                    try:
                        producer.produce(contract.topic, codec.header + codec.encode(row), keys.encode(row))
                        break
                    except BufferError:
                        producer.poll(0.01)
        assert producer.flush(60) == 0
        return ROWS / (time.perf_counter() - started)

    def land(self) -> float:
        """Return rows/s of the SQL sink, from the start of its process to the last row in the table."""
        code = self._published[-1]
        if len(self._published) == ROUNDS:  # granted once, landed into a new database each time
            self._catalogue.grant(self._owner, self._reader, code)
            self._published.append(code)
        name = f"bench_{uuid.uuid4().hex[:8]}"
        self._cluster.create_database(name)
        url = self._cluster.url(name).replace(f":{self._cluster.password}@", "@")
        tables = self._head(self._reader, code) | {"sink": {"kind": "sql", "url": url, "table": "persons"}}
        summary = self._adapter(tables, "--until-idle", "3", EXCHANGE_SINK_PASSWORD=self._cluster.password)
        assert summary["landed"] == ROWS, summary
        return ROWS / (float(summary["seconds"]) - 3.0)

    def land_bare(self) -> float:
        """Return rows/s of COPY into a staging table and an upsert from it, of rows that are in memory already."""
        name = f"bench_{uuid.uuid4().hex[:8]}"
        self._cluster.create_database(name)
        with self._file.open(encoding="utf-8", newline="") as lines:
            rows = list(csv.reader(lines))[1:]
        columns = ", ".join(f"{item.name} text" for item in ITEMS)
        address = self._cluster.url(name).replace("+psycopg", "")
        with psycopg.connect(address) as database:
            database.execute(f"CREATE TABLE persons ({columns}, PRIMARY KEY (gmsfhm))")
            database.execute(f"CREATE TEMP TABLE staging ({columns}) ON COMMIT DELETE ROWS")
            database.commit()
            started = time.perf_counter()
            for begin in range(0, ROWS, COPY_BATCH):
                with database.cursor().copy("COPY staging FROM STDIN") as copy:
                    for row in rows[begin : begin + COPY_BATCH]:
                        copy.write_row(row)
                database.execute(
                    "INSERT INTO persons SELECT * FROM staging ON CONFLICT (gmsfhm) DO UPDATE SET xm = excluded.xm"
                )
                database.commit()
            return ROWS / (time.perf_counter() - started)

    def _head(self, office: Office, code: str) -> dict[str, dict[str, object]]:
        secret = self._place / f"{office.client_id}.secret"
        secret.write_text(office.secret)
        return {
            "adapter": {"name": f"bench-{uuid.uuid4().hex[:6]}", "resource": code, "interval_s": 1.0},
            "identity": {"client_id": office.client_id, "secret_file": secret.name},
            "registry": {"url": office.registry.url},
        }

    def _adapter(
        self, tables: dict[str, dict[str, object]], *options: str, **environment: str
    ) -> dict[str, int | float]:
        file = write_adapter_file(self._place / "bench.toml", tables)
        done = subprocess.run(
            [sys.executable, "-m", "exchange.cli.main", "adapter", "run", str(file), "--json", *options],
            capture_output=True, text=True, check=True, timeout=300, env={**_inherited(), **environment},
        )  # fmt: skip
        summary: dict[str, int | float] = json.loads(done.stdout)
        return summary


def _inherited() -> dict[str, str]:

    return {name: value for name, value in os.environ.items() if not name.startswith("EXCHANGE_")}
