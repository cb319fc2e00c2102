"""PostgreSQL's types, read and captured alike; tables that cannot be followed, and what is said of them."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing
from typing import Any

import pytest

from adapters import postgres_stream
from adapters.protocol import Coverage, ReadBatch, Reject
from adapters.source_postgres import Config
from adapters.source_sql import Config as SqlConfig
from adapters.source_sql import open_source as open_sql
from exchange.errors import ConfigError, SourceProblem
from exchange.items import Item, ItemType, Row
from exchange.node.ports import free_ports
from exchange.node.postgres import temporary_cluster
from tests.integration.adapters.capture import ITEMS, Database, Replica
from tests.support.adapters import read_all, stream_of
from tests.support.wait import wait_until

C, N, Y, D, T, L, M = (ItemType(letter) for letter in "CNYDTLM")
KEY = Item("id", "编号", C, length=20, primary_key=True)

# item, type of the column, texts of values that it takes
COLUMNS: list[tuple[Item, str, list[str]]] = [
    (Item("a_text", "a", C, length=60), "text", ["\\N", "tab\tline\nend\r", "back\\slash \\t", "", "O'Neil \"文\x07"]),
    (Item("a_varchar", "a", C, length=30), "varchar(20)", ["一二三", "\\\\", "\\"]),
    (Item("a_char", "a", C, length=5), "char(5)", ["ab", "12345"]),
    (Item("a_uuid", "a", C, length=36), "uuid", ["6ba7b810-9dad-11d1-80b4-00c04fd430c8"]),
    (Item("a_number", "a", C, length=20), "integer", ["7", "-1"]),
    (Item("a_date", "a", C, length=20), "date", ["2024-02-29"]),
    (Item("a_time", "a", C, length=20), "time", ["08:30:00", "23:59:59.5"]),
    (Item("a_flag", "a", C, length=20), "boolean", ["t", "f"]),
    (Item("a_memo", "a", M), "varchar", ["x\n" * 50]),
    (Item("n_int", "n", N, length=9), "integer", ["0", "-99999", "999999999"]),
    (Item("n_whole", "n", N, length=9), "numeric", ["12.00", "7"]),
    (Item("n_same", "n", N, length=10, scale=2), "numeric(10,2)", ["-0.01", "99999999.99", "5"]),
    (Item("n_wider", "n", N, length=12, scale=3), "numeric(10,2)", ["1.25"]),
    (Item("n_bare", "n", N, length=10, scale=2), "numeric", ["1.5", "1.500", "100"]),
    (Item("n_big", "n", N, length=18), "bigint", ["999999999999999999"]),
    (Item("n_of_int", "n", N, length=10, scale=2), "smallint", ["3"]),
    (Item("n_domain", "n", N, length=10, scale=2), "price", ["3.10"]),
    (Item("n_of_text", "n", N, length=10, scale=2), "text", ["12.5", " 7 "]),
    (Item("y_money", "y", Y), "numeric(20,4)", ["12345.6789"]),
    (Item("d_date", "d", D), "date", ["0001-01-01", "9999-12-31"]),
    (Item("d_of_ts", "d", D), "timestamp", ["2024-01-31 00:00:00"]),
    (Item("d_of_text", "d", D), "text", ["2024/01/31", "20240131"]),
    (Item("t_instant", "t", T), "timestamptz", ["2024-01-31 08:30:00.123456+08", "1950-06-01 00:00:00.5+00"]),
    (Item("t_naive", "t", T), "timestamp", ["2024-01-31 08:30:00", "1988-07-01 00:00:00.25"]),
    (Item("t_of_text", "t", T), "text", ["2024-01-31T08:30:00"]),
    (Item("l_flag", "l", L), "boolean", ["t", "f"]),
    (Item("l_int", "l", L), "integer", ["1", "0"]),
    (Item("l_text", "l", L), "text", ["是", "no"]),
    (Item("g_bytes", "g", ItemType.BINARY), "bytea", ["\\x00ff5c4e", "\\x"]),
    (Item("b_double", "b", ItemType.DOUBLE), "double precision", ["0.1", "-1e300", "12345678901234567"]),
    (Item("f_real", "f", ItemType.FLOAT), "real", ["0.5", "-2"]),
    (Item("f_numeric", "f", ItemType.FLOAT), "numeric", ["1.25"]),
    (Item("i_small", "i", ItemType.INTEGER), "smallint", ["-32768"]),
    (Item("i_big", "i", ItemType.INTEGER), "bigint", ["9223372036854775807", "-9223372036854775808"]),
    (Item("i_flag", "i", ItemType.INTEGER), "boolean", ["t", "f"]),
]  # fmt: skip
TYPES = (KEY, *[item for item, _, _ in COLUMNS])


@pytest.fixture
def database(postgres_url: str) -> Database:
    return Database(postgres_url, "CREATE DOMAIN price AS numeric(10,2)")


def fill(database: Database) -> None:
    columns = ", ".join(f"{item.name} {kind}" for item, kind, _ in COLUMNS)
    database.run(f"CREATE TABLE people (id text PRIMARY KEY, {columns})")
    names = ", ".join(["id", *[item.name for item, _, _ in COLUMNS]])
    casts = ", ".join(["%s", *[f"%s::{kind}" for _, kind, _ in COLUMNS]])
    with database.connect(autocommit=False) as connection:
        for number in range(6):
            values = [(texts[number % len(texts)] if number < 5 else None) for _, _, texts in COLUMNS]
            statement = f"INSERT INTO people ({names}) VALUES ({casts})"
            connection.execute(statement, [f"k{number}", *values])
        connection.commit()


def test_a_snapshot_a_change_and_sqlalchemy_give_the_same_rows(database: Database) -> None:
    fill(database)
    replica = Replica(TYPES)
    replica.once(database.source(TYPES))
    assert replica.rejects == []
    assert len(replica.rows) == 6
    read = replica.rows
    captured = Replica(TYPES)
    captured.position = replica.position
    database.run("UPDATE people SET id = id")
    assert captured.once(database.source(TYPES)) is Coverage.CHANGES
    assert exactly(captured.rows.values()) == exactly(read.values())
    assert exactly(by_sqlalchemy(database)) == exactly(read.values())


def test_one_odd_row_among_many_changes_nothing_for_the_others(database: Database) -> None:
    fill(database)
    replica = Replica(TYPES)
    replica.once(database.source(TYPES, mode="snapshot"))
    quick = dict(replica.rows)
    database.run("INSERT INTO people (id, d_date) VALUES ('odd', '-infinity')")
    replica.once(database.source(TYPES, mode="snapshot"))
    assert exactly(replica.rows.values()) == exactly(quick.values())
    assert [(reject.key, reject.column, reject.rule) for reject in replica.rejects] == [(b"odd", "d_date", "type_D")]


def exactly(rows: Any) -> list[list[tuple[type, str]]]:
    """12.5 and 12.50 are equal, and so are 1 and True; here they are not. Instants are what they are anywhere."""
    return sorted([(type(v), str(v.timestamp() if hasattr(v, "timestamp") else v)) for v in row] for row in rows)


def by_sqlalchemy(database: Database) -> list[Row]:
    address = database.url.set(drivername="postgresql", password=None).render_as_string()
    keys: dict[str, Any] = {"url": address, "password": database.url.password, "table": "people"}
    source = open_sql(SqlConfig(kind="sql", **keys), stream_of(TYPES))
    with closing(source):
        source.connect()
        rows, rejects = read_all(source)
    assert rejects == []
    return rows


BAD = {
    "infinite": "('infinite', 'n', 'NaN', '2024-01-01')",
    "wide": "('wide', 'n', 123456789.5, '2024-01-01')",
    "before": "('before', 'n', 1, '0044-03-15 BC')",
    "nameless": "('nameless', NULL, 1, NULL)",
    "long": "('long', repeat('x', 21), 1, NULL)",
}


def test_bad_values_are_rejected_alike_and_cured_later(database: Database) -> None:
    items = (*ITEMS, Item("born", "出生", D))
    database.run("CREATE TABLE people (id text PRIMARY KEY, name text, amount numeric, born date)")
    insert = f"INSERT INTO people VALUES ('good', 'n', 1, NULL), {', '.join(BAD.values())}"
    database.run(insert)
    replica = Replica(items)
    replica.once(database.source(items))
    read = shown(replica.rejects)
    assert set(replica.rows) == {"good"}
    assert [key for key, _, _ in read] == sorted(BAD)
    database.run("DELETE FROM people")
    replica.once(database.source(items))
    replica.rejects = []
    database.run(insert)
    replica.once(database.source(items))
    assert shown(replica.rejects) == read
    assert set(replica.rows) == {"good"}
    database.run("UPDATE people SET name = 'cured', amount = 2, born = NULL")
    replica.once(database.source(items))
    assert set(replica.rows) == {"good", *BAD}
    database.run("UPDATE people SET name = NULL WHERE id = 'good'")
    replica.once(database.source(items))
    assert replica.rows["good"][1] == "cured", "the state that was published stands"


def shown(rejects: list[Reject]) -> list[tuple[str, str | None, str]]:
    return sorted(((reject.key or b"").decode(), reject.column, reject.rule) for reject in rejects)


def test_a_value_beyond_what_the_broker_takes_is_rejected_and_cut_in_the_record(database: Database) -> None:
    items = (*ITEMS, Item("note", "备注", M))
    database.run("CREATE TABLE people (id text PRIMARY KEY, name text, amount numeric, note text)")
    insert = "INSERT INTO people VALUES ('small', 'n', 1, 'x'), ('large', 'n', 1, repeat('文', 4000000))"
    replica = Replica(items)
    database.run(insert)
    replica.once(database.source(items))
    database.run("DELETE FROM people")
    replica.once(database.source(items))
    database.run(insert)
    replica.once(database.source(items))
    assert set(replica.rows) == {"small"}
    assert [(reject.key, reject.rule, len(reject.raw) < 10_000) for reject in replica.rejects] == [
        (b"large", "too_large", True),
        (b"large", "too_large", True),
    ]


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("CREATE TABLE other (id text PRIMARY KEY)", "no table people"),
        ("CREATE TABLE people (id text PRIMARY KEY, name text)", "column amount is missing; there are: id, name"),
        ("CREATE TABLE people (id text, name text, amount numeric)", "ADD PRIMARY KEY (id)"),
        ("CREATE TABLE people (id text UNIQUE, name text, amount numeric)", "ADD PRIMARY KEY (id)"),
        ("CREATE TABLE people (id text NOT NULL UNIQUE, name text, amount numeric)", "REPLICA IDENTITY FULL"),
        ("CREATE TABLE people (id text, part int, name text, amount int, PRIMARY KEY (id, part))", "ADD PRIMARY KEY"),
        ("CREATE VIEW people AS SELECT ''::text id, ''::text name, 1.5 amount", 'mode = "snapshot"'),
        ("CREATE TABLE people (id text PRIMARY KEY, name text, amount int GENERATED ALWAYS AS (1) STORED)", "is gene"),
    ],
)  # fmt: skip
def test_what_cannot_be_followed_is_refused_before_anything_is_made(database: Database, table: str, words: str) -> None:
    database.run(table)
    with closing(database.source()) as source, pytest.raises(SourceProblem) as caught:
        source.connect()
    assert words in caught.value.message("en")
    assert caught.value.message("zh") != caught.value.message("en")
    assert database.ask("SELECT pubname FROM pg_publication") == []


def test_a_key_that_two_texts_may_mean_is_refused(database: Database) -> None:
    number = (Item("id", "编号", N, length=9, primary_key=True), *ITEMS[1:])
    database.run("CREATE TABLE people (id text PRIMARY KEY, name text, amount numeric)")
    with closing(database.source(number)) as source, pytest.raises(SourceProblem, match="two texts may be one value"):
        source.connect()
    with closing(database.source(number, mode="snapshot")) as source:
        source.connect()
        assert not source.keyed


def test_the_statement_that_makes_the_publication_is_named_and_works(database: Database) -> None:
    database.run("CREATE TABLE people (id text PRIMARY KEY, name text, amount numeric)")
    with closing(database.source(create=False)) as source, pytest.raises(SourceProblem) as caught:
        source.connect()
    statement = caught.value.message("en").partition("have the table: ")[2].partition(";")[0]
    assert statement.startswith("CREATE PUBLICATION")
    database.run(statement)
    assert Replica().once(database.source(create=False)) is Coverage.WHOLE


@pytest.mark.parametrize(
    "publication",
    [
        "CREATE PUBLICATION half FOR TABLE people WITH (publish = 'insert')",
        "CREATE PUBLICATION half FOR TABLE people (id, name)",
        "CREATE PUBLICATION half FOR TABLE people WHERE (id > 'b')",
    ],
)
def test_a_publication_of_a_part_is_refused(database: Database, publication: str) -> None:
    database.run("CREATE TABLE people (id text PRIMARY KEY, name text, amount numeric)", publication)
    with closing(database.source(publication="half")) as source, pytest.raises(SourceProblem) as caught:
        source.connect()
    fix = caught.value.message("en")
    database.run(fix[fix.index("ALTER PUBLICATION") :])
    assert Replica().once(database.source(publication="half")) is Coverage.WHOLE


def test_partitions_are_one_table(database: Database) -> None:
    database.run(
        "CREATE TABLE people (id text PRIMARY KEY, name text, amount numeric) PARTITION BY RANGE (id)",
        "CREATE TABLE low PARTITION OF people FOR VALUES FROM (MINVALUE) TO ('m')",
        "CREATE TABLE high PARTITION OF people FOR VALUES FROM ('m') TO (MAXVALUE)",
        "INSERT INTO people VALUES ('a', 'n', 1), ('z', 'n', 1)",
    )
    replica = Replica()
    replica.once(database.source())
    database.run("UPDATE people SET id = 'y' WHERE id = 'a'", "DELETE FROM people WHERE id = 'z'")
    replica.once(database.source())
    assert list(replica.rows) == ["y"]


def test_a_server_whose_log_cannot_be_decoded_names_the_setting() -> None:
    with temporary_cluster(free_ports(1)[0]) as cluster:
        cluster.stop()
        with (cluster.directory / "data" / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.write("wal_level = replica\n")
        cluster.start()
        database = Database(cluster.create_database("plain"))
        with closing(database.source()) as source, pytest.raises(SourceProblem, match="wal_level = 'logical'"):
            source.connect()
        assert Replica().once(database.source(mode="snapshot")) is Coverage.WHOLE


Followed = tuple[Database, Replica, Generator[ReadBatch]]


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Table and slot are looked at in each round."""
    monkeypatch.setattr(postgres_stream, "HEARTBEAT_S", 0.01)


