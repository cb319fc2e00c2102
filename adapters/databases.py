"""SQL databases for adapters: their settings, their engine, and their drivers' errors in the words of the family."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import psycopg
from pydantic import Field, SecretStr
from sqlalchemy import URL, Engine, TableClause, column, create_engine, event, make_url, table
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, NoSuchTableError, SQLAlchemyError

from adapters.spec import PartConfig
from exchange.errors import ConfigError, DatabaseUnavailable, ExchangeError, SinkProblem, SourceProblem
from exchange.text import Text

CONNECT_TIMEOUT_S = 10
LOCK_TIMEOUT_S = 30
SUPPORTED = ("sqlite", "postgresql")

# A class of SQLSTATE (its first two characters) that waiting can cure: connection, transaction, resources, operator.
PASSING_CLASSES = frozenset({"08", "40", "53", "57", "58"})
PASSING_STATES = frozenset({"55P03"})  # lock not available
SQLITE_PASSING = frozenset(
    {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL}
)


class DatabaseConfig(PartConfig):
    """Which database, and how to log in to it."""

    url: str = Field(
        description="an SQLAlchemy address without a password",
        examples=["postgresql://reader@127.0.0.1:5432/villages"],
    )
    password: SecretStr | None = Field(
        default=None, description="the database password, from a file or the environment"
    )
    zone: str = Field(default="Asia/Shanghai", description="time zone of date-times that name none")

    def verify(self, file: str, group: str) -> None:
        """Refuse a password inside the address, an address that is none, and a zone that is none."""
        expected, found = _ADDRESS, ""
        try:
            url = make_url(self.url)
        except ArgumentError:
            found = "***"  # it may hold a password
        else:
            if url.password is not None:
                expected, found = _NO_PASSWORD, "***"
            elif url.get_backend_name() not in SUPPORTED:
                found = url.drivername
        if found:
            example = 'url = "postgresql://reader@host/name" and password_file = "db.secret"'
            raise ConfigError(file=file, key=f"{group}.url", expected=expected, found=found, example=example)
        try:
            ZoneInfo(self.zone)
        except (ZoneInfoNotFoundError, ValueError) as exc:
            key, example = f"{group}.zone", 'zone = "Asia/Shanghai"'
            raise ConfigError(file=file, key=key, expected=_ZONE, found=repr(self.zone), example=example) from exc


def name_of(config: DatabaseConfig) -> str:
    """Return the database's address as it may be shown."""
    return make_url(config.url).render_as_string(hide_password=True)


def open_engine(config: DatabaseConfig, *, writes: bool) -> Engine:
    """Return an engine of its own for one adapter; ``writes``: a SQLite transaction takes the write lock at once."""
    url = _with_driver(make_url(config.url))
    if config.password is not None:
        url = url.set(password=config.password.get_secret_value())
    if url.get_backend_name() == "sqlite":
        engine = create_engine(url, connect_args={"timeout": LOCK_TIMEOUT_S, "isolation_level": None})
        begin = "BEGIN IMMEDIATE" if writes else "BEGIN"
        # sqlite3 begins by itself only before some statements; tables and rows must share one transaction
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
        return engine
    return create_engine(url, connect_args={"connect_timeout": CONNECT_TIMEOUT_S}, pool_size=1, max_overflow=1)


def named_table(name: str, columns: Sequence[str]) -> TableClause:
    """Return ``name`` (may be ``schema.table``) as something to select from."""
    schema, _, plain = name.rpartition(".")
    return table(plain, *[column(c) for c in columns], schema=schema or None)


class Problem(NamedTuple):
    """How an error that no retry cures is told."""

    kind: type[SourceProblem | SinkProblem]
    what: str

    def make(self, reason: object) -> ExchangeError:
        """Return the error."""
        return self.kind(**{"source" if self.kind is SourceProblem else "sink": self.what, "reason": reason})


@contextmanager
def translated(problem: Problem) -> Iterator[None]:
    """Turn a driver's error inside into DatabaseUnavailable (waiting helps) or into ``problem`` (it does not)."""
    try:
        yield
    except DBAPIError as exc:
        reason = _reason(exc)
        raise DatabaseUnavailable(reason=reason) if _passing(exc) else problem.make(reason) from exc
    except psycopg.Error as exc:  # of COPY, which goes past SQLAlchemy
        reason = _first_line(exc)
        raise DatabaseUnavailable(reason=reason) if _passing_postgres(exc) else problem.make(reason) from exc
    except NoSuchTableError as exc:
        raise problem.make(Text(f"no table {exc}", f"表 {exc} 不存在")) from exc
    except (NoSuchModuleError, ImportError) as exc:
        raise problem.make(Text(f"no driver for this database: {exc}", f"缺少数据库驱动：{exc}")) from exc
    except SQLAlchemyError as exc:
        raise problem.make(_first_line(exc)) from exc


def _with_driver(url: URL) -> URL:
    return url.set(drivername="postgresql+psycopg") if url.drivername == "postgresql" else url


def _passing(error: DBAPIError) -> bool:
    origin: Any = error.orig
    if isinstance(origin, sqlite3.Error):
        return getattr(origin, "sqlite_errorcode", 0) & 0xFF in SQLITE_PASSING
    if isinstance(origin, psycopg.Error):
        return error.connection_invalidated or _passing_postgres(origin)
    return error.connection_invalidated


def _passing_postgres(error: psycopg.Error) -> bool:
    if error.sqlstate is None:  # no answer from the server at all
        return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    return error.sqlstate[:2] in PASSING_CLASSES or error.sqlstate in PASSING_STATES


def _reason(error: DBAPIError) -> str:
    return _first_line(error.orig) if error.orig else _first_line(error)


def _first_line(error: BaseException) -> str:
    """Only the first line: the next ones (DETAIL) may quote values of a row, which may be personal data."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


_ADDRESS = Text("an SQLAlchemy address of SQLite or PostgreSQL", "SQLite 或 PostgreSQL 的 SQLAlchemy 地址")
_NO_PASSWORD = Text("an address without a password", "不含密码的地址")
_ZONE = Text("a time zone", "时区名称")
