"""What the registry tells an adapter about one resource: where it flows, what its rows look like, what may be done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from exchange.avro import Schema
from exchange.items import Item


@dataclass(frozen=True, slots=True)
class Contract:
    """A resource as an adapter sees it.

    ``resource``: the slug of its code (``/`` as ``-``); ``schema_id``: the id that goes into each record;
    ``may_read`` and ``may_write``: what the caller's system is allowed now (the broker decides, this only informs).
    """

    resource: str
    name: str
    version: int
    topic: str
    rejects_topic: str
    schema_id: int
    schema: Schema
    items: tuple[Item, ...]
    may_read: bool
    may_write: bool

    @property
    def key_names(self) -> tuple[str, ...]:
        """Names of the primary key's items."""
        return tuple(item.name for item in self.items if item.primary_key)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Contract:
        """Return the contract in a registry's answer. Errors: KeyError, ValueError."""
        return cls(
            resource=data["resource"],
            name=data["name"],
            version=data["version"],
            topic=data["topic"],
            rejects_topic=data["rejects_topic"],
            schema_id=data["schema_id"],
            schema=data["schema"],
            items=tuple(Item.from_json(item) for item in data["items"]),
            may_read=data["may_read"],
            may_write=data["may_write"],
        )


def slug(code: str) -> str:
    """Return a code as addresses and topics write it: ``307440000/000001`` is ``307440000-000001``."""
    return code.replace("/", "-")


def receipts_topic(client_id: str) -> str:
    """Return the topic of a system's receipts: only that system writes there, so the author is sure."""
    return f"_exchange.receipts.{client_id}"


def notices_topic(client_id: str) -> str:
    """Return the topic in which a system is told of its grants, requests and objections; the registry writes there."""
    return f"_exchange.notices.{client_id}"