@pytest.fixture
def followed(database: Database, often: None) -> Iterator[Followed]:
    database.run("CREATE TABLE people (id text PRIMARY KEY, name text, amount numeric)")
    replica = Replica()
    replica.once(database.source())
    with closing(database.source()) as source:
        source.connect()
        assert source.coverage(replica.position) is Coverage.CHANGES
        with closing(source.read(replica.position)) as batches:
            yield database, replica, batches


def test_the_position_moves_on_with_what_others_write(followed: Followed) -> None:
    database, replica, batches = followed
    database.run("CREATE TABLE other (x int)", "INSERT INTO other SELECT generate_series(1, 1000)")
    began = replica.position
    moved = next(batch for batch in batches if batch.position)
    assert moved.empty
    assert moved.position != began
    assert database.confirmed() != [((moved.position or {})["lsn"],)], "not committed yet"
    next(batches)
    wait_until(lambda: database.confirmed() == [((moved.position or {})["lsn"],)], 5, "the server is told")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("ALTER TABLE people DROP COLUMN amount", "amount"),
        ("ALTER TABLE people DROP CONSTRAINT people_pkey", "ADD PRIMARY KEY"),
        ("DROP TABLE people", "no table people"),
    ],
)
def test_what_ends_the_capture_is_named_in_mid_stream(followed: Followed, change: str, words: str) -> None:
    database, _, batches = followed
    database.run(change)
    with pytest.raises(SourceProblem) as caught:
        for _ in batches:
            pass
    assert words in caught.value.message("en")


