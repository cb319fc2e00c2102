"""A walsender of PostgreSQL: makes a slot with its snapshot, and sends the slot's changes over libpq's COPY BOTH."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from psycopg import OperationalError, pq, sql

from adapters.databases import DatabaseConfig
from adapters.pgoutput import KeepAlive, WalData, frame, status
from adapters.postgres_connection import Wire, open_connection
from adapters.postgres_slot import PLUGIN, lsn_of, lsn_text

EPOCH_2000_US = 946_684_800_000_000
ANSWER_S = 0.9


@dataclass(frozen=True, slots=True)
class Exported:
    """A snapshot of the database as it was at ``lsn``, where the new slot begins; lives with the connection."""

    lsn: int
    snapshot: str


class Replication:
    """One replication connection. Errors of its methods: psycopg.Error."""

    def __init__(self, config: DatabaseConfig) -> None:
        self._connection = open_connection(config, replication="database")
        self._wire = Wire(self._connection)

    def create_slot(self, name: str) -> Iterator[Exported | None]:
        """Yield None each second while the server waits for open transactions to end; at last the snapshot."""
        self._wire.send(f"CREATE_REPLICATION_SLOT {_quoted(name)} LOGICAL {PLUGIN} EXPORT_SNAPSHOT")
        while (result := self._wire.answer(ANSWER_S)) is None:
            yield None
        lsn, snapshot = result.get_value(0, 1), result.get_value(0, 2)
        assert lsn is not None
        assert snapshot is not None
        yield Exported(lsn_of(lsn.decode()), snapshot.decode())

    def start(self, slot: str, publication: str, lsn: int) -> Iterator[None]:
        """Yield each second until the stream of the changes after ``lsn`` has begun."""
        names = sql.Literal(_quoted(publication)).as_string()
        self._wire.send(
            f"START_REPLICATION SLOT {_quoted(slot)} LOGICAL {lsn_text(lsn)}"
            f" (proto_version '1', publication_names {names})"
        )
        while (result := self._wire.answer(ANSWER_S)) is None:
            yield
        assert result.status == pq.ExecStatus.COPY_BOTH, result.status

    def receive(self, timeout_s: float) -> WalData | KeepAlive | None:
        """Return the next piece; None when none came in time."""
        data = self._wire.piece(timeout_s)
        if data is None:
            return None
        if not data:
            raise OperationalError("the server ended the stream")
        return frame(bytes(data))

    def confirm(self, lsn: int, *, ask: bool = False) -> None:
        """Tell the server that all before ``lsn`` is safe, so that it may drop it; ``ask`` it where it is."""
        self._wire.put(status(lsn, time.time_ns() // 1000 - EPOCH_2000_US, ask=ask))

    def close(self) -> None:
        """Leave; safe to call twice."""
        self._wire.close()


def _quoted(name: str) -> str:
    return sql.Identifier(name).as_string()
