"""PostgreSQL captured by the real engine into a real topic: killed in mid-stream, and emptied."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import text

from adapters.errors import TooManyDeletes
from exchange.node.postgres import PostgresCluster
from exchange.publisher import Publisher, row_digest
from tests.integration.adapters.places import World, people, write_file
from tests.integration.adapters.postgres_places import PostgresOrigin
from tests.integration.adapters.runs import once
from tests.support.wait import wait_until

LIVES = 3
SEED = 5


@pytest.fixture
def origin(postgres: PostgresCluster, postgres_url: str, tmp_path: Path) -> PostgresOrigin:
    return PostgresOrigin(postgres_url, tmp_path, postgres, "capture")


def assert_topic_equals_table(world: World, origin: PostgresOrigin) -> None:
    with Publisher.open(world.owner.settings, world.code, "look") as publisher, origin.engine.connect() as connection:
        rows = connection.execute(text("SELECT id, name, born, amount FROM people")).all()
        made = [(i, n, date.fromisoformat(b), Decimal(a).quantize(Decimal("0.01"))) for i, n, b, a in rows]
        expected = {key: row_digest(key, datum) for key, datum in map(publisher.encode, made)}
        assert publisher.state() == expected


@contextmanager
def writers(origin: PostgresOrigin) -> Iterator[None]:
    """Changes of all kinds, in transactions of different sizes, some of them taken back."""
    stop = threading.Event()
    chance = random.Random(SEED)

    def write() -> None:
        number = 0
        while not stop.is_set():
            with origin.engine.connect() as connection:
                for _ in range(chance.choice([1, 1, 5, 300])):
                    number += 1
                    key = f"k{chance.randrange(500):06d}"
                    statement = chance.choice(
                        [
                            "UPDATE people SET amount = :n WHERE id = :key",
                            "UPDATE people SET amount = :n WHERE id = :key",
                            "DELETE FROM people WHERE id = :key",
                            "UPDATE people SET id = :new WHERE id = :key",
                            "INSERT INTO people VALUES (:key, '新', '2001-02-03', '1') ON CONFLICT DO NOTHING",
                        ]
                    )
                    connection.execute(text(statement), {"n": f"{number}.5", "key": key, "new": f"m{number}"})
                connection.rollback() if chance.random() < 0.1 else connection.commit()

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def confirmed(origin: PostgresOrigin) -> str | None:
    with origin.engine.connect() as connection:
        words = "SELECT confirmed_flush_lsn::text FROM pg_replication_slots WHERE slot_name = :slot"
        return connection.execute(text(words), {"slot": origin.part()["slot"]}).scalar()


def test_killed_in_mid_stream_nothing_is_lost_or_resurrected(world: World, origin: PostgresOrigin) -> None:
    origin.put(people(500))
    file = write_file(world, "source", origin, limits={"batch_rows": 100})
    with writers(origin):
        for _ in range(LIVES):
            process = subprocess.Popen(
                [sys.executable, "-m", "exchange.cli.main", "adapter", "run", str(file)],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            try:
                for _ in range(3):
                    before = confirmed(origin)
                    wait_until(lambda known=before: confirmed(origin) != known, 60, "records move")  # type: ignore[misc]
            finally:
                process.kill()
                process.wait()
    once(file)
    once(file)
    assert_topic_equals_table(world, origin)


def test_an_emptied_table_does_not_wipe_the_resource(world: World, origin: PostgresOrigin) -> None:
    file = write_file(world, "source", origin)
    origin.put(people(40))
    assert once(file).published == 40
    with origin.engine.begin() as connection:
        connection.execute(text("TRUNCATE people"))
    origin.put(people(1))
    once(file)
    with pytest.raises(TooManyDeletes):
        once(file)
    assert once(file, allow_deletes=True).deleted == 39
    assert_topic_equals_table(world, origin)
