"""What a destination knows about itself: its id, how far each log has landed, and receipts not yet sent.

The three tables stand beside the rows, so that one transaction holds all of it.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    delete,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from exchange.errors import Fenced
from exchange.receipts import Receipt

METADATA = MetaData()
OPTIONS: dict[str, Any] = {  # of the two that have engines without transactions, and collations that take 'a' for 'A'
    f"{name}_{key}": value
    for name in ("mysql", "mariadb")
    for key, value in (("engine", "InnoDB"), ("charset", "utf8mb4"), ("collate", "utf8mb4_bin"))
}
SERIAL = BigInteger().with_variant(Integer(), "sqlite")  # only INTEGER counts by itself in SQLite

DESTINATION = Table(
    "exchange_destination",
    METADATA,
    Column("destination", String(200), primary_key=True),
    Column("landing", String(32), nullable=False),
    Column("made_table", Boolean, nullable=False),
    **OPTIONS,
)
POSITION = Table(
    "exchange_position",
    METADATA,
    Column("destination", String(200), primary_key=True),
    Column("topic", String(249), key="log", primary_key=True),
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("next_offset", BigInteger, nullable=False),
    **OPTIONS,
)
RECEIPT = Table(
    "exchange_receipt",
    METADATA,
    Column("seq", SERIAL, primary_key=True, autoincrement=True),
    Column("id", String(400), nullable=False, unique=True),
    Column("destination", String(200), nullable=False),
    Column("body", Text, nullable=False),
    **OPTIONS,
)


class Ledger:
    """The ledger of one destination table; every call runs inside the caller's transaction."""

    def __init__(self, destination: str) -> None:
        self.destination = destination

    def made_table(self, connection: Connection) -> bool:
        """Return whether an adapter made the table, so that it may be extended; makes the ledger if it is missing."""
        METADATA.create_all(connection)
        mine = DESTINATION.c.destination == self.destination
        return bool(connection.execute(select(DESTINATION.c.made_table).where(mine)).scalar())

    def open(self, connection: Connection, *, from_nothing: bool) -> str:
        """Return the destination's id; a destination that starts from nothing gets a new one, and no positions."""
        if from_nothing:
            for table in (DESTINATION, POSITION, RECEIPT):
                connection.execute(delete(table).where(table.c.destination == self.destination))
        known = connection.execute(
            select(DESTINATION.c.landing).where(DESTINATION.c.destination == self.destination)
        ).scalar()
        if known is not None:
            return str(known)
        made = uuid.uuid4().hex
        row = {"destination": self.destination, "landing": made, "made_table": from_nothing}
        connection.execute(insert(DESTINATION).values(row))
        return made

    def positions(self, connection: Connection, log: str) -> dict[int, int]:
        """Return the next offset of each partition of ``log``."""
        rows = connection.execute(
            select(POSITION.c.partition, POSITION.c.next_offset).where(
                POSITION.c.destination == self.destination, POSITION.c.log == log
            )
        )
        return {int(row.partition): int(row.next_offset) for row in rows}

    def move(self, connection: Connection, log: str, positions: Mapping[int, tuple[int, int]]) -> None:
        """Move positions from the expected value to the next one. Errors: Fenced when another process moved them.

        It comes first in a landing: its row lock makes a second process wait, and then fail before it writes rows.
        """
        for partition, (expected, following) in sorted(positions.items()):
            moved = (
                self._advance(connection, log, partition, expected, following)
                if expected
                else self._begin(connection, log, partition, following)
            )
            if moved != 1:
                raise Fenced(name=f"{self.destination} ({log}-{partition})")

    def add_receipts(self, connection: Connection, receipts: Sequence[Receipt]) -> None:
        """Keep receipts until they were sent."""
        if receipts:
            connection.execute(
                insert(RECEIPT),
                [
                    {"id": receipt.id, "destination": self.destination, "body": receipt.to_bytes().decode()}
                    for receipt in receipts
                ],
            )

    def unsent(self, connection: Connection, limit: int) -> list[Receipt]:
        """Return receipts that were not sent yet, oldest first."""
        rows = connection.execute(
            select(RECEIPT.c.body).where(RECEIPT.c.destination == self.destination).order_by(RECEIPT.c.seq).limit(limit)
        )
        return [Receipt.from_bytes(body.encode()) for (body,) in rows]

    def sent(self, connection: Connection, ids: Sequence[str]) -> None:
        """Forget receipts that the broker has: the broker keeps them, and the outbox stays small."""
        connection.execute(delete(RECEIPT).where(RECEIPT.c.id.in_(ids)))

    def _advance(self, connection: Connection, log: str, partition: int, expected: int, following: int) -> int:
        return connection.execute(
            update(POSITION)
            .where(
                POSITION.c.destination == self.destination,
                POSITION.c.log == log,
                POSITION.c.partition == partition,
                POSITION.c.next_offset == expected,
            )
            .values(next_offset=following)
        ).rowcount

    def _begin(self, connection: Connection, log: str, partition: int, following: int) -> int:
        row = {"destination": self.destination, "log": log, "partition": partition, "next_offset": following}
        try:
            connection.execute(insert(POSITION).values(row))
        except IntegrityError:
            return 0
        return 1
