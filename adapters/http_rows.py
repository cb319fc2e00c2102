"""Rows as JSON, for who reads them over HTTP: exact, and read back by an adapter of HTTP without loss."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import orjson

from exchange.items import Item, ItemType, Row

OPTIONS = orjson.OPT_APPEND_NEWLINE


class RowWriter:
    """Writes changes of one resource as JSON. Decimals are texts, so that nobody rounds them; bytes are hexadecimal."""

    def __init__(self, items: Sequence[Item], names: Sequence[str]) -> None:
        self._names = tuple(names)
        self._odd = tuple((at, convert) for at, item in enumerate(items) if (convert := _converter(item)) is not None)

    def line(self, key: bytes, row: Row | None) -> bytes:
        """Return ``{"op": "upsert" | "delete", "key": text, "row": {...} | null}`` and a line's end."""
        if row is None:
            return orjson.dumps({"op": "delete", "key": key.decode(), "row": None}, option=OPTIONS)
        values: list[Any] = list(row)
        for at, convert in self._odd:
            if values[at] is not None:
                values[at] = convert(values[at])
        fields = dict(zip(self._names, values, strict=True))
        return orjson.dumps({"op": "upsert", "key": key.decode(), "row": fields}, option=OPTIONS)


def _converter(item: Item) -> Callable[[Any], str] | None:
    """Return how a value is written that JSON has no form for; dates and instants orjson writes in ISO 8601."""
    if item.type is ItemType.BINARY:
        return lambda value: bytes(value).hex()
    if item.digits is not None:
        return lambda value: format(value, "f")
    return None
