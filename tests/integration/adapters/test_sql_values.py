"""What lands in a database and is read from it again is the same, for every type of item and what is odd in it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import text

from adapters.protocol import Landing
from adapters.sql_any_upsert import AnyUpsert
from exchange.errors import Fenced, SinkProblem
from exchange.items import Item, ItemType, Row
from tests.integration.adapters.places import SqlPlace
from tests.integration.adapters.sql_world import ITEMS, TOPIC, land, make_table, rows, run, sink, source
from tests.support.mariadb import MariaServer

EVERY_TYPE = (
    Item("id", "编号", ItemType.TEXT, length=20, primary_key=True),
    Item("day", "日", ItemType.DATE, primary_key=True),
    Item("c", "字符", ItemType.TEXT, length=300),
    Item("m", "备注", ItemType.MEMO),
    Item("n", "数", ItemType.NUMBER, length=9),
    Item("d", "小数", ItemType.NUMBER, length=30, scale=10),
    Item("y", "货币", ItemType.MONEY),
    Item("t", "时间", ItemType.INSTANT),
    Item("l", "逻辑", ItemType.LOGICAL),
    Item("g", "通用", ItemType.BINARY),
    Item("b", "双精度", ItemType.DOUBLE),
    Item("i", "整", ItemType.INTEGER),
)
DAY = date(2024, 2, 29)
ODD: tuple[Row, ...] = (
    ("a", DAY, *[None] * 10),
    ("A", DAY, "", "", 0, Decimal(0), Decimal(0), datetime(1970, 1, 1, tzinfo=UTC), False, b"", 0.0, 0),
    (
        "a ",
        date(1000, 1, 1),
        "𠮷😀%s %(c)s :c ' \" \\ `",
        "第一行\r\n第二行\t\\N",
        -999_999_999,
        Decimal("-12345678901234567890.0123456789"),
        Decimal("9999999999999999.9999"),
        datetime(2262, 4, 11, 23, 47, 16, 854775, tzinfo=UTC),
        True,
        bytes(range(256)),
        -1.7976931348623157e308,
        -(2**63),
    ),
    (
        "ａ",
        date(9999, 12, 31),
        "é",
        "e\u0301",
        1,
        Decimal("0.1"),
        Decimal("0.1"),
        None,
        None,
        b"\x00",
        5e-324,
        2**63 - 1,
    ),
)


@pytest.fixture(params=["sqlite", "postgres", "mariadb"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> SqlPlace:
    if request.param == "sqlite":
        return SqlPlace(f"sqlite:///{tmp_path}/t.db", tmp_path)
    return SqlPlace(request.getfixturevalue(f"{request.param}_url"), tmp_path)


@pytest.fixture
def maria(mariadb: MariaServer, mariadb_url: str, tmp_path: Path) -> SqlPlace:
    return SqlPlace(mariadb_url, tmp_path, mariadb)


def found(place: SqlPlace, items: Sequence[Item] = EVERY_TYPE) -> set[Row]:
    return set(rows(list(source(place, items).read(None))))


def test_every_type_comes_back_as_it_landed(place: SqlPlace) -> None:
    made = sink(place, EVERY_TYPE)
    land(made, *ODD, items=EVERY_TYPE)
    assert found(place) == set(ODD)
    land(made, *ODD, items=EVERY_TYPE)
    assert found(place) == set(ODD), "the same once more changes nothing"
    land(sink(place, EVERY_TYPE), gone=[b'["a ","1000-01-01"]', b'["a","2024-02-29"]'], items=EVERY_TYPE)
    assert found(place) == {ODD[1], ODD[3]}


def test_plain_sql_upserts_like_the_quick_ways(place: SqlPlace) -> None:
    made = sink(place, EVERY_TYPE)
    assert made._table is not None
    made._upsert = AnyUpsert(made._table, made._stream, made._zone)
    land(made, *ODD[:2], items=EVERY_TYPE)
    changed = (*ODD[0][:2], "neu", *ODD[0][3:])
    land(made, changed, *ODD[1:], items=EVERY_TYPE)
    assert found(place) == {changed, *ODD[1:]}


def test_a_columns_own_values_stay_when_a_row_changes(place: SqlPlace) -> None:
    land(sink(place), ("a", None, None, "1"))
    run(place, "ALTER TABLE people ADD COLUMN own integer", "UPDATE people SET own = 7")
    land(sink(place), ("a", None, None, "2"))
    with place.engine.connect() as connection:
        assert connection.execute(text("SELECT memo, own FROM people")).all() == [("2", 7)]


def test_two_that_begin_at_once_are_told_apart(place: SqlPlace) -> None:
    first, second = sink(place), sink(place)
    land(first, ("a", None, None, "1"))
    with pytest.raises(Fenced):  # it began when there was no position yet
        second.write(Landing(TOPIC, [(b"b", ("b", None, None, "2"))], {0: (0, 1)}))
    assert first.positions(TOPIC) == {0: 1}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("ENGINE = MyISAM", "has no transactions"),
        ("MODIFY id varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci", "take different keys for one"),
        ("MODIFY id varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", "utf8mb4_nopad_bin"),
        ("MODIFY memo longtext CHARACTER SET latin1", "column memo is latin1"),
        ("MODIFY memo text", "column memo has type TEXT"),
        ("MODIFY amount decimal(18,1)", "column amount has type DECIMAL(18, 1)"),
        ("MODIFY amount decimal(18,2) unsigned", "column amount has type"),
        ("MODIFY born datetime", "column born has type DATETIME"),
        ("DROP PRIMARY KEY", "must be its primary key"),
    ],
)
def test_a_table_of_mariadb_that_would_lose_something_is_refused(maria: SqlPlace, change: str, words: str) -> None:
    sink(maria).close()
    run(maria, f"ALTER TABLE people {change}")
    with pytest.raises(SinkProblem) as caught:
        sink(maria)
    assert words in caught.value.message("en")


def test_an_instant_after_the_last_year_of_the_databases_zone_is_told_and_lands_nothing(maria: SqlPlace) -> None:
    items = (ITEMS[0], Item("t", "时间", ItemType.INSTANT))
    made = sink(maria, items)
    with pytest.raises(SinkProblem, match="9999"):
        land(made, ("a", None), ("b", datetime(9999, 12, 31, 23, tzinfo=UTC)), items=items)
    assert made.positions(TOPIC) == {}
    assert found(maria, items) == set()


def test_another_unique_key_of_mariadb_does_not_swallow_a_row(maria: SqlPlace) -> None:
    sink(maria).close()
    run(maria, "CREATE UNIQUE INDEX one_amount ON people (amount)")
    made = sink(maria)
    assert isinstance(made._upsert, AnyUpsert)
    land(made, ("a", None, Decimal("1.00"), "甲"))
    with pytest.raises(SinkProblem, match="Duplicate entry"):
        land(made, ("b", None, Decimal("1.00"), "乙"))
    assert [row[0] for row in found(maria, ITEMS)] == ["a"]


def test_mariadbs_own_types_become_items(maria: SqlPlace) -> None:
    items = (
        ITEMS[0],
        Item("bit1", "位", ItemType.LOGICAL),
        Item("tiny", "布尔", ItemType.LOGICAL),
        Item("big", "无符号", ItemType.NUMBER, length=20),
        Item("at", "时刻", ItemType.INSTANT),
        Item("here", "当地", ItemType.INSTANT),
        Item("hour", "时", ItemType.TEXT, length=20),
        Item("year", "年", ItemType.NUMBER, length=4),
        Item("kind", "类", ItemType.TEXT, length=20),
    )
    run(
        maria,
        "CREATE TABLE people (id varchar(20) PRIMARY KEY, bit1 bit(1), tiny tinyint(1), big bigint unsigned,"
        " at timestamp(3) NULL, here datetime, hour time, year year, kind enum('甲','乙')) CHARSET utf8mb4",
        "SET time_zone = '+03:00'",
        "INSERT INTO people VALUES ('a', b'1', 0, 18446744073709551615, '2024-01-01 03:00:00.125',"
        " '2024-01-01 08:00:00', '-25:00:01', 2024, '乙')",
    )
    at = datetime(2024, 1, 1, tzinfo=UTC)
    expected = ("a", True, False, Decimal(2**64 - 1), at.replace(microsecond=125_000), at, "-25:00:01", 2024, "乙")
    assert found(maria, items) == {expected}


def test_a_result_that_is_left_in_the_middle_leaves_the_source_fit(maria: SqlPlace) -> None:
    make_table(maria)
    run(maria, "INSERT INTO people SELECT seq, NULL, seq, NULL FROM seq_1_to_5000")
    made = source(maria)
    batches = made.read(None)
    assert len(next(batches).rows) == 1000
    batches.close()
    assert len(rows(list(made.read(None)))) == 5000
