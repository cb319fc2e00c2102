"""The files of a file sink: one is open and grows by landings, the others are finished and may be taken away.

What holds is in a SQLite file: how many bytes of the open file count, and what is in it. Its transaction is the commit:
bytes behind the counted ones are of a landing that did not come to its end, and are written over. Its write lock covers
the open file too. A finished file is delivered in steps, each of which can be repeated, and once it was renamed into
the folder, it is never made again, even when somebody has taken it away.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    delete,
    insert,
    select,
    true,
    update,
)
from sqlalchemy.dialects import sqlite

from adapters.files_writers import Form, Writer, to_parquet
from adapters.protocol import Landing
from exchange.log import topic_of

METADATA = MetaData()
OPEN, SEALING, SEALED = "open", "sealing", "sealed"
CHUNK = 1 << 20

SEGMENT = Table(
    "exchange_segment",
    METADATA,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("name", String(255), nullable=False),
    Column("state", String(8), nullable=False),
    Column("layout", Text, nullable=False),  # of a line: what differs needs another file
    Column("form", String(8), nullable=False),
    Column("topic", String(249), key="log", nullable=False),
    Column("schema_id", Integer, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("deletes", BigInteger, nullable=False),
    Column("offsets", JSON, nullable=False),
    Column("opened_ms", BigInteger, nullable=False),
    Column("sealed_ms", BigInteger),
    sqlite_autoincrement=True,
)
BATCH = Table(
    "exchange_segment_batch",
    METADATA,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("batch", String(32), primary_key=True),
)


class ShorterThanLanded(Exception):
    """The open file lost bytes that had landed."""


@dataclass(frozen=True, slots=True)
class Naming:
    """What a new file is called, and what its lines are."""

    prefix: str
    form: Form
    topic: str
    schema_id: int
    columns: tuple[str, ...]

    @property
    def layout(self) -> str:
        """What must be equal for lines to go into one file."""
        return json.dumps([self.form, self.topic, self.schema_id, self.columns], ensure_ascii=False)

    def name(self, landing: str, number: int) -> str:
        """Return a file's name; a destination that starts from nothing has other ones."""
        return f"{self.prefix}-{landing[:8]}-{number:08d}.{self.form}"


