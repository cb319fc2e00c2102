"""The department's application of the soak: it writes to the captured table, whatever happens to its database."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from types import TracebackType
from typing import Self

import psycopg
from sqlalchemy import make_url

TABLE = "CREATE TABLE people (id varchar(20) PRIMARY KEY, name varchar(50) NOT NULL, born date, amount numeric(18,2))"
REST_S = 0.02  # between two transactions: some hundred changes a second
AT_ONCE = 20_000
Row = tuple[str | None, ...]


def fill(url: str, rows: int) -> None:
    """Make the table and its first rows."""
    with _connect(url) as connection:
        connection.execute(TABLE)
        connection.execute(
            "INSERT INTO people SELECT 'k' || n, '居民' || n, date '1950-01-01' + (n %% 20000)::int,"
            " n %% 100000 / 100.0 FROM generate_series(1, %s) n",
            [rows],
        )
        connection.commit()


class Application:
    """Writes in a thread until the end of the block. ``changes`` and ``deletes``: what it knows to be committed."""

    def __init__(self, url: str, chance: random.Random) -> None:
        self.changes = 0
        self.deletes = 0
        self._url = url
        self._chance = chance
        self._end = threading.Event()
        self._number = 0
        self._thread = threading.Thread(target=self._work)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._end.is_set():
            try:
                with _connect(self._url) as connection:
                    while not self._end.wait(REST_S):
                        self._write(connection)
            except psycopg.OperationalError:  # killed; whether its last transaction was committed, the table knows
                self._end.wait(0.2)

    def _write(self, connection: psycopg.Connection) -> None:
        """One transaction of one to a few hundred changes; one of ten is taken back."""
        chance = self._chance
        changes = deletes = 0
        for _ in range(chance.choice([1, 1, 1, 5, 200])):
            self._number += 1
            number = f"{self._number}-{chance.randrange(10**6)}"
            words = {"key": f"k{chance.randrange(10**6)}", "new": f"m{number}", "amount": chance.randrange(10**6) / 100}
            near = "(SELECT id FROM people WHERE id >= %(key)s ORDER BY id LIMIT 1)"
            kind = chance.randrange(10)
            if kind < 6:
                statement = f"UPDATE people SET amount = %(amount)s, name = '改' || %(new)s WHERE id = {near}"
            elif kind < 8:
                statement = "INSERT INTO people VALUES (%(new)s, '新', NULL, %(amount)s)"
            elif kind < 9:
                statement = f"DELETE FROM people WHERE id = {near}"
            else:
                statement = f"UPDATE people SET id = 'n' || %(new)s WHERE id = {near}"
            done = connection.execute(statement, words).rowcount
            changes += done
            deletes += done if kind == 8 else 0
        if chance.random() < 0.1:
            connection.rollback()
            return
        connection.commit()
        self.changes += changes
        self.deletes += deletes


def differences(source: str, target: str) -> tuple[int, int, int]:
    """Return how many rows are (missing in, too many in, different in) the destination; both are read in order."""
    try:
        with _connect(source) as ours, _connect(target) as theirs:
            return _compare(_rows(ours), _rows(theirs))
    except psycopg.errors.UndefinedTable:
        return 1, 0, 0  # nothing has landed yet


def position(target: str) -> int:
    """Return how far the destination has come, 0 while it has no position."""
    try:
        with _connect(target) as connection:
            row = connection.execute("SELECT sum(next_offset) FROM exchange_position").fetchone()
    except psycopg.errors.UndefinedTable:
        return 0
    return int(row[0] or 0) if row else 0


def _compare(ours: Iterator[Row], theirs: Iterator[Row]) -> tuple[int, int, int]:
    missing = extra = differing = 0
    a, b = next(ours, None), next(theirs, None)
    while a is not None or b is not None:
        if b is None or (a is not None and str(a[0]) < str(b[0])):
            missing, a = missing + 1, next(ours, None)
        elif a is None or str(b[0]) < str(a[0]):
            extra, b = extra + 1, next(theirs, None)
        else:
            differing += a != b
            a, b = next(ours, None), next(theirs, None)
    return missing, extra, differing


def _rows(connection: psycopg.Connection) -> Iterator[Row]:
    with connection.cursor("rows") as cursor:
        cursor.itersize = AT_ONCE
        cursor.execute('SELECT id, name, born::text, amount::text FROM people ORDER BY id COLLATE "C"')
        yield from cursor


def _connect(url: str) -> psycopg.Connection:
    address = make_url(url).set(drivername="postgresql")
    return psycopg.connect(address.render_as_string(hide_password=False), connect_timeout=10)
