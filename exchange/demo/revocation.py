"""Measuring a revocation: a publisher that never pauses, a subscriber that notes when each record came."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from exchange.demo.villages import Village
from exchange.demo.world import RESOURCE
from exchange.errors import NotGranted
from exchange.publisher import Publisher
from exchange.settings import SystemSettings
from exchange.subscriber import Subscriber

TICK_S = 0.02


class Background:
    """Repeats one step in a thread until it is stopped; ``stop`` raises what went wrong in it."""

    def __init__(self, name: str, step: Callable[[], None]) -> None:
        self._step = step
        self._stopping = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End after the step that is under way."""
        self._stopping.set()
        self._thread.join()
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._step()
        except BaseException as error:  # noqa: BLE001 - it is raised again by stop
            self._error = error


class Ticker:
    """Publishes one new village every 20 ms, as the province's own system, until it is stopped.

    ``begun`` and ``committed``: for each tick's code, when its transaction began and was committed (monotonic, s).
    """

    def __init__(self, settings: SystemSettings, like: Village) -> None:
        self.villages: dict[str, Village] = {}
        self.begun: dict[str, float] = {}
        self.committed: dict[str, float] = {}
        self._like = like
        self._publisher = Publisher.open(settings, RESOURCE, "ticker")
        self._background = Background("ticker", self._tick)

    def stop(self) -> None:
        """End after the tick that is under way."""
        self._background.stop()
        self._publisher.close()

    def _tick(self) -> None:
        time.sleep(TICK_S)
        number = len(self.villages)
        code = f"T{number:011d}"
        village = (code, f"第{number}次", *self._like[2:])
        self.begun[code] = time.monotonic()
        with self._publisher.batch() as batch:
            batch.put_row(village)
        self.committed[code] = time.monotonic()
        self.villages[code] = village


class Witness:
    """Subscribes like any system of the city, and notes when each record came and when the broker refused."""

    def __init__(self, settings: SystemSettings) -> None:
        self.seen: dict[str, float] = {}
        self.refused_at: float | None = None
        self.refusal = ""
        self._subscriber = Subscriber.open(settings, RESOURCE, "witness")
        self._background = Background("witness", self._look)

    @property
    def first_at(self) -> float | None:
        """When the first record came (monotonic, s); None while there is none."""
        return min(list(self.seen.values()), default=None)

    def stop(self) -> None:
        """End; safe to call twice."""
        self._background.stop()
        self._subscriber.close()

    def _look(self) -> None:
        try:
            records = self._subscriber.poll(1000, 0.1)
        except NotGranted as refusal:
            if self.refused_at is None:
                self.refused_at, self.refusal = time.monotonic(), str(refusal.facts["reason"])
            return
        now = time.monotonic()
        for record in records:
            self.seen.setdefault(record.key.decode(), now)
