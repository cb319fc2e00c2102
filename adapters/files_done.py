"""Which files of a folder were read to their end: a small SQLite file beside the adapter.

The position at the broker decides; it names the reading (``epoch``), the file's number and its hash. A file is noted
here only after the position that ends it is committed, so what is noted here is never ahead of it by itself, and at
most that one file behind; ``resume`` settles both.
"""

from __future__ import annotations

import os
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from adapters.files_folder import Entry
from adapters.protocol import Position
from exchange.errors import DatabaseUnavailable, SourceProblem
from exchange.text import Text

LOCK_TIMEOUT_S = 30
PASSING = frozenset(
    {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL}
)
TABLES = """
CREATE TABLE IF NOT EXISTS done (
    epoch TEXT NOT NULL, number INTEGER NOT NULL, hash TEXT NOT NULL, name TEXT NOT NULL, broken INTEGER NOT NULL,
    PRIMARY KEY (epoch, number)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS done_hash ON done (epoch, hash);
CREATE TABLE IF NOT EXISTS seen (
    epoch TEXT NOT NULL, path BLOB NOT NULL, time INTEGER NOT NULL, size INTEGER NOT NULL, inode INTEGER NOT NULL,
    hash TEXT NOT NULL, PRIMARY KEY (epoch, path)
) WITHOUT ROWID;
"""
FORGET = "DELETE FROM done WHERE epoch = ?1 AND number > ?2"
FORGET_SEEN = "DELETE FROM seen WHERE epoch = ?1 AND hash IN (SELECT hash FROM done WHERE epoch = ?1 AND number > ?2)"


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a reading is: file ``number`` (from 1) with ``hash``, and ``records`` of it; ``done``: all of it."""

    epoch: str
    number: int
    hash: str
    name: str
    records: int
    done: bool
    broken: bool = False

    def position(self) -> dict[str, Any]:
        """Return it as the position that goes with a batch."""
        return asdict(self)

    @classmethod
    def of(cls, position: Position) -> Mark:
        """Return what ``position`` made."""
        return cls(**position)


class DoneFiles:
    """The finished files of one reading of a folder."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self.epoch = ""
        self.number = 0  # of the last finished file

    def open(self) -> None:
        """Open or make the file. Errors: DatabaseUnavailable, SourceProblem."""
        self.close()
        with self._translated():
            self._path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
            os.close(handle)
            self._connection = sqlite3.connect(self._path, timeout=LOCK_TIMEOUT_S, isolation_level=None)
            self._connection.execute("PRAGMA synchronous = FULL")
            self._connection.executescript(TABLES)

    def resume(self, position: Position | None) -> Mark | None:
        """Begin where ``position`` is; return the file that is in mid-work.

        Errors: SourceProblem when this file and the position do not belong together.
        """
        if position is None:
            self.epoch, self.number = uuid.uuid4().hex, 0
            return None
        mark = Mark.of(position)
        self.epoch = mark.epoch
        with self._translated(), self._transaction() as connection:
            # the broker lost what came later (restored from a backup): these files are read again
            connection.execute(FORGET_SEEN, (mark.epoch, mark.number if mark.done else mark.number - 1))
            connection.execute(FORGET, (mark.epoch, mark.number if mark.done else mark.number - 1))
            last = connection.execute("SELECT max(number) FROM done WHERE epoch = ?", (mark.epoch,)).fetchone()[0] or 0
        if last < mark.number - 1:
            raise SourceProblem(source=self._path, reason=_LOST)
        self.number = last
        if not mark.done:
            return mark
        if last < mark.number:
            self.add(mark)
        return None

    def knows(self, entry: Entry) -> bool:
        """Return whether this very file, by name, time and size, was finished, or was another name of such a one."""
        row = self._one(
            "SELECT 1 FROM seen WHERE epoch = ? AND path = ? AND time = ? AND size = ? AND inode = ?",
            (self.epoch, os.fsencode(entry.path.name), *entry.stamp),
        )
        return row is not None

    def is_good(self, entry: Entry) -> bool:
        """Return whether a file that is known was read well."""
        row = self._one(
            "SELECT 1 FROM seen JOIN done USING (epoch, hash) WHERE epoch = ? AND path = ? AND NOT broken LIMIT 1",
            (self.epoch, os.fsencode(entry.path.name)),
        )
        return row is not None

    def finished(self, digest: str) -> str | None:
        """Return the name under which a file of this hash was read well; None when none was."""
        row = self._one(
            "SELECT name FROM done WHERE epoch = ? AND hash = ? AND NOT broken LIMIT 1", (self.epoch, digest)
        )
        return None if row is None else str(row[0])

    def add(self, mark: Mark, entry: Entry | None = None) -> None:
        """Note a finished file, once the position that ends it is committed."""
        with self._translated(), self._transaction() as connection:
            connection.execute(
                "INSERT INTO done (epoch, number, hash, name, broken) VALUES (?, ?, ?, ?, ?)",
                (mark.epoch, mark.number, mark.hash, mark.name, mark.broken),
            )
            if entry is not None:
                self._see(connection, entry, mark.hash)
        self.number = mark.number

    def same(self, entry: Entry, digest: str) -> None:
        """Note a file whose content was read already, so that it is not looked through again."""
        with self._translated(), self._transaction() as connection:
            self._see(connection, entry, digest)

    def close(self) -> None:
        """Close the file; safe to call twice."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _see(self, connection: sqlite3.Connection, entry: Entry, digest: str) -> None:
        connection.execute(
            "INSERT OR REPLACE INTO seen (epoch, path, time, size, inode, hash) VALUES (?, ?, ?, ?, ?, ?)",
            (self.epoch, os.fsencode(entry.path.name), *entry.stamp, digest),
        )

    def _one(self, question: str, facts: tuple[object, ...]) -> tuple[Any, ...] | None:
        with self._translated():
            found: tuple[Any, ...] | None = self._opened().execute(question, facts).fetchone()
            return found

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        connection = self._opened()
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")

    def _opened(self) -> sqlite3.Connection:
        assert self._connection is not None, "connect comes first"
        return self._connection

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as exc:
            reason = str(exc)
            if getattr(exc, "sqlite_errorcode", 0) & 0xFF in PASSING:
                raise DatabaseUnavailable(reason=f"{self._path}: {reason}") from exc
            raise SourceProblem(source=self._path, reason=reason) from exc
        except OSError as exc:
            reason = exc.strerror or type(exc).__name__
            raise SourceProblem(source=self._path, reason=reason) from exc


_LOST = Text(
    "this list of finished files is older than the adapter's position, or missing: bring it back from a backup, or give"
    " the adapter another name, which reads the folder from its start",
    "已完成文件清单缺失或早于适配器位点：请从备份恢复，或为适配器另取名称，从头读取文件夹",
)
