"""Waiting: whatever is away comes back, and the engine goes on by itself."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception, sleep_using_event, stop_when_event_set

from adapters.summary import Summary
from exchange.errors import BackOff, ExchangeError, NotConnected, Refused
from exchange.metrics import Metrics

log = logging.getLogger("exchange.adapter")
T = TypeVar("T")

FIRST_WAIT_S = 0.25
LONGEST_WAIT_S = 15.0
MOST_DOUBLINGS = 10  # more would be no longer wait, and at last no number
REFUSED_WAIT_S = 2.0  # a grant is given by people; the broker is asked for it at most this often


class Stopped(Exception):
    """The process was asked to stop while it waited."""


class Patience:
    """Repeats a step while its error says that waiting helps; an episode is logged when it begins and when it ends."""

    def __init__(
        self, stop: threading.Event, metrics: Metrics, stream: dict[str, str], summary: Summary, *, wait_refused: bool
    ) -> None:
        """``stream``: the labels of the metrics; ``wait_refused``: a missing grant is waited for too."""
        self._summary = summary
        self.waiting_for: ExchangeError | None = None
        self._stop = stop
        self._metrics = metrics
        self._stream = stream
        self._wait_refused = wait_refused
        self._since = 0.0
        self._tries = 0  # since something has come through

    def call(self, step: Callable[[], T]) -> T:
        """Return what ``step`` returns, however often it takes. Errors: Stopped, and what waiting does not cure."""
        self._tries = 0
        retrying = Retrying(
            retry=retry_if_exception(self._helps),
            wait=self._next_wait,
            stop=stop_when_event_set(self._stop),
            sleep=sleep_using_event(self._stop),
            before_sleep=self._note,
            reraise=True,
        )
        try:
            result = retrying(step)
        except (NotConnected, Refused) as exc:
            if self._stop.is_set():
                raise Stopped from exc
            raise
        self.recovered()
        return result

    def _helps(self, error: BaseException) -> bool:
        return isinstance(error, NotConnected) or (self._wait_refused and isinstance(error, Refused))

    def _note(self, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        if not isinstance(error, ExchangeError):
            return
        self._summary.waits += 1
        self._metrics.add("exchange_retries_total", 1, reason=error.code, **self._stream)
        if self.waiting_for is None or self.waiting_for.code != error.code:
            self._since = self._since if self.waiting_for else time.monotonic()
            self.waiting_for = error
            log.warning("%s: waiting: %s", self._stream["adapter"], error)

    def recovered(self) -> None:
        """Note that the step works again; a step without end says so itself, when something has come through."""
        self._tries = 0
        if self.waiting_for is not None:
            seconds = time.monotonic() - self._since
            log.info("%s: goes on after %.1f s (%s)", self._stream["adapter"], seconds, self.waiting_for.code)
            self.waiting_for = None

    def _next_wait(self, state: RetryCallState) -> float:
        """Return the seconds until the next try: more after each one that failed, and never two adapters in step."""
        self._tries += 1
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, BackOff):
            return float(str(error.facts["wait_s"]))
        most = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(self._tries, MOST_DOUBLINGS))
        seconds = random.uniform(FIRST_WAIT_S, most)  # noqa: S311 - nothing to guess
        return min(seconds, REFUSED_WAIT_S) if isinstance(error, Refused) else seconds
