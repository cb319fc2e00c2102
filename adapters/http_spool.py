"""What waits for a reader: a SQLite file that holds position, records and receipts in one transaction.

A landing is kept here until the reader acknowledges it, and its receipts count from then on. Records are kept as Avro
data, with the schema that they were written with.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import (
    BigInteger,
    Column,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    delete,
    func,
    insert,
    select,
)

from adapters.http_ledger import LedgerFile
from adapters.protocol import Landing, Stream
from exchange.avro import Schema
from exchange.column_encoder import make_row_encoder
from exchange.errors import NotConnected
from exchange.text import Text as Words

DESTINATION = "http_pull"
ROOM_WAIT_S = 5.0  # for the reader to make room, before the engine is told to wait

_METADATA = MetaData()
_RECORD = Table(
    "exchange_waiting_record",
    _METADATA,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("schema", Integer, nullable=False),
    Column("key", LargeBinary, nullable=False),
    Column("datum", LargeBinary),  # NULL: a delete
    sqlite_autoincrement=True,  # no number is used again, or an old cursor would acknowledge new records
)
# as text: the driver is asked for each record, and building statements would cost more than they do
_INSERT = 'INSERT INTO exchange_waiting_record ("schema", "key", datum) VALUES (?, ?, ?)'
_SELECT = 'SELECT seq, "schema", "key", datum FROM exchange_waiting_record WHERE seq > ? ORDER BY seq LIMIT ?'
_SCHEMA = Table(
    "exchange_waiting_schema",
    _METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("body", Text, nullable=False),
)
_HELD = Table(
    "exchange_waiting_receipt",
    _METADATA,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("last", BigInteger, nullable=False),  # of its records
    Column("body", Text, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Written:
    """How some records were written: the resource's schema, and the name of each item in the reader's system."""

    id: int
    schema: Schema
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """Records of one schema, (key, datum or None for a delete), and the number of the last one."""

    written: Written
    records: Sequence[tuple[bytes, bytes | None]]
    last: int


class Spool(LedgerFile):
    """Records of one resource for one reader. Errors of its methods: as of its file."""

    def __init__(self, path: Path, stream: Stream, most: int) -> None:
        """``most``: records that may wait."""
        super().__init__(path, DESTINATION, _METADATA)
        self._most = most
        self._contract = stream.contract
        self._names = [stream.column(item) for item in stream.items]
        self._encode = make_row_encoder(stream.contract.schema)
        self._room = threading.Condition()
        self._waiting = 0
        self._schemas: dict[int, Written] = {}

    def open(self) -> str:
        """Open the file, make what is missing, and return the destination's own id."""
        destination = super().open()
        contract = self._contract
        body = json.dumps({"schema": contract.schema, "names": self._names}, ensure_ascii=False)
        with self._writing() as connection:
            known = {row.body: row.id for row in connection.execute(_SCHEMA.select())}
            self._schema = known.get(body, max(known.values(), default=0) + 1)
            if body not in known:
                connection.execute(insert(_SCHEMA).values(id=self._schema, body=body))
            self._waiting = connection.execute(select(func.count()).select_from(_RECORD)).scalar() or 0
        self._written = Written(self._schema, contract.schema, tuple(self._names))
        return destination

    def keep(self, landing: Landing) -> None:
        """Keep a landing for the reader. Errors: Fenced; NotConnected while as much waits as may wait."""
        with self._room:
            if not self._room.wait_for(lambda: self._waiting < self._most, ROOM_WAIT_S):
                raise NotConnected(
                    what=_READER, reason=Words(f"{self._waiting} records wait", f"{self._waiting} 条待取")
                )
        there = [row for _, row in landing.changes if row is not None]
        data = iter(self._encode(there) if there else ())
        rows = [(self._schema, key, None if row is None else next(data)) for key, row in landing.changes]
        with self._writing() as connection:
            self._ledger.move(connection, landing.log, landing.positions)
            if rows:
                connection.exec_driver_sql(_INSERT, rows)
            last = connection.execute(select(func.max(_RECORD.c.seq))).scalar() or 0
            held = [{"last": last, "body": receipt.to_bytes().decode()} for receipt in landing.receipts]
            if held:
                connection.execute(insert(_HELD), held)
        with self._room:
            self._waiting += len(rows)

    def page(self, after: int, most: int) -> Page:
        """Return the records behind number ``after``: at most ``most``, all of one schema."""
        with self._reading() as connection:
            rows = connection.exec_driver_sql(_SELECT, (after, most)).all()
            if not rows:
                return Page(self._written, (), after)
            written = self._schemas.get(rows[0][1])
            if written is None:
                body = connection.execute(select(_SCHEMA.c.body).where(_SCHEMA.c.id == rows[0][1])).scalar_one()
                found = json.loads(body)
                written = Written(rows[0][1], found["schema"], tuple(found["names"]))
                self._schemas[written.id] = written
        same = [row for row in rows if row[1] == written.id]
        if len(same) < len(rows):  # schemas may alternate: the page ends where the first one ends
            end = next(at for at, row in enumerate(rows) if row[1] != written.id)
            same = list(rows[:end])
        return Page(written, [(row[2], row[3]) for row in same], same[-1][0])

    def bounds(self) -> tuple[int, int]:
        """Return the number of the last record that was acknowledged, and of the last one that there is."""
        with self._reading() as connection:
            first, last = connection.execute(select(func.min(_RECORD.c.seq), func.max(_RECORD.c.seq))).one()
            if first is not None:
                return first - 1, last
            made = connection.exec_driver_sql(
                "SELECT seq FROM sqlite_sequence WHERE name = ?", (_RECORD.name,)
            ).scalar()
            return (made or 0), (made or 0)

    def acknowledge(self, upto: int) -> None:
        """Forget the records up to this number; the receipts of landings that are all read count as of now."""
        with self._writing() as connection:
            gone = connection.execute(delete(_RECORD).where(_RECORD.c.seq <= upto)).rowcount
            if gone:
                done = _HELD.c.last <= upto
                bodies = connection.execute(select(_HELD.c.body).where(done).order_by(_HELD.c.seq)).scalars()
                self._handed_over(connection, bodies)
                connection.execute(delete(_HELD).where(done))
        with self._room:
            self._waiting -= gone
            self._room.notify_all()


_READER = Words("the reader", "读取方")
