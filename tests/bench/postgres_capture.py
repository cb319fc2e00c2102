"""Changes at 2,000 a second: from the commit at the source to the commit at the destination.

Both times are PostgreSQL's own (``track_commit_timestamp``), on one clock: no trigger and no polling is in the figure.
"""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from tests.bench.book import ROUNDS, Bench
from tests.bench.peers import connect_worker, resolve
from tests.bench.peers_settings import sink, source
from tests.bench.postgres_stage import SOURCE, TABLE, Stage, stage
from tests.bench.postgres_writer import BASE, CHANGES_PER_S, MARK
from tests.support.wait import wait_until

SECONDS = float(os.environ.get("EXCHANGE_BENCH_SECONDS", "30"))
PATIENCE_S = 120.0
PEER = "Debezium + its JDBC sink"
Latencies = tuple[float, float]  # p50 and p99, ms


def run(bench: Bench) -> None:
    """Add p50 and p99."""
    plugins = resolve()
    with stage() as here:
        with here.connect() as database:
            database.autocommit = True
            database.execute("ALTER SYSTEM SET track_commit_timestamp = on")
            database.execute("ALTER SYSTEM SET max_slot_wal_keep_size = '4GB'")
        here.cluster.stop()
        here.cluster.start()
        ours: list[Latencies | None] = []
        theirs: list[Latencies | None] = []
        for number in range(ROUNDS):
            ours.append(_measured(here, f"ours_{number}", lambda table, to: _adapters(here, table, to)))
            if plugins is not None:
                theirs.append(_measured(here, f"peer_{number}", lambda table, to: _peers(here, table, to, plugins)))
    for at, name in enumerate(("capture.p50", "capture.p99")):
        value, peer = _median(ours, at), _median(theirs, at)
        if value is not None:
            bench.add(name, value, "ms", PEER if peer else None, peer)


def _median(found: list[Latencies | None], at: int) -> float | None:
    counted = [latencies[at] for latencies in found if latencies is not None]
    return statistics.median(counted) if counted else None


def _measured(here: Stage, table: str, follow: Callable[[str, str], Any]) -> Latencies | None:
    """Write while changes are followed from a table of its own into a database of its own.

    None when the machine was too busy for the writer itself: that was no load of 2,000 changes a second.
    """
    here.fill(table, BASE)
    destination = here.destination()
    with here.connect(destination) as database:
        database.execute(f"CREATE TABLE persons {TABLE}")
    with follow(table, destination), here.connect(destination) as database:
        database.autocommit = True
        wait_until(lambda: _count(database) == BASE, PATIENCE_S, "the whole table")
        wrote = _write(here, table)
        marked = f"WHERE lxdh LIKE '{MARK}%'"
        wait_until(lambda: _count(database, marked) == wrote["changes"], PATIENCE_S, "the changes")
        landed = _committed(database, "persons")
    with here.connect() as database:
        left = _committed(database, table)
        database.execute(f"DROP TABLE {table}")
    assert left.keys() == landed.keys()
    found = statistics.quantiles((landed[key] - left[key] for key in left), n=100)
    print(f"  {table}: p50 {found[49]:.1f} ms, p99 {found[98]:.1f} ms, {wrote}", flush=True)  # noqa: T201 - a report
    return (found[49], found[98]) if wrote["seconds"] < SECONDS * 1.02 else None


def _write(here: Stage, table: str) -> dict[str, float]:
    address = here.url(SOURCE).replace("+psycopg", "")
    command = [sys.executable, "-m", "tests.bench.postgres_writer", address, table, str(SECONDS)]
    environment = {**os.environ, "PGPASSWORD": here.cluster.password}
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, env=environment, timeout=SECONDS * 10)
    wrote: dict[str, float] = json.loads(done.stdout)
    assert wrote["changes"] == SECONDS * CHANGES_PER_S
    return wrote


@contextmanager
def _adapters(here: Stage, table: str, destination: str) -> Iterator[None]:
    """Run both adapters until they are told to stop."""
    code = here.resource()
    slot = f"bench_{uuid.uuid4().hex[:8]}"
    read = {"kind": "postgres", "url": here.url(SOURCE), "table": table, "mode": "capture", "create": True}
    parts = (
        (here.owner, "source", {**read, "slot": slot}),
        (here.reader, "sink", {"kind": "sql", "url": here.url(destination), "table": "persons"}),
    )
    running = [
        subprocess.Popen(
            here.command(here.tables(office, code, side, part)), stdout=subprocess.DEVNULL, env=here.environment()
        )
        for office, side, part in parts
    ]
    try:
        yield
        assert [process.poll() for process in running] == [None, None], "an adapter ended"
    finally:
        for process in running:
            process.send_signal(signal.SIGTERM)
        for process in running:
            process.wait(30)
    with here.connect() as database:
        database.execute("SELECT pg_drop_replication_slot(%s)", [slot])
        database.execute(f"DROP PUBLICATION {slot}")


@contextmanager
def _peers(here: Stage, table: str, destination: str, plugins: Path) -> Iterator[None]:
    """Run Debezium's source and sink in one worker."""
    name, cluster = f"peer_{uuid.uuid4().hex[:8]}", here.cluster
    with connect_worker(here.catalogue.node, here.place / name, plugins) as connect:
        connect.start(name, source(name, cluster.port, cluster.password, SOURCE, table, "initial"))
        connect.await_records(name, f"{name}.public.{table}", BASE)
        into = f"{name}_sink"
        connect.start(into, sink(f"{name}.public.{table}", cluster.port, cluster.password, destination))
        yield
        connect.check(name)
        connect.check(into)
        connect.stop(into)
        connect.stop(name)


def _committed(database: psycopg.Connection, table: str) -> dict[str, float]:
    """Return when each row that was written was committed, ms."""
    query = (
        "SELECT gmsfhm, extract(epoch FROM pg_xact_commit_timestamp(xmin))::float8 * 1000 "
        f"FROM {table} WHERE lxdh LIKE '{MARK}%'"
    )
    return {str(key): float(at) for key, at in database.execute(query)}


def _count(database: psycopg.Connection, where: str = "") -> int:
    row = database.execute(f"SELECT count(*) FROM persons {where}").fetchone()
    assert row is not None
    return int(row[0])
