"""What a running adapter tells others while it works: its registry how it stands, node_exporter what it counted."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from adapters.engine import Run
from adapters.summary import Summary
from exchange.errors import ExchangeError
from exchange.prometheus import PrometheusMetrics
from exchange.registry_client import RegistryClient
from exchange.settings import MetricsSettings
from exchange.surroundings import certificates, disk, version

log = logging.getLogger("exchange.adapter")

EVERY_S = 15.0
MOST_TOLD = 200  # rules, and columns, of one report
LONGEST_NAME = 128  # characters of a column's name
NO_ITEM = "-"
LAST_WORD_S = 3.0  # how long an end waits for a registry that is slow to listen
EVERYWHERE = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 - compared with, not listened on


class Announcer:
    """A thread beside the engine; whatever fails in it is said once and stops nothing."""

    def __init__(self, run: Run, metrics: PrometheusMetrics, every_s: float = EVERY_S) -> None:
        self._run = run
        self._metrics = metrics
        self._every_s = every_s
        self._started = datetime.now(UTC)
        self._before = (time.monotonic(), 0)
        self._end = threading.Event()
        self._last: str | None = None  # the state that the end is announced with
        self._error: str | None = None
        self._silent = False
        self._thread = threading.Thread(target=self._work, name="announcer", daemon=True)

    def __enter__(self) -> Self:
        self._metrics.set("exchange_build_info", 1, component="adapter", version=version())
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._last = "stopped" if error is None else "failed"
        self._error = error.code if isinstance(error, ExchangeError) else None
        self._end.set()
        self._thread.join(LAST_WORD_S)

    def _work(self) -> None:
        settings = self._run.config.settings
        registry = RegistryClient(settings.registry, settings.identity)
        try:
            while True:
                ended = self._end.is_set()
                self._surroundings()
                self._write()
                self._tell(registry)
                if ended:
                    return
                self._end.wait(self._every_s)
        finally:
            registry.close()

    def _tell(self, registry: RegistryClient) -> None:
        try:
            registry.report(self._said())
        except ExchangeError as exc:
            if not self._silent:
                log.warning("%s: the registry does not hear how it stands: %s", self._run.name, exc)
            self._silent = True
        else:
            self._silent = False

    def _said(self) -> dict[str, Any]:
        summary, keeper, config = self._run.summary, self._run.keeper, self._run.config
        moved = summary.published + summary.landed + summary.deleted
        waiting = keeper.patience.waiting_for if keeper.patience else None
        behind_s = keeper.behind_s
        return {
            "name": self._run.name,
            "side": config.side,
            "kind": config.kind.name,
            "resource": self._run.labels["resource"],
            "host": socket.gethostname(),
            "version": version(),
            "metrics_address": address(config.settings.metrics),
            "state": self._last or ("paused" if keeper.state == "pausing" else keeper.state),
            "error": self._error or (waiting.code if waiting else None),
            "records_total": moved,
            "rejected_total": summary.rejected,
            "read_total": self._run.read,
            "findings": findings(summary),
            "undeclared": undeclared(self._run.undeclared),
            "records_per_s": self._rate(moved),
            "lag_records": keeper.behind,
            "lag_seconds": None if behind_s is None else round(behind_s, 3),
            "started_at": self._started.isoformat(timespec="milliseconds"),
        }

    def _rate(self, moved: int) -> float:
        (since, before), now = self._before, time.monotonic()
        self._before = (now, moved)
        return round(max(0, moved - before) / max(now - since, 0.001), 3)

    def _surroundings(self) -> None:
        folder = self._run.config.file.parent
        with suppress(OSError):
            found = disk(folder)
            self._metrics.set("exchange_disk_free_bytes", found.free, path=str(folder))
            self._metrics.set("exchange_disk_size_bytes", found.size, path=str(folder))
        with suppress(ExchangeError):
            if (source := self._run.retaining) is not None and (kept := source.retained()) is not None:
                slot, size = kept
                self._metrics.set("exchange_replication_slot_bytes", size, slot=slot, **self._run.labels)
        settings = self._run.config.settings
        for file in {settings.registry.ca_file, settings.kafka.ca_file} - {None}:
            with suppress(OSError, ValueError):
                assert file is not None
                self._metrics.set("exchange_certificate_expiry_timestamp_seconds", certificates(file), file=file.name)

    def _write(self) -> None:
        file = self._run.config.settings.metrics.textfile
        if file is None:
            return
        try:
            self._metrics.write(file)
        except OSError as exc:
            log.warning("%s: metrics.textfile: %s: %s", self._run.name, file, exc.strerror or type(exc).__name__)


def findings(summary: Summary) -> list[dict[str, Any]]:
    """Return what rules found, by item and rule, the most first; what was rejected by no rule of the file has no item.

    Bounded: what does not fit is told to Prometheus only.
    """
    by_rule = dict(summary.rules)
    found: list[dict[str, Any]] = []
    for name, count in summary.quality.items():
        item, rule, action = name.rsplit("/", 2)
        found.append({"item": item, "rule": rule, "action": action, "count": count})
        if action == "reject":
            by_rule[rule] = by_rule.get(rule, 0) - count
    found += [
        {"item": NO_ITEM, "rule": rule, "action": "reject", "count": count}
        for rule, count in by_rule.items()
        if count > 0
    ]
    return sorted(found, key=lambda each: int(each["count"]), reverse=True)[:MOST_TOLD]


def undeclared(names: Sequence[str] | None) -> list[str] | None:
    """Return names of columns as they are told: bounded in number and length."""
    if names is None:
        return None
    return [name.replace("\x00", "")[:LONGEST_NAME] for name in names[:MOST_TOLD] if name.strip("\x00")]


def address(settings: MetricsSettings) -> str | None:
    """Return where Prometheus finds this process's metrics; None when it serves none."""
    if settings.address is not None:
        return settings.address
    if not settings.port:
        return None
    return f"{socket.gethostname() if settings.host in EVERYWHERE else settings.host}:{settings.port}"
