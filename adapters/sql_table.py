"""The destination table: made from the items, or checked against them, column by column."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Column, Connection, Inspector, MetaData, Table, inspect
from sqlalchemy.schema import CreateColumn

from adapters.databases import Problem
from adapters.protocol import Stream
from adapters.sql_types import column_type, holds
from exchange.items import Item
from exchange.text import Text


def prepare(
    connection: Connection, name: str, stream: Stream, problem: Problem, *, create: bool, extend: bool
) -> tuple[Table, bool]:
    """Return the table, and whether it was made just now. Errors: SinkProblem naming what does not fit.

    ``create``: a missing table is made; ``extend``: missing columns are added.
    """
    schema, _, plain = name.rpartition(".")
    wanted = _wanted(plain, schema or None, stream, connection.dialect.name)
    inspector = inspect(connection)
    if not inspector.has_table(plain, schema=schema or None):
        if not create:
            raise problem.make(Text("no such table; set create_table = true", "表不存在；可设 create_table = true"))
        wanted.create(connection)
        return wanted, True
    _Check(connection, inspector, wanted, stream, problem).run(extend=extend)
    return wanted, False


def _wanted(name: str, schema: str | None, stream: Stream, dialect: str) -> Table:
    columns: list[Column[object]] = [
        Column(
            stream.column(item),
            column_type(item, dialect),
            primary_key=item.primary_key,
            nullable=not item.mandatory,
            autoincrement=False,
        )
        for item in stream.items
    ]
    return Table(name, MetaData(), *columns, schema=schema)


class _Check:
    """An existing table against the items."""

    def __init__(
        self, connection: Connection, inspector: Inspector, wanted: Table, stream: Stream, problem: Problem
    ) -> None:
        self._connection = connection
        self._inspector = inspector
        self._wanted = wanted
        self._stream = stream
        self._problem = problem
        self._name = wanted.name
        self._schema = wanted.schema

    def run(self, *, extend: bool) -> None:
        """Add columns that are missing (``extend``), and refuse what does not fit."""
        found = {column["name"]: column for column in self._inspector.get_columns(self._name, self._schema)}
        for item in self._stream.items:
            name = self._stream.column(item)
            if name not in found:
                self._add(item, name, extend=extend)
            elif not holds(item, found[name]["type"], self._connection.dialect.name):
                raise self._unfit(item, name, str(found[name]["type"]))
        self._unique([self._stream.column(item) for item in self._stream.items if item.primary_key])

    def _add(self, item: Item, name: str, *, extend: bool) -> None:
        definition = CreateColumn(self._wanted.c[name]).compile(dialect=self._connection.dialect)
        quoted = self._connection.dialect.identifier_preparer.format_table(self._wanted)
        statement = f"ALTER TABLE {quoted} ADD COLUMN {definition}"
        if not extend or item.primary_key:
            reason = Text(f"column {name} is missing: {statement}", f"缺少列 {name}：{statement}")
            raise self._problem.make(reason)
        # rows that are there have no value yet, so the new column must allow that
        self._connection.exec_driver_sql(statement.removesuffix(" NOT NULL"))

    def _unfit(self, item: Item, name: str, found: str) -> Exception:
        wanted = column_type(item, self._connection.dialect.name).compile(dialect=self._connection.dialect)
        return self._problem.make(
            Text(
                f"column {name} has type {found}, but item {item.name} needs {wanted}",
                f"列 {name} 的类型为 {found}，信息项 {item.name} 需要 {wanted}",
            )
        )

    def _unique(self, keys: Sequence[str]) -> None:
        wanted = set(keys)
        primary = set(self._inspector.get_pk_constraint(self._name, self._schema)["constrained_columns"])
        constraints = [set(c["column_names"]) for c in self._inspector.get_unique_constraints(self._name, self._schema)]
        indexes = [set(i["column_names"]) for i in self._inspector.get_indexes(self._name, self._schema) if i["unique"]]
        if wanted not in (primary, *constraints, *indexes):
            names = ", ".join(keys)
            raise self._problem.make(
                Text(f"({names}) must be its primary key or unique", f"({names}) 须为主键或唯一约束")
            )
