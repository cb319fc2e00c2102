"""What is landed by column is what is landed by row: the same values in a real PostgreSQL."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from adapters.protocol import Changes, Landing, Stream
from adapters.sink_sql import Config, SqlSink
from exchange.arrow_changes import ArrowChanges, ChangeReader
from exchange.avro import record_schema
from exchange.column_encoder import make_row_encoder
from exchange.contract import Contract
from exchange.errors import SinkProblem
from exchange.items import Item, ItemType, KeyCodec, Row
from exchange.wire import wire_header
from tests.support.records import taken

ITEMS = (
    Item("id", "编号", ItemType.TEXT, length=20, primary_key=True),
    Item("amount", "金额", ItemType.MONEY),
    Item("area", "面积", ItemType.NUMBER, length=16, scale=2),
    Item("odd", "五位", ItemType.NUMBER, length=17, scale=5),
    Item("whole", "次数", ItemType.NUMBER, length=9),
    Item("born", "日期", ItemType.DATE),
    Item("seen", "时间", ItemType.INSTANT),
    Item("valid", "有效", ItemType.LOGICAL),
    Item("memo", "备注", ItemType.MEMO),
    Item("photo", "照片", ItemType.BINARY),
    Item("score", "分数", ItemType.DOUBLE),
    Item("size", "数量", ItemType.INTEGER),
)
SCHEMA = record_schema("x", ITEMS)
CONTRACT = Contract("x", "题", 1, "t", "t.rejects", 7, SCHEMA, ITEMS, may_read=True, may_write=False)
MOST = 10**13
DICE = random.Random(20260101)


def row(number: int) -> Row:
    def some(value: Any) -> Any:
        return value if DICE.random() < 0.8 else None

    return (
        f"k{number}",
        some(Decimal(DICE.randint(-MOST, MOST)).scaleb(-4)),
        some(Decimal(DICE.choice([0, 1, -1, 9999, 10000, -123456789, MOST])).scaleb(-2)),
        some(Decimal(DICE.randint(-MOST, MOST)).scaleb(-5)),
        some(DICE.randint(-999_999_999, 999_999_999)),
        some(date(1, 1, 1) + timedelta(days=DICE.randint(0, 3_652_058))),
        some(datetime(1900, 1, 1, tzinfo=UTC) + timedelta(microseconds=DICE.randint(0, 10**16))),
        some(DICE.random() < 0.5),
        some(DICE.choice(["", "\\N", "制表\t换行\n", "x" * 9000, "𠮷野"])),
        some(DICE.randbytes(DICE.choice([0, 5]))),
        some(DICE.choice([0.1, -1e300, float("inf")])),
        some(DICE.choice([0, 2**63 - 1, -(2**63)])),
    )


def changes_of(rows: Sequence[Row]) -> ArrowChanges:
    header = wire_header(7)
    data = make_row_encoder(SCHEMA)(rows)
    keys = map(KeyCodec(ITEMS).encode, rows)
    found = ChangeReader(CONTRACT).read(taken(list(keys), [header + datum for datum in data]))
    assert found is not None
    return found


def landed(url: str, table: str, landings: Sequence[Changes], first: int = 0) -> list[tuple[Any, ...]]:
    config = Config.model_validate({"kind": "sql", "url": url, "table": table})
    sink = SqlSink(config, Stream(CONTRACT, {}, 1000))
    sink.connect()
    assert sink.takes_columns
    for at, changes in enumerate(landings, first):
        sink.write(Landing("t", changes, {0: (at, at + 1)}))
    sink.close()
    with psycopg.connect(url.replace("+psycopg", "")) as database:
        return database.execute(f"SELECT * FROM {table} ORDER BY id").fetchall()


def test_columns_land_as_rows_do(postgres_url: str) -> None:
    first = [row(number) for number in range(500)]
    second = [row(number) for number in range(250, 750)]
    keyed = [[(KeyCodec(ITEMS).encode(one), one) for one in rows] for rows in (first, second)]
    by_row = landed(postgres_url, "of_rows", keyed)
    by_column = landed(postgres_url, "of_columns", [changes_of(first), changes_of(second)])
    assert by_column == by_row
    assert [tuple(found) for found in by_column] == sorted(
        dict(keyed[0] + keyed[1]).values(), key=lambda one: str(one[0])
    )


def test_new_rows_and_known_ones_in_any_order(postgres_url: str) -> None:
    """New ones are copied straight into the table, until one is known; then they are staged for a while."""
    parts = [range(300), range(300, 600), range(500, 800), range(800, 1000), range(1000, 1200), range(1100, 1400)]
    landings = [[row(number) for number in part] for part in parts]
    found = landed(postgres_url, "mixed", [changes_of(rows) for rows in landings])
    last = {one[0]: one for rows in landings for one in rows}
    assert [tuple(one) for one in found] == sorted(last.values(), key=lambda one: str(one[0]))


def test_a_table_with_types_of_its_own_gets_the_same_values(postgres_url: str) -> None:
    rows = [row(number) for number in range(300)]
    landed(postgres_url, "own", [])
    with psycopg.connect(postgres_url.replace("+psycopg", "")) as database:
        database.execute("ALTER TABLE own ALTER whole TYPE integer, ALTER id TYPE text, ADD noted int DEFAULT 7")
    found = landed(postgres_url, "own", [changes_of(rows), changes_of(rows[:200])])
    assert [tuple(one) for one in found] == [(*one, 7) for one in sorted(rows, key=lambda one: str(one[0]))]


def test_a_row_that_the_table_refuses_lands_nothing_of_its_landing(postgres_url: str) -> None:
    landed(postgres_url, "strict", [changes_of([row(1)])])
    with psycopg.connect(postgres_url.replace("+psycopg", "")) as database:
        database.execute("ALTER TABLE strict ADD CHECK (id <> 'k250')")
    with pytest.raises(SinkProblem, match="strict"):
        landed(postgres_url, "strict", [changes_of([row(number) for number in range(2, 300)])], first=1)
    with psycopg.connect(postgres_url.replace("+psycopg", "")) as database:
        assert database.execute("SELECT count(*) FROM strict").fetchone() == (1,)


def test_a_decimal_beyond_64_bits_lands_all_the_same(postgres_url: str) -> None:
    wide = Decimal(10**19 + 7).scaleb(-4)
    rows: list[Row] = [("k", Decimal("9999999999999.9999"), *[None] * 10)]
    assert landed(postgres_url, "wide", [changes_of(rows)])[0][1] == rows[0][1]
    rows = [("k", wide, *[None] * 10)]
    record = wire_header(7) + make_row_encoder(SCHEMA)(rows)[0]
    assert ChangeReader(CONTRACT).read(taken([b"k"], [record])) is None, "read record by record"
    assert landed(postgres_url, "wider", [[(b"k", rows[0])]])[0][1] == wide
