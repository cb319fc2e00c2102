"""The destination table: made from the items, or checked against them, column by column."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Column, Connection, Inspector, Integer, MetaData, String, Table, inspect
from sqlalchemy.schema import CreateColumn
from sqlalchemy.types import TypeEngine

from adapters import sql_mysql
from adapters.coerce import TEXTS
from adapters.databases import Problem
from adapters.protocol import Stream
from adapters.sql_types import column_type, holds
from exchange.items import Item, ItemType
from exchange.text import Text

PLAIN = frozenset({ItemType.TEXT, ItemType.NUMBER, ItemType.INTEGER})


def exists(connection: Connection, name: str) -> bool:
    """Return whether the table is there."""
    schema, plain = _parts(name)
    return inspect(connection).has_table(plain, schema=schema)


def create(connection: Connection, name: str, stream: Stream) -> Table:
    """Make the table from the items."""
    wanted = _wanted(connection, name, stream)
    wanted.create(connection)
    return wanted


def check(connection: Connection, name: str, stream: Stream, problem: Problem, *, extend: bool) -> Table:
    """Return the existing table, missing columns added if ``extend``. Errors: SinkProblem naming what does not fit."""
    wanted = _wanted(connection, name, stream)
    _Check(connection, wanted, stream, problem).run(extend=extend)
    return wanted


def only_key(connection: Connection, table: Table, keys: Sequence[str]) -> bool:
    """Return whether nothing but ``keys`` is unique in ``table``."""
    return all(found == set(keys) for found in _unique_columns(inspect(connection), table))


def keeps_apart(connection: Connection, name: str, stream: Stream) -> bool:
    """Return whether the table's primary key is the resource's, in types that come here as they are.

    Then no key comes twice. Dates kept as text, say, could be two texts of one date.
    """
    schema, plain = _parts(name)
    inspector = inspect(connection)
    if not inspector.has_table(plain, schema=schema):
        return False
    keys = {stream.column(item): item for item in stream.items if item.primary_key}
    if set(inspector.get_pk_constraint(plain, schema)["constrained_columns"]) != set(keys):
        return False
    found = {column["name"]: column["type"] for column in inspector.get_columns(plain, schema)}
    return all(_as_it_is(item, found[name]) for name, item in keys.items())


def _as_it_is(item: Item, found: TypeEngine[Any]) -> bool:
    return isinstance(found, String if item.type is ItemType.TEXT else Integer) and item.type in PLAIN


def _parts(name: str) -> tuple[str | None, str]:
    schema, _, plain = name.rpartition(".")
    return schema or None, plain


def _wanted(connection: Connection, name: str, stream: Stream) -> Table:
    schema, plain = _parts(name)
    columns: list[Column[object]] = [
        Column(
            stream.column(item),
            column_type(item, connection),
            primary_key=item.primary_key,
            nullable=not item.mandatory,
            autoincrement=False,
        )
        for item in stream.items
    ]
    return Table(plain, MetaData(), *columns, schema=schema, mysql_engine="InnoDB", mariadb_engine="InnoDB")


def _unique_columns(inspector: Inspector, table: Table) -> list[set[str]]:
    name, schema = table.name, table.schema
    found: list[Sequence[str | None]] = [inspector.get_pk_constraint(name, schema)["constrained_columns"]]
    found += [constraint["column_names"] for constraint in inspector.get_unique_constraints(name, schema)]
    found += [index["column_names"] for index in inspector.get_indexes(name, schema) if index["unique"]]
    return [{str(column) for column in columns} for columns in found if columns]


class _Check:
    """An existing table against the items."""

    def __init__(self, connection: Connection, wanted: Table, stream: Stream, problem: Problem) -> None:
        self._connection = connection
        self._inspector = inspect(connection)
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
        self._unique(self._keys())
        if self._connection.dialect.name in sql_mysql.NAMES:
            misfit = sql_mysql.misfit(self._connection, self._schema, self._name, self._texts(), self._keys())
            if misfit is not None:
                raise self._problem.make(misfit)

    def _keys(self) -> list[str]:
        return [self._stream.column(item) for item in self._stream.items if item.primary_key]

    def _texts(self) -> list[str]:
        return [self._stream.column(item) for item in self._stream.items if item.type in TEXTS]

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
        wanted = column_type(item, self._connection).compile(dialect=self._connection.dialect)
        return self._problem.make(
            Text(
                f"column {name} has type {found}, but item {item.name} needs {wanted}",
                f"列 {name} 的类型为 {found}，信息项 {item.name} 需要 {wanted}",
            )
        )

    def _unique(self, keys: Sequence[str]) -> None:
        if set(keys) not in _unique_columns(self._inspector, self._wanted):
            names = ", ".join(keys)
            raise self._problem.make(
                Text(f"({names}) must be its primary key or unique", f"({names}) 须为主键或唯一约束")
            )
