"""A table or query as source: compared whole, or followed by a timestamp column."""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterator, Sequence
from typing import Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import Field, model_validator
from sqlalchemy import Connection, Engine, FromClause, Row, Select, column, select, text, tuple_

from adapters import sql_mysql
from adapters.coerce import as_text, coerce, key_of, size_checker
from adapters.database_clock import DatabaseClock
from adapters.databases import DatabaseConfig, Problem, name_of, named_table, open_engine, translated
from adapters.protocol import Coverage, Position, ReadBatch, Reject, Stream
from adapters.spec import Spec
from adapters.sql_table import keeps_apart
from adapters.watermark import Watermark
from exchange.errors import BadRecord, SourceProblem
from exchange.items import KeyCodec
from exchange.items import Row as ItemRow
from exchange.text import Text
from exchange.values import parse, row_checker

log = logging.getLogger("exchange.adapter")

SPEC = Spec(
    side="source",
    kind="sql",
    summary=Text(
        "a table or query of PostgreSQL, MariaDB, MySQL, SQLite or another SQL database, whole or by timestamp",
        "PostgreSQL、MariaDB、MySQL、SQLite 或其他 SQL 数据库的表或查询，整体比对或按时间戳增量",
    ),
    example='[source]\nkind = "sql"\nurl = "postgresql://reader@127.0.0.1/villages"\n'
    'password_file = "db.secret"\ntable = "villages"',
)


class Config(DatabaseConfig):
    """What is read, and how new rows are found."""

    table: str | None = Field(default=None, description="table, or schema.table", examples=["villages"])
    query: str | None = Field(default=None, description="a SELECT instead of a table", examples=["SELECT * FROM v"])
    mode: Literal["whole", "watermark"] = Field(
        default="whole", description="whole: all rows are compared, deletes are seen; watermark: only newer rows"
    )
    timestamp: str | None = Field(default=None, description="mode watermark: its column", examples=["updated_at"])
    deleted: str | None = Field(default=None, description="mode watermark: column that marks a row as deleted")
    lag_s: float = Field(
        default=5.0, ge=0, description="mode watermark: seconds after which no transaction adds older rows any more"
    )
    wait_for_open: bool = Field(
        default=False,
        description="mode watermark, PostgreSQL: nothing is read that an open transaction may still come before",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.table is None) == (self.query is None):
            raise ValueError("either table or query")
        if (self.mode == "watermark") != (self.timestamp is not None):
            raise ValueError('timestamp goes with mode = "watermark"')
        return self


def open_source(config: Config, stream: Stream) -> SqlSource:
    """Return the source of an adapter file."""
    return SqlSource(config, stream)


