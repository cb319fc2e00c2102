"""What departments' databases hold and do: each gets a clear word, and nothing is lost or taken for something else."""

from __future__ import annotations

import json
import resource
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from adapters.coerce import LARGEST_ROW
from adapters.protocol import Reject
from exchange.errors import DatabaseUnavailable, SinkProblem, SourceProblem
from exchange.items import Row
from tests.integration.adapters.places import SqlPlace, SqlTarget, World, login_of_a_reader, write_file
from tests.integration.adapters.runs import background, once, topic_rows
from tests.integration.adapters.sql_world import ITEMS, land, make_table, rows, run, sink, source
from tests.integration.adapters.test_sinks import person, publish
from tests.support.mariadb import MariaServer
from tests.support.wait import wait_until

GOOD: Row = ("good", date(2001, 2, 3), Decimal("1.50"), "备注")


@pytest.fixture(params=["sqlite", "postgres", "mariadb"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> SqlPlace:
    if request.param == "sqlite":
        return SqlPlace(f"sqlite:///{tmp_path}/t.db", tmp_path)
    return SqlPlace(request.getfixturevalue(f"{request.param}_url"), tmp_path)


@pytest.fixture
def maria(mariadb: MariaServer, mariadb_url: str, tmp_path: Path) -> SqlPlace:
    return SqlPlace(mariadb_url, tmp_path, mariadb)


def insert_good(place: SqlPlace) -> None:
    run(place, "INSERT INTO people VALUES ('good', '2001-02-03', 1.5, '备注')")


def read(place: SqlPlace) -> tuple[list[Row], list[Reject]]:
    batches = list(source(place).read(None))
    return rows(batches), [reject for batch in batches for reject in batch.rejects]


def only_reject(place: SqlPlace) -> Reject:
    """The one reject; the good row beside it goes on."""
    good, (reject,) = read(place)
    assert good == [GOOD]
    return reject


def test_a_table_without_a_primary_key_is_read_and_not_trusted_with_keys(place: SqlPlace) -> None:
    make_table(place, key="")
    insert_good(place)
    made = source(place)
    assert not made.keyed
    assert rows(list(made.read(None))) == [GOOD]


def test_a_primary_key_of_the_table_spares_the_engine_its_own_list(place: SqlPlace) -> None:
    make_table(place)
    assert source(place).keyed
    assert not source(place, table=None, query="SELECT * FROM people").keyed


def test_a_primary_key_that_texts_of_one_value_share_is_not_trusted(place: SqlPlace) -> None:
    make_table(place)
    dated = (replace(ITEMS[0], type=ITEMS[1].type, length=None), *ITEMS[1:])
    assert not source(place, dated).keyed, "2001-02-03 and 2001/02/03 are two texts and one date"


def test_a_null_in_a_key_is_rejected(place: SqlPlace) -> None:
    make_table(place, key="")
    insert_good(place)
    run(place, "INSERT INTO people VALUES (NULL, '2001-02-03', 1, 'x')")
    reject = only_reject(place)
    assert (reject.column, reject.rule, reject.key) == ("id", "required", None)


def test_a_column_that_vanishes_in_mid_run_is_named(place: SqlPlace) -> None:
    make_table(place)
    insert_good(place)
    made = source(place)
    assert rows(list(made.read(None))) == [GOOD]
    run(place, "ALTER TABLE people DROP COLUMN amount")
    with pytest.raises(SourceProblem) as caught:
        list(made.read(None))
    assert "amount" in caught.value.message("en")


def test_a_type_that_changes_in_mid_run_rejects_what_does_not_fit(place: SqlPlace) -> None:
    make_table(place)
    insert_good(place)
    made = source(place)
    list(made.read(None))
    run(place, "DROP TABLE people")
    make_table(place, amount="varchar(20)")
    run(place, "INSERT INTO people VALUES ('bad', '2001-02-03', '一百', 'x')")
    run(place, "INSERT INTO people VALUES ('good', '2001-02-03', '1.5', '备注')")
    (batch,) = made.read(None)
    assert list(batch.rows) == [GOOD]
    assert [(r.column, r.rule, r.key) for r in batch.rejects] == [("amount", "type_N", b"bad")]


def test_a_decimal_beyond_its_precision_is_rejected_not_rounded(place: SqlPlace) -> None:
    make_table(place, amount="numeric(24,6)")
    insert_good(place)
    run(place, "INSERT INTO people VALUES ('bad', '2001-02-03', 1.005, 'x')")
    reject = only_reject(place)
    assert (reject.column, reject.rule, reject.key) == ("amount", "range", b"bad")


def test_a_value_of_ten_megabytes_is_rejected_and_not_repeated_in_the_reject(place: SqlPlace) -> None:
    make_table(place)
    insert_good(place)
    run(place, "INSERT INTO people VALUES ('bad', '2001-02-03', 1, :memo)", memo="数" * (LARGEST_ROW // 3 + 1))
    reject = only_reject(place)
    assert (reject.column, reject.rule, reject.key) == ("memo", "too_large", b"bad")
    assert len(reject.raw) < 2000
    assert json.loads(reject.raw)["id"] == "bad"


@pytest.mark.parametrize("written", ["0000-00-00", "2024-00-15"])
def test_a_date_that_is_none_is_rejected(maria: SqlPlace, written: str) -> None:
    make_table(maria)
    insert_good(maria)
    run(maria, "SET sql_mode = ''", "INSERT INTO people VALUES ('bad', :born, 1, 'x')", born=written)
    reject = only_reject(maria)
    assert (reject.column, reject.rule, reject.key) == ("born", "type_D", b"bad")
    assert written in reject.raw


def test_a_timestamp_that_is_none_stops_a_watermark(maria: SqlPlace) -> None:
    make_table(maria, seen_at="datetime NOT NULL")
    run(maria, "SET sql_mode = ''", "INSERT INTO people VALUES ('a', NULL, 1, 'x', '0000-00-00 00:00:00')")
    run(maria, "INSERT INTO people VALUES ('b', NULL, 1, 'x', '2024-01-01 00:00:00')")
    with pytest.raises(SourceProblem, match="seen_at"):
        source(maria, mode="watermark", timestamp="seen_at")


def test_a_right_that_is_revoked_in_mid_run_stops_the_source(place: SqlPlace) -> None:
    if place.engine.dialect.name == "sqlite":
        pytest.skip("there are no rights")
    make_table(place)
    insert_good(place)
    with login_of_a_reader(place) as reader:
        made = source(reader)
        assert rows(list(made.read(None))) == [GOOD]
        run(place, f"REVOKE SELECT ON people FROM {reader.engine.url.username}")
        with pytest.raises(SourceProblem, match="denied"):
            list(made.read(None))


def test_a_right_that_is_revoked_in_mid_run_lands_nothing(place: SqlPlace) -> None:
    if place.engine.dialect.name == "sqlite":
        pytest.skip("there are no rights")
    sink(place)
    with login_of_a_reader(place) as writer:
        tables = ("people", "exchange_destination", "exchange_position", "exchange_receipt")
        user = writer.engine.url.username
        run(place, *[f"GRANT SELECT, INSERT, UPDATE, DELETE ON {name} TO {user}" for name in tables])
        made = sink(writer)
        land(made, GOOD)
        run(place, f"REVOKE INSERT ON people FROM {user}")
        with pytest.raises(SinkProblem, match="denied"):
            land(made, ("lost", None, None, None))
        assert made.positions("440000.t") == {0: 1}, "the position did not move either"
        assert read(place)[0] == [GOOD]


def test_values_of_a_row_are_never_in_a_message(place: SqlPlace) -> None:
    secret = "110101199003070000"
    items = [*ITEMS[:3], replace(ITEMS[3], type=ITEMS[0].type, length=30)]
    sink(place, items).close()
    run(place, "CREATE UNIQUE INDEX one_memo ON people (memo)")
    made = sink(place, items)
    land(made, ("a", None, None, secret))
    with pytest.raises(SinkProblem) as caught:
        land(made, ("b", None, None, secret))
    assert secret not in str(caught.value)
    assert [row[0] for row in read(place)[0]] == ["a"], "another unique key is a conflict, not the same row"


def test_a_column_that_vanishes_under_a_sink_lands_nothing(place: SqlPlace) -> None:
    made = sink(place)
    land(made, GOOD)
    run(place, "ALTER TABLE people DROP COLUMN amount")
    with pytest.raises(SinkProblem, match="amount"):
        land(made, ("lost", None, Decimal(1), None))
    assert made.positions("440000.t") == {0: 1}


@contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    """What a full disk is to a process: files do not grow."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_waited_for(tmp_path: Path) -> None:
    place = SqlPlace(f"sqlite:///{tmp_path}/t.db", tmp_path)
    made = sink(place)
    many: list[Row] = [(f"k{n}", None, None, "x" * 1000) for n in range(2000)]
    with files_no_larger_than(500_000), pytest.raises(DatabaseUnavailable):
        land(made, *many)
    assert made.positions("440000.t") == {}
    land(made, *many)
    assert len(read(place)[0]) == 2000


def test_a_full_tablespace_is_waited_for(maria: SqlPlace) -> None:
    run(maria, "SET GLOBAL innodb_file_per_table = OFF")
    try:
        made = sink(maria)
    finally:
        run(maria, "SET GLOBAL innodb_file_per_table = ON")
    land(made, GOOD)
    with pytest.raises(DatabaseUnavailable, match="full"):
        land(made, *[(f"k{n}", None, None, "x" * 40_000) for n in range(1000)])
    assert made.positions("440000.t") == {0: 1}
    assert read(maria)[0] == [GOOD]


@pytest.mark.long
def test_large_records_travel_and_larger_ones_are_rejected(world: World, maria: SqlPlace) -> None:
    code = world.catalogue.resource(world.owner, ITEMS)
    world.catalogue.grant(world.owner, world.reader, code)
    world = replace(world, code=code)
    make_table(maria)
    insert_good(maria)
    large = secrets.token_hex(LARGEST_ROW // 2 - 1000)
    for key, memo in (("large", large), ("larger", large + large)):
        run(maria, "INSERT INTO people VALUES (:id, NULL, NULL, :memo)", id=key, memo=memo)
    file = write_file(world, "source", maria)
    summary = once(file)
    assert (summary.published, summary.rejected) == (2, 1)
    assert topic_rows(world, 2, "look")["large"] == ("large", None, None, large)


def test_rows_of_one_key_in_a_table_without_a_primary_key(world: World, maria: SqlPlace) -> None:
    run(maria, "CREATE TABLE people (id varchar(20), name text, born text, amount text) CHARSET utf8mb4")
    run(maria, "INSERT INTO people VALUES ('a', '甲', NULL, '1'), ('a', '乙', NULL, '1'), ('b', '丙', NULL, '1')")
    summary = once(write_file(world, "source", maria))
    assert (summary.published, summary.rejected) == (2, 1)


def test_a_column_that_vanishes_deletes_nothing(world: World, maria: SqlPlace) -> None:
    run(maria, "CREATE TABLE people (id varchar(20) PRIMARY KEY, name text, born text, amount text) CHARSET utf8mb4")
    run(maria, "INSERT INTO people VALUES ('a', '甲', NULL, '1')")
    with background(write_file(world, "source", maria)) as engine:
        wait_until(lambda: engine.summary.published == 1, 30, "a first pass")
        run(maria, "ALTER TABLE people DROP COLUMN name")
        wait_until(engine.ended, 30, "the end of the adapter")
    assert isinstance(engine.error, SourceProblem)
    assert "name" in engine.error.message("en")
    assert topic_rows(world, 1, "look")["a"] is not None


def test_a_sink_whose_disk_is_full_goes_on_when_there_is_room(world: World, tmp_path: Path) -> None:
    target = SqlTarget(f"sqlite:///{tmp_path}/target.db", tmp_path)
    publish(world, person(1))
    with background(write_file(world, "sink", target)) as engine:
        wait_until(lambda: engine.summary.landed == 1, 30, "a first landing")
        with files_no_larger_than((tmp_path / "target.db").stat().st_size):
            publish(world, *[person(n) for n in range(2, 2000)])
            wait_until(lambda: engine.summary.waits >= 1 or engine.ended(), 30, "a wait")
        wait_until(lambda: engine.summary.landed == 1999, 40, "the landing when there is room")
    assert engine.error is None
    assert len(target.rows()) == 1999