class Segments:
    """The files of one sink. Each method runs inside the caller's transaction, which holds the write lock.

    Errors: OSError, ShorterThanLanded.
    """

    def __init__(self, folder: Path, naming: Naming, writer: Writer) -> None:
        self._folder = folder
        self._hidden = folder / ".exchange"
        self._naming = naming
        self._writer = writer

    def prepare(self, connection: Connection) -> None:
        """Make what is missing."""
        METADATA.create_all(connection)
        self._hidden.mkdir(mode=0o700, parents=True, exist_ok=True)

    def open_since(self, connection: Connection) -> int | None:
        """Return when the open file was begun, in milliseconds UTC; None when there is none."""
        found = connection.execute(select(SEGMENT.c.opened_ms).where(SEGMENT.c.state == OPEN)).scalar()
        return None if found is None else int(found)

    def append(self, connection: Connection, landing: Landing, landing_id: str) -> tuple[int, int]:
        """Add a landing to the open file, on the disk when this returns; return the file's rows and bytes."""
        segment = self._current(connection, landing, landing_id)
        size = self._write(segment.name, int(segment.bytes), landing)
        deletes = sum(row is None for _, row in landing.changes)
        offsets = {int(part): pair for part, pair in segment.offsets.items()}
        for partition, (first, following) in landing.positions.items():
            offsets[partition] = [offsets.get(partition, [first])[0], following]
        rows = segment.rows + len(landing.changes) - deletes
        connection.execute(
            update(SEGMENT)
            .where(SEGMENT.c.number == segment.number)
            .values(bytes=size, rows=rows, deletes=segment.deletes + deletes, offsets=offsets)
        )
        batches = [{"number": segment.number, "batch": batch} for batch in {r.batch for r in landing.receipts}]
        if batches:
            connection.execute(sqlite.insert(BATCH).on_conflict_do_nothing(), batches)
        return rows + segment.deletes + deletes, size

    def seal(self, connection: Connection) -> None:
        """Say that the open file is finished."""
        self._seal(connection, true())

    def seal_others(self, connection: Connection) -> None:
        """Say that the open file is finished if its lines are not those of today."""
        self._seal(connection, SEGMENT.c.layout != self._naming.layout)

    def _seal(self, connection: Connection, which: ColumnElement[bool]) -> None:
        open_one = update(SEGMENT).where(SEGMENT.c.state == OPEN, which)
        connection.execute(open_one.values(state=SEALING, sealed_ms=_now_ms()))

    def deliver(self, connection: Connection, landing_id: str) -> None:
        """Bring finished files into the folder; repeated after a kill, it goes on where it was."""
        for segment in connection.execute(select(SEGMENT).where(SEGMENT.c.state == SEALING)).all():
            self._deliver(connection, segment, landing_id)
            connection.execute(update(SEGMENT).where(SEGMENT.c.number == segment.number).values(state=SEALED))
            connection.execute(delete(BATCH).where(BATCH.c.number == segment.number))

    def _current(self, connection: Connection, landing: Landing, landing_id: str) -> Any:
        self.seal_others(connection)
        self._seal(connection, SEGMENT.c.log != landing.log)  # offsets of two logs are not one range
        found = connection.execute(select(SEGMENT).where(SEGMENT.c.state == OPEN)).first()
        if found is not None:
            return found
        made = {
            "name": "",
            "state": OPEN,
            "layout": self._naming.layout,
            "form": self._naming.form,
            "log": landing.log,
            "schema_id": self._naming.schema_id,
            "bytes": 0,
            "rows": 0,
            "deletes": 0,
            "offsets": {},
            "opened_ms": _now_ms(),
        }
        number = connection.execute(insert(SEGMENT).values(made)).inserted_primary_key[0]  # type: ignore[index] # there is one
        name = self._naming.name(landing_id, number)
        connection.execute(update(SEGMENT).where(SEGMENT.c.number == number).values(name=name))
        return connection.execute(select(SEGMENT).where(SEGMENT.c.number == number)).one()

    def _write(self, name: str, counted: int, landing: Landing) -> int:
        path = self._part(name)
        if counted and not path.exists():
            raise ShorterThanLanded(path.name)
        with path.open("r+b" if counted else "w+b") as file:
            if file.seek(0, os.SEEK_END) < counted:
                raise ShorterThanLanded(path.name)
            file.seek(counted)
            file.truncate()
            self._writer.append(file, landing.changes)
            size = file.tell()
            file.flush()
            os.fsync(file.fileno())
        if not counted:
            _sync(self._hidden)
        return size

    def _deliver(self, connection: Connection, segment: Any, landing_id: str) -> None:
        ready = self._hidden / f"{segment.name}.ready"
        manifest = self._hidden / f"{segment.name}.manifest"
        if self._part(segment.name).exists():
            self._make_ready(connection, segment, landing_id, ready, manifest)
        for path, name in ((ready, segment.name), (manifest, f"{segment.name}.manifest.json")):
            if path.exists():  # else it was delivered before the kill, and may have been taken away since
                path.rename(self._folder / name)
                _sync(self._folder)
                _sync(self._hidden)

    def _make_ready(self, connection: Connection, segment: Any, landing_id: str, ready: Path, manifest: Path) -> None:
        """Make file and manifest whole under their hidden names; only then the open file is given up."""
        part = self._part(segment.name)
        with part.open("r+b") as file:
            if file.seek(0, os.SEEK_END) < segment.bytes:
                raise ShorterThanLanded(part.name)
            file.truncate(segment.bytes)
            os.fsync(file.fileno())
        content = part
        if segment.form == "parquet":
            content = ready
            with ready.open("wb") as file:
                to_parquet(part, file)
                file.flush()
                os.fsync(file.fileno())
        facts = _manifest(segment, landing_id, content, _batches(connection, segment.number))
        _write_synced(manifest, json.dumps(facts, ensure_ascii=False, indent=1).encode() + b"\n")
        _sync(self._hidden)
        if content is part:
            part.rename(ready)
        else:
            part.unlink()
        _sync(self._hidden)

    def _part(self, name: str) -> Path:
        return self._hidden / f"{name}.part"


def _manifest(segment: Any, landing_id: str, content: Path, batches: Iterable[str]) -> dict[str, Any]:
    offsets: Mapping[str, list[int]] = segment.offsets
    return {
        "file": segment.name,
        "number": segment.number,
        "format": segment.form,
        "topic": topic_of(segment.log),
        "schema_id": segment.schema_id,
        "rows": segment.rows,
        "deletes": segment.deletes,
        "bytes": content.stat().st_size,
        "sha256": _digest(content),
        "offsets": [
            {"partition": int(part), "first": first, "next": following}
            for part, (first, following) in sorted(offsets.items(), key=lambda pair: int(pair[0]))
        ],
        "batches": list(batches),
        "landing": landing_id,
        "opened_at": _iso(segment.opened_ms),
        "sealed_at": _iso(segment.sealed_ms),
    }


def _batches(connection: Connection, number: int) -> list[str]:
    found = connection.execute(select(BATCH.c.batch).where(BATCH.c.number == number).order_by(BATCH.c.batch))
    return [str(batch) for (batch,) in found]


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_synced(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    """Make renames in ``folder`` last."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _iso(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds")
