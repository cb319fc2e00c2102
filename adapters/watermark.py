"""Following a table by a timestamp column: the position is (timestamp, primary key) of the last row that was read.

Rows that share a timestamp are told apart by their key, so none is skipped at the end of a batch. A transaction that
commits late brings rows with an older timestamp; so rows are read only once they are older than the lag, after which no
open transaction is expected to add rows before them, or (``wait_for_open``) is seen to be able to. A running number has
no clock: no lag is kept for it, so it must be given in the order of the commits.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Connection, FromClause, Row, Select, and_, literal, literal_column, or_, select

from adapters import sql_mysql
from adapters.database_clock import DatabaseClock, database_now, oldest_open
from adapters.databases import Problem
from adapters.protocol import Position
from exchange.text import Text

log = logging.getLogger("exchange.adapter")


@dataclass(frozen=True, slots=True)
class Edge:
    """How far one pass reads: ``until``, and the database's clock at that time."""

    until: datetime
    clock: datetime
    set_back: bool


@dataclass(frozen=True, slots=True)
class Watermark:
    """``places``: where timestamp and keys stand in a row that was read."""

    source: FromClause
    timestamp: str
    keys: Sequence[str]
    places: Sequence[int]
    lag_s: float
    wait_for_open: bool
    zone: tzinfo
    clock: DatabaseClock

    def check(self, connection: Connection, problem: Problem) -> None:
        """Refuse a table that has rows without a timestamp, which would never be seen, or a right that is missing."""
        column = self.source.c[self.timestamp]
        sample = self._sample(connection)
        unset: ColumnElement[bool] = column.is_(None)
        if connection.dialect.name in sql_mysql.NAMES and not isinstance(sample, int | Decimal | None):
            unset = or_(unset, column == literal_column("0"))  # 0000-00-00
        if connection.execute(select(literal(1)).select_from(self.source).where(unset).limit(1)).first():
            reason = Text(
                f'some rows have no {self.timestamp}: they would never be read; fill it, or use mode = "whole"',
                f'部分记录的 {self.timestamp} 为空，将永远不会被读取；请补全，或改用 mode = "whole"',
            )
            raise problem.make(reason)
        if self.wait_for_open:
            self._check_sight(connection, problem)

    def edge(self, connection: Connection, position: Position | None) -> Edge:
        """Return how far a pass may read; ``set_back``: the database's clock was, since ``position`` or in this run."""
        now = database_now(connection)
        reading = self.clock.read(now, time.monotonic())
        lag = timedelta(seconds=self.lag_s)
        before = datetime.fromisoformat(position["clock"]) if position and "clock" in position else None
        set_back = reading.set_back or (before is not None and now < before - lag)
        began = oldest_open(connection, now) if self.wait_for_open else now
        return Edge(min(reading.now, began) - lag, now, set_back)

    def newer(
        self, statement: Select[Any], position: Position | None, edge: Edge, connection: Connection
    ) -> Select[Any]:
        """Return ``statement`` limited to rows after ``position`` and before the edge, in order."""
        column = self.source.c[self.timestamp]
        order = [column, *[self.source.c[key] for key in self.keys]]
        sample = self._sample(connection)
        limited = statement.order_by(*order)
        if sample is not None and not isinstance(sample, int | Decimal):
            limited = limited.where(column <= literal(self._horizon(sample, edge.until)))
        if position is None:
            return limited
        after = [_value(part) for part in position["after"]]
        # the first condition says nothing new, but it is one that an index on the timestamp answers
        return limited.where(column >= literal(after[0]), _after(order, after))

    def position(self, row: Row[Any], edge: Edge) -> Position:
        """Return the position after ``row``."""
        return {"after": [_plain(row[at]) for at in self.places], "clock": edge.clock.astimezone(UTC).isoformat()}

    def _sample(self, connection: Connection) -> Any:
        column = self.source.c[self.timestamp]
        return connection.execute(select(column).select_from(self.source).where(column.is_not(None)).limit(1)).scalar()

    def _check_sight(self, connection: Connection, problem: Problem) -> None:
        if connection.dialect.name != "postgresql":
            raise problem.make(_NO_SIGHT)
        may: Select[Any] = select(literal_column("pg_has_role(current_user, 'pg_read_all_stats', 'MEMBER')"))
        if not connection.execute(may).scalar():
            user = connection.execute(select(literal_column("current_user"))).scalar()
            grant = f'GRANT pg_read_all_stats TO "{user}"'
            raise problem.make(Text(f"wait_for_open needs a right: {grant}", f"wait_for_open 需要授权：{grant}"))

    def _horizon(self, sample: Any, edge: datetime) -> Any:
        """The newest timestamp to be read, in the column's own form: a date-time, a date, or text (SQLite)."""
        local = edge.astimezone(self.zone)
        if isinstance(sample, datetime):
            return edge if sample.tzinfo else local.replace(tzinfo=None)
        if isinstance(sample, date):
            return local.date() - timedelta(days=1)  # today's rows may still come in any order
        return local.replace(tzinfo=None).isoformat("T" if "T" in str(sample) else " ")


def _after(order: Sequence[ColumnElement[Any]], after: Sequence[Any]) -> ColumnElement[bool]:
    """(a, b) > (x, y), written out: not every database compares rows of values, or by an index."""
    first, value = order[0], literal(after[0])
    if len(order) == 1:
        return first > value
    return or_(first > value, and_(first == value, _after(order[1:], after[1:])))


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


_NO_SIGHT = Text("wait_for_open is for PostgreSQL; set lag_s instead", "wait_for_open 仅用于 PostgreSQL；请改用 lag_s")
