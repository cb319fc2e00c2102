"""Following a table by its timestamp: ties, late commits, restarts and marked deletes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Engine, text

from adapters.protocol import Position, ReadBatch
from adapters.source_sql import Config, SqlSource, open_source
from exchange.errors import SourceProblem
from exchange.items import Item, ItemType
from tests.integration.adapters.places import SqlPlace, login_of_a_reader
from tests.support.adapters import stream_of
from tests.support.wait import wait_until

ITEMS = (
    Item("id", "编号", ItemType.TEXT, length=20, primary_key=True),
    Item("seen_at", "时间", ItemType.INSTANT),
    Item("flag", "标志", ItemType.LOGICAL),
    Item("price", "价格", ItemType.NUMBER, length=10, scale=2),
)
CHINA = ZoneInfo("Asia/Shanghai")
LONG_AGO = datetime(2024, 1, 31, 8, 30, tzinfo=CHINA).replace(tzinfo=None)


# the key, the time and the flag in the types that people have there
TYPES = {
    "sqlite": ("text", "text", "integer"),
    "postgresql": ("text", "timestamp", "boolean"),
    "mysql": ("varchar(20)", "datetime(6)", "bit(1)"),
}


@pytest.fixture(params=["sqlite", "postgres", "mariadb"])
def table(request: pytest.FixtureRequest, tmp_path: Path) -> SqlPlace:
    url = f"sqlite:///{tmp_path}/t.db" if request.param == "sqlite" else request.getfixturevalue(f"{request.param}_url")
    place = SqlPlace(url, tmp_path)
    key, time, flag = TYPES[place.engine.dialect.name]
    with place.engine.begin() as connection:
        connection.execute(
            text(
                f"CREATE TABLE people (id {key} PRIMARY KEY, seen_at {time}, flag {flag},"
                f" price numeric(10,2), gone {flag}){' ENGINE InnoDB' if key.startswith('v') else ''}"
            )
        )
    return place


def add(engine: Engine, key: str, at: datetime, *, gone: bool = False) -> None:
    shown: Any = at.isoformat(" ") if engine.dialect.name == "sqlite" else at
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


def test_a_row_that_loses_its_timestamp_while_the_adapter_runs_is_not_passed_over(table: SqlPlace) -> None:
    add(table.engine, "a", LONG_AGO)
    made = source(table)
    assert keys(list(made.read(None))) == ["a"]
    with table.engine.begin() as connection:
        connection.execute(text("INSERT INTO people (id) VALUES ('x')"))
    with pytest.raises(SourceProblem, match="seen_at"):
        list(made.read(None))


def test_a_clock_that_was_set_back_does_not_hide_the_rows_stamped_since(table: SqlPlace) -> None:
    now = datetime.now(UTC)
    add(table.engine, "old", LONG_AGO)
    # the last pass went by a clock an hour ahead, and read a row that was stamped so
    ahead = now.astimezone(CHINA).replace(tzinfo=None) + timedelta(minutes=50)
    stamp = ahead.isoformat(" ") if table.engine.dialect.name == "sqlite" else {"t": ahead.isoformat()}
    position = {"after": [stamp, "k9"], "clock": (now + timedelta(hours=1)).isoformat()}
    add(table.engine, "new", now.astimezone(CHINA).replace(tzinfo=None) - timedelta(seconds=70))
    batches = list(source(table).read(position))
    assert keys(batches) == ["old", "new"], "all of it once more, and so the new row too"
    assert keys(list(source(table).read(batches[-1].position))) == [], "once"


def test_what_an_open_transaction_may_still_add_is_waited_for(table: SqlPlace) -> None:
    if table.engine.dialect.name != "postgresql":
        with pytest.raises(SourceProblem, match="lag_s"):
            source(table, wait_for_open=True)
        return
    made = source(table, wait_for_open=True, lag_s=0)
    with table.engine.connect() as late, late.begin() as transaction:
        late.execute(
            text("INSERT INTO people (id, seen_at, flag) VALUES ('late', :at, :f)"), {"at": now_there(), "f": True}
        )
        add(table.engine, "a", LONG_AGO)
        add(table.engine, "early", now_there())
        first = list(made.read(None))
        assert keys(first) == ["a"], "not what is younger than the open transaction"
        transaction.commit()
    position = first[-1].position
    wait_until(lambda: keys(list(made.read(position))) == ["late", "early"], 10, "the rows after the commit")


def now_there() -> datetime:
    return datetime.now(CHINA).replace(tzinfo=None)


def test_a_right_to_see_transactions_that_is_missing_is_named(table: SqlPlace) -> None:
    if table.engine.dialect.name != "postgresql":
        pytest.skip("the right is PostgreSQL's")
    add(table.engine, "a", LONG_AGO)
    with login_of_a_reader(table) as reader, pytest.raises(SourceProblem) as caught:
        source(reader, wait_for_open=True)
    assert "GRANT pg_read_all_stats" in caught.value.message("en")


def test_a_column_that_is_missing_is_named(table: SqlPlace) -> None:
    with pytest.raises(SourceProblem) as caught:
        source(table, deleted="weg")
    assert "column weg is missing; there are: id, seen_at" in caught.value.message("en")
