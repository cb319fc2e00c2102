"""Changes of the replication stream, put together to batches: the last state of each key.

A batch is whole transactions, in the order of their commits. A transaction that is larger than a batch is published in
pieces; its position is then the end of the transaction before it, and how many of its changes are published: the server
sends a transaction again from its start, always in the same order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from adapters.databases import Problem
from adapters.pgoutput import Begin, Change, Commit, Field, Message, Relation, Toast, Truncate
from adapters.postgres_catalog import Table
from adapters.postgres_slot import lsn_of, lsn_text
from adapters.postgres_values import RowReader
from adapters.protocol import Position, ReadBatch, Reject, Stream
from exchange.errors import BadRecord
from exchange.items import Row
from exchange.text import Text

Key = tuple[tuple[str, str], ...]  # (column, text) of each column of a primary key
Again = Callable[[Sequence[Key]], tuple[list[Row], list[Reject]]]
Texts = list[str | None]


class Assembler:
    """Takes messages and gives batches. ``read_again``: the rows with some keys as the table has them now."""

    def __init__(
        self, stream: Stream, table: Table, reader: RowReader, problem: Problem, position: Position, read_again: Again
    ) -> None:
        self._stream = stream
        self._table = table
        self._reader = reader
        self._problem = problem
        self._read_again = read_again
        self._mark: Mapping[str, object] = {"shape": position["shape"], "system": position["system"]}
        self._names = [stream.column(item) for item in stream.items]
        self._places: list[int] = []  # where each item stands in a tuple of the stream
        self._identity: list[bool] = []  # whether it is part of the replica identity
        self._pending: dict[bytes, Texts | Key | None] = {}  # a row, a key to be read again, or None: deleted
        self._rejects: list[Reject] = []
        self._bytes = 0
        self._xid: int | None = None
        self._seen = 0  # changes of the open transaction
        self._passed = False  # the open transaction was published before
        self._resume = (position.get("xid"), position.get("skip", 0))
        self.lsn = lsn_of(position["lsn"])  # all before it is published, or in this batch
        self.refresh: Text | None = None  # why the table must be read whole

    @property
    def full(self) -> bool:
        """Whether a batch must be taken before more comes."""
        count = len(self._pending) + len(self._rejects)
        return count >= self._stream.batch_rows or self._bytes >= self._stream.batch_bytes

    @property
    def whole(self) -> bool:
        """Whether no transaction is open."""
        return self._xid is None

    @property
    def pending(self) -> bool:
        """Whether there is something to publish."""
        return bool(self._pending or self._rejects)

    def take(self, data: bytes, message: Message) -> None:
        """Add one message; ``data``: as it came. Errors: SourceProblem for a table that has changed too much."""
        match message:
            case Change():
                self._changed(message, len(data))
            case Begin():
                self._xid, self._seen = message.xid, 0
                self._passed = message.commit_lsn < self.lsn
            case Commit():
                self._xid = None
                self.lsn = max(self.lsn, message.end_lsn)
            case Relation():
                self._learn(message)
            case Truncate() if self._table.oid in message.oids:
                self.refresh = Text("the table was emptied with TRUNCATE", "该表已被 TRUNCATE 清空")
            case _:
                pass

    def batch(self) -> ReadBatch:
        """Return what is pending, with the position after it; nothing is pending then."""
        states = self._pending.values()
        rows, rejects = self._reader.rows([state for state in states if isinstance(state, list)])
        deleted = [key for key, state in self._pending.items() if state is None]
        rejects = self._rejects + rejects
        if again := [state for state in states if isinstance(state, tuple)]:
            # A row that is gone by now is left out: its delete is still to come.
            fresh, broken = self._read_again(again)
            rows += fresh
            rejects += broken
        self._pending, self._rejects, self._bytes = {}, [], 0
        return ReadBatch(rows=rows, deleted=deleted, rejects=rejects, position=self.position())

    def position(self) -> Position:
        """Return the position after all that was taken."""
        inside = {} if self._xid is None or not self._seen else {"xid": self._xid, "skip": self._seen}
        return {**self._mark, "lsn": lsn_text(self.lsn), **inside}

    def advance(self, lsn: int) -> None:
        """Say that the server has nothing of ours before ``lsn``; no transaction may be open."""
        assert self._xid is None
        self.lsn = max(self.lsn, lsn)

    def _changed(self, change: Change, size: int) -> None:
        if change.oid != self._table.oid:
            return
        self._seen += 1
        if self._passed or (self._resume[0] == self._xid and self._seen <= self._resume[1]):
            return
        self._bytes += size
        old = self._picked(change.old, whole=change.full)
        gone = self._reader.key(_texts(old)) if old is not None else None
        if change.new is None:
            if gone is not None:
                self._pending[gone] = None
            return
        new = self._picked(change.new, whole=True)
        assert new is not None
        if old is not None:
            new = [o if n is Toast.UNCHANGED else n for n, o in zip(new, old, strict=True)]
        self._written(new, gone)

    def _written(self, new: list[Field], gone: bytes | None) -> None:
        texts = _texts(new)
        key = self._reader.key(texts)
        if gone is not None and gone != key:
            self._pending[gone] = None
        if key is not None:
            self._pending[key] = self._key(texts) if Toast.UNCHANGED in new else texts
            return
        try:
            self._reader.row(texts)
        except BadRecord as exc:
            self._rejects.append(self._reader.reject(texts, exc))

    def _picked(self, fields: Sequence[Field] | None, *, whole: bool) -> list[Field] | None:
        """Return fields in item order; what an old tuple that is not whole does not have is unchanged."""
        if fields is None:
            return None
        return [
            fields[place] if whole or identity else Toast.UNCHANGED
            for place, identity in zip(self._places, self._identity, strict=True)
        ]

    def _key(self, texts: Sequence[str | None]) -> Key:
        named = zip(self._stream.items, self._names, texts, strict=True)
        return tuple((name, text) for item, name, text in named if item.primary_key and text is not None)

    def _learn(self, relation: Relation) -> None:
        named = (relation.schema, relation.name) == (self._table.schema, self._table.name)
        if relation.oid != self._table.oid:
            if named:
                self.refresh = Text("the table was made anew", "该表已被重建")
            return
        places = {column.name: at for at, column in enumerate(relation.columns)}
        for name in self._names:
            if name not in places:
                raise self._problem.make(
                    Text(
                        f"column {name} is gone or no longer replicated; see [adapter.columns]",
                        f"列 {name} 已不存在或不再参与复制；请检查 [adapter.columns]",
                    )
                )
            column, known = relation.columns[places[name]], self._table.columns[name]
            if (column.type_oid, column.typmod) != (known.type_oid, known.typmod):
                self.refresh = Text(f"column {name} has another type", f"列 {name} 的类型已改变")
        self._places = [places[name] for name in self._names]
        self._identity = [relation.columns[place].key for place in self._places]


def _texts(fields: Sequence[Field]) -> Texts:
    return [None if field is Toast.UNCHANGED else field for field in fields]
