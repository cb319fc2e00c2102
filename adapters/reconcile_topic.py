"""One side of a comparison: the topic, which is the resource's current state and which both sides may read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet

from confluent_kafka import Message

from adapters.config import AdapterConfig
from adapters.reconcile_words import Record
from exchange.codec import BadWire, RecordCodec
from exchange.items import Row
from exchange.kafka import Broker
from exchange.log import log_of
from exchange.publisher import BATCH_HEADER, row_digest
from exchange.readback import read_back
from exchange.receipts import record_digest
from exchange.registry_client import RegistryClient
from exchange.tally import GONE, MOVING, Tally, Twice
from exchange.wire import HEADER_BYTES

AT_ONCE = 10_000


class TopicSide:
    """Reads the topic of an adapter file's resource, as the adapter's own system."""

    def __init__(self, config: AdapterConfig) -> None:
        settings = config.settings
        self._registry = RegistryClient(settings.registry, settings.identity)
        self._broker = Broker.of(settings, self._registry)
        self.contract = contract = self._registry.contract(settings.adapter.resource)
        self._codec = RecordCodec(contract.schema, contract.schema_id, self._registry.schema)
        self.log = log_of(self._broker, contract.topic)
        self._group = f"{self._broker.client_id}.{settings.adapter.name}.reconcile"

    def tally(self, due: Mapping[int, int] | None) -> Tally:
        """Return the state of the topic; ``due``: the offsets from which on a destination has not landed, by partition.

        What is not due yet is MOVING. None: all is due.
        """
        tally, digest_of, header = Tally(Twice.LAST), row_digest, self._codec.header
        keys: list[bytes] = []
        digests: list[int] = []
        for message in self._messages():
            key, value = message.key() or b"", message.value()
            if due is not None and not _is_due(message, due):
                digest = MOVING
            elif value is None:
                digest = GONE
            elif value[:HEADER_BYTES] == header:
                digest = digest_of(key, value[HEADER_BYTES:])
            else:
                digest = self._of_other(key, value)
            keys.append(key)
            digests.append(digest)
            if len(keys) == AT_ONCE:
                tally.put(keys, digests)
                keys, digests = [], []
        tally.put(keys, digests)
        return tally

    def records(self, keys: AbstractSet[bytes], due: Mapping[int, int] | None) -> dict[bytes, Record]:
        """Return the last due record of each key; one of which the topic has nothing is left out."""
        found: dict[bytes, Record] = {}
        for message in self._messages():
            key = message.key() or b""
            if key not in keys:
                continue
            if due is not None and not _is_due(message, due):
                before = found.get(key, Record())
                found[key] = Record(before.digest, before.value, before.place, before.batch, newer=True)
            else:
                found[key] = self._record(key, message)
        return found

    def row(self, value: bytes) -> Row:
        """Return the row in a record's value. Errors: BadWire."""
        return self._codec.decode(value)

    def close(self) -> None:
        """Leave the registry."""
        self._registry.close()

    def _messages(self) -> Iterator[Message]:
        return read_back(self._broker, self._group, self.contract.topic)

    def _record(self, key: bytes, message: Message) -> Record:
        value = message.value()
        if value is None:
            digest = GONE
        elif value[:HEADER_BYTES] == self._codec.header:
            digest = row_digest(key, value[HEADER_BYTES:])
        else:
            digest = self._of_other(key, value)
        batch = dict(message.headers() or ()).get(BATCH_HEADER)
        return Record(
            digest=digest,
            value=value,
            place=f"{message.partition()}-{message.offset()}",
            batch=batch.hex() if isinstance(batch, bytes) else "",
        )

    def _of_other(self, key: bytes, value: bytes) -> int:
        """Return the digest of a row of another version, as this version sees it; of no row, one that no row has."""
        try:
            return row_digest(key, self._codec.encode(self._codec.decode(value)))
        except BadWire:
            return record_digest(key, value)


def _is_due(message: Message, due: Mapping[int, int]) -> bool:
    partition, offset = message.partition(), message.offset()
    assert partition is not None
    assert offset is not None
    return offset < due.get(partition, 0)
