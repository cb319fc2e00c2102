"""The audit's entries, and the chain that holds them: each hash covers the entry and the hash before it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any

from cryptography.hazmat.primitives import hashes

NOTHING = ""  # what the first entry follows
MOST_FACTS = 8000  # characters of one entry's facts


class Algorithm(StrEnum):
    """How entries are hashed; SM3 (GB/T 32905) where the law asks for a national algorithm."""

    SHA256 = "sha256"
    SM3 = "sm3"


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry (审计记录): ``facts`` is canonical JSON; ``previous`` and ``hash`` are ``<algorithm>:<hex>``."""

    number: int
    at: datetime
    actor: str
    action: str
    target: str
    facts: str
    previous: str
    hash: str

    def proof(self, number: int | None = None) -> str:
        """Return the hash that the entry must have, at ``number`` if it were another's place."""
        return seal(
            algorithm_of(self.hash),
            number=self.number if number is None else number,
            at=self.at,
            actor=self.actor,
            action=self.action,
            target=self.target,
            facts=self.facts,
            previous=self.previous,
        )

    def as_json(self) -> dict[str, Any]:
        """Return the entry as an export writes it."""
        return {
            "number": self.number,
            "at": instant(self.at),
            "actor": self.actor,
            "action": self.action,
            "target": self.target,
            "facts": json.loads(self.facts),
            "previous": self.previous,
            "hash": self.hash,
        }

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Entry:
        """Return the entry of an export's line. Errors: KeyError, TypeError, ValueError."""
        return Entry(
            number=int(data["number"]),
            at=datetime.fromisoformat(data["at"]),
            actor=str(data["actor"]),
            action=str(data["action"]),
            target=str(data["target"]),
            facts=canonical(data["facts"]),
            previous=str(data["previous"]),
            hash=str(data["hash"]),
        )


def seal(
    algorithm: Algorithm,
    *,
    number: int,
    at: datetime,
    actor: str,
    action: str,
    target: str,
    facts: str,
    previous: str,
) -> str:
    """Return the hash of an entry: over its canonical JSON, whose keys are in alphabetical order."""
    # The facts are canonical JSON already: parsing them again would only cost time.
    text = (
        f'{{"action":{_word(action)},"actor":{_word(actor)},"at":"{instant(at)}","facts":{facts},'
        f'"number":{number},"previous":{_word(previous)},"target":{_word(target)}}}'
    )
    return f"{algorithm.value}:{_HASHES[algorithm](text.encode())}"


def algorithm_of(proof: str) -> Algorithm:
    """Return the algorithm that a hash was made with; one that nobody knows counts as SHA-256, and never fits."""
    return _ALGORITHMS.get(proof.partition(":")[0], Algorithm.SHA256)


def canonical(facts: Mapping[str, Any]) -> str:
    """Return facts as canonical JSON: keys sorted, no spaces, UTF-8; what is too long is told by its digest."""
    text = json.dumps(dict(facts), ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=_plain)
    if len(text) <= MOST_FACTS:
        return text
    return canonical({"sha256": hashlib.sha256(text.encode()).hexdigest(), "characters": len(text)})


def instant(at: datetime) -> str:
    """Return an instant as the chain writes it: UTC, to the microsecond."""
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return instant(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, set | frozenset):
        return sorted(value)
    return str(value)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _sm3(data: bytes) -> str:
    digest = hashes.Hash(hashes.SM3())
    digest.update(data)
    return digest.finalize().hex()


_word = json.JSONEncoder(ensure_ascii=False).encode
_ALGORITHMS = {algorithm.value: algorithm for algorithm in Algorithm}
_HASHES: dict[Algorithm, Callable[[bytes], str]] = {Algorithm.SHA256: _sha256, Algorithm.SM3: _sm3}
