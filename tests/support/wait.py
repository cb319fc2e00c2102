from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
INTERVAL_S = 0.02


def wait_until(predicate: Callable[[], T], timeout_s: float, what: str) -> T:
    """Return the first true answer of ``predicate``; fail the test, naming ``what``, when there is none in time."""
    deadline = time.monotonic() + timeout_s
    while True:
        answer = predicate()
        if answer:
            return answer
        if time.monotonic() >= deadline:
            raise AssertionError(f"not within {timeout_s} s: {what}")
        time.sleep(INTERVAL_S)
