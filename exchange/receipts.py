"""Receipts: what a system says that it published or landed, by count and digest."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from itertools import groupby
from typing import Any

import xxhash

from exchange.contract import Contract
from exchange.record import Marks
from exchange.signing import SigningKey, is_signed

MODULUS = 1 << 128
SIGNED_AS = b"exchange-receipt-v1\n"  # so that the signature of a receipt is that of nothing else


class Side(StrEnum):
    """Which end of the exchange speaks."""

    PUBLISHED = "published"
    LANDED = "landed"


def record_digest(key: bytes, value: bytes | None) -> int:
    """Return the digest of one record: XXH3-128 of key, a separator and the whole value (nothing for a delete)."""
    return xxhash.xxh3_128_intdigest(key + b"\x00" + value if value is not None else key)


def set_digest(digests: Iterable[int]) -> int:
    """Return the digest of a set of records, whatever their order: the sum of their digests modulo 2^128."""
    return sum(digests) % MODULUS


@dataclass(frozen=True, slots=True)
class Receipt:
    """One batch, or the part of one batch that one landing transaction held.

    ``id`` is unique per system and side: a receipt that arrives twice is one receipt.
    ``batch``: 32 hex digits, as in the records' header; ``digest``: 32 hex digits; ``count``: records, deletes
    among them; offsets are those of the first and last record, unknown (None) to a publisher;
    ``landing``: the destination's own id, new when a destination starts from nothing; ``at``: milliseconds, UTC.
    ``kid`` and ``signature``: the system's key that signed ``statement()``; None: not signed.
    """

    id: str
    side: Side
    resource: str
    topic: str
    client_id: str
    adapter: str
    batch: str
    count: int
    deletes: int
    digest: str
    schema_id: int
    at: int
    partition: int | None = None
    first_offset: int | None = None
    last_offset: int | None = None
    landing: str | None = None
    kid: str | None = None
    signature: str | None = None

    def to_bytes(self) -> bytes:
        """Return the receipt as compact JSON, UTF-8; what is None is left out, so an older registry reads it too."""
        return _compact(self._said(NAMES))

    def statement(self) -> bytes:
        """Return the canonical bytes that are signed: JSON, sorted names, nothing that is None, no signature."""
        return SIGNED_AS + _compact(self._said(STATED))

    def _said(self, names: Iterable[str]) -> dict[str, Any]:
        return {name: value for name in names if (value := getattr(self, name)) is not None}

    def signed(self, key: SigningKey) -> Receipt:
        """Return the receipt with a signature over its statement."""
        return replace(self, kid=key.kid, signature=key.sign(self.statement()))

    def is_signed_by(self, jwk: Mapping[str, str]) -> bool:
        """Whether the owner of a public key has signed it."""
        return self.signature is not None and is_signed(jwk, self.statement(), self.signature)

    @classmethod
    def from_bytes(cls, data: bytes) -> Receipt:
        """Return the receipt that ``to_bytes`` wrote. Errors: ValueError, for whatever is not a receipt."""
        try:
            fields: Mapping[str, Any] = json.loads(data)
            receipt = cls(**{**fields, "side": Side(fields["side"])})
            int(receipt.digest, 16)
        except (KeyError, TypeError, ValueError, AttributeError) as exc:
            raise ValueError(f"not a receipt: {exc}") from exc
        return receipt


NAMES = tuple(field.name for field in fields(Receipt))
STATED = tuple(sorted(set(NAMES) - {"kid", "signature"}))


@dataclass(slots=True)
class _Part:
    """What one landing holds of one batch in one partition."""

    first: int
    last: int = 0
    count: int = 0
    deletes: int = 0
    digest: int = 0


def landed_receipts(
    marks: Marks, contract: Contract, client_id: str, adapter: str, landing: str, at: int
) -> list[Receipt]:
    """Return the receipts of one landing: one for each batch and partition among its records.

    ``landing``: the destination's own id; ``at``: milliseconds, UTC.
    """
    return [
        Receipt(
            id=f"{landing}:{contract.topic}:{partition}:{part.first}",
            side=Side.LANDED,
            resource=contract.resource,
            topic=contract.topic,
            client_id=client_id,
            adapter=adapter,
            batch=batch,
            count=part.count,
            deletes=part.deletes,
            digest=hex_digest(part.digest % MODULUS),
            schema_id=contract.schema_id,
            at=at,
            partition=partition,
            first_offset=part.first,
            last_offset=part.last,
            landing=landing,
        )
        for (batch, partition), part in _parts(marks).items()
    ]


def _parts(marks: Marks) -> dict[tuple[str, int], _Part]:
    """Records of a batch come in runs: each run is summed up at once."""
    parts: dict[tuple[str, int], _Part] = {}
    begin = 0
    for key, run in groupby(zip(marks.batches, marks.partitions, strict=True)):
        end = begin + sum(1 for _ in run)
        part = parts.get(key)
        if part is None:
            part = parts[key] = _Part(marks.offsets[begin])
        part.last = marks.offsets[end - 1]
        part.count += end - begin
        part.deletes += marks.deleted[begin:end].count(True)
        part.digest += sum(marks.digests[begin:end])
        begin = end
    return parts


def _compact(said: Mapping[str, Any]) -> bytes:
    return json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode()


def hex_digest(digest: int) -> str:
    """Return a digest as 32 hex digits."""
    return f"{digest:032x}"
