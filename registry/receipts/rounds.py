"""A thread that does its work in rounds; of several registry processes the one with the lease does."""

from __future__ import annotations

import logging
import threading
from typing import Protocol

from exchange.errors import ExchangeError
from registry.enforcement.lease import LeaseKeeper

log = logging.getLogger(__name__)


class Work(Protocol):
    """What is done again and again."""

    def round(self) -> None:
        """Do what there is to do. Errors: ExchangeError: it is tried again."""


class Rounds:
    """Has a work make a round every ``interval_s`` seconds."""

    def __init__(self, work: Work, lease: LeaseKeeper, interval_s: float, name: str = "reconciliation") -> None:
        self._work = work
        self._name = name
        self._lease = lease
        self._interval_s = interval_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after the round that runs, and give the lease back."""
        self._stop.set()
        self._thread.join()
        try:
            self._lease.release()
        except ExchangeError as exc:
            log.warning("the lease stays until it runs out: %s", exc)

    def _run(self) -> None:
        while True:
            try:
                if self._lease.hold():
                    self._work.round()
            except ExchangeError as exc:
                log.warning("%s failed, it is tried again: %s", self._name, exc)
            if self._stop.wait(self._interval_s):
                return
