"""What a webhook sink still has to send: a SQLite file that holds position, deliveries and receipts in one transaction.

A landing is first kept here, cut into deliveries with ids of their own, and then sent; so a delivery that is repeated,
even by another process, has the same id and the same bytes. The receipts of a landing count once its last delivery was
accepted.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy import Column, Engine, Integer, LargeBinary, MetaData, Table, Text, delete, func, insert, select, update

from adapters.databases import Problem, translated
from adapters.http_sqlite import open_file
from adapters.protocol import Landing
from adapters.sql_ledger import Ledger
from exchange.errors import SinkProblem
from exchange.receipts import Receipt

DESTINATION = "webhook"  # not its address: a webhook that moves is still the same destination

_METADATA = MetaData()
_DELIVERY = Table(
    "exchange_delivery",
    _METADATA,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("id", Text, nullable=False, unique=True),
    Column("body", LargeBinary, nullable=False),
    Column("refused", Integer, nullable=False),  # answers that say no
)
_HELD = Table(  # receipts of the landing that is being sent
    "exchange_held_receipt",
    _METADATA,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("body", Text, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One request that the webhook has to accept."""

    seq: int
    id: str
    body: bytes
    refused: int


class Outbox:
    """Deliveries of one webhook, oldest first. Errors of its methods: DatabaseUnavailable, SinkProblem."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._ledger = Ledger(DESTINATION)
        self._problem = Problem(SinkProblem, str(path))
        self._engine: Engine | None = None

    def open(self) -> str:
        """Open the file, make what is missing, and return the destination's own id."""
        self.close()
        with translated(self._problem):
            self._engine = open_file(self._path, SinkProblem)
            with self._engine.begin() as connection:
                self._ledger.made_table(connection)  # makes the ledger's tables too
                _METADATA.create_all(connection)
                return self._ledger.open(connection, from_nothing=False)

    def positions(self, log: str) -> Mapping[int, int]:
        """Return the next offset of each partition of ``log``."""
        with translated(self._problem), self._opened().connect() as connection:
            return self._ledger.positions(connection, log)

    def keep(self, landing: Landing, deliveries: Sequence[tuple[str, bytes]]) -> None:
        """Keep a landing to be sent; its position is moved. Errors: Fenced."""
        rows = [{"id": name, "body": body, "refused": 0} for name, body in deliveries]
        held = [{"body": receipt.to_bytes().decode()} for receipt in landing.receipts]
        with translated(self._problem), self._opened().begin() as connection:
            self._ledger.move(connection, landing.log, landing.positions)
            if rows:
                connection.execute(insert(_DELIVERY), rows)
            if held:
                connection.execute(insert(_HELD), held)

    def next(self) -> Delivery | None:
        """Return the delivery to be sent now; when there is none, the held receipts are due."""
        with translated(self._problem), self._opened().connect() as connection:
            row = connection.execute(_DELIVERY.select().order_by(_DELIVERY.c.seq).limit(1)).first()
        return None if row is None else Delivery(row.seq, row.id, row.body, row.refused)

    def accepted(self, delivery: Delivery) -> None:
        """Forget a delivery that was accepted; after the last one, the receipts count as of now."""
        with translated(self._problem), self._opened().begin() as connection:
            connection.execute(delete(_DELIVERY).where(_DELIVERY.c.seq == delivery.seq))
            if connection.execute(select(func.count()).select_from(_DELIVERY)).scalar():
                return
            now = time.time_ns() // 1_000_000
            held = [Receipt.from_bytes(body.encode()) for (body,) in connection.execute(select(_HELD.c.body))]
            self._ledger.add_receipts(connection, [replace(receipt, at=now) for receipt in held])
            connection.execute(delete(_HELD))

    def refused(self, delivery: Delivery) -> int:
        """Count an answer that says no; return how many there were."""
        times = delivery.refused + 1
        with translated(self._problem), self._opened().begin() as connection:
            connection.execute(update(_DELIVERY).where(_DELIVERY.c.seq == delivery.seq).values(refused=times))
        return times

    def unsent(self, limit: int) -> Sequence[Receipt]:
        """Return receipts that the broker may not have yet."""
        with translated(self._problem), self._opened().connect() as connection:
            return self._ledger.unsent(connection, limit)

    def sent(self, ids: Sequence[str]) -> None:
        """Forget receipts that the broker has."""
        with translated(self._problem), self._opened().begin() as connection:
            self._ledger.sent(connection, ids)

    def close(self) -> None:
        """Close the file; safe to call twice."""
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None

    def _opened(self) -> Engine:
        assert self._engine is not None, "open comes first"
        return self._engine
