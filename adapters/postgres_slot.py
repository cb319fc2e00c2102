"""The replication slot of a source: made, judged, watched, dropped.

A slot makes the server keep its log until we confirm it. It is confirmed only up to a position that is committed at the
broker; so a slot that is ahead of our position was not moved by us, and what lies between is lost to us.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from adapters.databases import Problem
from adapters.postgres_catalog import Connection
from adapters.protocol import Position
from exchange.errors import DatabaseUnavailable
from exchange.text import Text

log = logging.getLogger("exchange.adapter")

PLUGIN = "pgoutput"
LOST_STATES = frozenset({"42704", "55000", "58P01"})  # no such slot or publication; slot invalidated; its log removed
IN_USE = "55006"
MIB = 1024 * 1024


def lsn_of(text: str) -> int:
    """Return a place in the server's log that is written like ``16/B374D848``."""
    high, _, low = text.partition("/")
    return int(high, 16) << 32 | int(low, 16)


def lsn_text(lsn: int) -> str:
    """Return a place in the server's log as the server writes it."""
    return f"{lsn >> 32:X}/{lsn & 0xFFFFFFFF:X}"


@dataclass(frozen=True, slots=True)
class Slot:
    """A slot by name; ``max_mb``: from this size of the kept log on, it is warned of."""

    name: str
    max_mb: int
    place: str
    problem: Problem

    def lost(self, connection: Connection, position: Position) -> Text | None:
        """Return why the changes since ``position`` cannot be had; None when they can.

        Errors: DatabaseUnavailable when another process uses the slot.
        """
        found = connection.execute(_SLOT, [self.name]).fetchone()
        if found is None:
            return Text(f"there is no replication slot {self.name}", f"复制槽 {self.name} 不存在")
        self._ours(found[0], found[1])
        _plugin, _here, pid, confirmed, wal_status, server_end = found
        if wal_status == "lost":
            return Text(
                f"the server gave up replication slot {self.name} (max_slot_wal_keep_size)",
                f"复制槽 {self.name} 已被服务器作废（max_slot_wal_keep_size）",
            )
        at = lsn_of(position["lsn"])
        if at < lsn_of(confirmed):
            return Text(
                f"replication slot {self.name} was made anew or moved by others",
                f"复制槽 {self.name} 已被重建或被他人推进",
            )
        if at > lsn_of(server_end):
            return Text("the database is an older one: restored or failed over", "数据库为较早状态：曾被恢复或切换")
        if pid is not None:
            raise self._in_use(pid)
        return None

    def drop(self, connection: Connection) -> None:
        """Drop it if it is there. Errors: DatabaseUnavailable when another process uses it."""
        found = connection.execute(_SLOT, [self.name]).fetchone()
        if found is None:
            return
        self._ours(found[0], found[1])
        if found[2] is not None:
            raise self._in_use(found[2])
        connection.execute("SELECT pg_drop_replication_slot(%s)", [self.name])

    def kept(self, connection: Connection) -> int | None:
        """Return how many bytes of log the server keeps for it; None when there is no such slot."""
        row = connection.execute(_KEPT, [self.name]).fetchone()
        return None if row is None or row[0] is None else int(row[0])

    def watch(self, connection: Connection) -> None:
        """Warn when the server keeps more than ``max_mb`` of log for it."""
        kept = (self.kept(connection) or 0) // MIB
        if kept > self.max_mb:
            warning = Text(
                "{place}: replication slot {name} makes the server keep {kept} MB of log, more than"
                " max_slot_mb = {limit}: the adapter does not keep up, or a transaction stays open",
                "{place}：复制槽 {name} 使服务器保留了 {kept} MB 日志，超过 max_slot_mb = {limit}："
                "适配器处理不及，或有事务长期未结束",
            )
            log.warning("%s", warning.format(place=self.place, name=self.name, kept=kept, limit=self.max_mb))

    def warn_unbounded(self, connection: Connection) -> None:
        """Say when nothing but us keeps the slot from filling the server's disk."""
        if connection.execute("SELECT setting FROM pg_settings WHERE name = 'max_slot_wal_keep_size'").fetchone() == (
            "-1",
        ):
            warning = Text(
                "{place}: while this adapter does not run, slot {name} lets the server's log grow without limit;"
                " set a limit on the server: ALTER SYSTEM SET max_slot_wal_keep_size = '{limit}MB'",
                "{place}：本适配器停止期间，复制槽 {name} 会使服务器日志无限增长；"
                "请在服务器上设置上限：ALTER SYSTEM SET max_slot_wal_keep_size = '{limit}MB'",
            )
            log.warning("%s", warning.format(place=self.place, name=self.name, limit=self.max_mb * 4))

    def _ours(self, plugin: str, here: bool) -> None:
        if plugin != PLUGIN or not here:
            raise self.problem.make(
                Text(
                    f"replication slot {self.name} belongs to something else; choose another with slot = …",
                    f"复制槽 {self.name} 属于其他用途；请用 slot = … 另取名称",
                )
            )

    def _in_use(self, pid: int) -> DatabaseUnavailable:
        reason = Text(
            f"replication slot {self.name} is in use by another process (pid {pid} of the server)",
            f"复制槽 {self.name} 正被其他进程使用（服务器进程 {pid}）",
        )
        return DatabaseUnavailable(reason=reason)


_SLOT = """
SELECT plugin, database = current_database(), active_pid, coalesce(confirmed_flush_lsn, '0/0')::text, wal_status,
       pg_current_wal_insert_lsn()::text
FROM pg_replication_slots WHERE slot_name = %s"""
_KEPT = """
SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), restart_lsn)
FROM pg_replication_slots WHERE slot_name = %s"""
