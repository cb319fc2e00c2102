"""Waits grow while nothing comes through, and begin anew once something has, also in a step that never ends."""

from __future__ import annotations

import threading
import time

import pytest

from adapters.patience import FIRST_WAIT_S, LONGEST_WAIT_S, Patience, Stopped
from adapters.summary import Summary
from exchange.errors import BrokerUnavailable, NotConnected
from exchange.metrics import NullMetrics


class Waits(threading.Event):
    """Takes the waits down instead of waiting."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self.seconds.append(timeout)
        return self.is_set()


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> Waits:
    monkeypatch.setattr("random.uniform", lambda _least, most: most)
    return Waits()


def patient(waits: Waits) -> Patience:
    summary = Summary("a", "r", "source")
    return Patience(waits, NullMetrics(), {"adapter": "a", "resource": "r"}, summary, wait_refused=True)


def failing(times: int, after: list[str]) -> str:
    if len(after) < times:
        after.append("again")
        raise BrokerUnavailable(reason="away")
    return "done"


def test_waits_grow_up_to_the_longest(waits: Waits) -> None:
    tried: list[str] = []
    assert patient(waits).call(lambda: failing(9, tried)) == "done"
    assert waits.seconds[:3] == [2 * FIRST_WAIT_S, 4 * FIRST_WAIT_S, 8 * FIRST_WAIT_S]
    assert waits.seconds[-1] == LONGEST_WAIT_S


def test_what_came_through_in_between_makes_the_next_wait_short(waits: Waits) -> None:
    endless, tried = patient(waits), []

    def step() -> str:
        tried.append("try")
        if len(tried) == 6:
            endless.recovered()  # a pass without end has committed something before it fails again
        if len(tried) < 8:
            raise BrokerUnavailable(reason="away")
        return "done"

    assert endless.call(step) == "done"
    assert waits.seconds[4] > waits.seconds[5] == 2 * FIRST_WAIT_S


def test_who_is_stopped_waits_no_more(waits: Waits) -> None:
    waits.set()
    began = time.monotonic()
    with pytest.raises((Stopped, NotConnected)):
        patient(waits).call(lambda: failing(1, []))
    assert time.monotonic() - began < LONGEST_WAIT_S
