"""What the benchmarks of the PostgreSQL adapters share: a node, a cluster, tables of persons, and runs of adapters."""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import psycopg

from exchange.demo.runs import write_adapter_file
from exchange.node.ports import free_ports
from exchange.node.postgres import PostgresCluster, temporary_cluster
from tests.bench.book import ROUNDS
from tests.bench.persons import ITEMS, persons
from tests.support.catalogue import Catalogue, Office
from tests.support.node import running_node

ROWS = int(os.environ.get("EXCHANGE_BENCH_ROWS", "1000000"))
TYPES = {
    "gmsfhm": "varchar(18) PRIMARY KEY",
    "xm": "varchar(50) NOT NULL",
    "xbdm": "varchar(1)",
    "mzdm": "varchar(2)",
    "csrq": "date",
    "hjdxzqh": "varchar(6)",
    "hjdz": "varchar(200)",
    "lxdh": "varchar(20)",
    "sr": "numeric(12,2)",
    "gxsj": "timestamptz",
}
COLUMNS = ", ".join(TYPES)
TABLE = f"({', '.join(f'{name} {kind}' for name, kind in TYPES.items())})"
SOURCE, IDLE_S = "bench_source", 3.0
USAGE = Path(__file__).with_name("postgres_usage.py")


class Sample(NamedTuple):
    """One measurement of a process that moved rows: rows/s, CPU seconds, most resident memory in MB."""

    rate: float
    cpu_s: float = 0.0
    peak_mb: float = 0.0


def turns(measures: Mapping[str, Callable[[], Sample]]) -> dict[str, Sample]:
    """Return the medians of each measure over the rounds, in which they take turns."""
    found: dict[str, list[Sample]] = {name: [] for name in measures}
    for _ in range(ROUNDS):
        for name, measure in measures.items():
            found[name].append(measure())
            print(f"  {name}: {found[name][-1]}", flush=True)  # noqa: T201 - it is a report
    return {name: Sample(*map(statistics.median, zip(*samples, strict=True))) for name, samples in found.items()}


@dataclass(frozen=True)
class Ran:
    """A process that ended: its summary, and what it took of the machine."""

    summary: dict[str, Any]
    cpu_s: float
    peak_mb: float


@contextmanager
def stage() -> Iterator[Stage]:
    """Yield a node and a cluster, alone on the machine's loopback; both stop when this process is told to end."""
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    with (
        tempfile.TemporaryDirectory(prefix="exchange-bench-") as place,
        temporary_cluster(free_ports(1)[0]) as cluster,
        running_node(Path(place) / "var") as node,
    ):
        cluster.create_database(SOURCE)
        yield Stage(Catalogue(node), cluster, Path(place))


class Stage:
    """One node, one cluster; every run of an adapter is a process of its own, measured by its parent."""

    def __init__(self, catalogue: Catalogue, cluster: PostgresCluster, place: Path) -> None:
        self.catalogue = catalogue
        self.cluster = cluster
        self.place = place
        self.owner = catalogue.office("bench-out")
        self.reader = catalogue.office("bench-in", "440600")

    def connect(self, database: str = SOURCE) -> psycopg.Connection:
        """Return a connection of psycopg."""
        return psycopg.connect(self.cluster.url(database).replace("+psycopg", ""))

    def fill(self, table: str, rows: int) -> None:
        """Make a table of persons at the source."""
        with self.connect() as database:
            database.execute(f"CREATE TABLE {table} {TABLE}")
            with database.cursor().copy(f"COPY {table} FROM STDIN") as copy:
                for row in persons(rows):
                    copy.write_row(row)
        self.tidy(table)

    def derive(self, table: str, query: str) -> None:
        """Make a table of persons of what a query finds."""
        with self.connect() as database:
            database.execute(f"CREATE TABLE {table} {TABLE}")
            database.execute(f"INSERT INTO {table} {query}")
        self.tidy(table)

    def tidy(self, table: str, database_name: str = SOURCE) -> None:
        """Have the server do now what it would do at a time of its own choice."""
        with self.connect(database_name) as database:
            database.autocommit = True
            database.execute(f"VACUUM ANALYZE {table}")
            database.execute("CHECKPOINT")

    def resource(self) -> str:
        """Return a new resource that the reader may read."""
        code = self.catalogue.resource(self.owner, ITEMS)
        self.catalogue.grant(self.owner, self.reader, code)
        return code

    def destination(self) -> str:
        """Return a new, empty database."""
        name = f"bench_{uuid.uuid4().hex[:8]}"
        self.cluster.create_database(name)
        return name

    def publish(self, code: str, table: str, **more: object) -> Ran:
        """Run the source once, over the whole table."""
        part = {"kind": "postgres", "url": self.url(SOURCE), "table": table, "mode": "snapshot", **more}
        return self.run(self.tables(self.owner, code, "source", part), "--once")

    def land(self, code: str, database: str) -> Ran:
        """Run the sink until nothing more comes; ``seconds`` is without that last wait."""
        part = {"kind": "sql", "url": self.url(database), "table": "persons"}
        ran = self.run(self.tables(self.reader, code, "sink", part), "--until-idle", str(IDLE_S))
        ran.summary["seconds"] -= IDLE_S
        return ran

    def tables(self, office: Office, code: str, side: str, part: dict[str, Any]) -> dict[str, dict[str, Any]]:
        """Return an adapter file."""
        secret = self.place / f"{office.client_id}.secret"
        secret.write_text(office.secret)
        name = code.replace("/", "-")
        return {
            "adapter": {"name": f"bench-{name}", "resource": code, "interval_s": 1.0},
            "identity": {"client_id": office.client_id, "secret_file": secret.name},
            "registry": {"url": office.registry.url},
            side: part,
        }

    def run(self, tables: dict[str, dict[str, Any]], *options: str) -> Ran:
        """Run an adapter to its end."""
        spent = self.place / "usage.json"
        command = [sys.executable, str(USAGE), str(spent), *self.command(tables, *options)]
        environment = self.environment()
        done = subprocess.run(command, capture_output=True, text=True, timeout=3600, env=environment, check=False)
        assert done.returncode == 0, done.stderr
        used = json.loads(spent.read_text())
        return Ran(json.loads(done.stdout), used["cpu_s"], used["peak_mb"])

    def command(self, tables: dict[str, dict[str, Any]], *options: str) -> list[str]:
        """Return the command of an adapter whose file is written."""
        file = write_adapter_file(self.place / f"{uuid.uuid4().hex[:8]}.toml", tables)
        return [sys.executable, "-m", "exchange.cli.main", "adapter", "run", str(file), "--json", *options]

    def environment(self) -> dict[str, str]:
        """Return the environment of an adapter: the database's password, and nothing else of the exchange."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("EXCHANGE_")}
        password = self.cluster.password
        return {**kept, "EXCHANGE_SOURCE_PASSWORD": password, "EXCHANGE_SINK_PASSWORD": password}

    def url(self, database: str) -> str:
        """Return the address of a database, without the password."""
        return self.cluster.url(database).replace(f":{self.cluster.password}@", "@")
