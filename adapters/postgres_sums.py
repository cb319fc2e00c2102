"""Sums over the rows of a table, made by PostgreSQL itself: what is equal in two databases never leaves either.

They only say where to look. Two buckets with one sum hold the same rows; of two with different sums the rows are read
and compared as anywhere else. So the text that is hashed must be such that rows with the same text are the same rows of
the resource: that holds for the types below, when both tables have the same one of them for each item. The other way
round it need not hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from psycopg import sql

from adapters.postgres_catalog import Connection, Table
from adapters.postgres_values import (
    BOOL,
    BYTEA,
    DATE,
    FLOAT8,
    INTEGERS,
    NUMERIC,
    TEXT_OID,
    TIMESTAMPTZ,
    VARCHAR,
)
from adapters.protocol import Stream
from exchange.tally import BUCKETS, Sum

ENCODING = "UTF8"
# char(n) is not among them: its text does not show the blanks that its values have.
KINDS = {
    **dict.fromkeys((TEXT_OID, VARCHAR), "text"),
    **dict.fromkeys(INTEGERS, "integer"),
    NUMERIC: "numeric",
    BOOL: "bool",
    BYTEA: "bytea",
    DATE: "date",
    FLOAT8: "float8",
    TIMESTAMPTZ: "timestamptz",
}


class Summary(NamedTuple):
    """The sums of a table's buckets; ``shape``: what must be the same of two tables for them to be compared."""

    shape: str
    sums: Mapping[int, Sum]


class Sums:
    """The questions about one table; ``exact``: they can be asked."""

    def __init__(self, stream: Stream, table: Table) -> None:
        columns = [table.columns[stream.column(item)] for item in stream.items]
        kinds = [KINDS.get(column.kind.oid) for column in columns]
        self.exact = None not in kinds
        self._shape = f"{stream.contract.schema_id}: {', '.join(map(str, kinds))}"
        quoted = [sql.Identifier(column.name).as_string() for column in columns]
        values = [
            f"trim_scale({name})" if kind == "numeric" else name for name, kind in zip(quoted, kinds, strict=True)
        ]
        keys = [value for value, item in zip(values, stream.items, strict=True) if item.primary_key]
        self._bucket = f"({_hash(keys, 1)} & {BUCKETS - 1})"
        self._row = _hash(values, 0)
        self._table = table.quoted

    def read(self, connection: Connection) -> Summary | None:
        """Return the sums; None where texts are kept in another encoding. Errors: psycopg.Error."""
        if connection.info.parameter_status("server_encoding") != ENCODING:
            return None
        connection.execute("SET enable_sort = off")  # it takes each row for a bucket of its own
        connection.execute("SET jit = off")
        question = f"SELECT {self._bucket}, count(*), sum({self._row}) FROM {self._table} GROUP BY 1"  # noqa: S608
        found = connection.execute(question.encode()).fetchall()
        return Summary(self._shape, {int(number): (int(rows), int(total)) for number, rows, total in found})

    def where(self, numbers: Iterable[int]) -> str:
        """Return the condition for the rows of some buckets."""
        return f" WHERE {self._bucket} = ANY('{{{','.join(map(str, numbers))}}}')"


def _hash(values: Iterable[str], seed: int) -> str:
    """The text of a row tells its values apart, NULL from empty; under "C" the hash is that of its bytes."""
    return f'hashtextextended((ROW({", ".join(values)})::text) COLLATE "C", {seed})'


def unequal_sums(one: Summary, other: Summary) -> list[int] | None:
    """Return the buckets with different sums; None when the sums of two tables cannot be compared."""
    if one.shape != other.shape:
        return None
    return sorted(
        number for number in one.sums.keys() | other.sums.keys() if one.sums.get(number) != other.sums.get(number)
    )
