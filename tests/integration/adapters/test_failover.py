"""A database that fails over: a standby is waited for, its promotion is followed, nothing is lost on either side."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from exchange.node.ports import free_ports
from exchange.node.postgres import PostgresCluster, _hand_over, _program, temporary_cluster
from tests.integration.adapters.places import SqlTarget, World, people, write_file
from tests.integration.adapters.postgres_places import PostgresOrigin
from tests.integration.adapters.runs import background
from tests.integration.adapters.test_sinks import person, publish, receipts
from tests.support.wait import wait_until

pytestmark = pytest.mark.long


@dataclass
class Pair:
    """A primary, and a standby that takes over its address as a cluster manager would have it do."""

    primary: PostgresCluster
    standby: PostgresCluster
    database: str
    url: str

    def fail_over(self) -> None:
        """Kill the primary; the standby answers at its address, and does not take writes yet."""
        first = int((self.primary.directory / "data" / "postmaster.pid").read_text().split()[0])
        self._caught_up()
        os.kill(first, signal.SIGQUIT)
        wait_until(lambda: not (self.primary.directory / "data" / "postmaster.pid").exists(), 30, "its end")
        self.standby.stop()
        with (self.standby.directory / "data" / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.write(f"port = {self.primary.port}\n")
        self.standby.start()

    def promote(self) -> None:
        """Make the standby the primary."""
        _program("pg_ctl", "promote", "-w", "-D", str(self.standby.directory / "data"))

    def _caught_up(self) -> None:
        with psycopg.connect(self.primary.url(self.database).replace("+psycopg", ""), autocommit=True) as connection:
            lag = "SELECT count(*) FROM pg_stat_replication WHERE replay_lsn >= pg_current_wal_lsn()"
            wait_until(lambda: connection.execute(lag).fetchone() == (1,), 30, "the standby has all")


@pytest.fixture
def pair() -> Iterator[Pair]:
    with temporary_cluster(free_ports(1)[0]) as primary:
        url = primary.create_database("pair")
        with standby_of(primary) as standby:
            yield Pair(primary, standby, "pair", url)


@contextmanager
def standby_of(primary: PostgresCluster) -> Iterator[PostgresCluster]:
    directory = Path(tempfile.mkdtemp(prefix="exchange-pg-"))
    standby = PostgresCluster(directory, free_ports(1)[0], primary.password)
    _hand_over(directory)
    try:
        address = primary.url("postgres").replace("+psycopg", "")
        data = str(directory / "data")
        _program("pg_basebackup", "-D", data, "-d", address, "-R", "--checkpoint=fast", "--no-sync")
        with (directory / "data" / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.write(f"port = {standby.port}\n")
        standby.start()
        yield standby
    finally:
        standby.stop()
        shutil.rmtree(directory, ignore_errors=True)


def test_a_captured_database_that_fails_over_is_compared_again(world: World, pair: Pair, tmp_path: Path) -> None:
    origin = PostgresOrigin(pair.url, tmp_path, pair.primary, "capture")
    origin.put(people(30))
    with background(write_file(world, "source", origin)) as engine:
        wait_until(lambda: engine.summary.published == 30, 30, "the snapshot")
        pair.fail_over()
        waits = engine.summary.waits
        wait_until(lambda: engine.summary.waits >= waits + 2 or engine.ended(), 60, "waits for a primary")
        assert not engine.ended(), str(engine.error)
        pair.promote()
        changed = people(31)
        del changed["k000001"]
        origin.put(changed)
        wait_until(lambda: (engine.summary.published, engine.summary.deleted) == (31, 1), 60, "what has changed since")
        origin.put({**changed, "later": ("新", None, "1")})
        wait_until(lambda: engine.summary.published == 32, 60, "a change in the stream of the new primary")
    assert engine.error is None


def test_a_destination_that_fails_over_goes_on_where_it_was(world: World, pair: Pair, tmp_path: Path) -> None:
    target = SqlTarget(pair.url, tmp_path, pair.primary)
    publish(world, *[person(n) for n in range(10)])
    with background(write_file(world, "sink", target)) as engine:
        wait_until(lambda: engine.summary.landed == 10, 30, "the landing")
        pair.fail_over()
        publish(world, *[person(n) for n in range(10, 20)])
        waits = engine.summary.waits
        wait_until(lambda: engine.summary.waits >= waits + 2 or engine.ended(), 60, "waits for a primary")
        assert not engine.ended(), str(engine.error)
        pair.promote()
        wait_until(lambda: engine.summary.landed == 20, 60, "the landing at the new primary")
        wait_until(lambda: sum(r.count for r in receipts(world.reader).values()) == 20, 30, "the receipts")
    assert engine.error is None
    assert len(target.rows()) == 20
