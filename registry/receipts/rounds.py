"""The thread that reconciles and certifies; of several registry processes the one with the lease does."""

from __future__ import annotations

import logging
import threading

from exchange.errors import ExchangeError
from registry.certificates.issuer import Issuer
from registry.enforcement.lease import LeaseKeeper
from registry.receipts.matching import Matcher

log = logging.getLogger(__name__)


class Rounds:
    """Has the matcher make a round every ``interval_s`` seconds, and then the issuer look whether a day is over."""

    def __init__(self, matcher: Matcher, issuer: Issuer, lease: LeaseKeeper, interval_s: float) -> None:
        self._matcher = matcher
        self._issuer = issuer
        self._lease = lease
        self._interval_s = interval_s
        self._stop = threading.Event()
        self.thread = threading.Thread(target=self._run, name="reconciliation", daemon=True)

    def start(self) -> None:
        """Begin."""
        self.thread.start()

    def stop(self) -> None:
        """End after the round that runs, and give the lease back."""
        self._stop.set()
        self.thread.join()
        try:
            self._lease.release()
        except ExchangeError as exc:
            log.warning("the lease stays until it runs out: %s", exc)

    def _run(self) -> None:
        while True:
            try:
                if self._lease.hold():
                    self._matcher.round()
                    self._issuer.tick()
            except ExchangeError as exc:
                log.warning("reconciliation failed, it is tried again: %s", exc)
            if self._stop.wait(self._interval_s):
                return
