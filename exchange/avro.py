"""The Avro schema of a resource, derived from its items."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from exchange.items import Item, ItemType

Schema = dict[str, Any]
NAMESPACE = "gov.exchange"

_PLAIN: dict[ItemType, Any] = {
    ItemType.TEXT: "string",
    ItemType.MEMO: "string",
    ItemType.NUMBER: "long",
    ItemType.DATE: {"type": "int", "logicalType": "date"},
    ItemType.INSTANT: {"type": "long", "logicalType": "timestamp-micros"},
    ItemType.LOGICAL: "boolean",
    ItemType.BINARY: "bytes",
    ItemType.DOUBLE: "double",
    ItemType.FLOAT: "double",
    ItemType.INTEGER: "long",
}


def record_schema(code: str, items: Sequence[Item]) -> Schema:
    """Return the Avro record schema of resource ``code`` (its slug): one field an item, nullable unless mandatory."""
    name = "r" + "".join(c if c.isalnum() else "_" for c in code)
    return {"type": "record", "name": name, "namespace": NAMESPACE, "fields": [_field(item) for item in items]}


def _field(item: Item) -> Schema:
    kind = _avro_type(item)
    if item.mandatory:
        return {"name": item.name, "type": kind, "doc": item.label}
    return {"name": item.name, "type": ["null", kind], "default": None, "doc": item.label}


def _avro_type(item: Item) -> Any:
    if item.digits:
        precision, scale = item.digits
        return {"type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale}
    return _PLAIN[item.type]
