"""What a webhook sink still has to send: a SQLite file that holds position, deliveries and receipts in one transaction.

A landing is first kept here, cut into deliveries with ids of their own, and then sent; so a delivery that is repeated,
even by another process, has the same id and the same bytes. The receipts of a landing count once its last delivery was
accepted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Column, Integer, LargeBinary, MetaData, Table, Text, delete, func, insert, select, update

from adapters.http_ledger import LedgerFile
from adapters.protocol import Landing

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


class Outbox(LedgerFile):
    """Deliveries of one webhook, oldest first. Errors of its methods: as of its file."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, DESTINATION, _METADATA)

    def keep(self, landing: Landing, deliveries: Sequence[tuple[str, bytes]]) -> None:
        """Keep a landing to be sent; its position is moved. Errors: Fenced."""
        rows = [{"id": name, "body": body, "refused": 0} for name, body in deliveries]
        held = [{"body": receipt.to_bytes().decode()} for receipt in landing.receipts]
        with self._writing() as connection:
            self._ledger.move(connection, landing.log, landing.positions)
            if rows:
                connection.execute(insert(_DELIVERY), rows)
            if held:
                connection.execute(insert(_HELD), held)

    def next(self) -> Delivery | None:
        """Return the delivery to be sent now; when there is none, the held receipts are due."""
        with self._reading() as connection:
            row = connection.execute(_DELIVERY.select().order_by(_DELIVERY.c.seq).limit(1)).first()
        return None if row is None else Delivery(row.seq, row.id, row.body, row.refused)

    def accepted(self, delivery: Delivery) -> None:
        """Forget a delivery that was accepted; after the last one, the receipts count as of now."""
        with self._writing() as connection:
            connection.execute(delete(_DELIVERY).where(_DELIVERY.c.seq == delivery.seq))
            if connection.execute(select(func.count()).select_from(_DELIVERY)).scalar():
                return
            self._handed_over(connection, connection.execute(select(_HELD.c.body)).scalars())
            connection.execute(delete(_HELD))

    def refused(self, delivery: Delivery) -> int:
        """Count an answer that says no; return how many there were."""
        times = delivery.refused + 1
        with self._writing() as connection:
            connection.execute(update(_DELIVERY).where(_DELIVERY.c.seq == delivery.seq).values(refused=times))
        return times
