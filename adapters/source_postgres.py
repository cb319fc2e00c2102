"""A table of PostgreSQL as source: read whole, then followed by logical replication, or read whole in each pass."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from typing import Literal
from zoneinfo import ZoneInfo

import psycopg
from psycopg import sql
from pydantic import Field
from sqlalchemy import make_url

from adapters.databases import DatabaseConfig, Problem, name_of, translated
from adapters.postgres_catalog import Connection, Needs, Publication, Table, find_table
from adapters.postgres_changes import Assembler, Key
from adapters.postgres_columns import ColumnReader
from adapters.postgres_connection import Wire, open_connection
from adapters.postgres_parts import Shared, jobs_of, read_parts
from adapters.postgres_replication import Exported, Replication
from adapters.postgres_slot import IN_USE, LOST_STATES, Slot, lsn_of, lsn_text
from adapters.postgres_snapshot import TableReader
from adapters.postgres_stream import REFRESH, Follower
from adapters.postgres_sums import Summary, Sums
from adapters.postgres_values import ColumnKind, RowReader
from adapters.protocol import Coverage, Position, ReadBatch, Reject, Stream
from adapters.spec import Spec
from exchange.errors import ConfigError, DatabaseUnavailable, SourceProblem
from exchange.items import Row
from exchange.text import Text

log = logging.getLogger("exchange.adapter")

SPEC = Spec(
    side="source",
    kind="postgres",
    summary=Text(
        "a table of PostgreSQL, whole at first and then each change within a second (logical replication)",
        "PostgreSQL 的表：先整体读取，再实时捕获变更（逻辑复制）",
    ),
    example='[source]\nkind = "postgres"\nurl = "postgresql://reader@127.0.0.1/villages"\n'
    'password_file = "db.secret"\ntable = "public.villages"',
)


class Config(DatabaseConfig):
    """Which table, and how its changes are found."""

    table: str = Field(description="table, or schema.table", examples=["public.villages"])
    mode: Literal["capture", "snapshot"] = Field(
        default="capture",
        description="capture: the whole table once, then its changes; snapshot: the whole table in each pass",
    )
    slot: str | None = Field(
        default=None,
        pattern=r"^[a-z0-9_]{1,63}$",
        description="mode capture: name of the replication slot; without it: made of the resource's code",
        examples=["exchange_villages"],
    )
    publication: str | None = Field(
        default=None,
        min_length=1,
        max_length=63,
        description="mode capture: name of the publication; without it: as the slot",
        examples=["exchange_villages"],
    )
    create: bool = Field(
        default=False, description="mode capture: make the publication, or add the table to it, where that is missing"
    )
    processes: int = Field(
        default=1, ge=1, le=16, description="processes that read a large table whole, each a part of it"
    )
    max_slot_mb: int = Field(
        default=1024, ge=1, description="mode capture: warn when the server keeps more of its log (MB) for the slot"
    )

    def verify(self, file: str, group: str) -> None:
        """Refuse an address that is not PostgreSQL's."""
        super().verify(file, group)
        url = make_url(self.url)
        if url.get_backend_name() != "postgresql":
            example = 'url = "postgresql://reader@host/name"'
            raise ConfigError(
                file=file, key=f"{group}.url", expected=_ADDRESS, found=url.get_backend_name(), example=example
            )


def open_source(config: Config, stream: Stream) -> PostgresSource:
    """Return the source of an adapter file."""
    return PostgresSource(config, stream)


