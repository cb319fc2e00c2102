"""Which batches were posted already, and what was answered: so that the same id is published once and answered alike.

Two memories make one truth. The position, which Kafka commits with the records, holds short hashes of the last ids; the
ledger, a SQLite file, holds every id with its answer for as long as it is kept. An answer is noted before its batch is
committed, and confirmed after it; what a killed process left unconfirmed is settled by the position. So no kill makes a
batch count twice, and a lost file forgets only what is older than the last ids in the position.
"""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import BigInteger, Column, Engine, LargeBinary, MetaData, Table, Text, delete, update
from sqlalchemy.dialects.sqlite import insert

from adapters.databases import Problem, translated
from adapters.http_sqlite import open_file
from adapters.protocol import Position
from exchange.errors import SourceProblem

HASH_BYTES = 9  # 12 characters of base64: two of the ids that are remembered meet by chance once in 10^17
REMEMBERED = 220  # hashes in the position: 2,640 characters of at most 3,000
DAY_S = 86_400

_METADATA = MetaData()
_BATCH = Table(
    "exchange_http_batch",
    _METADATA,
    Column("id", Text, primary_key=True),
    Column("hash", LargeBinary, nullable=False, index=True),
    Column("fingerprint", Text, nullable=False),
    Column("answer", Text, nullable=False),
    Column("confirmed_at", BigInteger, index=True),  # seconds, UTC; NULL: not known to be committed
)


@dataclass(frozen=True, slots=True)
class Noted:
    """A batch and its answer, as the ledger keeps it; ``fingerprint``: of what was posted."""

    id: str
    fingerprint: str
    answer: Mapping[str, Any]


def short_hash(batch_id: str) -> bytes:
    """Return the hash by which the position remembers an id."""
    return hashlib.sha256(batch_id.encode()).digest()[:HASH_BYTES]


class Remembered:
    """The hashes in a position, oldest first."""

    def __init__(self, position: Position | None) -> None:
        packed = base64.b64decode((position or {}).get("batches", ""))
        self.hashes = [packed[at : at + HASH_BYTES] for at in range(0, len(packed), HASH_BYTES)]

    def with_more(self, ids: Sequence[str]) -> Position:
        """Return the position that holds once the batches of ``ids`` are committed too."""
        hashes = [*self.hashes, *map(short_hash, ids)][-REMEMBERED:]
        return {"batches": base64.b64encode(b"".join(hashes)).decode()}


class BatchLedger:
    """The ledger file. Errors of its methods: DatabaseUnavailable, SourceProblem."""

    def __init__(self, path: Path, keep_days: int) -> None:
        self._path = path
        self._keep_s = keep_days * DAY_S
        self._problem = Problem(SourceProblem, str(path))
        self._engine: Engine | None = None

    def open(self) -> None:
        """Open the file, make it if it is missing, and forget what is older than it is kept."""
        self.close()
        with translated(self._problem):
            self._engine = open_file(self._path)
            with self._engine.begin() as connection:
                _METADATA.create_all(connection)
                old = _BATCH.c.confirmed_at < int(time.time()) - self._keep_s
                connection.execute(delete(_BATCH).where(old))

    def find(self, batch_id: str) -> Noted | None:
        """Return a confirmed batch."""
        with translated(self._problem), self._opened().connect() as connection:
            row = connection.execute(
                _BATCH.select().where(_BATCH.c.id == batch_id, _BATCH.c.confirmed_at.is_not(None))
            ).first()
        return None if row is None else Noted(row.id, row.fingerprint, json.loads(row.answer))

    def note(self, batches: Sequence[Noted]) -> None:
        """Keep answers of batches that are about to be committed."""
        rows = [
            {
                "id": batch.id,
                "hash": short_hash(batch.id),
                "fingerprint": batch.fingerprint,
                "answer": json.dumps(batch.answer, ensure_ascii=False, separators=(",", ":")),
            }
            for batch in batches
        ]
        statement = insert(_BATCH)
        again = {name: statement.excluded[name] for name in ("fingerprint", "answer")}
        with translated(self._problem), self._opened().begin() as connection:
            connection.execute(statement.on_conflict_do_update(index_elements=["id"], set_=again), rows)

    def confirm(self, hashes: Sequence[bytes]) -> None:
        """Say that the batches with these hashes are committed."""
        with translated(self._problem), self._opened().begin() as connection:
            waiting = _BATCH.c.hash.in_(hashes) & _BATCH.c.confirmed_at.is_(None)
            connection.execute(update(_BATCH).where(waiting).values(confirmed_at=int(time.time())))

    def close(self) -> None:
        """Close the file; safe to call twice."""
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None

    def _opened(self) -> Engine:
        assert self._engine is not None, "open comes first"
        return self._engine
