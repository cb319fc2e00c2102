"""A folder as destination: a log of changes in files, each of which appears whole and with its manifest."""

from __future__ import annotations

import errno
import logging
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from pydantic import Field
from sqlalchemy import URL, Connection, Engine, create_engine, event

from adapters.databases import Problem, translated
from adapters.files_rows import FileFault
from adapters.files_segments import Naming, Segments, ShorterThanLanded
from adapters.files_writers import Writer, headings
from adapters.protocol import Landing, Stream
from adapters.spec import PartConfig, Spec
from adapters.sql_ledger import Ledger
from exchange.errors import ExchangeError, NotConnected, SinkProblem
from exchange.receipts import Receipt
from exchange.text import Text

log = logging.getLogger("exchange.adapter")

SPEC = Spec(
    side="sink",
    kind="files",
    summary=Text(
        "files of changes in a folder: CSV, JSON lines, Avro, Parquet, exactly once",
        "文件夹中的变更文件：CSV、JSON Lines、Avro、Parquet，恰好一次",
    ),
    example='[sink]\nkind = "files"\nfolder = "outbox"\nformat = "csv"\nevery_s = 300',
)

LOCK_TIMEOUT_S = 30
AVRO_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
PASSING = frozenset(
    {
        errno.ENOSPC,
        errno.EDQUOT,
        errno.EFBIG,
        errno.EIO,
        errno.ESTALE,
        errno.ETIMEDOUT,
        errno.EHOSTDOWN,
        errno.ENOTCONN,
        errno.EMFILE,
        errno.ENFILE,
        errno.EBUSY,
        errno.EROFS,
    }
)


class Config(PartConfig):
    """Where files appear, how they are written, and when one is finished."""

    folder: Path = Field(description="the folder in which finished files appear", examples=["outbox"])
    format: Literal["csv", "jsonl", "avro", "parquet"] = Field(default="csv", description="how files are written")
    prefix: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$",
        description="how file names begin; without it: the resource's code",
        examples=["villages"],
    )
    max_rows: int = Field(default=1_000_000, ge=1, description="a file of so many lines is finished")
    max_mb: int = Field(default=256, ge=1, description="a file so large is finished")
    every_s: float = Field(default=300.0, gt=0, description="a file so old is finished")
    ledger: Path | None = Field(
        default=None,
        description="where position and receipts are kept; on a local disk if folder is a share."
        " Without it: .exchange in folder",
        examples=["villages.ledger.db"],
    )


def open_sink(config: Config, stream: Stream) -> FilesSink:
    """Return the sink of an adapter file."""
    return FilesSink(config, stream)


