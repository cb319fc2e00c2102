"""What PostgreSQL's catalogue says of one table, and whether its rows and its changes can be followed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from adapters.databases import Problem
from adapters.postgres_values import INTEGERS, NUMERIC, ColumnKind
from adapters.protocol import Stream
from exchange.errors import ExchangeError
from exchange.items import ItemType
from exchange.text import Text

OLDEST = 140_000  # of the server's version number: what slots and publications tell about themselves before is less
ROW_FILTERS = 150_000
TABLE_KINDS = ("r", "p")

Connection = psycopg.Connection[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the table; ``type_oid`` and ``typmod`` as declared, ``kind`` with a domain resolved."""

    name: str
    type_oid: int
    typmod: int
    type_name: str
    kind: ColumnKind
    not_null: bool
    generated: bool
    readable: bool


@dataclass(frozen=True, slots=True)
class Table:
    """A table; ``unique``: the column sets that no two rows share; ``identity``: the columns that a delete shows."""

    oid: int
    schema: str
    name: str
    relkind: str
    inherited: bool
    columns: dict[str, Column]
    unique: tuple[frozenset[str], ...]
    identity: frozenset[str]

    @property
    def quoted(self) -> str:
        """The full name as SQL writes it."""
        return ".".join(sql.Identifier(part).as_string() for part in (self.schema, self.name))


def find_table(connection: Connection, name: str, problem: Problem) -> Table:
    """Return the table ``name`` (may be ``schema.table``). Errors: ``problem`` when there is none."""
    schema, _, plain = name.rpartition(".")
    quoted = ".".join(sql.Identifier(part).as_string() for part in (schema, plain) if part)
    found = connection.execute(_TABLE, [quoted]).fetchone()
    if found is None:
        raise problem.make(Text(f"no table {name}", f"表 {name} 不存在"))
    oid, schema, plain, relkind, identity_kind, inherited = found
    columns = {row[0]: _column(row) for row in connection.execute(_COLUMNS, [oid])}
    indexes = connection.execute(_INDEXES, [oid]).fetchall()
    identity: Sequence[str] = ()
    if identity_kind == "f":
        identity = list(columns)
    elif identity_kind in ("d", "i"):
        wanted = 1 if identity_kind == "d" else 2
        identity = next((index[0] for index in indexes if index[wanted]), ())
    not_null = {column.name for column in columns.values() if column.not_null}
    unique = tuple(frozenset(index[0]) for index in indexes if set(index[0]) <= not_null)
    return Table(oid, schema, plain, relkind, inherited, columns, unique, frozenset(identity))


def _column(row: Sequence[Any]) -> Column:
    name, type_oid, typmod, type_name, base_oid, base_typmod, not_null, generated, readable = row
    kind = ColumnKind(base_oid or type_oid, base_typmod if base_oid else typmod)
    return Column(name, type_oid, typmod, type_name, kind, not_null, generated, readable)


