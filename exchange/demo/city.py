"""The city's own database in the demo: a private PostgreSQL into which its adapter lands the villages."""

from __future__ import annotations

from types import TracebackType
from typing import Self

import psycopg

from exchange.demo.villages import ITEMS, Village
from exchange.node.ports import LOOPBACK
from exchange.node.postgres import OWNER, PostgresCluster

TABLE = "villages"


class CityDatabase:
    """Reads what has landed; the table is made by the adapter, so it may not be there yet."""

    def __init__(self, cluster: PostgresCluster, database: str) -> None:
        self._connection = psycopg.connect(
            host=LOOPBACK, port=cluster.port, user=OWNER, password=cluster.password, dbname=database, autocommit=True
        )

    def count(self) -> int:
        """Return how many villages have landed."""
        try:
            row = self._connection.execute(f"SELECT count(*) FROM {TABLE}").fetchone()  # noqa: S608 - our own name
        except psycopg.errors.UndefinedTable:
            return 0
        return int(row[0]) if row else 0

    def villages(self) -> dict[str, Village]:
        """Return what has landed, by code."""
        columns = ", ".join(item.name for item in ITEMS)
        try:
            rows = self._connection.execute(f"SELECT {columns} FROM {TABLE}").fetchall()  # noqa: S608 - our own names
        except psycopg.errors.UndefinedTable:
            return {}
        return {row[0]: tuple(row) for row in rows}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()
