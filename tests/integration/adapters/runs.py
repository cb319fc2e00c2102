from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from adapters.config import read_adapter
from adapters.engine import Run, RunOptions
from adapters.launch import run_adapter
from adapters.summary import Summary
from exchange import Subscriber
from exchange.errors import ExchangeError
from exchange.items import Row
from tests.support.wait import wait_until

if TYPE_CHECKING:
    from tests.integration.adapters.places import World

IDLE_S = 1.0
JOIN_S = 30.0


def once(file: Path, *, allow_deletes: bool = False) -> Summary:
    return run_adapter(Run(read_adapter(file), RunOptions(once=True, allow_deletes=allow_deletes)))


def until_idle(file: Path) -> Summary:
    return run_adapter(Run(read_adapter(file), RunOptions(until_idle_s=IDLE_S)))


class Background:
    """An engine that runs in a thread of the test, so that the world around it can be changed."""

    def __init__(self, file: Path, options: RunOptions) -> None:
        self.run = Run(read_adapter(file), options)
        self.error: ExchangeError | None = None
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    @property
    def summary(self) -> Summary:
        return self.run.summary

    def stop(self) -> None:
        self.run.stop.set()
        self._thread.join(JOIN_S)
        assert not self._thread.is_alive(), "a stopped engine ends"

    def ended(self) -> bool:
        return not self._thread.is_alive()

    def _work(self) -> None:
        try:
            run_adapter(self.run)
        except ExchangeError as exc:
            self.error = exc


@contextmanager
def background(file: Path, *, allow_deletes: bool = False) -> Iterator[Background]:
    engine = Background(file, RunOptions(allow_deletes=allow_deletes))
    try:
        yield engine
    finally:
        engine.stop()


def topic_rows(world: World, expected: int, name: str) -> dict[str, Row | None]:
    """The last record of each key in the resource's topic, after ``expected`` records."""
    found: dict[str, Row | None] = {}
    count = 0
    with Subscriber.open(world.owner.settings, world.code, name) as subscriber:

        def enough() -> bool:
            nonlocal count
            for record in subscriber.poll(10_000, 0.2):
                found[record.key.decode()] = record.row
                count += 1
            return count >= expected

        wait_until(enough, 30, f"{expected} records, {count} came")
        assert subscriber.poll(10, 0.5) == [], f"more than {expected} records"
    return found