def test_a_plain_reader_is_enough_until_its_right_is_taken_away(database: Database, often: None) -> None:
    database.run("CREATE TABLE people (id text PRIMARY KEY, name text, amount numeric)")
    database.run(f"CREATE PUBLICATION {database.slot} FOR TABLE people")
    with database.reader() as login:
        replica = Replica()
        assert replica.once(database.source(create=False, **login)) is Coverage.WHOLE
        with closing(database.source(create=False, **login)) as source:
            source.connect()
            assert source.coverage(replica.position) is Coverage.CHANGES
            with closing(source.read(replica.position)) as batches:
                database.run("INSERT INTO people VALUES ('a', 'b', 1)")
                replica.take(batches, lambda batch: bool(batch.rows))
                database.run(f"REVOKE ALL ON people FROM reader_{database.url.database}")
                with pytest.raises(SourceProblem) as caught:
                    replica.take(batches, lambda _batch: False)
    assert list(replica.rows) == ["a"]
    assert "GRANT SELECT" in caught.value.message("en")


@pytest.mark.parametrize(
    "changes",
    [
        ["ALTER TABLE people ALTER amount TYPE text USING amount::text"],
        ["ALTER TABLE people ALTER amount TYPE text USING amount::text", "INSERT INTO people VALUES ('a', 'b', '1')"],
        ["DROP TABLE people", "CREATE TABLE people (id text PRIMARY KEY, name text, amount numeric)"],
    ],
)
def test_a_table_of_another_shape_is_read_again(followed: Followed, changes: list[str]) -> None:
    database, _, batches = followed
    with database.connect(autocommit=False) as connection:
        for change in changes:
            connection.execute(change)
        connection.commit()
    assert next(batch for batch in batches if batch.position).position == {"refresh": True}


def test_a_slot_that_keeps_much_is_warned_of(
    followed: Followed, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    database, _, batches = followed
    database.run("CREATE TABLE other AS SELECT repeat(md5(n::text), 30) FROM generate_series(1, 3000) n")
    monkeypatch.setattr("adapters.postgres_slot.MIB", 1024)
    for batch in batches:
        if batch.position or "max_slot_mb" in caplog.text:
            break
    next(batches)
    assert "max_slot_mb = 1024" in caplog.text


def test_only_an_address_of_postgresql_is_taken() -> None:
    config = Config(kind="postgres", url="sqlite:///x.db", table="people")
    with pytest.raises(ConfigError, match=r"source\.url"):
        config.verify("a.toml", "source")
