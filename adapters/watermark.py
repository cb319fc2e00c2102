"""Following a table by a timestamp column: the position is (timestamp, primary key) of the last row that was read.

Rows that share a timestamp are told apart by their key, so none is skipped at the end of a batch. A transaction that
commits late brings rows with an older timestamp; so rows are read only once they are older than the lag, after which no
open transaction is expected to add rows before them. A running number has no clock: no lag is kept for it, so it
must be given in the order of the commits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, FromClause, Row, Select, literal, select, tuple_

from adapters.databases import Problem
from adapters.protocol import Position
from exchange.text import Text


@dataclass(frozen=True, slots=True)
class Watermark:
    """``places``: where timestamp and keys stand in a row that was read."""

    source: FromClause
    timestamp: str
    keys: Sequence[str]
    places: Sequence[int]
    lag_s: float
    zone: tzinfo

    def check(self, connection: Connection, problem: Problem) -> None:
        """Refuse a table that has rows without a timestamp: they would never be seen."""
        column = self.source.c[self.timestamp]
        if connection.execute(select(literal(1)).select_from(self.source).where(column.is_(None)).limit(1)).first():
            reason = Text(
                f'some rows have no {self.timestamp}: they would never be read; fill it, or use mode = "whole"',
                f'部分记录的 {self.timestamp} 为空，将永远不会被读取；请补全，或改用 mode = "whole"',
            )
            raise problem.make(reason)

    def newer(self, statement: Select[Any], position: Position | None, connection: Connection) -> Select[Any]:
        """Return ``statement`` limited to rows after ``position`` and before the lag, in order."""
        column = self.source.c[self.timestamp]
        order = [column, *[self.source.c[key] for key in self.keys]]
        sample = connection.execute(select(column).select_from(self.source).limit(1)).scalar()
        limited = statement.order_by(*order)
        if sample is not None and not isinstance(sample, int | Decimal):
            limited = limited.where(column <= literal(self._horizon(sample)))
        if position is None:
            return limited
        after = [_value(part) for part in position["after"]]
        return limited.where(tuple_(*order) > tuple_(*[literal(value) for value in after]))

    def position(self, row: Row[Any]) -> Position:
        """Return the position after ``row``."""
        return {"after": [_plain(row[at]) for at in self.places]}

    def _horizon(self, sample: Any) -> Any:
        """The newest timestamp to be read, in the column's own form: a date-time, a date, or text (SQLite)."""
        edge = datetime.now(UTC) - timedelta(seconds=self.lag_s)
        local = edge.astimezone(self.zone)
        if isinstance(sample, datetime):
            return edge if sample.tzinfo else local.replace(tzinfo=None)
        if isinstance(sample, date):
            return local.date() - timedelta(days=1)  # today's rows may still come in any order
        return local.replace(tzinfo=None).isoformat("T" if "T" in str(sample) else " ")


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return {"t": value.isoformat()}
    if isinstance(value, date):
        return {"d": value.isoformat()}
    if isinstance(value, Decimal):
        return {"n": str(value)}
    return value if isinstance(value, str | int | float) else str(value)


def _value(part: Any) -> Any:
    if not isinstance(part, dict):
        return part
    if "t" in part:
        return datetime.fromisoformat(part["t"])
    return date.fromisoformat(part["d"]) if "d" in part else Decimal(part["n"])
