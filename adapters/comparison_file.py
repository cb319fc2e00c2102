"""A comparison that is too large for memory: a SQLite file that has no name, so that no other process can open it.

It lasts as long as the pass, even when the process is killed. Rows that the source shows as the topic has them are the
most, and cost a look and one bit; only others are written.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from enum import Enum, auto
from pathlib import Path

from exchange.errors import NotConnected

CACHE_KB = 32_000
SETTINGS = (
    "journal_mode = OFF",  # a pass that fails begins anew, with another file
    "synchronous = OFF",
    "locking_mode = EXCLUSIVE",
    "temp_store = FILE",
    f"cache_size = -{CACHE_KB}",
)
TABLES = (
    "CREATE TABLE entry (at INTEGER PRIMARY KEY, key BLOB NOT NULL, digest BLOB)",
    "CREATE TABLE row (key BLOB PRIMARY KEY, known BLOB, shown BLOB, at INTEGER NOT NULL) WITHOUT ROWID",
)
# of a key, SQLite takes the other columns from the entry that has the greatest ``at``
INDEX = "INSERT INTO row SELECT key, digest, NULL, max(at) FROM entry GROUP BY key HAVING digest IS NOT NULL"
FIND = "SELECT known, shown, at FROM row WHERE key = ?"
SHOW = "INSERT INTO row VALUES (?, NULL, ?, ?) ON CONFLICT (key) DO UPDATE SET shown = excluded.shown"
DIGEST_BYTES = 16


class Verdict(Enum):
    """What is to become of a row."""

    NEW = auto()  # the topic does not have it, or with other values
    SAME = auto()
    REPEATED = auto()  # it was shown before, with these values
    CONTRADICTED = auto()  # its key was shown before, with others


class ComparisonFile:
    """As ``Comparison``, in a file. Errors of all methods: NotConnected."""

    def __init__(self, folder: Path, *, keyed: bool) -> None:
        self._folder = folder
        self._keyed = keyed
        self._seen = bytearray()  # one bit for each entry, by its ``at``
        self._last = 0
        self.known = 0
        with self._translated():
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(prefix=".comparison-", dir=folder) as file:  # mode 0600
                self._database = sqlite3.connect(file.name, isolation_level=None)
                for setting in (*SETTINGS, f"temp_store_directory = {_quoted(folder)}"):  # else sorting fills /tmp
                    self._database.execute(f"PRAGMA {setting}")
                for table in TABLES:
                    self._database.execute(table)
            self._database.execute("BEGIN")
            self._find = self._database.cursor()

    def add(self, entries: Iterable[tuple[bytes, int | None]]) -> None:
        """Take what the topic holds, oldest first; None: deleted."""
        rows = ((key, None if digest is None else _bytes(digest)) for key, digest in entries)
        with self._translated():
            self._database.executemany("INSERT INTO entry (key, digest) VALUES (?, ?)", rows)

    def index(self) -> None:
        """Make the rows of the entries; they are known then."""
        with self._translated():
            self._database.execute(INDEX)
            self._last = self._database.execute("SELECT coalesce(max(at), 0) FROM entry").fetchone()[0]
            self._database.execute("DROP TABLE entry")
            self.known = self._database.execute("SELECT count(*) FROM row").fetchone()[0]
        self._seen = bytearray(self._last // 8 + 1)

    def show(self, rows: Iterable[tuple[bytes, int]]) -> None:
        """Note rows that the source has shown before."""
        with self._translated():
            self._database.executemany(SHOW, ((key, _bytes(digest), self._new()) for key, digest in rows))

    def look(self, key: bytes, digest: int) -> Verdict:
        """Return what is to become of a row; it counts as shown."""
        given = _bytes(digest)
        try:  # as ``_translated``, written out: this is done for each row
            found = self._find.execute(FIND, (key,)).fetchone()
        except sqlite3.Error as exc:
            raise self._away(exc) from exc
        if found is None:
            self._note(key, given)
            return Verdict.NEW
        known, shown, at = found
        earlier = shown or (known if self._seen[at >> 3] >> (at & 7) & 1 else None)
        if earlier is not None:
            return Verdict.REPEATED if earlier == given else Verdict.CONTRADICTED
        self._seen[at >> 3] |= 1 << (at & 7)
        if known == given:
            return Verdict.SAME
        self._note(key, given)
        return Verdict.NEW

    def gone(self) -> Iterator[bytes]:
        """Yield the keys of known rows that were not shown, in order."""
        with self._translated():
            for key, at in self._database.execute("SELECT key, at FROM row WHERE known IS NOT NULL AND shown IS NULL"):
                if not self._seen[at >> 3] >> (at & 7) & 1:
                    yield key

    def close(self) -> None:
        """Give the file up."""
        self._database.close()

    def _note(self, key: bytes, digest: bytes) -> None:
        if not self._keyed:
            with self._translated():
                self._database.execute(SHOW, (key, digest, self._new()))

    def _new(self) -> int:
        self._last += 1
        if self._last >> 3 >= len(self._seen):
            self._seen.extend(bytes(len(self._seen) or 1))
        return self._last

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (OSError, sqlite3.Error) as exc:
            raise self._away(exc) from exc

    def _away(self, error: OSError | sqlite3.Error) -> NotConnected:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        return NotConnected(what=self._folder, reason=reason or type(error).__name__)


def _quoted(folder: Path) -> str:
    """SQLite's own word for it: a PRAGMA takes no parameters. A build that leaves it out sorts in SQLITE_TMPDIR."""
    text = str(folder.resolve()).replace("'", "''")
    return f"'{text}'"


def _bytes(digest: int) -> bytes:
    return digest.to_bytes(DIGEST_BYTES, "big")
