"""Following a table by its timestamp: ties, late commits, restarts and marked deletes."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Engine, NullPool, create_engine, make_url, text

from adapters.protocol import Position, ReadBatch
from adapters.source_sql import Config, SqlSource, open_source
from exchange.errors import SourceProblem
from exchange.items import Item, ItemType
from tests.integration.adapters.places import SqlPlace
from tests.support.adapters import stream_of

ITEMS = (
    Item("id", "编号", ItemType.TEXT, length=20, primary_key=True),
    Item("seen_at", "时间", ItemType.INSTANT),
    Item("flag", "标志", ItemType.LOGICAL),
    Item("price", "价格", ItemType.NUMBER, length=10, scale=2),
)
CHINA = ZoneInfo("Asia/Shanghai")
LONG_AGO = datetime(2024, 1, 31, 8, 30, tzinfo=CHINA).replace(tzinfo=None)


@pytest.fixture(params=["sqlite", "postgres"])
def table(request: pytest.FixtureRequest, tmp_path: Path) -> SqlPlace:
    url = f"sqlite:///{tmp_path}/t.db" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    engine = create_engine(make_url(url), poolclass=NullPool)
    kind = "timestamp" if request.param == "postgres" else "text"
    flag = "boolean" if request.param == "postgres" else "integer"
    with engine.begin() as connection:
        connection.execute(
            text(
                f"CREATE TABLE people (id text PRIMARY KEY, seen_at {kind}, flag {flag},"
                f" price numeric(10,2), gone {flag})"
            )
        )
    return SqlPlace(url, tmp_path)


def add(engine: Engine, key: str, at: datetime, *, gone: bool = False) -> None:
    shown: Any = at if engine.dialect.name == "postgresql" else at.isoformat(" ")
    with engine.begin() as connection:
        connection.execute(
            text("INSERT INTO people VALUES (:id, :at, :flag, :price, :gone)"),
            {"id": key, "at": shown, "flag": True, "price": 1.5, "gone": gone},
        )


def source(place: SqlPlace, batch_rows: int = 2, **more: Any) -> SqlSource:
    keys = dict(place.part())
    secret = keys.pop("password_file", None)
    password = Path(secret).read_text(encoding="utf-8") if secret else None
    config = Config.model_validate(
        {**keys, "password": password, "mode": "watermark", "timestamp": "seen_at", "lag_s": 60, **more}
    )
    made = open_source(config, stream_of(ITEMS, batch_rows=batch_rows))
    made.connect()
    return made


def keys(batches: list[ReadBatch]) -> list[str]:
    return [str(row[0]) for batch in batches for row in batch.rows]


def test_rows_that_share_a_timestamp_are_read_once_across_batches_and_restarts(table: SqlPlace) -> None:
    for number in range(5):
        add(table.engine, f"k{number}", LONG_AGO)
    first = next(iter(source(table).read(None)))
    position: Position | None = first.position
    assert keys([first]) == ["k0", "k1"]
    rest = list(source(table).read(position))
    assert keys(rest) == ["k2", "k3", "k4"]
    add(table.engine, "k5", LONG_AGO)
    assert keys(list(source(table).read(rest[-1].position))) == ["k5"]


def test_rows_younger_than_the_lag_wait_for_late_commits(table: SqlPlace) -> None:
    now = datetime.now(CHINA).replace(tzinfo=None)
    add(table.engine, "old", now - timedelta(seconds=120))
    add(table.engine, "young", now)
    assert keys(list(source(table).read(None))) == ["old"]
    assert keys(list(source(table, lag_s=0).read(None))) == ["old", "young"]


def test_a_mark_says_that_a_row_is_deleted(table: SqlPlace) -> None:
    add(table.engine, "a", LONG_AGO)
    add(table.engine, "b", LONG_AGO, gone=True)
    batch = next(iter(source(table, deleted="gone").read(None)))
    assert (keys([batch]), batch.deleted) == (["a"], [b"b"])


def test_values_arrive_as_their_items_say(table: SqlPlace) -> None:
    add(table.engine, "a", LONG_AGO)
    row = next(iter(source(table).read(None))).rows[0]
    assert row[1] == LONG_AGO.replace(tzinfo=CHINA)
    assert row[2] is True
    assert str(row[3]) == "1.50"


def test_a_query_reads_like_a_table(table: SqlPlace) -> None:
    add(table.engine, "a", LONG_AGO)
    add(table.engine, "b", LONG_AGO)
    made = source(table, table=None, query="SELECT * FROM people WHERE id <> 'a';")
    assert keys(list(made.read(None))) == ["b"]


def test_rows_without_a_timestamp_are_not_passed_over_in_silence(table: SqlPlace) -> None:
    with table.engine.begin() as connection:
        connection.execute(text("INSERT INTO people (id) VALUES ('x')"))
    with pytest.raises(SourceProblem, match="seen_at"):
        source(table)


def test_a_column_that_is_missing_is_named(table: SqlPlace) -> None:
    with pytest.raises(SourceProblem) as caught:
        source(table, deleted="weg")
    assert "column weg is missing; there are: id, seen_at" in caught.value.message("en")
