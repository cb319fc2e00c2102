from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
SHORTEST_S, LONGEST_S = 0.02, 0.25
SHARE = 0.05  # of what was waited already: who waits long asks seldom


def wait_until(predicate: Callable[[], T], timeout_s: float, what: str) -> T:
    """Return the first true answer of ``predicate``; fail the test, naming ``what``, when there is none in time."""
    begun = time.monotonic()
    deadline = begun + timeout_s
    while True:
        answer = predicate()
        if answer:
            return answer
        now = time.monotonic()
        if now >= deadline:
            raise AssertionError(f"not within {timeout_s} s: {what}")
        time.sleep(min(LONGEST_S, max(SHORTEST_S, SHARE * (now - begun))))
