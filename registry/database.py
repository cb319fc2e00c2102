"""The registry's database: SQLite (WAL) or PostgreSQL behind the same sessions; its driver's errors end here."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import (
    URL,
    BigInteger,
    DateTime,
    Dialect,
    Engine,
    Integer,
    MetaData,
    String,
    TypeDecorator,
    create_engine,
    event,
    make_url,
    text,
)
from sqlalchemy.engine import Connection
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.orm.exc import StaleDataError
from sqlalchemy.pool import ConnectionPoolEntry

from exchange.errors import DatabaseUnavailable
from exchange.text import Text
from registry.errors import Conflict
from registry.settings import Settings

SQLITE_BUSY_MS = 10_000
BEGIN_WORD = "exchange_begin"
Identifier = BigInteger().with_variant(Integer(), "sqlite")  # SQLite numbers rows by itself only as INTEGER

# What the present request demands of the rows that it changes: looked up when its transaction begins, checked last.
Guard = Callable[[Session], Callable[[], None]]
GUARD: ContextVar[Guard | None] = ContextVar("guard", default=None)


class UtcDateTime(TypeDecorator[datetime]):
    """An instant: with a zone in Python and PostgreSQL, as UTC without one in SQLite."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the instant in UTC; one without a zone is a programming error."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("an instant needs a zone")
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 (SQLAlchemy's signature)
        """Return the instant with its zone."""
        if value is None:
            return None
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


class Base(DeclarativeBase):
    """What all tables of the registry share."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {datetime: UtcDateTime(), int: Identifier, str: String()}  # noqa: RUF012 (SQLAlchemy reads it)


def database_url(settings: Settings) -> URL:
    """Return the URL with its password; SQLite in the data directory when none is configured."""
    group = settings.database
    if group.url is None:
        return URL.create("sqlite", database=str(settings.registry.data_dir / "registry.db"))
    url = make_url(group.url)
    if url.drivername == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
    return url.set(password=group.password.get_secret_value()) if group.password else url


class Database:
    """Sessions that read or write; a session commits when its block ends well.

    Errors: DatabaseUnavailable when it is away, Conflict when a row exists or was changed by another meanwhile.
    """

    def __init__(self, url: URL | str) -> None:
        url = make_url(url)
        if url.get_backend_name() == "sqlite" and url.database:
            Path(url.database).parent.mkdir(parents=True, exist_ok=True)
        self.engine = _engine(url)
        self._writer = self.engine.execution_options(**{BEGIN_WORD: "BEGIN IMMEDIATE"})
        self._queue = threading.RLock() if url.get_backend_name() == "sqlite" else None

    @contextmanager
    def read(self) -> Iterator[Session]:
        """Open a session for reading."""
        with translated(), Session(self.engine, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def plain(self) -> Iterator[Connection]:
        """Open a connection for reading columns, without the objects of a session: for what is asked all the time."""
        with translated(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Session]:
        """Open a session for writing: commits at the end of the block, rolls back on an error."""
        with translated(), self._turn(), Session(self._writer, expire_on_commit=False) as session:
            guard = GUARD.get()
            check = guard(session) if guard else None
            yield session
            if check:
                check()
            session.commit()

    @contextmanager
    def _turn(self) -> Iterator[None]:
        # SQLite's writers poll for their turn, and sleep between; those of one process queue, so that none sleeps.
        taken = self._queue is not None and self._queue.acquire(timeout=SQLITE_BUSY_MS / 1000)
        try:
            yield
        finally:
            if self._queue is not None and taken:
                self._queue.release()

    def ping(self) -> None:
        """Ask the database for a sign of life. Errors: DatabaseUnavailable."""
        with self.read() as session:
            session.execute(text("SELECT version_num FROM alembic_version"))  # SQLite reads no file for SELECT 1

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


@contextmanager
def translated() -> Iterator[None]:
    """Turn the driver's errors into Conflict or DatabaseUnavailable."""
    try:
        yield
    except IntegrityError as exc:
        raise Conflict(
            reason=Text("it exists already, or something that it names does not", "已存在，或引用的对象不存在")
        ) from exc
    except StaleDataError as exc:
        raise Conflict(reason=Text("somebody else changed it meanwhile", "期间已被他人修改")) from exc
    except DBAPIError as exc:
        reason = type(exc.orig).__name__ if exc.orig else type(exc).__name__
        raise DatabaseUnavailable(reason=reason) from exc


def _engine(url: URL) -> Engine:
    if url.get_backend_name() != "sqlite":
        return create_engine(url, pool_pre_ping=True, pool_size=10, max_overflow=30, hide_parameters=True)
    engine = create_engine(url, pool_size=10, max_overflow=30, hide_parameters=True)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    assert isinstance(connection, sqlite3.Connection)
    connection.isolation_level = None  # the driver must not begin by itself: _begin_sqlite does
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", f"busy_timeout={SQLITE_BUSY_MS}"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    # A reader that starts to write meets SQLITE_BUSY at once, whatever the timeout: writers say so from the start.
    options: dict[str, Any] = dict(connection.get_execution_options())
    connection.exec_driver_sql(str(options.get(BEGIN_WORD, "BEGIN")))
