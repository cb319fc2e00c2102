"""PostgreSQL captured: nothing lost, nothing twice, nothing resurrected, whatever happens in between."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import closing
from decimal import Decimal

import pytest

from adapters.protocol import Coverage, ReadBatch
from adapters.source_postgres import PostgresSource
from exchange.errors import DatabaseUnavailable
from exchange.items import Item, ItemType, Row
from tests.integration.adapters.capture import ITEMS, Database, Replica
from tests.support.wait import wait_until


@pytest.fixture
def database(postgres_url: str) -> Database:
    return Database(postgres_url)


class following:  # noqa: N801 - reads as a word
    """A pass of changes that is open inside."""

    def __init__(self, database: Database, replica: Replica) -> None:
        self._source: PostgresSource = database.source()
        self._replica = replica

    def __enter__(self) -> Generator[ReadBatch]:
        self._source.connect()
        assert self._source.coverage(self._replica.position) is Coverage.CHANGES
        self._batches = self._source.read(self._replica.position)
        return self._batches

    def __exit__(self, *_error: object) -> None:
        self._batches.close()
        self._source.close()


def current(database: Database) -> dict[str, Row]:
    return {row[0]: row for row in database.ask("SELECT id, name, amount::numeric(10,2) FROM people")}


def test_rows_then_each_kind_of_change(database: Database) -> None:
    database.run("INSERT INTO people SELECT 'k' || n, 'n' || n, n FROM generate_series(1, 2500) n")
    replica = Replica()
    assert replica.once(database.source()) is Coverage.WHOLE
    assert replica.rows == current(database)
    database.run(
        "INSERT INTO people VALUES ('new', '新', 1.5)",
        "UPDATE people SET name = '改', amount = NULL WHERE id = 'k1'",
        "DELETE FROM people WHERE id = 'k2'",
        "UPDATE people SET id = 'moved' WHERE id = 'k3'",
        "INSERT INTO people VALUES ('brief', 'x', 1)",
        "DELETE FROM people WHERE id = 'brief'",
        "DELETE FROM people WHERE id = 'k4'",
        "INSERT INTO people VALUES ('k4', 'again', 4)",
    )
    before = replica.published
    assert replica.once(database.source()) is Coverage.CHANGES
    assert replica.rows == current(database)
    assert replica.rows["k1"] == ("k1", "改", None)
    assert replica.published - before == 4
    assert replica.once(database.source()) is Coverage.CHANGES
    assert replica.published - before == 4, "nothing comes twice"


def test_a_pass_that_was_not_announced_leaves_the_database_as_it_is(database: Database) -> None:
    database.run("INSERT INTO people VALUES ('a', 'b', 1)")
    with closing(database.source()) as source:
        source.connect()
        assert [list(batch.rows) for batch in source.read(None)] == [[("a", "b", Decimal("1.00"))]]
    assert database.confirmed() == []
    assert database.ask("SELECT pubname FROM pg_publication") == []


def test_writers_that_go_on_while_the_table_is_read_lose_nothing(database: Database) -> None:
    database.run("INSERT INTO people SELECT 'k' || n, 'n', 0 FROM generate_series(1, 3000) n")
    stop = threading.Event()

    def write(writer: int) -> None:
        number = 0
        with database.connect(autocommit=False) as connection:
            while not stop.is_set():
                number += 1
                key = f"k{(number * 7919 + writer) % 3000 + 1}"
                if number % 3:
                    connection.execute("UPDATE people SET amount = %s WHERE id = %s", [number % 99999, key])
                else:
                    connection.execute("DELETE FROM people WHERE id = %s", [key])
                    connection.execute("INSERT INTO people VALUES (%s, 'w', 1)", [f"w{writer}-{number}"])
                if number % 5 == 0:
                    connection.rollback()
                connection.commit()

    writers = [threading.Thread(target=write, args=[n]) for n in range(2)]
    for writer in writers:
        writer.start()
    replica = Replica()
    try:
        replica.once(database.source(batch_rows=50))
        for _ in range(3):
            assert replica.once(database.source(batch_rows=50)) is Coverage.CHANGES
    finally:
        stop.set()
        for writer in writers:
            writer.join()
    replica.once(database.source())
    assert replica.rows == current(database)


def test_the_server_is_told_only_of_what_is_committed(database: Database) -> None:
    replica = Replica()
    replica.once(database.source())
    database.run("INSERT INTO people VALUES ('a', 'b', 1)")
    began = database.confirmed()
    with closing(database.source()) as source:
        source.connect()
        batches = source.read(replica.position)
        first = next(batch for batch in batches if batch.rows)
        assert database.confirmed() == began, "the batch is not committed yet"
        batches.close()
    assert replica.once(database.source()) is Coverage.CHANGES
    assert list(replica.rows) == ["a"]
    assert replica.position == first.position
    with following(database, replica) as batches:
        next(batches)
        wait_until(lambda: database.confirmed() == [(lsn_of_position(first),)], 5, "the slot follows")


def test_a_large_transaction_comes_in_pieces_and_goes_on_after_a_kill(database: Database) -> None:
    replica = Replica()
    replica.once(database.source())
    database.run("INSERT INTO people SELECT 'k' || n, 'n', n FROM generate_series(1, 1000) n")
    database.run("DELETE FROM people WHERE id = 'k7'")
    with closing(database.source(batch_rows=300)) as source:
        source.connect()
        batches = source.read(replica.position)
        for _ in range(2):
            batch = next(batches)
            assert len(batch.rows) == 300
            replica.apply(batch)
        lost = next(batches)
        assert len(lost.rows) == 300, "published by nobody: the process dies here"
        batches.close()
    assert replica.once(database.source(batch_rows=300)) is Coverage.CHANGES
    assert replica.published == 1000, "what was committed of the transaction does not come again"
    assert replica.rows == current(database)


def test_large_values_that_an_update_does_not_touch_are_kept(database: Database) -> None:
    database.run("ALTER TABLE people ADD COLUMN note text", "ALTER TABLE people ALTER note SET STORAGE EXTERNAL")
    database.run("INSERT INTO people SELECT 'k' || n, 'n', n, repeat('文' || n, 9000) FROM generate_series(1, 4) n")
    items = (*ITEMS, Item("note", "备注", ItemType.MEMO))
    replica = Replica(items)
    replica.once(database.source(items))
    database.run(
        "UPDATE people SET amount = 5 WHERE id = 'k1'",
        "UPDATE people SET id = 'k9' WHERE id = 'k2'",
        "UPDATE people SET amount = 6 WHERE id = 'k3'",
        "DELETE FROM people WHERE id = 'k3'",
        "UPDATE people SET note = repeat('新', 9000) WHERE id = 'k4'",
        "UPDATE people SET amount = 7 WHERE id = 'k4'",
    )
    replica.once(database.source(items))
    whole = {row[0]: row for row in database.ask("SELECT id, name, amount::numeric(10,2), note FROM people")}
    assert replica.rows == whole
    database.run("ALTER TABLE people REPLICA IDENTITY FULL", "UPDATE people SET amount = 8")
    with closing(database.source(items)) as source:
        source.connect()
        database.run("UPDATE people SET note = NULL")  # reading again would show it
        with closing(source.read(replica.position)) as batches:
            first = next(batch for batch in batches if batch.rows)
            assert {row[3] for row in first.rows} == {None}
            replica.apply(first)
    assert replica.once(database.source(items)) is Coverage.CHANGES


def test_truncate_reads_the_table_again(database: Database) -> None:
    replica = Replica()
    database.run("INSERT INTO people VALUES ('a', 'b', 1)")
    replica.once(database.source())
    database.run(
        "INSERT INTO people VALUES ('c', 'd', 1)", "TRUNCATE people", "INSERT INTO people VALUES ('e', 'f', 1)"
    )
    replica.once(database.source())
    assert replica.position == {"refresh": True}
    assert replica.once(database.source()) is Coverage.WHOLE
    assert replica.rows == current(database)
    assert replica.once(database.source()) is Coverage.CHANGES


@pytest.mark.parametrize("remade", [False, True])
def test_a_slot_that_was_dropped_is_no_silent_gap(
    database: Database, caplog: pytest.LogCaptureFixture, remade: bool
) -> None:
    replica = Replica()
    database.run("INSERT INTO people VALUES ('a', 'b', 1), ('c', 'd', 1)")
    replica.once(database.source())
    database.drop_slot()
    database.run("DELETE FROM people WHERE id = 'a'", "INSERT INTO people VALUES ('e', 'f', 1)")
    if remade:
        database.run(f"SELECT pg_create_logical_replication_slot('{database.slot}', 'pgoutput')")
    assert replica.once(database.source()) is Coverage.WHOLE
    assert replica.rows == current(database)
    assert database.slot in caplog.text


def test_a_slot_that_goes_in_mid_stream_is_no_silent_gap(database: Database) -> None:
    replica = Replica()
    replica.once(database.source())
    with following(database, replica) as batches:
        next(batches)
        database.run(
            f"SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = '{database.slot}'"
        )
        with pytest.raises(DatabaseUnavailable):
            replica.take(batches, lambda _batch: False)
    database.drop_slot()
    database.run("INSERT INTO people VALUES ('a', 'b', 1)")
    assert replica.once(database.source()) is Coverage.WHOLE
    assert replica.rows == current(database)


def test_a_publication_that_goes_is_no_silent_gap(database: Database) -> None:
    replica = Replica()
    replica.once(database.source())
    database.run(f"DROP PUBLICATION {database.slot}", "INSERT INTO people VALUES ('a', 'b', 1)")
    assert replica.once(database.source()) is Coverage.WHOLE
    with following(database, replica) as batches:
        next(batches)
        database.run(f"DROP PUBLICATION {database.slot}", "INSERT INTO people VALUES ('c', 'd', 1)")
        replica.take(batches, lambda batch: batch.position == {"refresh": True})
    assert replica.once(database.source()) is Coverage.WHOLE
    assert replica.rows == current(database)


def test_a_second_process_waits_for_the_slot(database: Database) -> None:
    replica = Replica()
    replica.once(database.source())
    with following(database, replica) as batches:
        next(batches)
        with pytest.raises(DatabaseUnavailable, match="in use"):
            replica.once(database.source())
    wait_until(lambda: not busy(database), 5, "the slot is free")
    assert replica.once(database.source()) is Coverage.CHANGES


def lsn_of_position(batch: ReadBatch) -> str:
    assert batch.position is not None
    return str(batch.position["lsn"])


def busy(database: Database) -> bool:
    return bool(database.ask(f"SELECT 1 FROM pg_replication_slots WHERE slot_name = '{database.slot}' AND active"))
