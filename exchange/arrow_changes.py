"""Records of one resource in columns of Arrow, as a destination that knows columns takes them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import overload

from exchange.arrow_decoder import make_table_decoder
from exchange.arrow_rows import ArrowRecords, ArrowRows
from exchange.columnar import ColumnarChanges
from exchange.contract import Contract
from exchange.items import Row
from exchange.record import Taken
from exchange.wire import wire_header

Change = tuple[bytes, Row | None]


class ChangeReader:
    """Decodes records of one contract, many at once."""

    def __init__(self, contract: Contract) -> None:
        self._records = ArrowRecords(contract.schema, contract.items)
        self._decode = make_table_decoder(contract.schema, wire_header(contract.schema_id))

    def read(self, taken: Taken) -> ArrowChanges | None:
        """Return the changes that came; None when one of them is to be looked at by itself, or all are deletes."""
        values = [value for value in taken.values if value is not None]
        columns = self._decode(values) if values else None
        if columns is None:
            return None
        rows = ArrowRows(self._records, columns)
        return ArrowChanges(taken.keys, taken.marks.deleted, rows)


class ArrowChanges(ColumnarChanges):
    """``rows``: those of the changes that are no deletes, in the same order."""

    def __init__(self, keys: list[bytes], deleted: list[bool], rows: ArrowRows) -> None:
        self._keys = keys
        self._deleted = deleted
        self._rows = rows

    def latest(self) -> tuple[list[bytes], ArrowRows]:
        """Return the keys that are gone in the end, and the last row of each other key."""
        if len(set(self._keys)) == len(self._rows) == len(self._keys):
            return [], self._rows
        last = dict(zip(self._keys, self._places(), strict=True))
        gone = [key for key, place in last.items() if place is None]
        return gone, self._rows.picked([place for place in last.values() if place is not None])

    def __len__(self) -> int:
        return len(self._keys)

    @overload
    def __getitem__(self, at: int) -> Change: ...
    @overload
    def __getitem__(self, at: slice) -> list[Change]: ...
    def __getitem__(self, at: int | slice) -> Change | list[Change]:
        return list(self)[at]

    def __iter__(self) -> Iterator[Change]:
        rows = iter(self._rows)
        return ((key, None if gone else next(rows)) for key, gone in zip(self._keys, self._deleted, strict=True))

    def _places(self) -> Iterator[int | None]:
        """Where each change's row is among the rows; None for a delete."""
        following = count()
        return (None if gone else next(following) for gone in self._deleted)
