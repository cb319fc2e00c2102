"""The registry's database into a file and back: SQLite by its backup API, PostgreSQL by pg_dump and pg_restore."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Literal, Protocol

from sqlalchemy import URL, Connection, create_engine, func, inspect, select, text

from registry.audit.models import AuditEntry
from registry.backup.archive import Facts
from registry.backup.errors import StillRuns, ToolFailed
from registry.database import Database, translated
from registry.enforcement.models import Lease
from registry.sharing.models import Grant

DEBIAN = Path("/usr/lib/postgresql")
TOOL_TIMEOUT_S = 3600
ASIDE = "before_restore_"
VERSION = "alembic_version"


class Store(Protocol):
    """One kind of database."""

    kind: Literal["sqlite", "postgresql"]
    place: str

    def exists(self) -> bool:
        """Whether there is a registry in it. Errors: DatabaseUnavailable."""

    def save(self, folder: Path) -> Facts:
        """Write it into a file in ``folder``, as it is at one instant; return what that holds."""

    def put_aside(self, stamp: str) -> None:
        """Give what is there another name."""

    def load(self, folder: Path) -> None:
        """Make it what ``save`` wrote."""


def store_of(url: URL) -> Store:
    """Return the store of a database."""
    return _Sqlite(url) if url.get_backend_name() == "sqlite" else _Postgres(url)


def facts_of(connection: Connection) -> Facts:
    """Return what a database holds."""
    last = connection.execute(select(AuditEntry.number, AuditEntry.hash).order_by(AuditEntry.number.desc()).limit(1))
    number, digest = last.first() or (0, "")
    grants = connection.execute(select(Grant.state, func.count()).group_by(Grant.state)).all()
    return Facts(
        migration=str(connection.scalar(text(f"SELECT version_num FROM {VERSION}"))),  # noqa: S608 (our own name)
        audit_number=number,
        audit_hash=digest,
        grants={state: count for state, count in grants},  # noqa: C416 (rows, not pairs, to the type checker)
    )


def must_not_run(url: URL, now: datetime) -> None:
    """Raise StillRuns if a registry holds a lease in the database, wherever it runs."""
    database = Database(url)
    try:
        with database.plain() as connection:
            if not inspect(connection).has_table(Lease.__tablename__):
                return
            holder = connection.scalar(select(Lease.holder).where(Lease.until > now).limit(1))
    finally:
        database.close()
    if holder is not None:
        raise StillRuns(place=url.render_as_string(), reason=holder)


class _Sqlite:
    kind: Literal["sqlite", "postgresql"] = "sqlite"
    SAVED = "database/registry.sqlite"

    def __init__(self, url: URL) -> None:
        self._path = Path(url.database or "")
        self.place = str(self._path)

    def exists(self) -> bool:
        return self._path.exists()

    def save(self, folder: Path) -> Facts:
        copy = folder / self.SAVED
        with closing(sqlite3.connect(self._path)) as live, closing(sqlite3.connect(copy)) as saved:
            live.backup(saved)
            saved.execute("PRAGMA journal_mode=DELETE")  # one file, without a log beside it
        engine = create_engine(URL.create("sqlite", database=str(copy)))
        try:
            with translated(), engine.connect() as connection:
                return facts_of(connection)
        finally:
            engine.dispose()

    def put_aside(self, stamp: str) -> None:
        for suffix in ("", "-wal", "-shm"):
            path = self._path.with_name(self._path.name + suffix)
            if path.exists():
                path.rename(path.with_name(f"{path.name}.{ASIDE}{stamp}"))

    def load(self, folder: Path) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        shutil.move(folder / self.SAVED, self._path)


class _Postgres:
    kind: Literal["sqlite", "postgresql"] = "postgresql"
    SAVED = "database/registry.pgdump"

    def __init__(self, url: URL) -> None:
        self._url = url
        self.place = url.render_as_string()

    def exists(self) -> bool:
        with self._connected() as connection:
            return inspect(connection).has_table(VERSION)

    def save(self, folder: Path) -> Facts:
        with self._connected() as connection:
            connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
            snapshot = str(connection.scalar(text("SELECT pg_export_snapshot()")))  # facts and dump of one instant
            held = facts_of(connection)
            out = ("--format=custom", "--no-owner", "--no-privileges", f"--file={folder / self.SAVED}")
            self._run("pg_dump", *out, f"--snapshot={snapshot}", f"--exclude-schema={ASIDE}*")
        return held

    def put_aside(self, stamp: str) -> None:
        with self._connected() as connection:
            connection.execute(text(f'ALTER SCHEMA public RENAME TO "{ASIDE}{stamp}"'))
            connection.execute(text("CREATE SCHEMA public"))
            for name in connection.scalars(
                text("SELECT extname FROM pg_extension WHERE extnamespace = CAST(:schema AS regnamespace)"),
                {"schema": f"{ASIDE}{stamp}"},
            ).all():
                connection.execute(text(f'ALTER EXTENSION "{name}" SET SCHEMA public'))
            connection.commit()

    def load(self, folder: Path) -> None:
        options = ("--no-owner", "--no-privileges", "--single-transaction", "--exit-on-error", "--no-comments")
        self._run("pg_restore", *options, str(folder / self.SAVED))

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        engine = create_engine(self._url)
        try:
            with translated(), engine.connect() as connection:
                yield connection
        finally:
            engine.dispose()

    def _run(self, program: str, *arguments: str) -> None:
        url = self._url
        target = URL.create("postgresql", url.username, None, url.host, url.port, url.database, url.query)
        done = subprocess.run(  # noqa: S603 - our own arguments
            [_found(program), f"--dbname={target.render_as_string()}", *arguments],
            env={**os.environ, "PGPASSWORD": self._url.password or "", "LC_ALL": "C.UTF-8"},  # not on the command line
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TOOL_TIMEOUT_S,
            check=False,
        )
        if done.returncode:
            raise ToolFailed(program=program, reason=(done.stderr.strip().splitlines() or [str(done.returncode)])[0])


def _found(program: str) -> str:
    """Return the newest of a client program: it must not be older than the server."""
    debian = sorted(DEBIAN.glob(f"*/bin/{program}"), key=lambda path: int(path.parents[1].name.split(".")[0]))
    found = str(debian[-1]) if debian else shutil.which(program)
    if found is None:
        raise ToolFailed(program=program, reason="not found")
    return found
