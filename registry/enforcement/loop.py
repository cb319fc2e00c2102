"""What the registry does by itself, once a second: keys, leases, expiry, decisions that wait, full comparisons."""

from __future__ import annotations

import logging
import threading
import time

from exchange.errors import ExchangeError
from exchange.metrics import Metrics
from registry.access.keys import Keyring
from registry.audit.parts import Audit
from registry.clock import Clock
from registry.database import Database
from registry.enforcement.acls import Scope
from registry.enforcement.enforcer import Enforcer
from registry.enforcement.lease import LeaseKeeper
from registry.sharing import grants
from registry.sharing.domain import GrantState
from registry.sharing.duty import Duty

log = logging.getLogger(__name__)

TICK_S = 1.0
RENEW_S = 5.0  # well under the time that a lease runs


class Loop:
    """A thread that ticks until it is stopped."""

    def __init__(
        self,
        *,
        enforcer: Enforcer,
        keyring: Keyring,
        database: Database,
        lease: LeaseKeeper,
        audit: Audit,
        duty: Duty,
        clock: Clock,
        metrics: Metrics,
        interval_s: float,
    ) -> None:
        self._enforcer = enforcer
        self._keyring = keyring
        self._database = database
        self._lease = lease
        self._audit = audit
        self._duty = duty
        self._clock = clock
        self._metrics = metrics
        self._interval_s = interval_s
        self._leading = False
        self._renew_at = 0.0
        self._compare_at = 0.0
        self._stop = threading.Event()
        self.thread = threading.Thread(target=self._run, name="enforcer", daemon=True)

    def start(self) -> None:
        """Begin to tick."""
        self.thread.start()

    def stop(self) -> None:
        """End the thread after the tick that runs, and give the lease back."""
        self._stop.set()
        self.thread.join()
        try:
            self._lease.release()
        except ExchangeError as exc:
            log.warning("the lease stays until it runs out: %s", exc)

    def tick(self) -> None:
        """Do once what is due."""
        self._keyring.publish()
        self._enforcer.poll()
        self._enforcer.retry()
        leading = self._leads()
        self._audit.tick(leading=leading)
        if leading:
            self._expire()
            self._compare()
            self._duty.tick()

    def _run(self) -> None:
        while True:
            try:
                self.tick()
            except (ExchangeError, OSError) as exc:
                log.warning("housekeeping failed, it is tried again: %s", exc)
            if self._stop.wait(TICK_S):
                return

    def _leads(self) -> bool:
        if time.monotonic() >= self._renew_at:
            self._leading = self._lease.hold()
            self._renew_at = time.monotonic() + RENEW_S
        return self._leading

    def _expire(self) -> None:
        with self._database.write() as session:
            ended = [(grant.client_id, grant.resource.topic) for grant in grants.expire(session, self._clock)]
        for client_id, topic in ended:
            self._metrics.add("exchange_decisions_total", decision=GrantState.EXPIRED.value)
            self._enforcer.enforce(Scope(client_id, topic))

    def _compare(self) -> None:
        if time.monotonic() < self._compare_at or not self._enforcer.reconcile():
            return
        self._compare_at = time.monotonic() + self._interval_s
        self._lease.succeeded()
        self._metrics.set("exchange_enforcement_timestamp_seconds", self._clock().timestamp())
