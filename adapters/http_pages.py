"""Records for a reader over HTTP, as JSON lines or as an Avro container file."""

from __future__ import annotations

import json
import os

from adapters.http_rows import RowWriter
from adapters.http_spool import Page, Written
from exchange.avro import Schema
from exchange.decoder import Decode, make_decoder
from exchange.encoder import binary, small
from exchange.items import Item, ItemType

LINES, CONTAINER = "application/x-ndjson", "application/vnd.apache.avro"
_LOGICAL = {"date": ItemType.DATE, "timestamp-micros": ItemType.INSTANT}
_KINDS = {
    "string": ItemType.MEMO, "long": ItemType.INTEGER, "boolean": ItemType.LOGICAL, "bytes": ItemType.BINARY,
    "double": ItemType.DOUBLE,
}  # fmt: skip


class Pages:
    """Writes pages; what is made for a schema is made once."""

    def __init__(self) -> None:
        self._made: dict[int, tuple[Decode, RowWriter]] = {}

    def lines(self, page: Page) -> bytes:
        """Return a line for each record: ``{"op": ..., "key": ..., "row": ...}``."""
        decode, writer = self._of(page.written)
        return b"".join([writer.line(key, None if datum is None else decode(datum, 0)) for key, datum in page.records])

    def container(self, page: Page) -> bytes:
        """Return an Avro container file of records ``{key: string, row: null or the resource's record}``.

        The data are kept as Avro already, so they are only put together. Source: Avro 1.12, "Object Container Files".
        """
        schema = envelope(page.written.schema)
        mark = os.urandom(16)
        head = b"Obj\x01" + _map({"avro.codec": b"null", "avro.schema": json.dumps(schema).encode()}) + mark
        data = b"".join([binary(key) + (b"\x00" if datum is None else b"\x02" + datum) for key, datum in page.records])
        return head + small(len(page.records)) + small(len(data)) + data + mark if page.records else head

    def _of(self, written: Written) -> tuple[Decode, RowWriter]:
        made = self._made.get(written.id)
        if made is None:
            items = [_item(field) for field in written.schema["fields"]]
            made = self._made[written.id] = make_decoder(written.schema), RowWriter(items, written.names)
        return made


def envelope(row: Schema) -> Schema:
    """Return the schema of a change: its key, and the row as the resource's own schema has it, or null."""
    fields = [{"name": "key", "type": "string"}, {"name": "row", "type": ["null", row], "default": None}]
    return {"type": "record", "name": "change", "namespace": "gov.exchange.pull", "fields": fields}


def _map(values: dict[str, bytes]) -> bytes:
    parts = [binary(name.encode()) + binary(value) for name, value in values.items()]
    return small(len(parts)) + b"".join(parts) + b"\x00"


def _item(field: Schema) -> Item:
    """Return as much of an item as its JSON depends on."""
    kind = field["type"][1] if isinstance(field["type"], list) else field["type"]
    if not isinstance(kind, dict):
        return Item(field["name"], field["name"], _KINDS[kind])
    if kind["logicalType"] == "decimal":
        return Item(field["name"], "-", ItemType.MONEY)
    return Item(field["name"], "-", _LOGICAL[kind["logicalType"]])
