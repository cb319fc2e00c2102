"""One side of a comparison: the table of an adapter file, source or destination, read where it is.

Two tables that have to be read row by row have a process each, so that they are read at once; what comes out of it is
sums, digests and, of the keys that are asked for, rows.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import closing, contextmanager
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from pydantic import SecretStr
from sqlalchemy import make_url

from adapters import sink_sql, source_postgres, source_sql
from adapters.config import AdapterConfig, read_adapter
from adapters.mapping_source import MappedSource
from adapters.postgres_sums import Summary
from adapters.protocol import Coverage, ReadBatch, Reject, Source, Table
from adapters.source_postgres import PostgresSource
from exchange.avro import Schema
from exchange.codec import RecordCodec
from exchange.contract import Contract
from exchange.errors import ExchangeError
from exchange.items import KeyCodec, Row
from exchange.publisher import row_digest
from exchange.receipts import record_digest
from exchange.registry_client import RegistryClient
from exchange.tally import BUCKETS, HELD, Sum, Tally, Twice
from exchange.text import Text

AT_ONCE = 500  # keys in one question to a database
MOST_ASKED = 5_000  # more keys than that: the whole table is read again
ODD = b"\xff"  # before a row that the resource cannot have: no datum of Avro's is the same


class Counted(NamedTuple):
    """What was read: rows, and rejected rows whose key is not known."""

    place: str
    rows: int
    unread: int
    keyed: bool


class Seen(NamedTuple):
    """A row at a second look: its digest, and its datum (None for one that was rejected)."""

    digest: int
    datum: bytes | None


class NotCompared(ExchangeError):
    """A source that cannot show all of its rows, or a destination that cannot be read back."""

    code = "not_compared"
    exit_code = 2
    text = Text(
        "{name}: a {side} of kind {kind} cannot show all the rows that it has",
        "{name}：{kind} 类型的{side}无法列出其全部记录",
    )
    hint = Text(
        "Compared can be: sources that read a whole table, file or interface, and destinations of kind sql.",
        "可以核对的有：整体读取的数据源，以及 sql 类型的目标。",
    )


class TableSide:
    """Reads one table, in the process that calls."""

    def __init__(self, config: AdapterConfig) -> None:
        self._config = config
        registry = RegistryClient(config.settings.registry, config.settings.identity)
        try:
            self._contract = contract = registry.contract(config.settings.adapter.resource)
        finally:
            registry.close()
        self._codec = RecordCodec(contract.schema, contract.schema_id, _no_other)
        self._keys = KeyCodec(contract.items)
        self._source = reading(config, contract)
        inner = self._source.inner if isinstance(self._source, MappedSource) else self._source
        self._is_table = isinstance(inner, Table)
        self._tally = Tally(Twice.NEVER)

    def count(self) -> Counted:
        """Read the table into a tally. Errors: those of the source, NotCompared."""
        with self._connected():
            return self._count(self._all())

    def summary(self) -> Summary | None:
        """Return sums that the database itself makes; None: it cannot."""
        if not isinstance(self._source, PostgresSource):
            return None
        with self._connected():
            return self._source.sums()

    def count_some(self, numbers: Sequence[int]) -> tuple[Counted, dict[bytes, int]]:
        """Return the digests of the rows in some buckets of ``summary``."""
        assert isinstance(self._source, PostgresSource)
        with self._connected():
            counted = self._count(self._source.rows_of_sums(numbers))
        found = [self._tally.bucket(number) for number in range(BUCKETS)]
        return counted, {key: digest for bucket in found for key, digest in bucket.items()}

    def sums(self, level: int, nodes: Sequence[int]) -> list[Sum]:
        """Return sums of the tally."""
        return self._tally.sums(level, nodes)

    def bucket(self, number: int) -> dict[bytes, int]:
        """Return the digests of one bucket."""
        return self._tally.bucket(number)

    def look(self, keys: Sequence[bytes]) -> dict[bytes, Seen]:
        """Return the rows that some keys have now; a key that is not there is left out."""
        wanted, found = frozenset(keys), dict[bytes, Seen]()
        with self._connected(), closing(self._some(keys)) as batches:
            for batch in batches:
                named = zip(map(self._keys.encode, batch.rows), batch.rows, strict=True)
                rows = {key: row for key, row in named if key in wanted and key not in found}
                for key, datum in zip(rows, self._codec.encode_rows(list(rows.values())), strict=True):
                    found[key] = Seen(row_digest(key, datum), datum)
                for reject in batch.rejects:
                    if reject.key in wanted and reject.key is not None:
                        found.setdefault(reject.key, Seen(self._of_reject(reject), None))
        return found

    def _count(self, batches: Generator[ReadBatch]) -> Counted:
        self._tally.close()
        self._tally = Tally(Twice.NEVER if self._source.keyed else Twice.FIRST)
        rows = unread = 0
        with closing(batches):
            for batch in batches:
                keys, data = self._encoded(batch.rows)
                self._tally.put(keys, map(row_digest, keys, data))
                rejects = [reject for reject in batch.rejects if reject.key is not None]
                self._tally.put((r.key or b"" for r in rejects), map(self._of_reject, rejects))
                rows += len(keys) + len(batch.rejects)
                unread += len(batch.rejects) - len(rejects)
        return Counted(self._source.place, rows, unread, self._source.keyed)

    @contextmanager
    def _connected(self) -> Iterator[None]:
        try:
            self._source.connect()
            yield
        finally:
            self._source.close()

    def _all(self) -> Generator[ReadBatch]:
        if self._is_table:
            table: Generator[ReadBatch] = self._source.table()  # type: ignore[attr-defined] # it is a Table
            return table
        if not self._config.kind.spec.rereads or self._source.coverage(None) is not Coverage.WHOLE:
            raise not_compared(self._config)
        return self._source.read(None)

    def _some(self, keys: Sequence[bytes]) -> Generator[ReadBatch]:
        if not (self._is_table and self._source.keyed) or len(keys) > MOST_ASKED:
            yield from self._all()
            return
        for start in range(0, len(keys), AT_ONCE):
            yield from self._source.rows(keys[start : start + AT_ONCE])  # type: ignore[attr-defined] # it is a Table

    def _encoded(self, rows: Sequence[Row]) -> tuple[list[bytes], list[bytes]]:
        return self._codec.records(self._keys, rows)

    def _of_reject(self, reject: Reject) -> int:
        """At a source a rejected row stays what was published of it; at a destination it is no row of the resource."""
        if self._config.side == "source":
            return HELD
        return record_digest(reject.key or b"", ODD + reject.raw.encode())


def reading(config: AdapterConfig, contract: Contract) -> Source:
    """Return a source that shows the rows of an adapter file: its own, or its destination's table. Errors: NotCompared.

    A destination is read by the same code as a source, so that a row is the same whatever database it is in.
    """
    if config.side == "source":
        return config.source(contract)
    part = config.part
    if not isinstance(part, sink_sql.Config):
        raise not_compared(config)
    known = {
        "url": part.url,
        "password": SecretStr(part.password.get_secret_value()) if part.password else None,
        "zone": part.zone,
        "table": part.table,
    }
    stream = config.stream(contract)
    if make_url(part.url).get_backend_name() == "postgresql":
        return source_postgres.open_source(
            source_postgres.Config(kind="postgres", mode="snapshot", **known),
            stream,
        )
    return source_sql.open_source(source_sql.Config(kind="sql", **known), stream)


def _no_other(schema_id: int) -> Schema:
    raise AssertionError(f"rows are encoded here, and none is decoded: schema {schema_id}")


def not_compared(config: AdapterConfig) -> NotCompared:
    """Return the error for a side that cannot be compared."""
    side = Text("source", "数据源") if config.side == "source" else Text("destination", "目标")
    return NotCompared(name=config.settings.adapter.name, side=side, kind=config.kind.name)


class Remote:
    """A ``TableSide`` in a thread; with ``apart``, in a process of its own as soon as its whole table is read here.

    While the database makes the sums, this process only waits; a process more would cost a second to start.
    """

    def __init__(self, file: Path, *, apart: bool) -> None:
        self._file = file
        self._apart = apart
        self._pool: Executor = ThreadPoolExecutor(1, "reconcile", _begin, (file,))

    def count(self) -> Future[Counted]:
        """Begin to read the table."""
        if self._apart and not isinstance(self._pool, ProcessPoolExecutor):
            self._pool.shutdown()
            self._pool = ProcessPoolExecutor(1, get_context("spawn"), _begin, (self._file,))
        return self._pool.submit(_ask, "count")

    def summary(self) -> Future[Summary | None]:
        """Begin to have the database make sums."""
        return self._pool.submit(_ask, "summary")

    def count_some(self, numbers: Sequence[int]) -> Future[tuple[Counted, dict[bytes, int]]]:
        """Begin to read the rows of some of its buckets."""
        return self._pool.submit(_ask, "count_some", numbers)

    def sums(self, level: int, nodes: Sequence[int]) -> list[Sum]:
        """Return sums of the tally."""
        found: list[Sum] = self._pool.submit(_ask, "sums", level, nodes).result()
        return found

    def bucket(self, number: int) -> dict[bytes, int]:
        """Return the digests of one bucket."""
        found: dict[bytes, int] = self._pool.submit(_ask, "bucket", number).result()
        return found

    def look(self, keys: Sequence[bytes]) -> Future[dict[bytes, Seen]]:
        """Begin to look at some keys again."""
        return self._pool.submit(_ask, "look", keys)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)


_here = threading.local()  # of a worker of ``Remote``: its adapter file, and the side once it was asked for


def _begin(file: Path) -> None:
    _here.file, _here.side = file, None
    parent = parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: BaseProcess) -> None:
    """A parent that was killed asks for nothing more: nobody is to go on reading the table."""
    wait([parent.sentinel])
    os._exit(1)


def _ask(question: str, *facts: Any) -> Any:
    """Made at the first question, so that what goes wrong is told to who asks."""
    if _here.side is None:
        _here.side = TableSide(read_adapter(_here.file))
    return getattr(_here.side, question)(*facts)
