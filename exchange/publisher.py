"""Publishing: a batch is one Kafka transaction that holds records, rejects, the position and the receipt.

In ten lines::

    from exchange import Publisher

    with Publisher.open("system.toml", "307440000/000001") as publisher:
        with publisher.batch() as batch:
            batch.put({"code": "440000001001", "name": "..."})
            batch.delete(publisher.key({"code": "440000001002"}))

Killed at any moment, a batch is there whole or not at all. After an error of a batch, close the publisher and open
it again: opening settles what the old one left behind, and ``position()`` and ``state()`` then tell the truth.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from exchange.codec import RecordCodec
from exchange.config import load
from exchange.contract import Contract, receipts_topic
from exchange.errors import BadRecord
from exchange.items import KeyCodec, Row, Value
from exchange.kafka import Broker
from exchange.metrics import Metrics, NullMetrics
from exchange.readback import read_back
from exchange.receipts import MODULUS, Receipt, Side, hex_digest, record_digest
from exchange.registry_client import RegistryClient
from exchange.settings import SystemSettings
from exchange.signing import SigningKey, signing_key
from exchange.text import Text
from exchange.transaction import Headers, TransactionalProducer
from exchange.values import row_checker
from exchange.wire import HEADER_BYTES

BATCH_HEADER = "b"


def row_digest(key: bytes, datum: bytes) -> int:
    """Return the digest by which a row is compared with the topic's state: that of key and datum, no wire header."""
    return record_digest(key, datum)