class SqlSource:
    """Reads through a server-side cursor, so that memory is bounded by one batch."""

    keyed = False  # until connect finds out; a query or a table without a primary key may give a row twice

    def __init__(self, config: Config, stream: Stream) -> None:
        self._coverage = Coverage.WHOLE if config.mode == "whole" else Coverage.CHANGES
        self._config = config
        self._stream = stream
        self._zone = ZoneInfo(config.zone)
        self._check = row_checker(stream.items)
        self._check_size = size_checker(stream.items)
        self._keys = KeyCodec(stream.items)
        self._clock = DatabaseClock(config.lag_s)
        self._engine: Engine | None = None
        self._query = (config.query or "").strip().rstrip(";")
        self._from = self._build_from()
        self.place = config.table or "query"
        self.undeclared: Sequence[str] | None = None
        self._problem = Problem(SourceProblem, f"{name_of(config)} {self.place}")

    def connect(self) -> None:
        """Check that the database answers and that every column is there."""
        self.close()
        self._engine = open_engine(self._config, writes=False)
        with translated(self._problem), self._engine.connect() as connection:
            self._check_columns(connection)
            self.keyed = self._config.table is not None and keeps_apart(connection, self._config.table, self._stream)
            if self._coverage is Coverage.CHANGES:
                self._watermark().check(connection, self._problem)

    def coverage(self, position: Position | None) -> Coverage:  # noqa: ARG002 - the mode decides
        """Return what the configured mode shows."""
        return self._coverage

    def changed(self) -> bool:
        """Return True: only reading tells."""
        return True

    def read(self, position: Position | None) -> Generator[ReadBatch]:
        """Yield the table as it is now, or what is new since ``position`` and older than the lag."""
        assert self._engine is not None, "connect comes first"
        with translated(self._problem), self._engine.connect() as connection:
            if self._coverage is Coverage.WHOLE:
                yield from self._batches(connection, self._select())
            else:
                yield from self._new(connection, position)

    def table(self) -> Generator[ReadBatch]:
        """Yield every row that there is now, also one that is younger than the lag."""
        assert self._engine is not None, "connect comes first"
        with translated(self._problem), self._engine.connect() as connection:
            yield from self._batches(connection, self._select())

    def rows(self, keys: Sequence[bytes]) -> Generator[ReadBatch]:
        """Yield the rows of some keys."""
        assert self._engine is not None, "connect comes first"
        items = [item for item in self._stream.items if item.primary_key]
        columns = tuple_(*[self._from.c[self._stream.column(item)] for item in items])
        values = [self._keys.decode(key, parse) for key in keys]
        with translated(self._problem), self._engine.connect() as connection:
            yield from self._batches(connection, self._select().where(columns.in_(values)))

    def close(self) -> None:
        """Give the connections back."""
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None

    def _new(self, connection: Connection, position: Position | None) -> Iterator[ReadBatch]:
        watermark = self._watermark()
        edge = watermark.edge(connection, position)  # before anything is read: what commits from now on is younger
        watermark.check(connection, self._problem)
        if edge.set_back:
            log.warning("%s: the database's clock was set back: the table is read again from its start", self.place)
            position = None
        statement = watermark.newer(self._select(), position, edge, connection)
        for rows in self._chunks(connection, statement):
            batch = self._batch(rows)
            yield ReadBatch(batch.rows, (), batch.deleted, batch.rejects, watermark.position(rows[-1], edge))

    def _batches(self, connection: Connection, statement: Select[Any]) -> Iterator[ReadBatch]:
        for rows in self._chunks(connection, statement):
            yield self._batch(rows)

    def _chunks(self, connection: Connection, statement: Select[Any]) -> Iterator[list[Row[Any]]]:
        result = connection.execution_options(yield_per=self._stream.batch_rows).execute(statement)
        try:
            for chunk in result.partitions():
                yield list(chunk)
        except GeneratorExit:
            if connection.dialect.name in sql_mysql.NAMES:
                sql_mysql.stop_reading(connection)
                connection.invalidate()
            raise

    def _batch(self, rows: list[Row[Any]]) -> ReadBatch:
        made: list[ItemRow] = []
        deleted: list[bytes] = []
        rejects: list[Reject] = []
        width = len(self._stream.items)
        for row in rows:
            try:
                values = self._row(row[:width])
            except BadRecord as exc:
                rejects.append(self._reject(row[:width], exc))
                continue
            if self._config.deleted and row[-1]:
                key = key_of(self._stream.items, values)
                deleted += [key] if key else []
            else:
                made.append(values)
        return ReadBatch(rows=made, deleted=deleted, rejects=rejects)

    def _row(self, values: Any) -> ItemRow:
        items = self._stream.items
        row = tuple(coerce(item, value, self._zone) for item, value in zip(items, values, strict=True))
        self._check(row)
        if self._check_size is not None:
            self._check_size(row)
        return row

    def _reject(self, values: Any, fault: BadRecord) -> Reject:
        column_name = self._stream.columns.get(fault.item, fault.item)
        return Reject(
            place=self.place,
            line=None,
            column=column_name,
            rule=fault.rule,
            reason=fault.reason,
            raw=as_text(self._stream.items, values),
            key=self._key(values),
        )

    def _key(self, values: Any) -> bytes | None:
        items = self._stream.items
        try:
            row = tuple(
                coerce(item, value, self._zone) if item.primary_key else None
                for item, value in zip(items, values, strict=True)
            )
        except BadRecord:
            return None
        return key_of(items, row)

    def _names(self) -> list[str]:
        names = [self._stream.column(item) for item in self._stream.items]
        return names + [name for name in (self._config.timestamp, self._config.deleted) if name]

    def _build_from(self) -> FromClause:
        names = list(dict.fromkeys(self._names()))
        if self._config.table is not None:
            return named_table(self._config.table, names)
        return text(self._query).columns(*[column(name) for name in names]).subquery("q")

    def _select(self) -> Select[Any]:
        source = self._from
        labelled = [source.c[name].label(f"c{at}") for at, name in enumerate(self._names())]
        return select(*labelled).select_from(source)

    def _watermark(self) -> Watermark:
        assert self._config.timestamp is not None
        keys = [self._stream.column(item) for item in self._stream.items if item.primary_key]
        places = [self._names().index(name) for name in (self._config.timestamp, *keys)]
        return Watermark(
            source=self._from,
            timestamp=self._config.timestamp,
            keys=keys,
            places=places,
            lag_s=self._config.lag_s,
            wait_for_open=self._config.wait_for_open,
            zone=self._zone,
            clock=self._clock,
        )

    def _check_columns(self, connection: Connection) -> None:
        every = text("*")
        source = self._from if self._config.query is None else text(f"({self._query}) q")  # Oracle takes no AS here
        known = list(connection.execute(select(every).select_from(source).limit(0)).keys())
        missing = [name for name in self._names() if name not in known]
        if missing:
            raise self._problem.make(
                Text(
                    f"column {missing[0]} is missing; there are: {', '.join(known)}; see [adapter.columns]",
                    f"缺少列 {missing[0]}；现有列：{', '.join(known)}；请检查 [adapter.columns]",
                )
            )
        self.undeclared = self._stream.undeclared(known)