class FilesSink:
    """Every landing is appended to an open file that nobody sees; it appears in the folder once it is finished."""

    def __init__(self, config: Config, stream: Stream) -> None:
        prefix = config.prefix or stream.contract.resource
        self._config = config
        self._stream = stream
        self._ledger = Ledger(prefix)
        self._problem = Problem(SinkProblem, str(config.folder))
        self._database = config.ledger or config.folder / ".exchange" / f"{prefix}.db"
        self._prefix = prefix
        self._engine: Engine | None = None
        self._segments: Segments | None = None
        self._landing = ""
        self._open_since: int | None = None

    def connect(self) -> None:
        """Make folder and ledger, and finish what a kill left half done. Errors: SinkProblem, NotConnected."""
        self.close()
        segments = self._made_segments()
        with self._translated():
            self._config.folder.mkdir(parents=True, exist_ok=True)
            (self._config.folder / ".exchange").mkdir(mode=0o700, exist_ok=True)
            self._database.parent.mkdir(parents=True, exist_ok=True)
        self._engine = _engine(self._database)
        with self._transaction() as connection:
            self._ledger.made_table(connection)
            self._landing = self._ledger.open(connection, from_nothing=False)
            segments.prepare(connection)
            segments.seal_others(connection)
        with self._transaction() as connection:
            segments.deliver(connection, self._landing)
            self._open_since = segments.open_since(connection)
        self._segments = segments

    def landing_id(self) -> str:
        """Return the destination's own id."""
        return self._landing

    def positions(self, log: str) -> Mapping[int, int]:
        """Return the next offset of each partition of ``log``."""
        with self._transaction() as connection:
            return self._ledger.positions(connection, log)

    def write(self, landing: Landing) -> None:
        """Append all of ``landing``, or nothing: changes stand in the order of the topic."""
        segments = self._opened()
        lines, size = 0, 0
        with self._transaction() as connection:
            self._ledger.move(connection, landing.log, landing.positions)
            if landing.changes:
                lines, size = segments.append(connection, landing, self._landing)
            self._ledger.add_receipts(connection, landing.receipts)
        if landing.changes and self._open_since is None:
            self._open_since = time.time_ns() // 1_000_000
        if lines >= self._config.max_rows or size >= self._config.max_mb << 20:
            self._finish()

    def rest(self) -> None:
        """Finish the open file when it is old enough; the engine calls this a few times a second."""
        if self._open_since is not None and self._age_s() >= self._config.every_s:
            self._finish()

    def unsent_receipts(self, limit: int) -> Sequence[Receipt]:
        """Return receipts that the broker may not have yet."""
        with self._transaction() as connection:
            return self._ledger.unsent(connection, limit)

    def mark_sent(self, ids: Sequence[str]) -> None:
        """Forget receipts that the broker has."""
        if ids:
            with self._transaction() as connection:
                self._ledger.sent(connection, ids)

    def close(self) -> None:
        """Finish the open file, so that a stopped adapter leaves nothing unseen, and let go of the ledger."""
        if self._engine is None:
            return
        try:
            if self._segments is not None and self._open_since is not None:
                self._finish()
        except ExchangeError as exc:
            log.warning("%s", exc)  # what is not finished now is finished at the next start
        finally:
            self._engine.dispose()
            self._engine = None
            self._segments = None

    def _finish(self) -> None:
        """First the ledger says that the file is finished, then it is brought into the folder."""
        segments = self._opened()
        with self._transaction() as connection:
            segments.seal(connection)
        self._open_since = None
        with self._transaction() as connection:
            segments.deliver(connection, self._landing)

    def _made_segments(self) -> Segments:
        try:
            writer = Writer(self._config.format, self._stream)
        except FileFault as exc:
            raise self._problem.make(exc.reason) from exc
        names = writer.lines.names
        odd = [name for name in names if not AVRO_NAME.fullmatch(name)]
        if odd and self._config.format == "avro":
            raise self._problem.make(_no_avro_name(odd[0]))
        if headings(names):
            raise self._problem.make(_twice(headings(names)[0]))
        contract = self._stream.contract
        naming = Naming(self._prefix, self._config.format, contract.topic, contract.schema_id, tuple(names))
        return Segments(self._config.folder, naming, writer)

    def _age_s(self) -> float:
        """A clock that was set back makes a file old, not young for ever."""
        return abs(time.time_ns() // 1_000_000 - (self._open_since or 0)) / 1000

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        assert self._engine is not None, "connect comes first"
        with self._translated(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            with translated(self._problem):
                yield
        except OSError as exc:
            reason = exc.strerror or type(exc).__name__
            if exc.errno in PASSING:
                raise NotConnected(what=self._config.folder, reason=reason) from exc
            raise self._problem.make(reason) from exc
        except ShorterThanLanded as exc:
            raise self._problem.make(_lost(str(exc), self._database)) from exc

    def _opened(self) -> Segments:
        assert self._segments is not None, "connect comes first"
        return self._segments


def _engine(path: Path) -> Engine:
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        connect_args={"timeout": LOCK_TIMEOUT_S, "isolation_level": None},
        hide_parameters=True,
    )
    # the write lock at once: it covers the open file as well
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    return engine


def _twice(name: str) -> Text:
    return Text(f"column {name} stands twice; see [adapter.columns]", f"列 {name} 重复；请检查 [adapter.columns]")


def _no_avro_name(name: str) -> Text:
    return Text(
        f"Avro takes only letters, digits and _ in names, so not {name}; see [adapter.columns]",
        f"Avro 列名仅允许字母、数字与下划线，{name} 不可用；请检查 [adapter.columns]",
    )


def _lost(name: str, database: Path) -> Text:
    return Text(
        f"the open file {name} is shorter than what has landed; remove {database}, and all lands again in new files",
        f"未完成文件 {name} 短于已落地内容；请删除 {database}，全部数据将重新落入新文件",
    )
