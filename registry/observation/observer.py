"""A thread that counts what is in database and disk, so that a scrape asks nobody and is answered at once."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import product

from exchange.errors import ExchangeError
from exchange.metrics import Metrics
from exchange.surroundings import certificates, disk, version
from registry.access.keys import Keyring, signs_from
from registry.clock import Clock
from registry.database import Database
from registry.drift.service import Limits
from registry.observation import facts
from registry.receipts.differences import Kind, Owner
from registry.receipts.signatures import Signature
from registry.settings import Settings
from registry.sharing.domain import GrantState, RequestState

log = logging.getLogger(__name__)


class Observer:
    """Sets the registry's gauges every ``metrics.refresh_s`` seconds."""

    def __init__(
        self,
        *,
        database: Database,
        keyring: Keyring,
        ping: Callable[[], None],
        clock: Clock,
        metrics: Metrics,
        settings: Settings,
    ) -> None:
        """``ping`` asks the broker for a sign of life."""
        self._database = database
        self._keyring = keyring
        self._ping = ping
        self._clock = clock
        self._metrics = metrics
        self._settings = settings
        self._slow_due = 0.0
        self._stop = threading.Event()
        self.thread = threading.Thread(target=self._run, name="observer", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._metrics.set("exchange_build_info", 1, component="registry", version=version())
        for name, labels in _counters():
            self._metrics.add(name, 0, **labels)
        self.thread.start()

    def stop(self) -> None:
        """End after the look that runs."""
        self._stop.set()
        self.thread.join()

    def look(self) -> None:
        """Set all gauges. Errors: DatabaseUnavailable."""
        self._broker()
        self._surroundings()
        with self._database.read() as session:
            for name, values in facts.gauges(session, self._clock(), self._settings.metrics.silent_s):
                self._metrics.replace(name, values)
            for name, value in facts.singles(session):
                self._metrics.set(name, value)
        if time.monotonic() >= self._slow_due:
            self._look_slowly()
            self._slow_due = time.monotonic() + self._settings.metrics.slow_refresh_s

    def _look_slowly(self) -> None:
        limits = Limits.of(self._settings.evaluation, self._clock())
        with self._database.read() as session:
            for name, values in facts.slow_gauges(session, limits):
                self._metrics.replace(name, values)

    def _run(self) -> None:
        while True:
            try:
                self.look()
            except (ExchangeError, OSError) as exc:
                log.warning("counting failed, it is tried again: %s", exc)
            if self._stop.wait(max(1.0, self._settings.metrics.refresh_s)):
                return

    def _broker(self) -> None:
        try:
            self._ping()
        except ExchangeError:
            self._metrics.set("exchange_broker_up", 0)
        else:
            self._metrics.set("exchange_broker_up", 1)

    def _surroundings(self) -> None:
        kid, _ = self._keyring.signing()
        self._metrics.set("exchange_signing_key_timestamp_seconds", signs_from(kid))
        folder = self._settings.registry.data_dir
        found = disk(folder)
        self._metrics.set("exchange_disk_free_bytes", found.free, path=str(folder))
        self._metrics.set("exchange_disk_size_bytes", found.size, path=str(folder))
        if (file := self._settings.broker.ca_file) is not None:
            self._metrics.set("exchange_certificate_expiry_timestamp_seconds", certificates(file), file=file.name)


def _counters() -> Iterator[tuple[str, Mapping[str, str]]]:
    """Counters that an alert or a dashboard asks for: one that begins with its first event has no increase."""
    for action in ("added", "removed", "reported"):
        yield "exchange_acl_drift_total", {"action": action}
    for signature in Signature:
        yield "exchange_receipt_signatures_total", {"result": signature.value}
    for state in (*RequestState, *GrantState):
        yield "exchange_decisions_total", {"decision": state.value}
    for kind, owner in product(Kind, Owner):
        yield "exchange_reconciliation_differences_total", {"kind": kind.value, "owner": owner.value}
