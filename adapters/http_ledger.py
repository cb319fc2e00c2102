"""A SQLite file that holds what a sink of HTTP still has to hand over, beside the ledger of how far it has landed.

One transaction holds a landing's position, what is to be handed over, and its receipts; these count once it was.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from sqlalchemy import Connection, Engine, MetaData

from adapters.databases import Problem, translated
from adapters.http_sqlite import open_file
from adapters.sql_ledger import Ledger
from exchange.errors import NotConnected, SinkProblem
from exchange.receipts import Receipt
from exchange.text import Text


class LedgerFile:
    """One destination. Errors of its methods: DatabaseUnavailable, SinkProblem; NotConnected when it is closed."""

    def __init__(self, path: Path, destination: str, tables: MetaData) -> None:
        """``tables``: what stands beside the ledger."""
        self._path = path
        self._tables = tables
        self._ledger = Ledger(destination)
        self._problem = Problem(SinkProblem, str(path))
        self._engine: Engine | None = None

    def open(self) -> str:
        """Open the file, make what is missing, and return the destination's own id."""
        self.close()
        with translated(self._problem):
            self._engine = open_file(self._path, SinkProblem)
        with self._writing() as connection:
            self._ledger.made_table(connection)  # makes the ledger's tables too
            self._tables.create_all(connection)
            return self._ledger.open(connection, from_nothing=False)

    def positions(self, log: str) -> Mapping[int, int]:
        """Return the next offset of each partition of ``log``."""
        with self._reading() as connection:
            return self._ledger.positions(connection, log)

    def unsent(self, limit: int) -> Sequence[Receipt]:
        """Return receipts that the broker may not have yet."""
        with self._reading() as connection:
            return self._ledger.unsent(connection, limit)

    def sent(self, ids: Sequence[str]) -> None:
        """Forget receipts that the broker has."""
        with self._writing() as connection:
            self._ledger.sent(connection, ids)

    def close(self) -> None:
        """Close the file; safe to call twice."""
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None

    def _handed_over(self, connection: Connection, bodies: Iterable[str]) -> None:
        """Have held receipts count, as of now."""
        now = time.time_ns() // 1_000_000
        held = [replace(Receipt.from_bytes(body.encode()), at=now) for body in bodies]
        self._ledger.add_receipts(connection, held)

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with translated(self._problem), self._opened().connect() as connection:
            yield connection

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with translated(self._problem), self._opened().begin() as connection:
            yield connection

    def _opened(self) -> Engine:
        if self._engine is None:
            raise NotConnected(what=self._path, reason=Text("it is closed", "已关闭"))
        return self._engine
