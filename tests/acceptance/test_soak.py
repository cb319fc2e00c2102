"""The short form of ``make soak``: a small table, and each victim killed once at least."""

from __future__ import annotations

import random

import pytest

from tests.acceptance.soak import soak


@pytest.mark.timeout(900)
def test_adapters_broker_and_both_databases_are_killed_and_nothing_is_lost() -> None:
    report, words = soak(rows=5000, kills=8, seed=random.randrange(10**9))
    assert report.faults == [], f"{report}\n{words}"
    assert len(report.kills) == 5