class Needs:
    """What a resource needs of a table: its columns, and keys that are unique and come with each delete."""

    def __init__(self, stream: Stream, zone: str, problem: Problem) -> None:
        self._stream = stream
        self._zone = zone
        self._problem = problem
        self.names = [stream.column(item) for item in stream.items]
        self._keys = [item for item in stream.items if item.primary_key]

    def check_columns(self, table: Table) -> None:
        """Refuse a table without one of the columns, or one that may not be read."""
        for name in self.names:
            if name not in table.columns:
                there = ", ".join(table.columns)
                raise self._make(
                    f"column {name} is missing; there are: {there}; see [adapter.columns]",
                    f"缺少列 {name}；现有列：{there}；请检查 [adapter.columns]",
                )
            if not table.columns[name].readable:
                fix = f'GRANT SELECT ON {table.quoted} TO "…"'
                raise self._make(f"column {name} may not be read; {fix}", f"无权读取列 {name}；请执行 {fix}")

    def unique(self, table: Table) -> bool:
        """Return whether the database itself keeps the resource's keys apart."""
        names = {self._stream.column(item) for item in self._keys}
        return any(columns <= names for columns in table.unique) and not self._blurred(table)

    def check_changes(self, table: Table) -> None:
        """Refuse a table whose changes cannot be followed: before anything is made in the database."""
        names = [self._stream.column(item) for item in self._keys]
        shown = ", ".join(names)
        if table.relkind not in TABLE_KINDS or (table.inherited and table.relkind == "r"):
            raise self._make(
                'only a table has changes to be followed, no view and no parent of other tables; use mode = "snapshot"',
                '只有普通表或分区表可以捕获变更，视图与继承父表不行；请改用 mode = "snapshot"',
            )
        if blurred := self._blurred(table):
            raise self._make(
                f"key column {blurred} is text, but its item is not: two texts may be one value, and a delete of one"
                " would delete the other; make the item type C, or the column a number or date",
                f"主键列 {blurred} 为文本而信息项不是：不同文本可能是同一值；请将信息项改为 C 型，或更改列类型",
            )
        if not self.unique(table):
            fix = f"ALTER TABLE {table.quoted} ADD PRIMARY KEY ({shown})"
            raise self._make(
                f'no primary key over {shown}: changes could not be told apart; {fix}, or use mode = "snapshot"',
                f'缺少主键（{shown}），无法区分各行变更；请执行 {fix}，或改用 mode = "snapshot"',
            )
        if not set(names) <= table.identity:
            fix = f"ALTER TABLE {table.quoted} REPLICA IDENTITY FULL"
            raise self._make(
                f"a delete does not show {shown}; {fix}", f"删除操作不带 {shown}，无法识别被删除的行；请执行 {fix}"
            )
        for name in self.names:
            if table.columns[name].generated:
                raise self._make(
                    f'column {name} is generated, and such columns are not replicated; use mode = "snapshot"',
                    f'列 {name} 为生成列，不参与逻辑复制；请改用 mode = "snapshot"',
                )

    def shape(self, table: Table) -> str:
        """Return a short mark of all that a row depends on: with another one, what was published is not current."""
        columns = [[table.columns[n].type_oid, table.columns[n].typmod] for n in self.names]
        items = [item.as_json() for item in self._stream.items]
        words = json.dumps([table.oid, self.names, columns, items, self._zone], ensure_ascii=False)
        return hashlib.sha256(words.encode()).hexdigest()[:16]

    def _blurred(self, table: Table) -> str | None:
        for item in self._keys:
            name = self._stream.column(item)
            number = item.type in {ItemType.NUMBER, ItemType.MONEY, ItemType.INTEGER}
            if item.type is ItemType.TEXT:
                continue
            kind = table.columns[name].kind.oid
            if kind in _AS_TEXT or (number and kind not in INTEGERS | {NUMERIC}):
                return name
        return None

    def _make(self, en: str, zh: str) -> ExchangeError:
        return self._problem.make(Text(en, zh))


