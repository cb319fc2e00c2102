"""Writing rows in plain SQL, for databases without an upsert of their own that is safe here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Table, and_, bindparam, insert, or_, select, update

from adapters.coerce import coerce
from adapters.protocol import Stream

ASKED_AT_ONCE = 200  # keys: Oracle takes 1,000 values in a list, SQL Server 2,100 parameters


class AnyUpsert:
    """Asks which keys are there, updates those and inserts the others.

    It needs no more than the position's row lock, by which one process lands at a time; a row that somebody else
    inserts at that moment is a conflict that stops the landing, and is never taken for ours.
    """

    def __init__(self, table: Table, stream: Stream, zone: ZoneInfo) -> None:
        self._table = table
        self._zone = zone
        self._columns = [stream.column(item) for item in stream.items]
        self._keys = [(at, item, stream.column(item)) for at, item in enumerate(stream.items) if item.primary_key]
        self._others = [at for at, item in enumerate(stream.items) if not item.primary_key]

    def write(self, connection: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
        """Insert or replace ``rows``."""
        for chunk in _chunks(rows):
            there = self._there(connection, chunk)
            known = [row for row in chunk if self._key([row[at] for at, _, _ in self._keys]) in there]
            new = [row for row in chunk if self._key([row[at] for at, _, _ in self._keys]) not in there]
            if known and self._others:
                connection.execute(self._update(), [self._parameters(row) for row in known])
            if new:
                connection.execute(insert(self._table), [dict(zip(self._columns, row, strict=True)) for row in new])

    def _there(self, connection: Connection, rows: Sequence[tuple[Any, ...]]) -> set[tuple[Any, ...]]:
        columns = [self._table.c[name] for _, _, name in self._keys]
        if len(columns) == 1:
            at = self._keys[0][0]
            wanted: Any = columns[0].in_([row[at] for row in rows])
        else:
            wanted = or_(*[and_(*[self._table.c[name] == row[at] for at, _, name in self._keys]) for row in rows])
        return {self._key(list(found)) for found in connection.execute(select(*columns).where(wanted))}

    def _key(self, values: Sequence[Any]) -> tuple[Any, ...]:
        """A database may give a value back in another type than it was given."""
        return tuple(coerce(item, value, self._zone) for (_, item, _), value in zip(self._keys, values, strict=True))

    def _update(self) -> Any:
        statement = update(self._table).values({self._columns[at]: bindparam(f"v{at}") for at in self._others})
        for at, _, name in self._keys:
            statement = statement.where(self._table.c[name] == bindparam(f"v{at}"))
        return statement

    @staticmethod
    def _parameters(row: tuple[Any, ...]) -> dict[str, Any]:
        return {f"v{at}": value for at, value in enumerate(row)}


def _chunks(rows: Sequence[tuple[Any, ...]]) -> Iterator[Sequence[tuple[Any, ...]]]:
    for start in range(0, len(rows), ASKED_AT_ONCE):
        yield rows[start : start + ASKED_AT_ONCE]
