"""What both engines share: what they are told, how they are stopped, and what they report in the end."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from adapters.config import AdapterConfig
from adapters.keeper import LOOK_S, Keeper
from adapters.patience import Patience
from adapters.protocol import Retaining
from adapters.summary import Summary
from exchange.metrics import Metrics, NullMetrics

log = logging.getLogger("exchange.adapter")


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
    retaining: Retaining | None = None  # a source whose other side keeps a log for it, also while it is closed
    summary: Summary = field(init=False)
    keeper: Keeper = field(init=False)
    read: int = field(init=False, default=0)  # rows or records that were looked at, the rejected among them
    undeclared: Sequence[str] | None = field(init=False, default=None)  # columns that no item comes from
    _next: float = field(init=False, default=0.0)  # before this time the rate limit lets nothing more through

    def __post_init__(self) -> None:
        adapter = self.config.settings.adapter
        self.summary = Summary(adapter=adapter.name, resource=adapter.resource, side=self.config.side)
        rereads = self.config.side == "source" and self.config.kind.spec.rereads
        self.keeper = Keeper(self.config.state, self.summary, rereads=rereads, metrics=self.metrics, labels=self.labels)
        self.count_read(0, 0)  # a counter that begins with its first event has no increase

    @property
    def name(self) -> str:
        """The adapter's name."""
        return self.config.settings.adapter.name

    @property
    def labels(self) -> dict[str, str]:
        """Labels of the metrics."""
        return {"adapter": self.name, "resource": self.config.settings.adapter.resource.replace("/", "-")}

    def count_read(self, taken: int, rejected: int) -> None:
        """Count rows or records by what became of them."""
        self.read += taken + rejected
        for outcome, count in (("taken", taken), ("rejected", rejected)):
            self.metrics.add("exchange_read_records_total", count, outcome=outcome, **self.labels)

    def patience(self) -> Patience:
        """Return how this run waits: a run of one pass does not wait for a grant."""
        wait = self.config.settings.adapter.on_refused == "wait" and not self.options.once
        self.keeper.patience = Patience(self.stop, self.metrics, self.labels, self.summary, wait_refused=wait)
        return self.keeper.patience

    @property
    def leaving(self) -> bool:
        """Whether the work in hand is to be left after this batch: stopped or paused."""
        return self.stop.is_set() or self.keeper.paused.is_set()

    @property
    def outcome(self) -> str:
        """Why the work in hand ends, as the history says it."""
        if self.stop.is_set():
            return "stopped"
        return "paused" if self.keeper.paused.is_set() else "done"

    def rest(self, seconds: float) -> None:
        """Wait; a stop, a pause and a wish for a refresh end it early."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and not (self.leaving or self.keeper.refresh):
            self.stop.wait(min(left, LOOK_S))

    def hold(self) -> None:
        """Wait while the adapter is paused."""
        log.info("%s: paused", self.name)
        self.keeper.holding = True
        while self.keeper.paused.is_set() and not self.stop.wait(LOOK_S):
            pass
        self.keeper.holding = False
        log.info("%s: goes on", self.name)

    def pace(self, rows: int) -> None:
        """Wait as long as ``limits.rows_per_s`` asks after so many rows."""
        rate = self.config.settings.limits.rows_per_s
        if rate is None:
            return
        now = time.monotonic()
        self._next = max(self._next, now) + rows / rate
        while (left := self._next - time.monotonic()) > 0 and not self.leaving:
            self.stop.wait(min(left, LOOK_S))

    def await_schedule(self, *, first: bool) -> bool:
        """Wait until the schedule is due; return whether it is: a stop, a pause or a refresh come before it."""
        schedule, adapter = self.config.schedule, self.config.settings.adapter
        if schedule is None or self.options.once:
            return True
        now = datetime.now(UTC)
        if first:
            due = schedule.first(now, self.keeper.last_began, make_up=adapter.missed == "run")
        else:
            due = schedule.after(now)
        self.keeper.due = due
        while (left := (due - datetime.now(UTC)).total_seconds()) > 0:  # by the clock on the wall, which may be set
            if self.leaving or self.keeper.refresh:
                return False
            self.rest(min(left, 1.0))
        return True


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
