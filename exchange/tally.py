"""What one side holds of a resource: a digest for each key, in buckets, so that a few sums tell where two sides differ.

A tally is a tree of sums over the buckets, ``DEPTH`` levels of ``FAN`` branches. Two sides exchange the sums of those
branches only whose parents differ, and the digests of single keys only of the buckets that differ: never a row.
Memory is bounded: beyond ``memory`` bytes the entries go to a temporary file that has no name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from enum import Enum
from tempfile import TemporaryFile
from typing import IO, Protocol

import xxhash

from exchange.receipts import MODULUS

FAN, DEPTH = 16, 3
BUCKETS = FAN**DEPTH
MEMORY = 96 * 1024 * 1024
DIGEST_BYTES, SIZE_BYTES = 16, 4
HEAD_BYTES = DIGEST_BYTES + SIZE_BYTES

# In the place of a digest; that a record has one of these is as likely as that two records have the same.
GONE = 0  # deleted: the key is not there
HELD = 1  # there, but it cannot be said with which values: its row was rejected
MOVING = 2  # on its way: another value was published and is not due yet

Sum = tuple[int, int]  # keys, and the sum of their digests modulo 2^128


class Twice(Enum):
    """What it means that a key comes twice."""

    NEVER = "never"  # it does not
    FIRST = "first"  # the first one stands: rows of a file
    LAST = "last"  # the last one stands: records of a topic


class Summed(Protocol):
    """What can be asked for sums: a tally, here or in another process."""

    def sums(self, level: int, nodes: Sequence[int]) -> list[Sum]:
        """Return the sum of each node of a level: 0 is the root, ``DEPTH`` that of the buckets."""


class Tally:
    """Digests by key, filled once, then asked."""

    def __init__(self, twice: Twice, memory: int = MEMORY) -> None:
        self._twice = twice
        self._memory = memory
        self._open = [bytearray() for _ in range(BUCKETS)]
        self._written: list[list[tuple[int, int]]] = [[] for _ in range(BUCKETS)]  # (place in the file, bytes)
        self._file: IO[bytes] | None = None
        self._size = 0
        self._counts = [0] * BUCKETS
        self._digests = [0] * BUCKETS
        self._summed = twice is Twice.NEVER

    def put(self, keys: Iterable[bytes], digests: Iterable[int]) -> None:
        """Add keys with the digests of their rows, or with one of the words above."""
        hashed, buckets, counts, sums = xxhash.xxh3_64_intdigest, self._open, self._counts, self._digests
        size = 0
        for key, digest in zip(keys, digests, strict=True):
            at = hashed(key) % BUCKETS
            length = len(key)
            buckets[at] += digest.to_bytes(DIGEST_BYTES, "big") + length.to_bytes(SIZE_BYTES, "big") + key
            counts[at] += 1
            sums[at] += digest
            size += length + HEAD_BYTES
        self._size += size
        if self._size > self._memory:
            self._spill()

    def bucket(self, number: int) -> dict[bytes, int]:
        """Return the keys of one bucket with their digests."""
        data = b"".join([*self._read(number), self._open[number]])
        found: dict[bytes, int] = {}
        start, last = 0, self._twice is Twice.LAST
        while start < len(data):
            at = start + HEAD_BYTES
            end = at + int.from_bytes(data[start + DIGEST_BYTES : at], "big")
            key = data[at:end]
            if last or key not in found:
                found[key] = int.from_bytes(data[start : start + DIGEST_BYTES], "big")
            start = end
        return {key: digest for key, digest in found.items() if digest != GONE} if last else found

    def sums(self, level: int, nodes: Sequence[int]) -> list[Sum]:
        """Return the sum of each node of a level."""
        self._settle()
        width = FAN ** (DEPTH - level)
        return [
            (
                sum(self._counts[node * width : (node + 1) * width]),
                sum(self._digests[node * width : (node + 1) * width]) % MODULUS,
            )
            for node in nodes
        ]

    def close(self) -> None:
        """Forget everything."""
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
        self._open = []

    def _settle(self) -> None:
        """Sum up what is left once keys that came twice are one."""
        if self._summed:
            return
        self._summed = True
        for number in range(BUCKETS):
            found = self.bucket(number).values()
            self._counts[number], self._digests[number] = len(found), sum(found)

    def _spill(self) -> None:
        if self._file is None:
            self._file = TemporaryFile(prefix="exchange-tally-")  # noqa: SIM115 - close() ends it
        place = self._file.seek(0, 2)
        for number, entries in enumerate(self._open):
            if entries:
                self._written[number].append((place, len(entries)))
                place += self._file.write(entries)
                self._open[number] = bytearray()
        self._size = 0

    def _read(self, number: int) -> Iterator[bytes]:
        for place, size in self._written[number]:
            assert self._file is not None
            self._file.seek(place)
            yield self._file.read(size)


def differing(one: Summed, other: Summed) -> list[int]:
    """Return the buckets in which two sides differ, asking only below what differs."""
    nodes = [0]
    for level in range(DEPTH + 1):
        pairs = zip(nodes, one.sums(level, nodes), other.sums(level, nodes), strict=True)
        nodes = [node for node, mine, yours in pairs if mine != yours]
        if level < DEPTH:
            nodes = [node * FAN + branch for node in nodes for branch in range(FAN)]
    return nodes


def unequal(one: Mapping[bytes, int], other: Mapping[bytes, int]) -> dict[bytes, tuple[int, int]]:
    """Return the keys of a bucket whose digests differ, with both (``GONE`` where a side has no such key)."""
    pairs = {key: (one.get(key, GONE), other.get(key, GONE)) for key in one.keys() | other.keys()}
    return {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}