class Publication:
    """The publication that names our table to the replication stream."""

    def __init__(self, name: str, *, create: bool, problem: Problem) -> None:
        self.name = name
        self._create = create
        self._problem = problem

    def check(self, connection: Connection, table: Table, names: Sequence[str]) -> None:
        """Refuse a server or a publication that would not send all changes of these columns."""
        if connection.info.server_version < OLDEST:
            raise self._make("PostgreSQL 14 or later is needed", "需要 PostgreSQL 14 或更高版本")
        level = connection.execute("SHOW wal_level").fetchone()
        if level != ("logical",):
            raise self._make(
                "wal_level is not logical: ALTER SYSTEM SET wal_level = 'logical', then restart the server",
                "wal_level 不是 logical：请执行 ALTER SYSTEM SET wal_level = 'logical' 并重启数据库",
            )
        if not self.covers(connection, table, names) and not self._create:
            fix = self._statement(connection, table)
            raise self._make(
                f"the publication does not have the table: {fix}; or set create = true",
                f"发布中没有该表：请执行 {fix}；或设置 create = true",
            )

    def covers(self, connection: Connection, table: Table, names: Sequence[str]) -> bool:
        """Return whether the table is in it. Errors: the problem when it is there in part only."""
        found = connection.execute(_PUBLICATION, [self.name]).fetchone()
        if found is None:
            return False
        if not found[0] or (table.relkind == "p" and not found[1]):
            option = "publish_via_partition_root = true" if found[0] else "publish = 'insert, update, delete, truncate'"
            fix = f"ALTER PUBLICATION {self._quoted} SET ({option})"
            raise self._make(f"the publication leaves changes out: {fix}", f"发布未包含全部变更：请执行 {fix}")
        wide = connection.info.server_version >= ROW_FILTERS
        words = _PUBLISHED.format(sql.SQL("attnames, rowfilter" if wide else "NULL, NULL"))
        row = connection.execute(words, [self.name, table.schema, table.name]).fetchone()
        if row is None:
            return False
        left_out = [name for name in names if row[0] is not None and name not in row[0]]
        if row[1] is not None or left_out:
            raise self._make(
                f"the publication has only a part of the table ({row[1] or left_out[0]});"
                f" ALTER PUBLICATION {self._quoted} SET TABLE {table.quoted}",
                f"发布仅含该表的一部分（{row[1] or left_out[0]}）；"
                f"请执行 ALTER PUBLICATION {self._quoted} SET TABLE {table.quoted}",
            )
        return True

    def make(self, connection: Connection, table: Table, names: Sequence[str]) -> None:
        """Make it, or add the table to it, when that is allowed and needed."""
        if not self.covers(connection, table, names):
            connection.execute(sql.SQL(self._statement(connection, table)))

    def _statement(self, connection: Connection, table: Table) -> str:
        if connection.execute(_PUBLICATION, [self.name]).fetchone() is not None:
            return f"ALTER PUBLICATION {self._quoted} ADD TABLE {table.quoted}"
        words = f"CREATE PUBLICATION {self._quoted} FOR TABLE {table.quoted}"
        return words + (" WITH (publish_via_partition_root = true)" if table.relkind == "p" else "")

    @property
    def _quoted(self) -> str:
        return sql.Identifier(self.name).as_string()

    def _make(self, en: str, zh: str) -> ExchangeError:
        return self._problem.make(Text(en, zh))


_AS_TEXT = frozenset({25, 1042, 1043, 19})  # text, bpchar, varchar, name
_TABLE = """
SELECT c.oid, n.nspname, c.relname, c.relkind::text, c.relreplident::text, c.relhassubclass
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid = to_regclass(%s)"""
_COLUMNS = """
SELECT a.attname, a.atttypid, a.atttypmod, format_type(a.atttypid, a.atttypmod), nullif(t.typbasetype, 0), t.typtypmod,
       a.attnotnull, a.attgenerated <> '', has_column_privilege(a.attrelid, a.attnum, 'SELECT')
FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
WHERE a.attrelid = %s AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum"""
_INDEXES = """
SELECT array(SELECT a.attname::text FROM pg_attribute a
             WHERE a.attrelid = i.indrelid AND a.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1])),
       i.indisprimary, i.indisreplident
FROM pg_index i
WHERE i.indrelid = %s AND i.indisunique AND i.indisvalid AND i.indimmediate
      AND i.indpred IS NULL AND i.indexprs IS NULL"""
_PUBLICATION = """
SELECT pubinsert AND pubupdate AND pubdelete AND pubtruncate, pubviaroot FROM pg_publication WHERE pubname = %s"""
_PUBLISHED = sql.SQL("SELECT {} FROM pg_publication_tables WHERE pubname = %s AND schemaname = %s AND tablename = %s")
