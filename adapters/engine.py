"""What both engines share: what they are told, how they are stopped, and what they report in the end."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from adapters.config import AdapterConfig
from adapters.patience import Patience
from adapters.summary import Summary
from exchange.metrics import Metrics, NullMetrics


@dataclass(frozen=True, slots=True)
class RunOptions:
    """``once``: one pass (source), or until nothing more comes (sink); ``until_idle_s``: end after a calm so long."""

    once: bool = False
    until_idle_s: float | None = None
    allow_deletes: bool = False


@dataclass(slots=True)
class Run:
    """One run of one adapter."""

    config: AdapterConfig
    options: RunOptions = RunOptions()
    metrics: Metrics = field(default_factory=NullMetrics)
    stop: threading.Event = field(default_factory=threading.Event)
    summary: Summary = field(init=False)

    def __post_init__(self) -> None:
        adapter = self.config.settings.adapter
        self.summary = Summary(adapter=adapter.name, resource=adapter.resource, side=self.config.side)

    @property
    def name(self) -> str:
        """The adapter's name."""
        return self.config.settings.adapter.name

    @property
    def labels(self) -> dict[str, str]:
        """Labels of the metrics."""
        return {"adapter": self.name, "resource": self.config.settings.adapter.resource.replace("/", "-")}

    def patience(self) -> Patience:
        """Return how this run waits: a run of one pass does not wait for a grant."""
        wait = self.config.settings.adapter.on_refused == "wait" and not self.options.once
        return Patience(self.stop, self.metrics, self.labels, self.summary, wait_refused=wait)


@contextmanager
def stopped_by_signals(stop: threading.Event) -> Iterator[None]:
    """Set ``stop`` at SIGTERM and SIGINT; what was there before comes back at the end."""

    def ask(_number: int, _frame: Any) -> None:
        stop.set()

    before = {number: signal.signal(number, ask) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
