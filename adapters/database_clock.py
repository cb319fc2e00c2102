"""The clock by which rows of a database are stamped, and what it does when somebody sets it.

A clock that is set back stamps new rows older than rows that were read already; one that jumps ahead makes rows look
old enough that are not. Both are found by a second clock that nobody can set: this process's monotonic one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, text

from adapters import sql_mysql

AHEAD_S = 1.0  # a jump ahead that is worth waiting for; less comes from the network


@dataclass(frozen=True, slots=True)
class Reading:
    """``now``: the time by which rows are old enough; ``set_back``: rows may be stamped before what was read."""

    now: datetime
    set_back: bool


class DatabaseClock:
    """Follows one database's clock from pass to pass; ``lag_s``: what the watermark allows a late commit."""

    def __init__(self, lag_s: float) -> None:
        self._lag_s = lag_s
        self._base: tuple[datetime, float] | None = None
        self._ahead_since: float | None = None

    def read(self, now: datetime, monotonic_s: float) -> Reading:
        """Return what the database's ``now`` means."""
        if self._base is None:
            return self._trust(now, monotonic_s, set_back=False)
        at, then_s = self._base
        expected = at + timedelta(seconds=monotonic_s - then_s)
        drift_s = (now - expected).total_seconds()
        if drift_s < -max(self._lag_s, AHEAD_S):
            return self._trust(now, monotonic_s, set_back=True)
        if drift_s > AHEAD_S:
            if self._ahead_since is None:
                self._ahead_since = monotonic_s
            if monotonic_s - self._ahead_since < self._lag_s:  # for transactions that began before the jump
                return Reading(expected, set_back=False)
        return self._trust(now, monotonic_s, set_back=False)

    def _trust(self, now: datetime, monotonic_s: float, *, set_back: bool) -> Reading:
        self._base = (now, monotonic_s)
        self._ahead_since = None
        return Reading(now, set_back=set_back)


def database_now(connection: Connection) -> datetime:
    """Return the database's own time; this machine's, where the database has none that names its zone."""
    dialect = connection.dialect.name
    if dialect == "postgresql":
        return _aware(connection.execute(text("SELECT clock_timestamp()")).scalar_one())
    if dialect in sql_mysql.NAMES:
        return _aware(connection.execute(text("SELECT UTC_TIMESTAMP(6)")).scalar_one())
    return datetime.now(UTC)


def oldest_open(connection: Connection, now: datetime) -> datetime:
    """Return a time before which no open transaction of a PostgreSQL database began, as far as the role may see them.

    A second is taken off for stamps in whole seconds.
    """
    age_s = connection.execute(_OPEN).scalar() or 0
    return now - timedelta(seconds=float(age_s) + 1)


def _aware(value: datetime) -> datetime:
    return value if value.tzinfo else value.replace(tzinfo=UTC)


# MariaDB's innodb_trx would not do: who asks it more often than ten times a second, together with all others, gets
# an answer that never changes.
_OPEN = text(
    "SELECT extract(epoch FROM clock_timestamp() - min(xact_start)) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
)
