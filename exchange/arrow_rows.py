"""Rows of a resource in columns of Arrow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, overload

import pyarrow as pa

from exchange.arrow_encoder import Arrays, EncodeTable, arrow_type, make_table_encoder
from exchange.avro import Schema
from exchange.columnar import ColumnarRows
from exchange.encoder import unwrapped
from exchange.items import Item, ItemType, KeyCodec, Row


class ArrowRecords:
    """How the columns of one resource become records."""

    def __init__(self, schema: Schema, items: Sequence[Item]) -> None:
        self.types = [arrow_type(unwrapped(field["type"])[0]) for field in schema["fields"]]
        self.encode: EncodeTable = make_table_encoder(schema)
        self._key_places = [at for at, item in enumerate(items) if item.primary_key]
        key_items = [items[at] for at in self._key_places]
        self._keys = KeyCodec(key_items)
        self._plain = len(key_items) == 1 and key_items[0].type is ItemType.TEXT

    def keys(self, columns: Arrays) -> list[bytes]:
        """Return the keys of all rows."""
        if self._plain:
            keys: list[bytes] = columns[self._key_places[0]].cast(pa.binary()).to_pylist()
            return keys
        parts = [columns[at].to_pylist() for at in self._key_places]
        return list(map(self._keys.encode, zip(*parts, strict=True)))


class ArrowRows(ColumnarRows):
    """Checked rows: one array for each item; tuples are made when they are asked for."""

    def __init__(self, records: ArrowRecords, columns: Arrays) -> None:
        self._records = records
        self._columns = columns

    @property
    def columns(self) -> Arrays:
        """One array for each item."""
        return self._columns

    def records(self) -> tuple[list[bytes], list[bytes]]:
        """Return keys and data."""
        return self._records.keys(self._columns), self._records.encode(self._columns)

    def picked(self, places: Sequence[int]) -> ArrowRows:
        """Return the rows at these places."""
        wanted = pa.array(places, pa.int64())
        return ArrowRows(self._records, [column.take(wanted) for column in self._columns])

    def __len__(self) -> int:
        return len(self._columns[0])

    @overload
    def __getitem__(self, at: int) -> Row: ...
    @overload
    def __getitem__(self, at: slice) -> list[Row]: ...
    def __getitem__(self, at: int | slice) -> Row | list[Row]:
        if isinstance(at, slice):
            return list(self)[at]
        return tuple(column[at].as_py() for column in self._columns)

    def __iter__(self) -> Iterator[Row]:
        made: list[Any] = [column.to_pylist() for column in self._columns]
        return zip(*made, strict=True)
