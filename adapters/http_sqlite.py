"""A SQLite file in which an adapter of HTTP remembers what it promised: readable by its owner only."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from sqlalchemy import URL, Engine, event

from adapters.databases import DatabaseConfig, open_engine
from exchange.errors import SinkProblem, SourceProblem
from exchange.text import Text


def open_file(path: Path, problem: type[SourceProblem | SinkProblem] = SourceProblem) -> Engine:
    """Return an engine over ``path``; a missing file is made with mode 0600. Errors: ``problem``.

    Readers and the writer do not wait for each other (WAL), and a commit is on the disk when it returns.
    """
    try:
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except OSError as exc:
        side = "source" if problem is SourceProblem else "sink"
        reason = exc.strerror or type(exc).__name__
        raise problem(**{side: path, "reason": Text(reason, reason)}) from exc
    url = URL.create("sqlite", database=str(path)).render_as_string()
    engine = open_engine(DatabaseConfig(kind="sql", url=url), writes=True)

    def prepare(connection: object, _record: object) -> None:
        for words in ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL"):
            connection.execute(words)  # type: ignore[attr-defined] # sqlite3's connection, which the event does not name

    event.listen(engine, "connect", prepare)
    return engine
