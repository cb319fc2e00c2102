"""One resource with an item of every type, and tables of it, for tests that need a database and no broker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import text

from adapters.protocol import Landing, ReadBatch
from adapters.sink_sql import Config as SinkConfig
from adapters.sink_sql import SqlSink, open_sink
from adapters.source_sql import Config, SqlSource, open_source
from exchange.items import Item, ItemType, KeyCodec, Row
from tests.integration.adapters.places import SqlPlace
from tests.support.adapters import stream_of

ITEMS = (
    Item("id", "编号", ItemType.TEXT, length=20, primary_key=True),
    Item("born", "出生日期", ItemType.DATE),
    Item("amount", "金额", ItemType.NUMBER, length=18, scale=2),
    Item("memo", "备注", ItemType.MEMO),
)
TOPIC = "440000.t"


def _known(place: SqlPlace) -> dict[str, Any]:
    keys = dict(place.part())
    secret = keys.pop("password_file", None)
    return {**keys, "password": Path(secret).read_text(encoding="utf-8") if secret else None}


def source(place: SqlPlace, items: Sequence[Item] = ITEMS, **more: Any) -> SqlSource:
    made = open_source(Config.model_validate({**_known(place), **more}), stream_of(items))
    made.connect()
    return made


def sink(place: SqlPlace, items: Sequence[Item] = ITEMS, **more: Any) -> SqlSink:
    made = open_sink(SinkConfig.model_validate({**_known(place), **more}), stream_of(items))
    made.connect()
    return made


def land(to: SqlSink, *rows: Row, items: Sequence[Item] = ITEMS, gone: Sequence[bytes] = ()) -> None:
    """One landing behind all that landed before."""
    keys = KeyCodec(items)
    at = to.positions(TOPIC).get(0, 0)
    changes: list[tuple[bytes, Row | None]] = [(keys.encode(row), row) for row in rows]
    changes += [(key, None) for key in gone]
    to.write(Landing(TOPIC, changes, {0: (at, at + len(changes))}))


def run(place: SqlPlace, *statements: str, **values: Any) -> None:
    with place.engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement), values)


def make_table(place: SqlPlace, key: str = "PRIMARY KEY", **types: str) -> None:
    """The table ``people`` as a department has it; ``key``: what is said of the column id."""
    mysql = place.engine.dialect.name == "mysql"
    known: Mapping[str, str] = {
        "id": "varchar(20)",
        "born": "date" if place.engine.dialect.name != "sqlite" else "text",
        "amount": "numeric(18,2)",
        "memo": "longtext" if mysql else "text",
        **types,
    }
    columns = ", ".join(f"{name} {kind} {key if name == 'id' else ''}" for name, kind in known.items())
    run(place, f"CREATE TABLE people ({columns}){' CHARSET utf8mb4 ENGINE InnoDB' if mysql else ''}")


def rows(batches: Sequence[ReadBatch]) -> list[Row]:
    return [row for batch in batches for row in batch.rows]
