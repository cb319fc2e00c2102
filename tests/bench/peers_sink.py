"""Kafka into a table of PostgreSQL: the adapter with everything on, beside a JDBC sink of Kafka Connect."""

from __future__ import annotations

import time
import uuid
from contextlib import AbstractContextManager
from pathlib import Path

import psycopg

from tests.bench.book import Bench
from tests.bench.peers import PATIENCE_S, Connect, connect_worker, resolve
from tests.bench.peers_settings import sink, source
from tests.bench.postgres_sink import Ours
from tests.bench.postgres_stage import ROWS, SOURCE, TABLE, Sample, Stage, stage, turns
from tests.support.wait import wait_until

PEER = "Debezium JDBC sink"
LAST = "SELECT gmsfhm FROM persons ORDER BY lxdh DESC LIMIT 1"  # as they were generated, so are they read


def run(bench: Bench) -> None:
    """Add rows/s of inserts, CPU seconds and memory."""
    plugins = resolve()
    with stage() as here:
        here.fill("persons", ROWS)
        measures = {"insert": Ours(here).insert}
        if plugins is not None:
            measures[PEER] = Peer(here, plugins).insert
        found = turns(measures)
    ours, peer = found["insert"], found.get(PEER, Sample(0))
    name = PEER if PEER in found else None
    bench.add("sink_postgres.peer", ours.rate, "rows/s", name, peer.rate or None)
    bench.add("sink_postgres.cpu", ours.cpu_s, "s", name, peer.cpu_s or None)
    bench.add("sink_postgres.memory", ours.peak_mb, "MB", name, peer.peak_mb or None)


class Peer:
    """A JDBC sink in Kafka Connect, fed with what Debezium published of the same table."""

    def __init__(self, here: Stage, plugins: Path) -> None:
        self._here = here
        self._plugins = plugins
        name = f"peer_{uuid.uuid4().hex[:8]}"
        self._topic = f"{name}.public.persons"
        cluster = here.cluster
        with self._worker() as connect:
            connect.start(name, source(name, cluster.port, cluster.password, SOURCE, "persons", "initial_only"))
            connect.await_records(name, self._topic, ROWS)
            connect.stop(name)

    def insert(self) -> Sample:
        """Measure from the start of the connector in a worker that is up to the last row in the table."""
        here, name = self._here, self._here.destination()
        with here.connect() as origin, here.connect(name) as database:
            last = origin.execute(LAST).fetchone()
            origin.commit()
            database.execute(f"CREATE TABLE persons {TABLE}")
            database.commit()
            database.autocommit = True
            with self._worker() as connect:
                before, started = connect.cpu_s(), time.perf_counter()
                connect.start(name, sink(self._topic, here.cluster.port, here.cluster.password, name))

                def landed() -> bool:
                    connect.check(name)
                    there = database.execute("SELECT 1 FROM persons WHERE gmsfhm = %s", last).fetchone()
                    return there is not None and _count(database) == ROWS

                wait_until(landed, PATIENCE_S, "the rows of the peer")
                took, spent, peak = time.perf_counter() - started, connect.cpu_s() - before, connect.peak_mb()
                connect.stop(name)
        return Sample(ROWS / took, spent, peak)

    def _worker(self) -> AbstractContextManager[Connect]:
        return connect_worker(self._here.catalogue.node, self._here.place / uuid.uuid4().hex[:8], self._plugins)


def _count(database: psycopg.Connection) -> int:
    row = database.execute("SELECT count(*) FROM persons").fetchone()
    assert row is not None
    return int(row[0])
