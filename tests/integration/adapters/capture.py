"""A source of PostgreSQL without a broker: a dictionary holds what the topic would."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy import make_url

from adapters.protocol import Coverage, Position, ReadBatch, Reject
from adapters.source_postgres import Config, PostgresSource, open_source
from exchange.items import Item, ItemType, KeyCodec, Row
from tests.support.adapters import stream_of

SLOT = "exchange_test"
ITEMS = (
    Item("id", "编号", ItemType.TEXT, length=20, primary_key=True),
    Item("name", "名称", ItemType.TEXT, length=20, required=True),
    Item("amount", "数量", ItemType.NUMBER, length=10, scale=2),
)
TABLE = "CREATE TABLE people (id text PRIMARY KEY, name text, amount numeric)"


class Database:
    """The test's own way into the database that is captured."""

    def __init__(self, url: str, table: str = TABLE) -> None:
        self.url = make_url(url)
        self.slot = f"{SLOT}_{self.url.database}"  # slots belong to the whole cluster
        self.run(table)

    def connect(self, *, autocommit: bool = True) -> psycopg.Connection[tuple[Any, ...]]:
        address = self.url.set(drivername="postgresql").render_as_string(hide_password=False)
        return psycopg.connect(address, autocommit=autocommit)

    def run(self, *statements: str) -> None:
        """Run statements, each of them a transaction."""
        with self.connect() as connection:
            for statement in statements:
                connection.execute(sql.SQL(statement))

    def ask(self, statement: str) -> list[tuple[Any, ...]]:
        with self.connect() as connection:
            return connection.execute(sql.SQL(statement)).fetchall()

    @contextmanager
    def reader(self) -> Iterator[dict[str, Any]]:
        """The login of a role that may read ``people`` and replicate, and no more than that."""
        role, password = f"reader_{self.url.database}", secrets.token_hex(12)
        self.run(f"CREATE ROLE {role} LOGIN REPLICATION PASSWORD '{password}'", f"GRANT SELECT ON people TO {role}")
        address = self.url.set(drivername="postgresql", username=role, password=None).render_as_string()
        try:
            yield {"url": address, "password": password}
        finally:
            self.run(f"DROP OWNED BY {role}", f"DROP ROLE {role}")

    def confirmed(self) -> list[tuple[Any, ...]]:
        return self.ask(f"SELECT confirmed_flush_lsn::text FROM pg_replication_slots WHERE slot_name = '{self.slot}'")

    def drop_slot(self) -> None:
        self.run(f"SELECT pg_drop_replication_slot('{self.slot}')")

    def source(self, items: Sequence[Item] = ITEMS, batch_rows: int = 1000, **more: Any) -> PostgresSource:
        address = self.url.set(drivername="postgresql", password=None).render_as_string()
        login = {"url": address, "password": self.url.password}
        keys: dict[str, Any] = {**login, "table": "people", "slot": self.slot, "create": True, **more}
        config = Config(kind="postgres", **keys)
        return open_source(config, stream_of(items, batch_rows=batch_rows))


class Replica:
    """The topic's state and position, moved by passes of a source."""

    def __init__(self, items: Sequence[Item] = ITEMS) -> None:
        self.position: Position | None = None
        self.rows: dict[str, Row] = {}
        self.rejects: list[Reject] = []
        self.published = 0
        self._keys = KeyCodec(items)

    def once(self, source: PostgresSource) -> Coverage:
        """One pass, as ``exchange adapter run --once`` would make it."""
        with closing(source):
            source.connect()
            covers = source.coverage(self.position)
            if covers is Coverage.WHOLE:
                self._whole(source.read(None))
            else:
                with closing(source.read(self.position)) as batches:
                    self.take(batches, lambda batch: batch.empty)
        return covers

    def take(self, batches: Generator[ReadBatch], last: Callable[[ReadBatch], bool]) -> None:
        """Publish batches until one is the last."""
        for batch in batches:
            self.apply(batch)
            if last(batch):
                return

    def apply(self, batch: ReadBatch) -> None:
        keys = [self._keys.encode(row).decode() for row in batch.rows]
        gone = [key.decode() for key in batch.deleted]
        assert len({*keys, *gone}) == len(keys) + len(gone), "a key is in a batch once"
        self.rows.update(zip(keys, batch.rows, strict=True))
        for key in gone:
            self.rows.pop(key, None)
        self.rejects += batch.rejects
        self.published += len(keys)
        self.position = batch.position or self.position

    def _whole(self, batches: Generator[ReadBatch]) -> None:
        self.rows = {}
        position: Position | None = None
        for batch in batches:
            assert position is None, "only the last batch has a position"
            position = batch.position
            self.apply(ReadBatch(rows=batch.rows, rejects=batch.rejects))
        self.position = position
