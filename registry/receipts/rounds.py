"""A thread that does its work in rounds; of several registry processes the one with the lease does."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Protocol

from exchange.errors import ExchangeError
from registry.enforcement.lease import LeaseKeeper

log = logging.getLogger(__name__)


class Work(Protocol):
    """What is done again and again."""

    def round(self) -> None:
        """Do what there is to do. Errors: ExchangeError: it is tried again."""


class InTurn:
    """Several works as one, always in the same order."""

    def __init__(self, *rounds: Callable[[], object]) -> None:
        self._rounds = rounds

    def round(self) -> None:
        """Do each."""
        for each in self._rounds:
            each()


class Rounds:
    """Has a work make a round every ``interval_s`` seconds."""

    def __init__(self, work: Work, lease: LeaseKeeper, interval_s: float, name: str = "reconciliation") -> None:
        self._work = work
        self._name = name
        self._lease = lease
        self._interval_s = interval_s
        self._stop = threading.Event()
        self.thread = threading.Thread(target=self._run, name=name, daemon=True)

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
                    self._work.round()
            except ExchangeError as exc:
                log.warning("%s failed, it is tried again: %s", self._name, exc)
            if self._stop.wait(self._interval_s):
                return
