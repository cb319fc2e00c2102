"""Rows that are kept by column: a sequence of rows to whoever asks for them, and more to who knows columns."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

from exchange.items import Row


class ColumnarRows(Sequence[Row]):
    """Rows of one resource that have passed ``exchange.values.row_checker``."""

    @abstractmethod
    def records(self) -> tuple[list[bytes], list[bytes]]:
        """Return the keys and the Avro data of all rows, as ``Publisher.encode_rows`` makes them of tuples."""


class ColumnarChanges(Sequence[tuple[bytes, Row | None]]):
    """What came, in its order: (key, row), row None for a delete."""

    @abstractmethod
    def latest(self) -> tuple[list[bytes], ColumnarRows]:
        """Return the keys that are gone in the end, and the last row of each other key."""
