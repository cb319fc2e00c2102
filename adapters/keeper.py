"""The thread beside an engine: it sees what operators wish, and writes down how the run stands."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import fields
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from adapters.history import StateFolder
from adapters.patience import Patience
from adapters.summary import Summary
from exchange.errors import ExchangeError
from exchange.metrics import Metrics, NullMetrics

log = logging.getLogger("exchange.adapter")

LOOK_S = 0.25  # a wish is obeyed within a second
WRITE_S = 1.0
ENTRY_EVERY_S = 3600.0  # a run without end is an entry each hour
QUIET = frozenset({"done", "paused", "stopped", "goes_on"})  # an entry only if something was moved
COUNTS = ("published", "unchanged", "landed", "deleted", "rejected", "withheld")


class Keeper:
    """Watches the state folder and writes status and history while an adapter runs.

    ``paused`` and ``refresh`` are read by the engine between two batches. A folder that cannot be written is said once;
    records move without it.
    """

    def __init__(
        self,
        folder: StateFolder,
        summary: Summary,
        *,
        rereads: bool = True,
        metrics: Metrics | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> None:
        """``rereads``: a wish for a refresh means something; ``labels``: those of the metrics."""
        self._rereads = rereads
        self._metrics = metrics or NullMetrics()
        self._labels = dict(labels or {})
        self.paused = threading.Event()
        self.holding = False  # the engine waits with nothing open
        self.refresh: str | None = None
        self.patience: Patience | None = None
        self.due: datetime | None = None  # when a schedule begins the next pass
        self.behind: int | None = None  # records that wait in the topic, as far as a sink knows
        self.newest_ms: int | None = None  # when the newest record that a sink took was published
        self._folder = folder
        self._summary = summary
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._work, name="keeper", daemon=True)
        self._started = self._began = datetime.now(UTC)
        self._noted = time.monotonic()
        self._before = _counts(summary)
        self._last: dict[str, Any] | None = (folder.status() or {}).get("last_pass")
        self._reason = ""
        self._writable = True

    @property
    def last_began(self) -> datetime | None:
        """When the last finished pass began, of this process or of one before it."""
        try:
            return datetime.fromisoformat(self._last["start"]) if self._last else None
        except (KeyError, TypeError, ValueError):
            return None

    def begin(self) -> None:
        """Take note that a pass begins."""
        self._began = datetime.now(UTC)
        self.due = None

    def note(self, reason: str, *, finished: bool = False) -> None:
        """Write what was done since the last entry into the history; nothing when nothing was."""
        now = _counts(self._summary)
        done = {name: _less(now[name], self._before[name]) for name in now}
        entry = {
            "start": self._began.isoformat(timespec="milliseconds"),
            "end": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "reason": reason,
            **done,
        }
        self._before, self._noted = now, time.monotonic()
        self._began = datetime.now(UTC)
        if finished:
            self._last = entry
        if reason not in QUIET or any(done[name] for name in COUNTS if name != "unchanged"):
            self._try(self._folder.append, entry)

    def note_hourly(self) -> None:
        """Write an entry of a run that goes on, once in an hour."""
        if time.monotonic() - self._noted >= ENTRY_EVERY_S:
            self.note("goes_on")

    def refreshed(self, wish: str | None) -> None:
        """Take note that the whole source was read as ``wish`` asked."""
        if wish is not None:
            self._folder.refresh_done(wish)
            self.refresh = self._folder.refresh_asked()

    def __enter__(self) -> Self:
        self._look()
        self._write()
        self._show()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        self._thread.join()
        if error is not None:
            self._reason = error.code if isinstance(error, ExchangeError) else "crashed"
            self.note(self._reason)
        elif _counts(self._summary) != self._before:
            self.note("stopped")
        self._write(error)

    def _work(self) -> None:
        written = time.monotonic()
        while not self._end.wait(LOOK_S):
            self._look()
            if time.monotonic() - written >= WRITE_S:
                self._write()
                self._show()
                written = time.monotonic()

    @property
    def state(self) -> str:
        """How the adapter stands: running, waiting, scheduled, pausing or paused."""
        return self._state(self.patience.waiting_for if self.patience else None)

    @property
    def behind_s(self) -> float | None:
        """Seconds since the newest record that was taken was published; 0 when nothing waits; None: not known."""
        if self.behind is None or (self.behind and self.newest_ms is None):
            return None
        return max(0.0, time.time() - self.newest_ms / 1000) if self.behind and self.newest_ms else 0.0

    def _show(self) -> None:
        state, behind, behind_s = self.state, self.behind, self.behind_s
        self._metrics.set("exchange_adapter_paused", state in ("paused", "pausing"), **self._labels)
        self._metrics.set("exchange_adapter_waiting", state == "waiting", **self._labels)
        if behind is not None:
            self._metrics.set("exchange_lag_records", behind, **self._labels)
        if behind_s is not None:
            self._metrics.set("exchange_lag_seconds", behind_s, **self._labels)

    def _look(self) -> None:
        with suppress(OSError):
            if self._folder.paused:
                self.paused.set()
            else:
                self.paused.clear()
            if self._rereads:
                self.refresh = self._folder.refresh_asked()

    def _write(self, error: BaseException | None = None) -> None:
        waiting = self.patience.waiting_for if self.patience else None
        ended = self._end.is_set()
        status = {
            **_plain(self._summary),
            "state": "ended" if ended else self._state(waiting),
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "started": self._started.isoformat(timespec="seconds"),
            "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "waiting_for": _said(waiting) if not ended else None,
            "error": _said(error) if isinstance(error, ExchangeError) else None,
            "due": self.due.isoformat(timespec="seconds") if self.due else None,
            "behind": self.behind,
            "last_pass": self._last,
        }
        self._try(self._folder.write_status, status)

    def _state(self, waiting: ExchangeError | None) -> str:
        if self.paused.is_set() or self.holding:
            return "paused" if self.holding else "pausing"
        if waiting is not None:
            return "waiting"
        return "scheduled" if self.due else "running"

    def _try(self, write: Any, value: dict[str, Any]) -> None:
        try:
            write(value)
        except OSError as exc:
            if self._writable:
                log.warning("state folder: %s: no status, no history", exc.strerror or type(exc).__name__)
            self._writable = False
        else:
            self._writable = True


def _said(error: ExchangeError | None) -> dict[str, str] | None:
    if error is None:
        return None
    return {"code": error.code, "en": error.message("en"), "zh": error.message("zh")}


def _plain(summary: Summary) -> dict[str, Any]:
    """Copy as ``asdict`` does, but each dict in one step: the engine may add to it meanwhile."""
    found = {each.name: getattr(summary, each.name) for each in fields(summary)}
    return {name: dict(value) if isinstance(value, dict) else value for name, value in found.items()}


def _counts(summary: Summary) -> dict[str, Any]:
    found = {name: getattr(summary, name) for name in (*COUNTS, "waits")}
    return {**found, "rules": dict(summary.rules), "quality": dict(summary.quality)}


def _less(now: Any, before: Any) -> Any:
    if isinstance(now, dict):
        return {name: count - before.get(name, 0) for name, count in now.items() if count != before.get(name, 0)}
    return now - before
