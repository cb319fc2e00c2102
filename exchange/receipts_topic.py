"""A system's own receipts, read from its topic: what it said itself, and can hold against anybody."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pydantic import ConfigDict

from exchange.config import load
from exchange.contract import receipts_topic
from exchange.kafka import Broker
from exchange.readback import read_back
from exchange.receipts import Receipt
from exchange.registry_client import RegistryClient
from exchange.settings import SystemSettings


class _System(SystemSettings):
    """An adapter's file is a system's file too, with more in it."""

    model_config = ConfigDict(extra="ignore")


def own_receipts(settings: SystemSettings | Path) -> tuple[str, Iterator[Receipt]]:
    """Return the client_id in the settings (or the file of them), and the receipts that the broker keeps (30 days)."""
    known = settings if isinstance(settings, SystemSettings) else load(_System, settings)
    return known.identity.client_id, _read(known)


def _read(known: SystemSettings) -> Iterator[Receipt]:
    registry = RegistryClient(known.registry, known.identity)
    try:
        broker = Broker.of(known, registry)
    finally:
        registry.close()
    group = f"{broker.client_id}.receipts"
    for message in read_back(broker, group, receipts_topic(broker.client_id)):
        try:
            yield Receipt.from_bytes(message.value() or b"")
        except ValueError:
            continue  # the registry counts what is no receipt
