"""Messages of PostgreSQL's logical replication: the stream around them, and the output plugin ``pgoutput`` (version 1).

Source: PostgreSQL documentation, "Streaming Replication Protocol" and "Logical Replication Message Formats".
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import Enum


class Toast(Enum):
    """A large value that an update left as it was: the stream does not have it."""

    UNCHANGED = "u"


Field = str | None | Toast
Fields = list[Field]


@dataclass(frozen=True, slots=True)
class WalData:
    """A piece of the stream; ``message`` is one message of the plugin."""

    message: bytes


@dataclass(frozen=True, slots=True)
class KeepAlive:
    """The server has sent all that is before ``wal_end``; ``reply``: it wants a status at once."""

    wal_end: int
    reply: bool


@dataclass(frozen=True, slots=True)
class Begin:
    """A transaction begins; its changes follow, whole and in order of the commits. ``commit_lsn``: its end's place."""

    commit_lsn: int
    xid: int


@dataclass(frozen=True, slots=True)
class Commit:
    """The transaction ends; ``end_lsn`` is the first byte after it."""

    end_lsn: int


@dataclass(frozen=True, slots=True)
class RelationColumn:
    """A column as the changes after it have it; ``key``: it is part of the replica identity."""

    name: str
    key: bool
    type_oid: int
    typmod: int


@dataclass(frozen=True, slots=True)
class Relation:
    """How the tuples of a table look from here on."""

    oid: int
    schema: str
    name: str
    columns: tuple[RelationColumn, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """A row was written or deleted.

    ``old``: the row before, whole (``full``) or only its replica identity; None when the key stayed.
    ``new``: the row now; None for a delete.
    """

    oid: int
    old: Fields | None
    full: bool
    new: Fields | None


@dataclass(frozen=True, slots=True)
class Truncate:
    """These tables were emptied."""

    oids: tuple[int, ...]


Message = Begin | Commit | Relation | Change | Truncate | None

_WAL_HEADER = 25  # 'w', start, end, time
_KEEPALIVE = struct.Struct(">xQqB")
_STATUS = struct.Struct(">cQQQqB")
_BEGIN = struct.Struct(">xQqI")
_COMMIT = struct.Struct(">xBQQq")
_U32 = struct.Struct(">I")
_U16 = struct.Struct(">H")
_COLUMN = struct.Struct(">Ii")
_NULL, _UNCHANGED, _TEXT = b"nut"
_NEW, _KEY, _OLD = b"NKO"
_INSERT, _UPDATE, _DELETE = b"IUD"


def frame(data: bytes) -> WalData | KeepAlive | None:
    """Return what one CopyData of the replication stream holds; None for kinds that nobody needs."""
    if data[:1] == b"w":
        return WalData(data[_WAL_HEADER:])
    if data[:1] == b"k":
        wal_end, _time, reply = _KEEPALIVE.unpack(data)
        return KeepAlive(wal_end, bool(reply))
    return None


def status(lsn: int, microseconds: int, *, ask: bool) -> bytes:
    """Return a standby status: all before ``lsn`` is safe here; ``microseconds`` since 2000; ``ask`` for an answer."""
    return _STATUS.pack(b"r", lsn, lsn, lsn, microseconds, ask)


def parse(data: bytes) -> Message:
    """Return one message of the plugin; None for those that say nothing of rows (origin, type, ...)."""
    kind = data[0]
    if kind in (_INSERT, _UPDATE, _DELETE):
        return _change(data)
    match data[:1]:
        case b"B":
            commit_lsn, _time, xid = _BEGIN.unpack(data)
            return Begin(commit_lsn, xid)
        case b"C":
            return Commit(_COMMIT.unpack(data)[2])
        case b"R":
            return _relation(data)
        case b"T":
            count = _U32.unpack_from(data, 1)[0]
            return Truncate(struct.unpack_from(f">{count}I", data, 6))
    return None


def _change(data: bytes) -> Change:
    oid = _U32.unpack_from(data, 1)[0]
    old: Fields | None = None
    new: Fields | None = None
    full, at = False, 5
    if data[at] in (_KEY, _OLD):
        full = data[at] == _OLD
        old, at = _tuple(data, at + 1)
    if at < len(data) and data[at] == _NEW:
        new, at = _tuple(data, at + 1)
    return Change(oid, old, full, new)


def _tuple(data: bytes, at: int) -> tuple[Fields, int]:
    count = _U16.unpack_from(data, at)[0]
    at += 2
    fields: Fields = []
    for _ in range(count):
        kind = data[at]
        at += 1
        if kind == _TEXT:
            end = at + 4 + _U32.unpack_from(data, at)[0]
            # what is no UTF-8 (a database without an encoding) is found by the check of the row
            fields.append(data[at + 4 : end].decode(errors="surrogateescape"))
            at = end
        else:
            fields.append(None if kind == _NULL else Toast.UNCHANGED)
    return fields, at


def _relation(data: bytes) -> Relation:
    oid = _U32.unpack_from(data, 1)[0]
    schema, at = _string(data, 5)
    name, at = _string(data, at)
    count = _U16.unpack_from(data, at + 1)[0]  # after one byte: the replica identity
    at += 3
    columns = []
    for _ in range(count):
        key = bool(data[at] & 1)
        column, at = _string(data, at + 1)
        type_oid, typmod = _COLUMN.unpack_from(data, at)
        at += _COLUMN.size
        columns.append(RelationColumn(column, key, type_oid, typmod))
    return Relation(oid, schema or "pg_catalog", name, tuple(columns))


def _string(data: bytes, at: int) -> tuple[str, int]:
    end = data.index(0, at)
    return data[at:end].decode(), end + 1
