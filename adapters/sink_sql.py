"""A table of an SQL database as destination: rows, position and receipts in one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import Field
from sqlalchemy import Connection, Engine, Table, bindparam, delete

from adapters.databases import DatabaseConfig, Problem, name_of, open_engine, translated
from adapters.protocol import Changes, Landing, Stream
from adapters.spec import Spec
from adapters.sql_ledger import Ledger
from adapters.sql_table import check, create, exists
from adapters.sql_types import convert_row, converter
from adapters.sql_upsert import Upsert, make_upsert
from exchange.columnar import ColumnarChanges
from exchange.errors import SinkProblem
from exchange.items import KeyCodec, Row
from exchange.receipts import Receipt
from exchange.text import Text
from exchange.values import parse

SPEC = Spec(
    side="sink",
    kind="sql",
    summary=Text(
        "a table of PostgreSQL, MariaDB, MySQL, SQLite or another SQL database, exactly once",
        "PostgreSQL、MariaDB、MySQL、SQLite 或其他 SQL 数据库的表，恰好一次",
    ),
    example='[sink]\nkind = "sql"\nurl = "postgresql://writer@127.0.0.1/villages"\n'
    'password_file = "db.secret"\ntable = "villages"',
)


class Config(DatabaseConfig):
    """Which table."""

    table: str = Field(description="table, or schema.table", examples=["villages"])
    create_table: bool = Field(
        default=True, description="make a missing table; a table made so gets the columns of new items too"
    )


def open_sink(config: Config, stream: Stream) -> SqlSink:
    """Return the sink of an adapter file."""
    return SqlSink(config, stream)


class SqlSink:
    """Writes through one connection; every landing is one transaction."""

    def __init__(self, config: Config, stream: Stream) -> None:
        self._config = config
        self._stream = stream
        self._zone = ZoneInfo(config.zone)
        self._ledger = Ledger(config.table)
        self._problem = Problem(SinkProblem, f"{name_of(config)} {config.table}")
        self._keys = KeyCodec(stream.items)
        self._engine: Engine | None = None
        self._table: Table | None = None
        self._upsert: Upsert | None = None
        self._landing = ""
        self.takes_columns = False

    def connect(self) -> None:
        """Make or check the tables. Errors: SinkProblem naming the column that does not fit."""
        self.close()
        self._engine = open_engine(self._config, writes=True)
        with translated(self._problem), self._engine.begin() as connection:
            self._table = self._prepare(connection)
            self._upsert = make_upsert(connection, self._table, self._stream, self._zone)
            dialect = connection.dialect.name
        self.takes_columns = dialect == "postgresql"
        found = [(at, converter(item, dialect, self._zone)) for at, item in enumerate(self._stream.items)]
        self._converters = [(at, convert) for at, convert in found if convert is not None]

    def _prepare(self, connection: Connection) -> Table:
        name, creates = self._config.table, self._config.create_table
        ours = self._ledger.made_table(connection)
        missing = not exists(connection, name)
        if missing and not creates:
            raise self._problem.make(
                Text("no such table; set create_table = true", "表不存在；可设 create_table = true")
            )
        # The positions go before the table comes: where making one commits by itself, a crash between must lose none.
        self._landing = self._ledger.open(connection, from_nothing=missing)
        if missing:
            return create(connection, name, self._stream)
        return check(connection, name, self._stream, self._problem, extend=creates and ours)

    def landing_id(self) -> str:
        """Return the destination's own id."""
        return self._landing

    def positions(self, log: str) -> Mapping[int, int]:
        """Return the next offset of each partition of ``log``."""
        with translated(self._problem), self._opened().connect() as connection:
            return self._ledger.positions(connection, log)

    def write(self, landing: Landing) -> None:
        """Apply all of ``landing``, or nothing; the last change of a key wins."""
        gone, rows = self._latest(landing.changes)
        with translated(self._problem), self._opened().begin() as connection:
            self._ledger.move(connection, landing.log, landing.positions)
            if gone:
                self._delete(connection, gone)
            if rows:
                assert self._upsert is not None
                self._upsert.write(connection, rows)
            self._ledger.add_receipts(connection, landing.receipts)

    def _latest(self, changes: Changes) -> tuple[list[bytes], Sequence[tuple[Any, ...]]]:
        if isinstance(changes, ColumnarChanges):
            return changes.latest()
        last = dict(changes)
        try:
            rows = [convert_row(row, self._converters) for row in last.values() if row is not None]
        except OverflowError as exc:
            raise self._problem.make(_TOO_LATE) from exc
        return [key for key, row in last.items() if row is None], rows

    def unsent_receipts(self, limit: int) -> Sequence[Receipt]:
        """Return receipts that the broker may not have yet."""
        with translated(self._problem), self._opened().connect() as connection:
            return self._ledger.unsent(connection, limit)

    def mark_sent(self, ids: Sequence[str]) -> None:
        """Forget receipts that the broker has."""
        if ids:
            with translated(self._problem), self._opened().begin() as connection:
                self._ledger.sent(connection, ids)

    def close(self) -> None:
        """Close the connection."""
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None

    def _delete(self, connection: Connection, keys: list[bytes]) -> None:
        assert self._table is not None
        columns = self._key_columns()
        statement = delete(self._table)
        for at, name in enumerate(columns):
            statement = statement.where(self._table.c[name] == bindparam(f"k{at}"))
        width = len(columns)
        connection.execute(statement, [{f"k{at}": self._key_row(key)[at] for at in range(width)} for key in keys])

    def _key_row(self, key: bytes) -> Row:
        values = self._keys.decode(key, parse)
        whole: list[object] = [None] * len(self._stream.items)
        for at, value in zip(self._keys.positions, values, strict=True):
            whole[at] = value
        converted = convert_row(tuple(whole), self._converters)  # type: ignore[arg-type] # values of a key are values
        return tuple(converted[at] for at in self._keys.positions)

    def _key_columns(self) -> list[str]:
        return [self._stream.column(item) for item in self._stream.items if item.primary_key]

    def _opened(self) -> Engine:
        assert self._engine is not None, "connect comes first"
        return self._engine


_TOO_LATE = Text(
    "a date-time is beyond the year 9999 in the zone of this database; correct it at the source",
    "有日期时间换算到本库时区后超出公元 9999 年；请在数据来源更正",
)
