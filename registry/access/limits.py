"""How much one client may ask: token buckets in the memory of this process."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable

from registry.errors import TooManyRequests
from registry.settings import LimitsGroup

MOST = 20_000  # buckets that are remembered; the one that was used longest ago is forgotten first, and is full again


class Buckets:
    """A bucket for each key: ``burst`` at once, ``rate`` a second after that; a rate of 0 is no limit."""

    def __init__(self, rate: float, burst: int, now: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._burst = burst
        self._now = now
        self._lock = threading.Lock()
        self._left: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()

    def take(self, key: Hashable) -> None:
        """Take one out of a key's bucket. Errors: TooManyRequests, when it is empty."""
        if self._rate:
            self._must_have(key, taken=1)

    def look(self, key: Hashable) -> None:
        """Take nothing. Errors: TooManyRequests, when a key's bucket is empty."""
        if self._rate:
            self._must_have(key, taken=0)

    def _must_have(self, key: Hashable, taken: int) -> None:
        with self._lock:
            now = self._now()
            left, at = self._left.get(key, (float(self._burst), now))
            left = min(self._burst, left + (now - at) * self._rate)
            enough = left >= 1
            if enough:
                left -= taken
            self._left[key] = (left, now)
            self._left.move_to_end(key)
            if len(self._left) > MOST:
                self._left.popitem(last=False)
        if not enough:
            raise TooManyRequests(wait_s=(1 - left) / self._rate)


class Limits:
    """The buckets of one process: requests by account, tokens and failures by address and name."""

    def __init__(self, settings: LimitsGroup) -> None:
        self.requests = Buckets(settings.requests_per_s, settings.requests_burst)
        self.tokens = Buckets(settings.tokens_per_s, settings.tokens_burst)
        self.failures = Buckets(settings.failures_per_s, settings.failures_burst)
