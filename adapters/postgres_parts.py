"""A table read in parts at the same time: by processes of our own, each a range of its blocks, under one snapshot.

Reading, checking and encoding is most of the work of a pass, and one process of Python uses one core for it. The parts
come back as records, and one publisher sends them as it sends others: comparing, deletes, rejects, transactions,
position and fencing stay as they are, and a part that dies is a pass that did not come to its end.

Ranges are of blocks and not of keys: they are equally large whatever the keys are, and need no index.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection as Channel
from multiprocessing.connection import Pipe, wait
from typing import TYPE_CHECKING, overload

from psycopg import sql

from adapters.postgres_catalog import OLDEST, Table
from adapters.postgres_connection import Wire, open_connection
from adapters.protocol import ReadBatch, Reject, Stream
from exchange.avro import Schema
from exchange.columnar import ColumnarRows
from exchange.decoder import make_decoder
from exchange.errors import ExchangeError, NotConnected
from exchange.items import Row
from exchange.text import Text

if TYPE_CHECKING:
    from adapters.source_postgres import Config

LEAST_PAGES = 2048  # of a part: 16 MB are read sooner than a process is started
WAIT_S = 0.9
END_S = 5.0


@dataclass(frozen=True, slots=True)
class Job:
    """What one process reads."""

    config: Config
    stream: Stream
    snapshot: str
    where: str


@dataclass(frozen=True, slots=True)
class Piece:
    """A batch on its way: records where the stream has the resource's own items, else rows."""

    rejects: Sequence[Reject]
    records: tuple[list[bytes], list[bytes]] | None
    rows: Sequence[Row]


@dataclass(frozen=True, slots=True)
class Failed:
    """An error of the family on its way."""

    kind: type[ExchangeError]
    facts: dict[str, object]


class Encoded(ColumnarRows):
    """Rows that another process has read, checked and encoded; tuples are made when they are asked for."""

    def __init__(self, records: tuple[list[bytes], list[bytes]], schema: Schema) -> None:
        self._records = records
        self._schema = schema

    def records(self) -> tuple[list[bytes], list[bytes]]:
        """Return keys and data."""
        return self._records

    def __len__(self) -> int:
        return len(self._records[0])

    @overload
    def __getitem__(self, at: int) -> Row: ...
    @overload
    def __getitem__(self, at: slice) -> list[Row]: ...
    def __getitem__(self, at: int | slice) -> Row | list[Row]:
        decode, data = make_decoder(self._schema), self._records[1]
        return [decode(datum, 0) for datum in data[at]] if isinstance(at, slice) else decode(data[at], 0)

    def __iter__(self) -> Iterator[Row]:
        decode = make_decoder(self._schema)
        return (decode(datum, 0) for datum in self._records[1])


class Shared:
    """A snapshot that several connections read, for as long as this is open; the table is not rewritten meanwhile.

    ``exported``: a snapshot that another connection holds already. Errors: psycopg.Error.
    """

    def __init__(self, config: Config, table: Table, exported: str | None) -> None:
        self._table = table
        self._connection = open_connection(config)
        try:
            self._connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            if exported is not None:
                self._connection.execute(sql.SQL("SET TRANSACTION SNAPSHOT {}").format(sql.Literal(exported)))
            self.snapshot = exported or str(self._one("SELECT pg_export_snapshot()"))
            # a table that is rewritten between two parts would have its rows in other blocks
            self._connection.execute(sql.SQL(f"LOCK TABLE {table.quoted} IN ACCESS SHARE MODE"))
        except BaseException:
            self.close()
            raise

    def ranges(self, most: int) -> list[str]:
        """Return conditions, at most ``most``, of which each row fulfils exactly one; one empty one: not worth it."""
        size = f"SELECT pg_relation_size({self._table.oid}) / current_setting('block_size')::bigint"
        pages = int(str(self._one(size)))
        count = min(most, max(1, pages // LEAST_PAGES))
        if count == 1 or self._connection.info.server_version < OLDEST:
            return [""]
        borders = [pages * number // count for number in range(1, count)]
        lower = ["", *[f"ctid >= '({border},0)'::tid" for border in borders]]
        upper = [*[f"ctid < '({border},0)'::tid" for border in borders], ""]
        return [f" WHERE {' AND '.join(filter(None, pair))}" for pair in zip(lower, upper, strict=True)]

    def close(self) -> None:
        """Let the snapshot go; safe to call twice."""
        Wire(self._connection).close()

    def _one(self, words: str) -> object:
        row = self._connection.execute(sql.SQL(words)).fetchone()
        assert row is not None
        return row[0]


class Worker:
    """One process that reads a part."""

    def __init__(self, job: Job) -> None:
        self.channel, theirs = Pipe()
        with theirs:
            self.process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                [sys.executable, "-m", "adapters.postgres_part", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # a signal from a terminal is for the adapter; it ends its processes itself
            )
        with suppress(OSError):  # it ended at once: reading will tell
            self.channel.send(job)  # over the pipe, as it has the password

    def end(self) -> None:
        """End it, whatever it does."""
        self.channel.close()
        self.process.kill()
        self.process.wait(END_S)


def read_parts(jobs: Sequence[Job]) -> Iterator[ReadBatch]:
    """Yield what the jobs read, as it comes; an empty batch each second in which nothing does."""
    workers = {worker.channel: worker for worker in map(Worker, jobs)}
    left, schema = set(workers), jobs[0].stream.contract.schema
    try:
        while left:
            ready = wait(list(left), WAIT_S)
            if not ready:
                yield ReadBatch()
            for channel in ready:
                assert isinstance(channel, Channel)
                piece = _received(channel)
                if piece is None:
                    left.discard(channel)
                elif piece.records is not None:
                    yield ReadBatch(rows=Encoded(piece.records, schema), rejects=piece.rejects)
                else:
                    yield ReadBatch(rows=piece.rows, rejects=piece.rejects)
    finally:
        for worker in workers.values():
            worker.end()


def _received(channel: Channel) -> Piece | None:
    try:
        found: Piece | Failed | None = channel.recv()
    except (EOFError, OSError) as exc:
        raise NotConnected(what=_PROCESS, reason=Text("it ended", "已退出")) from exc
    if isinstance(found, Failed):
        raise found.kind(**found.facts)
    return found


def jobs_of(config: Config, stream: Stream, shared: Shared) -> list[Job]:
    """Return what is to be read, each part as a plain snapshot of its own."""
    alone = config.model_copy(update={"mode": "snapshot", "processes": 1})
    plain = replace(stream, judge=None)
    return [Job(alone, plain, shared.snapshot, where) for where in shared.ranges(config.processes)]


_PROCESS = Text("a process that reads a part of the table", "读取表的一部分的进程")
