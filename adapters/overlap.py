"""One call at a time in a thread of its own: a batch is committed, a landing written, while the next one is read."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress

from exchange.errors import ExchangeError


class Overlap:
    """Holds at most one call; ``then`` runs in the caller's thread once the call has succeeded."""

    def __init__(self, name: str) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._running: tuple[Future[None], Callable[[], None]] | None = None

    def start(self, call: Callable[[], None], then: Callable[[], None]) -> None:
        """Begin a call; the one before must have been finished."""
        assert self._running is None, "finish comes first"
        self._running = (self._thread.submit(call), then)

    def finish(self) -> None:
        """Wait for the call that runs, if any. Errors: those of the call."""
        running, self._running = self._running, None
        if running is not None:
            future, then = running
            future.result()
            then()

    def wait(self) -> None:
        """Wait until nothing runs; its outcome is told by ``finish``."""
        if self._running is not None:
            self._running[0].exception()

    def leave(self) -> None:
        """Finish after another error: a call that failed too is told when it is tried again."""
        with suppress(ExchangeError):
            self.finish()

    def close(self) -> None:
        """End the thread; safe to call twice."""
        self._thread.shutdown()
