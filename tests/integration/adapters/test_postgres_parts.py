"""A table that several processes read at the same time gives what one process gives, whatever happens meanwhile."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import closing
from pathlib import Path

import pytest

from adapters import postgres_parts
from adapters.protocol import Coverage
from exchange.errors import NotConnected, SourceProblem
from exchange.node.postgres import PostgresCluster
from tests.integration.adapters.capture import Database, Replica
from tests.integration.adapters.places import World, people, write_file
from tests.integration.adapters.postgres_places import PostgresOrigin
from tests.integration.adapters.runs import once, topic_rows
from tests.integration.adapters.test_postgres_capture import current
from tests.support.wait import wait_until

pytestmark = pytest.mark.long

PROCESSES = 3
FILL = "INSERT INTO people SELECT 'k' || n, 'n' || n, n FROM generate_series(1, 6000) n"


@pytest.fixture
def database(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> Database:
    monkeypatch.setattr(postgres_parts, "LEAST_PAGES", 1)
    return Database(postgres_url)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[postgres_parts.Worker]:
    """The processes that were started."""
    found: list[postgres_parts.Worker] = []
    made = postgres_parts.Worker.__init__

    def note(self: postgres_parts.Worker, job: postgres_parts.Job) -> None:
        made(self, job)
        found.append(self)

    monkeypatch.setattr(postgres_parts.Worker, "__init__", note)
    return found


def test_parts_are_the_whole_and_the_stream_goes_on_behind_them(
    database: Database, started: list[postgres_parts.Worker]
) -> None:
    database.run(
        FILL, "INSERT INTO people VALUES ('bad', NULL, 1), ('odd', 'a\\b', 1)", "DELETE FROM people WHERE id = 'k7'"
    )
    stop = threading.Event()

    def write() -> None:
        number = 0
        with database.connect() as connection:
            while not stop.is_set():
                number += 1
                connection.execute("UPDATE people SET amount = amount + 1 WHERE id = %s", [f"k{number * 7919 % 6000}"])
                connection.execute("INSERT INTO people VALUES (%s, 'w', 1)", [f"w{number}"])
                connection.execute("DELETE FROM people WHERE id = %s", [f"k{number}"])

    writer = threading.Thread(target=write)
    writer.start()
    replica = Replica()
    try:
        assert replica.once(database.source(batch_rows=50, processes=PROCESSES)) is Coverage.WHOLE
        assert len(replica.rows) > 5000
    finally:
        stop.set()
        writer.join()
    assert len(started) == PROCESSES
    assert [worker.process.poll() is None for worker in started] == [False] * PROCESSES
    assert replica.once(database.source(processes=PROCESSES)) is Coverage.CHANGES
    assert replica.rows == {key: row for key, row in current(database).items() if key != "bad"}
    assert [(reject.key, reject.column, reject.rule) for reject in replica.rejects] == [(b"bad", "name", "required")]


def test_a_small_table_is_not_worth_a_process(postgres_url: str, started: list[postgres_parts.Worker]) -> None:
    database = Database(postgres_url)
    database.run(FILL)
    replica = Replica()
    replica.once(database.source(mode="snapshot", processes=PROCESSES))
    assert (len(replica.rows), started) == (6000, [])


def test_a_part_that_dies_is_a_pass_that_did_not_end(database: Database, started: list[postgres_parts.Worker]) -> None:
    database.run(FILL)
    with closing(database.source(mode="snapshot", batch_rows=10, processes=PROCESSES)) as source:
        source.connect()
        batches = source.read(None)
        next(batch for batch in batches if batch.rows)
        os.kill(started[1].process.pid, signal.SIGKILL)
        with pytest.raises(NotConnected):
            list(batches)
    assert all(worker.process.poll() is not None for worker in started), "none is left"


def test_a_pass_that_is_left_leaves_no_process(database: Database, started: list[postgres_parts.Worker]) -> None:
    database.run(FILL)
    with closing(database.source(mode="snapshot", batch_rows=10, processes=PROCESSES)) as source:
        source.connect()
        with closing(source.read(None)) as batches:
            next(batch for batch in batches if batch.rows)
    assert len(started) == PROCESSES
    assert all(worker.process.poll() is not None for worker in started)
    sessions = (
        f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{database.url.database}' AND pid <> pg_backend_pid()"
    )
    wait_until(lambda: database.ask(sessions) == [(0,)], 10, "no connection is left")


def test_a_part_tells_what_no_retry_cures(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    database.run(FILL)
    ranges = postgres_parts.Shared.ranges
    monkeypatch.setattr(
        postgres_parts.Shared, "ranges", lambda self, most: [f"{where} AND no_such > 1" for where in ranges(self, most)]
    )
    with closing(database.source(mode="snapshot", processes=PROCESSES)) as source:
        source.connect()
        with pytest.raises(SourceProblem, match="no_such"):
            list(source.read(None))


def test_an_adapter_with_processes_publishes_changes_and_deletes_as_one_does(
    world: World, postgres: PostgresCluster, postgres_url: str, tmp_path: Path, database: Database
) -> None:
    database.run("DROP TABLE people")
    origin = PostgresOrigin(postgres_url, tmp_path, postgres, "snapshot")
    file = write_file(world, "source", origin, source={"processes": PROCESSES}, limits={"batch_rows": 500})
    origin.put(people(3000))
    assert once(file).published == 3000
    changed = {**people(2900), "k000003": ("改名", None, "7.5"), "bad": (None, None, None)}
    origin.put(changed)
    summary = once(file)
    assert (summary.published, summary.deleted, summary.rejected) == (1, 100, 1)
    rows = topic_rows(world, 3101, "look")
    assert sum(row is not None for row in rows.values()) == 2900
