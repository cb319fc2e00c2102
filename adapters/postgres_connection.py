"""Connections to PostgreSQL beside SQLAlchemy: values as text in one fixed form, and libpq's COPY without detours."""

from __future__ import annotations

import select
import time
from typing import Any

import psycopg
from psycopg import errors, pq
from sqlalchemy import make_url

from adapters.databases import CONNECT_TIMEOUT_S, DatabaseConfig

# Values come as text, so what decides their form is set here and not by the server or the role. Rows that a policy
# would hide must be an error: a row that is hidden looks like one that was deleted.
SETTINGS = {
    "client_encoding": "UTF8",
    "datestyle": "ISO",
    "intervalstyle": "iso_8601",
    "timezone": "UTC",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "row_security": "off",
    "statement_timeout": "0",
}
ALIVE = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 30_000}
ENDED = -1


def open_connection(config: DatabaseConfig, **more: Any) -> psycopg.Connection[tuple[Any, ...]]:
    """Return a connection of its own; each statement commits. Errors: psycopg.Error."""
    url = make_url(config.url)
    given = dict(url.query)
    options = " ".join([*[f"-c {name}={value}" for name, value in SETTINGS.items()], str(given.pop("options", ""))])
    login = {"host": url.host, "port": url.port, "dbname": url.database, "user": url.username}
    if config.password is not None:
        login["password"] = config.password.get_secret_value()
    known = {name: value for name, value in login.items() if value is not None}
    timeout = {"connect_timeout": CONNECT_TIMEOUT_S}
    keys: dict[str, Any] = timeout | ALIVE | given | known | more
    return psycopg.connect(**keys, options=options.strip(), autocommit=True)


def failure(result: pq.abc.PGresult) -> psycopg.Error:
    """Return the error that a result of libpq tells; one without SQLSTATE is libpq's own: the connection broke."""
    if not result.error_field(pq.DiagnosticField.SQLSTATE):
        return psycopg.OperationalError(result.error_message.decode(errors="replace"))
    return errors.error_from_result(result, "utf-8")


class Wire:
    """A connection in the simple protocol, one command at a time; waiting is for at most a given time."""

    def __init__(self, connection: psycopg.Connection[tuple[Any, ...]]) -> None:
        self._connection = connection
        self._pg = connection.pgconn
        self._ended = False  # ``take`` met the end of the copy, which ``piece`` is to tell

    def send(self, command: str) -> None:
        """Start one command."""
        self._pg.send_query(command.encode())

    def answer(self, timeout_s: float) -> pq.abc.PGresult | None:
        """Return the command's result when it has come; None when it has not. Errors: psycopg.Error."""
        deadline = time.monotonic() + timeout_s
        while self._pg.is_busy():
            if not self._arrived(deadline - time.monotonic()):
                return None
        result = self._pg.get_result()
        if result is None:
            raise psycopg.OperationalError("the server did not answer")
        if result.status == pq.ExecStatus.FATAL_ERROR:
            raise failure(result)
        if result.status == pq.ExecStatus.TUPLES_OK:
            while self._pg.get_result() is not None:
                pass
        return result

    def piece(self, timeout_s: float) -> memoryview | bytes | None:
        """Return one CopyData; None when none came in time, empty when the copy has ended. Errors: psycopg.Error."""
        size, data = (ENDED, b"") if self._ended else self._pg.get_copy_data(1)
        self._ended = False
        if size == 0 and self._arrived(timeout_s):
            size, data = self._pg.get_copy_data(1)
        if size > 0:
            return data
        if size != ENDED:
            return None
        while (result := self._pg.get_result()) is not None:
            if result.status == pq.ExecStatus.FATAL_ERROR:
                raise failure(result)
            if result.status in (pq.ExecStatus.COPY_IN, pq.ExecStatus.COPY_BOTH):
                break  # the server said that it has no more, and waits for us
        return b""

    def take(self, into: list[memoryview | bytes], pieces: int, size: int) -> int:
        """Append CopyData that have come, at most so many, until they have about ``size`` bytes; return their bytes."""
        get, append, taken = self._pg.get_copy_data, into.append, 0
        for _ in range(pieces):
            length, data = get(1)
            if length <= 0:
                self._ended = length == ENDED  # libpq says it once
                break
            append(data)
            taken += length
            if taken >= size:
                break
        return taken

    def put(self, data: bytes) -> None:
        """Send one CopyData. Errors: psycopg.Error."""
        self._pg.put_copy_data(data)
        while self._pg.flush():
            _ready(self._pg.socket, select.POLLOUT, CONNECT_TIMEOUT_S)

    def close(self) -> None:
        """Leave at once, whatever is under way; safe to call twice."""
        self._pg.finish()

    def _arrived(self, timeout_s: float) -> bool:
        ready = _ready(self._pg.socket, select.POLLIN, max(0.0, timeout_s))
        if ready:
            self._pg.consume_input()
        return ready


def _ready(socket: int, event: int, timeout_s: float) -> bool:
    """Wait until a socket can be read or written; poll, as select takes no number above 1023."""
    waiting = select.poll()
    waiting.register(socket, event)
    return bool(waiting.poll(timeout_s * 1000))