class Publisher:
    """One system's hand on one resource.

    Errors of all its methods: NotGranted, Fenced, LoginFailed, BrokerUnavailable, RegistryUnavailable.
    """

    def __init__(
        self,
        broker: Broker,
        registry: RegistryClient,
        contract: Contract,
        name: str,
        metrics: Metrics,
        *,
        key: SigningKey | None = None,
    ) -> None:
        """``key``: what signs the receipts; None: they are not signed."""
        self.key_of_receipts = key
        self.contract = contract
        self.name = name
        self.metrics = metrics
        self._broker = broker
        self._registry = registry
        self._keys = KeyCodec(contract.items)
        self._check = row_checker(contract.items)
        self._codec = RecordCodec(contract.schema, contract.schema_id, registry.schema)
        self._group = f"{broker.client_id}.{name}"
        self._producer = TransactionalProducer(broker, self._group, contract.topic)

    @classmethod
    def open(
        cls,
        settings: SystemSettings | Path | str,
        resource: str,
        name: str = "publisher",
        *,
        metrics: Metrics | None = None,
    ) -> Self:
        """Return a publisher of ``resource`` (code or slug) as the system in ``settings`` (or the file of them).

        ``name`` tells the programs of one system apart: a second one under the same name fences the first.
        """
        known = settings if isinstance(settings, SystemSettings) else load(SystemSettings, Path(settings))
        registry = RegistryClient(known.registry, known.identity)
        broker = Broker.of(known, registry)
        contract = registry.contract(resource)
        key = signing_key(known.identity.key_dir, known.identity.client_id, registry)
        return cls(
            broker,
            registry,
            contract,
            name,
            metrics or NullMetrics(),
            key=key if isinstance(key, SigningKey) else None,
        )

    @property
    def client_id(self) -> str:
        """The system that publishes."""
        return self._broker.client_id

    def position(self) -> Mapping[str, Any] | None:
        """Return the position that the last committed batch of this name set; None when there was none."""
        return self._producer.position

    def key(self, values: Mapping[str, Value]) -> bytes:
        """Return the key of the row with these primary key values."""
        return self._keys.encode(tuple(values.get(item.name) for item in self.contract.items))

    def encode(self, row: Row) -> tuple[bytes, bytes]:
        """Return (key, datum) of a row in item order. Errors: BadRecord."""
        self._check(row)
        return self.encode_checked(row)

    def encode_checked(self, row: Row) -> tuple[bytes, bytes]:
        """Return (key, datum) of a row that ``exchange.values.row_checker`` has passed already."""
        return self._keys.encode(row), self._codec.encode(row)

    def encode_rows(self, rows: Sequence[Row]) -> tuple[list[bytes], list[bytes]]:
        """Return the keys and the data of rows that have passed ``row_checker``: half the time of one by one."""
        return self._codec.records(self._keys, rows)

    def batch(self) -> Batch:
        """Return a batch to be used with ``with``: leaving it commits, an exception inside aborts."""
        return Batch(self, self._producer, self._codec.header)

    def state(self) -> dict[bytes, int]:
        """Return the resource's current state at the broker: for each key, ``row_digest`` of its row.

        Memory: about 150 bytes a key.
        """
        known: dict[bytes, int] = {}
        for key, digest in self.entries():
            if digest is None:
                known.pop(key, None)
            else:
                known[key] = digest
        return known

    def entries(self) -> Iterator[tuple[bytes, int | None]]:
        """Yield what the topic holds now, oldest first: a key and ``row_digest`` of its row, None for a delete.

        A key may come again; its last entry holds.
        """
        for message in read_back(self._broker, f"{self._group}.state", self.contract.topic):
            key, value = message.key() or b"", message.value()
            yield key, None if value is None else row_digest(key, value[HEADER_BYTES:])

    def close(self) -> None:
        """Leave the broker and the registry; safe to call twice."""
        self._producer.close()
        self._registry.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Batch:
    """The records of one transaction. ``count`` includes ``deletes``; nothing is sent for a batch that stays empty."""

    def __init__(self, publisher: Publisher, producer: TransactionalProducer, wire_header: bytes) -> None:
        self.count = 0
        self.deletes = 0
        self.id = uuid.uuid4()
        self._publisher = publisher
        self._producer = producer
        self._wire_header = wire_header
        self._contract = publisher.contract
        self._headers: Headers = [(BATCH_HEADER, self.id.bytes)]
        self._digest = 0
        self._bytes = 0
        self._position: Mapping[str, Any] | None = None

    def put(self, values: Mapping[str, Value]) -> None:
        """Add or replace a row, given by item name; an item left out is None. Errors: BadRecord."""
        items = self._contract.items
        unknown = set(values) - {item.name for item in items}
        if unknown:
            reason = Text("not an item of the resource", "不是该资源的信息项")
            raise BadRecord(min(unknown), "unknown_item", reason)
        self.put_row(tuple(values.get(item.name) for item in items))

    def put_row(self, row: Row) -> None:
        """Add or replace a row in item order. Errors: BadRecord."""
        self.put_encoded(*self._publisher.encode(row))

    def put_encoded(self, key: bytes, datum: bytes) -> None:
        """Add or replace a row that ``Publisher.encode`` made."""
        value = self._wire_header + datum
        self._producer.send(self._contract.topic, key, value, self._headers)
        self._digest += record_digest(key, value)
        self._bytes += len(value)
        self.count += 1

    def put_all(self, keys: Sequence[bytes], data: Sequence[bytes]) -> None:
        """Add or replace rows that ``Publisher.encode_rows`` made."""
        header = self._wire_header
        values = [header + datum for datum in data]
        self._producer.send_all(self._contract.topic, keys, values, self._headers)
        self._digest += sum(map(record_digest, keys, values))
        self._bytes += sum(map(len, values))
        self.count += len(values)

    def delete(self, key: bytes) -> None:
        """Say that the row with this key is gone."""
        self._producer.send(self._contract.topic, key, None, self._headers)
        self._digest += record_digest(key, None)
        self.count += 1
        self.deletes += 1

    def reject(self, payload: bytes) -> None:
        """Send what could not be published to the resource's rejects topic, in the same transaction."""
        self._producer.send(self._contract.rejects_topic, None, payload, self._headers)

    def set_position(self, position: Mapping[str, Any]) -> None:
        """Set what ``Publisher.position`` returns once this batch is committed; at most 3,000 bytes of JSON."""
        self._position = position

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self.abort()
            return
        self.commit()

    def commit(self) -> None:
        """Commit; what leaving ``with`` does. The publisher is not to be used by another thread meanwhile."""
        if self.count:
            receipt, key = self._receipt(), self._publisher.key_of_receipts
            signed = receipt.signed(key) if key else receipt
            self._producer.send(receipts_topic(self._publisher.client_id), None, signed.to_bytes(), [])
        self._producer.commit(self._position)
        self._report()

    def abort(self) -> None:
        """Give the batch up."""
        self._producer.abort()

    def _receipt(self) -> Receipt:
        contract = self._contract
        return Receipt(
            id=self.id.hex,
            side=Side.PUBLISHED,
            resource=contract.resource,
            topic=contract.topic,
            client_id=self._publisher.client_id,
            adapter=self._publisher.name,
            batch=self.id.hex,
            count=self.count,
            deletes=self.deletes,
            digest=hex_digest(self._digest % MODULUS),
            schema_id=contract.schema_id,
            at=time.time_ns() // 1_000_000,
        )

    def _report(self) -> None:
        stream = {"adapter": self._publisher.name, "resource": self._contract.resource}
        metrics = self._publisher.metrics
        metrics.add("exchange_published_records_total", self.count, **stream)
        metrics.add("exchange_published_bytes_total", self._bytes, **stream)
        metrics.add("exchange_published_batches_total", 1, **stream)
        metrics.set("exchange_last_commit_timestamp_seconds", time.time(), **stream)
