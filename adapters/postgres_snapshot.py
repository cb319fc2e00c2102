"""Reading a table whole, or some of its rows, with COPY."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from psycopg import pq, sql

from adapters.postgres_catalog import Table
from adapters.postgres_columns import ColumnReader
from adapters.postgres_connection import Wire
from adapters.postgres_values import RowReader
from adapters.protocol import ReadBatch, Reject, Stream
from exchange.items import Row

WAIT_S = 0.9


class TableReader:
    """Reads rows of one table as the resource has them."""

    def __init__(self, stream: Stream, table: Table, reader: RowReader, columns: ColumnReader) -> None:
        self._stream = stream
        self._table = table
        names = [stream.column(item) for item in stream.items]
        self._columns = ", ".join(sql.Identifier(name).as_string() for name in names)
        self._reader = reader
        self._quick = columns

    def batches(self, wire: Wire, where: str = "") -> Iterator[ReadBatch]:
        """Yield the rows there are; an empty batch each second in which the server sends nothing."""
        rows = f"SELECT {self._columns} FROM {self._table.quoted}{where}"  # noqa: S608 - quoted by psycopg.sql
        wire.send(f"COPY ({rows}) TO STDOUT")
        while (started := wire.answer(WAIT_S)) is None:
            yield ReadBatch()
        assert started.status == pq.ExecStatus.COPY_OUT, started.status
        lines: list[memoryview | bytes] = []
        size, most_rows, most_bytes = 0, self._stream.batch_rows, self._stream.batch_bytes
        while True:
            line = wire.piece(WAIT_S)
            if line is None:
                yield ReadBatch()
                continue
            if not line:
                break
            lines.append(line)
            size += len(line)
            if len(lines) < most_rows and size < most_bytes:
                size += wire.take(lines, most_rows - len(lines), most_bytes - size)
            if len(lines) >= most_rows or size >= most_bytes:
                yield self._batch(lines)
                lines, size = [], 0
        if lines:
            yield self._batch(lines)

    def rows(self, wire: Wire, keys: Iterable[Sequence[tuple[str, str]]]) -> tuple[list[Row], list[Reject]]:
        """Return the rows with these keys as they are now; a key: (column, text) of each of its columns."""
        rows: list[Row] = []
        rejects: list[Reject] = []
        for batch in self.batches(wire, f" WHERE {' OR '.join(map(self._is, keys))}"):
            rows += batch.rows
            rejects += batch.rejects
        return rows, rejects

    def _is(self, key: Sequence[tuple[str, str]]) -> str:
        parts = [
            f"{sql.Identifier(name).as_string()} = {sql.Literal(text).as_string()}::"
            f"{self._table.columns[name].type_name}"
            for name, text in key
        ]
        return f"({' AND '.join(parts)})"

    def _batch(self, lines: Sequence[memoryview | bytes]) -> ReadBatch:
        data = b"".join(lines)
        quick = self._quick.rows(data) if self._quick.readable else None
        if quick is not None:
            return ReadBatch(rows=quick)
        rows, rejects = self._reader.batch(data)
        return ReadBatch(rows=rows, rejects=rejects)
