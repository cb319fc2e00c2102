"""SQL databases for adapters: their settings, their engine, and their drivers' errors in the words of the family."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import psycopg
import pymysql
from pydantic import Field, SecretStr
from sqlalchemy import URL, Engine, TableClause, column, create_engine, event, make_url, table
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, NoSuchTableError, SQLAlchemyError

from adapters import sql_mysql
from adapters.spec import PartConfig
from exchange.errors import ConfigError, DatabaseUnavailable, ExchangeError, SinkProblem, SourceProblem
from exchange.text import Text

CONNECT_TIMEOUT_S = 10
LOCK_TIMEOUT_S = 30
TESTED = frozenset({"sqlite", "postgresql"}) | sql_mysql.NAMES  # others work as far as their dialect does

log = logging.getLogger("exchange.adapter")

# A class of SQLSTATE (its first two characters) that waiting can cure: connection, transaction, resources, operator.
PASSING_CLASSES = frozenset({"08", "40", "53", "57", "58"})
PASSING_STATES = frozenset({"55P03", "25006"})  # lock not available; read-only: not, or not yet, the primary
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
            elif not _installed(url):
                expected, found = _DIALECT, url.drivername
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
        engine = create_engine(
            url, connect_args={"timeout": LOCK_TIMEOUT_S, "isolation_level": None}, hide_parameters=True
        )
        begin = "BEGIN IMMEDIATE" if writes else "BEGIN"
        # sqlite3 begins by itself only before some statements; tables and rows must share one transaction
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
        return engine
    engine = create_engine(url, connect_args=_connect_args(url), pool_size=1, max_overflow=1, hide_parameters=True)
    if url.get_backend_name() in sql_mysql.NAMES and not writes:
        return engine.execution_options(isolation_level="READ COMMITTED")  # each query sees what is committed by then
    return engine


def _connect_args(url: URL) -> dict[str, Any]:
    name = url.get_backend_name()
    if name in sql_mysql.NAMES:
        return sql_mysql.connect_args(CONNECT_TIMEOUT_S)
    if name == "postgresql":
        return {"connect_timeout": CONNECT_TIMEOUT_S}
    log.warning("%s is not among the tested databases (%s)", name, ", ".join(sorted(TESTED)))
    return {}


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
    except pymysql.Error as exc:  # of rows that are fetched one by one, and of a connection being made
        reason = sql_mysql.reason(exc)
        raise DatabaseUnavailable(reason=reason) if sql_mysql.passing(exc) else problem.make(reason) from exc
    except NoSuchTableError as exc:
        raise problem.make(Text(f"no table {exc}", f"表 {exc} 不存在")) from exc
    except (NoSuchModuleError, ImportError) as exc:
        raise problem.make(Text(f"no driver for this database: {exc}", f"缺少数据库驱动：{exc}")) from exc
    except SQLAlchemyError as exc:
        raise problem.make(_first_line(exc)) from exc


def _with_driver(url: URL) -> URL:
    if url.get_backend_name() in sql_mysql.NAMES:
        return url.set(drivername=sql_mysql.DRIVER)
    return url.set(drivername="postgresql+psycopg") if url.drivername == "postgresql" else url


def _installed(url: URL) -> bool:
    try:
        _with_driver(url).get_dialect()
    except NoSuchModuleError:
        return False
    return True


def _passing(error: DBAPIError) -> bool:
    origin: Any = error.orig
    if isinstance(origin, sqlite3.Error):
        return getattr(origin, "sqlite_errorcode", 0) & 0xFF in SQLITE_PASSING
    if isinstance(origin, psycopg.Error):
        return error.connection_invalidated or _passing_postgres(origin)
    if isinstance(origin, pymysql.Error):
        return error.connection_invalidated or sql_mysql.passing(origin)
    return error.connection_invalidated


def _passing_postgres(error: psycopg.Error) -> bool:
    if error.sqlstate is None:  # no answer from the server at all
        return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    return error.sqlstate[:2] in PASSING_CLASSES or error.sqlstate in PASSING_STATES


def _reason(error: DBAPIError) -> str:
    if isinstance(error.orig, pymysql.Error):
        return sql_mysql.reason(error.orig)
    return _first_line(error.orig) if error.orig else _first_line(error)


def _first_line(error: BaseException) -> str:
    """Only the first line: the next ones (DETAIL) may quote values of a row, which may be personal data."""
    lines = str(error).strip().splitlines()
    if not lines:
        return type(error).__name__
    if isinstance(error, psycopg.DataError):  # invalid input syntax for type integer: "12a"
        return lines[0].partition(': "')[0]
    return lines[0]


_ADDRESS = Text("an SQLAlchemy address", "SQLAlchemy 数据库地址")
_DIALECT = Text(
    "sqlite, postgresql, mysql or mariadb, or a database whose SQLAlchemy dialect is installed",
    "sqlite、postgresql、mysql、mariadb，或已安装其 SQLAlchemy 方言的数据库",
)
_NO_PASSWORD = Text("an address without a password", "不含密码的地址")
_ZONE = Text("a time zone", "时区名称")