class PostgresSource:
    """Reads with COPY and follows with pgoutput; both give values as text, made into rows by the same code."""

    def __init__(self, config: Config, stream: Stream) -> None:
        self._config = config
        self._stream = stream
        self.place = config.table
        self.keyed = True
        self._problem = Problem(SourceProblem, f"{name_of(config)} {config.table}")
        self._needs = Needs(stream, config.zone, self._problem)
        name = config.slot or re.sub(r"[^a-z0-9]+", "_", f"exchange_{stream.contract.topic}".lower())[:63]
        self._slot = Slot(name, config.max_slot_mb, config.table, self._problem)
        self._publication = Publication(config.publication or name, create=config.create, problem=self._problem)
        self._connection: Connection | None = None
        self._table: Table | None = None
        self._hand_over = False  # the pass that was announced by ``coverage`` begins a stream
        self._warned = False
        self.undeclared: Sequence[str] | None = None

    def connect(self) -> None:
        """Check that the database answers, and that the table's rows or changes can be read as the resource needs."""
        self.close()
        with translated(self._problem):
            self._connection = connection = open_connection(self._config)
            self._table = table = find_table(connection, self._config.table, self._problem)
            self._needs.check_columns(table)
            self.undeclared = self._stream.undeclared(table.columns)
            self.keyed = self._needs.unique(table)
            if self._config.mode == "capture":
                self._check_capture(connection, table)

    def retained(self) -> tuple[str, int] | None:
        """Ask the server what the slot keeps, over a connection of its own. Errors: DatabaseUnavailable."""
        if self._config.mode != "capture":
            return None
        with translated(self._problem):
            connection = open_connection(self._config)
            try:
                kept = self._slot.kept(connection)
            finally:
                connection.close()
        return None if kept is None else (self._slot.name, kept)

    def coverage(self, position: Position | None) -> Coverage:
        """Return CHANGES when the slot still has all since ``position``; else the next pass reads the whole table."""
        if self._config.mode == "snapshot":
            return Coverage.WHOLE
        self._hand_over = False
        if position is not None and "lsn" in position:
            with translated(self._problem):
                lost = self._lost(position)
            if lost is None:
                return Coverage.CHANGES
            log.warning("%s: %s", self.place, _AGAIN.format(reason=lost))
        self._hand_over = True
        return Coverage.WHOLE

    def changed(self) -> bool:
        """Return True: only reading tells."""
        return True

    def read(self, position: Position | None) -> Generator[ReadBatch]:
        """Yield the table as it is now, or its changes since ``position``, without end.

        Only a pass that ``coverage`` announced makes a slot; a look at the first rows leaves the database as it is.
        """
        with translated(self._problem):
            if position is not None and self._config.mode == "capture":
                yield from self._follow(position)
            elif self._hand_over:
                yield from self._snapshot_and_slot()
            else:
                yield from self._snapshot()

    def table(self) -> Generator[ReadBatch]:
        """Yield the table as it is now."""
        with translated(self._problem):
            yield from self._snapshot()

    def rows(self, keys: Sequence[bytes]) -> Generator[ReadBatch]:
        """Yield the rows of some keys."""
        names = [self._stream.column(item) for item in self._stream.items if item.primary_key]
        wanted = [tuple(zip(names, key_texts(names, key), strict=True)) for key in keys]
        with translated(self._problem):
            rows, rejects = self._again(wanted)
        yield ReadBatch(rows=rows, rejects=rejects)

    def sums(self) -> Summary | None:
        """Return sums over the table that the server makes; None when the types of its columns do not allow it."""
        _, table = self._open()
        asked = Sums(self._stream, table)
        if not (asked.exact and self.keyed):
            return None
        with translated(self._problem), closing(open_connection(self._config)) as connection:
            return asked.read(connection)

    def rows_of_sums(self, numbers: Sequence[int]) -> Generator[ReadBatch]:
        """Yield the rows of some buckets of ``sums``."""
        _, table = self._open()
        with translated(self._problem):
            yield from self._rows(where=Sums(self._stream, table).where(numbers))

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _check_capture(self, connection: Connection, table: Table) -> None:
        self._needs.check_changes(table)
        if connection.execute("SELECT pg_is_in_recovery()").fetchone() == (True,):
            raise DatabaseUnavailable(reason=_STANDBY)
        self._publication.check(connection, table, self._needs.names)
        if not self._warned:
            self._slot.warn_unbounded(connection)
            self._warned = True

    def _lost(self, position: Position) -> Text | None:
        connection, table = self._open()
        if position.get("system") != _system(connection):
            return Text("it is another database server", "数据库服务器已更换")
        if position.get("shape") != self._needs.shape(table):
            return Text("the table, its columns or the resource's items changed", "表、列或信息项已变化")
        if not self._publication.covers(connection, table, self._needs.names):
            return Text("the table was not in the publication", "该表曾不在发布中")
        return self._slot.lost(connection, position)

    def part(self, snapshot: str | None, where: str) -> Generator[ReadBatch]:
        """Yield the rows of a condition, as a snapshot has them that another connection holds."""
        with translated(self._problem):
            yield from self._rows(snapshot, where)

    def _snapshot(self, snapshot: str | None = None) -> Iterator[ReadBatch]:
        if self._config.processes == 1:
            yield from self._rows(snapshot)
            return
        with closing(Shared(self._config, self._open()[1], snapshot)) as shared:
            jobs = jobs_of(self._config, self._stream, shared)
            yield from read_parts(jobs) if len(jobs) > 1 else self._rows(shared.snapshot)

    def _rows(self, snapshot: str | None = None, where: str = "") -> Iterator[ReadBatch]:
        """Yield rows on a connection of its own: a pass that is left in the middle leaves nothing behind."""
        reader = self._reader()
        connection = open_connection(self._config)
        try:
            if snapshot is not None:
                connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
                connection.execute(sql.SQL("SET TRANSACTION SNAPSHOT {}").format(sql.Literal(snapshot)))
            yield from reader.batches(Wire(connection), where)
        finally:
            Wire(connection).close()

    def _snapshot_and_slot(self) -> Iterator[ReadBatch]:
        """Yield the table as it was where the new slot begins; the last batch has that position."""
        self._hand_over = False
        connection, table = self._open()
        self._slot.drop(connection)
        self._publication.make(connection, table, self._needs.names)
        with closing(Replication(self._config)) as replication:
            exported: Exported | None = None
            for exported in replication.create_slot(self._slot.name):
                if exported is None:
                    log.warning("%s: %s", self.place, _OPEN_TRANSACTIONS.format())
                    yield ReadBatch()
            assert exported is not None
            yield from self._snapshot(exported.snapshot)
        shape = self._needs.shape(table)
        yield ReadBatch(position={"system": _system(connection), "shape": shape, "lsn": lsn_text(exported.lsn)})

    def _follow(self, position: Position) -> Iterator[ReadBatch]:
        connection, table = self._open()
        end = connection.execute("SELECT pg_current_wal_insert_lsn()::text").fetchone()
        assert end is not None
        assembler = Assembler(self._stream, table, self._row_reader(), self._problem, position, self._again)
        try:
            with closing(Replication(self._config)) as replication:
                for _ in replication.start(self._slot.name, self._publication.name, assembler.lsn):
                    yield ReadBatch()
                follower = Follower(self.place, replication, assembler, lsn_of(end[0]), self._look)
                yield from follower.batches()
        except psycopg.Error as exc:
            if exc.sqlstate == IN_USE:
                raise DatabaseUnavailable(reason=str(exc).splitlines()[0]) from exc
            if exc.sqlstate not in LOST_STATES:
                raise
            log.warning("%s: %s", self.place, _AGAIN.format(reason=str(exc).splitlines()[0]))
            yield ReadBatch(position=REFRESH)

    def _look(self) -> Text | None:
        """Look at table and slot while the stream runs. Errors: SourceProblem when a column is gone or taken away."""
        connection, known = self._open()
        table = find_table(connection, self._config.table, self._problem)
        self._needs.check_columns(table)
        self._needs.check_changes(table)
        self._slot.watch(connection)
        if self._needs.shape(table) != self._needs.shape(known):
            return Text("the table was changed or made anew", "表结构已改变或表已被重建")
        if not self._publication.covers(connection, table, self._needs.names):
            return Text("the table is no longer in the publication", "该表已不在发布中")
        return None

    def _again(self, keys: Sequence[Key]) -> tuple[list[Row], list[Reject]]:
        connection = open_connection(self._config)
        try:
            return self._reader().rows(Wire(connection), keys)
        finally:
            Wire(connection).close()

    def _reader(self) -> TableReader:
        _, table = self._open()
        columns = ColumnReader(self._stream.contract.schema, self._stream.items, self._kinds(table))
        return TableReader(self._stream, table, self._row_reader(), columns)

    def _row_reader(self) -> RowReader:
        _, table = self._open()
        zone = ZoneInfo(self._config.zone)
        return RowReader(self.place, self._stream.items, self._needs.names, self._kinds(table), zone)

    def _kinds(self, table: Table) -> list[ColumnKind]:
        return [table.columns[name].kind for name in self._needs.names]

    def _open(self) -> tuple[Connection, Table]:
        assert self._connection is not None, "connect comes first"
        assert self._table is not None
        return self._connection, self._table


def key_texts(names: Sequence[str], key: bytes) -> Sequence[str]:
    """Return the texts of the primary key's columns in a key as Kafka carries it."""
    texts: Sequence[str] = [key.decode()] if len(names) == 1 else json.loads(key)
    return texts


def _system(connection: Connection) -> str:
    """Return the id that a database server got when it was initialised."""
    row = connection.execute("SELECT system_identifier::text FROM pg_control_system()").fetchone()
    assert row is not None
    return str(row[0])


_ADDRESS = Text("an address of PostgreSQL", "PostgreSQL 的地址")
_STANDBY = Text("it is a standby: it is waited for until it is the primary", "该服务器为备库；将等待其成为主库")
_AGAIN = Text("the whole table is read again: {reason}", "将重新完整读取该表：{reason}")
_OPEN_TRANSACTIONS = Text(
    "the replication slot waits for transactions that are open in the database to end",
    "复制槽正等待数据库中未结束的事务",
)
