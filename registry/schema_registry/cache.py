"""Schemas by id, answered from memory to callers who were let in a moment ago.

An id never means another text, so an answer can only become wrong by a deletion for good: this process forgets at once,
others within ANSWER_S. An account that is switched off reads what is cached for CALLER_S more at most.
"""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

ANSWER_S = 60.0
CALLER_S = 5.0
MOST_ANSWERS = 20_000
MOST_CALLERS = 10_000


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer: its body, its headers but for the length, and until when it is kept."""

    body: bytes
    etag: bytes
    media_type: bytes
    until: float


@dataclass
class SchemaCache:
    """Answers by address, and callers by what they sent; ``now`` is a clock in seconds."""

    now: Callable[[], float] = time.monotonic
    _answers: OrderedDict[bytes, Kept] = field(default_factory=OrderedDict)
    _callers: OrderedDict[bytes, float] = field(default_factory=OrderedDict)

    def admit(self, authorization: bytes, seconds: float = CALLER_S) -> None:
        """Note that the caller who sent this may read schemas."""
        self._callers[_digest(authorization)] = self.now() + min(seconds, CALLER_S)
        _shrink(self._callers, MOST_CALLERS)

    def keep(self, address: bytes, body: bytes, etag: str, media_type: str) -> None:
        """Keep an answer."""
        self._answers[address] = Kept(body, etag.encode(), media_type.encode(), self.now() + ANSWER_S)
        _shrink(self._answers, MOST_ANSWERS)

    def answer(self, address: bytes, authorization: bytes) -> Kept | None:
        """Return the answer that is kept, if this caller may have it."""
        kept = self._answers.get(address)
        now = self.now()
        if kept is None or kept.until <= now or self._callers.get(_digest(authorization), 0.0) <= now:
            return None
        return kept

    def forget(self) -> None:
        """Forget all answers."""
        self._answers.clear()


def _digest(authorization: bytes) -> bytes:
    return hashlib.blake2b(authorization, digest_size=16).digest()


def _shrink(kept: OrderedDict[bytes, Kept] | OrderedDict[bytes, float], most: int) -> None:
    while len(kept) > most:
        kept.popitem(last=False)
