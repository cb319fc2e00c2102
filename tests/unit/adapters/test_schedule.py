from __future__ import annotations

from datetime import UTC, datetime

import pytest

from adapters.schedule import Schedule, read_schedule
from exchange.errors import ConfigError


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_the_time_is_that_of_the_zone() -> None:
    assert Schedule("0 2 * * *", "Asia/Shanghai").after(at("2026-11-22T17:00")) == at("2026-11-22T18:00")
    assert Schedule("0 2 * * *", "UTC").after(at("2026-11-22T02:00")) == at("2026-11-23T02:00")


def test_a_missed_time_is_made_up_once_or_skipped() -> None:
    daily, now = Schedule("0 2 * * *", "UTC"), at("2026-11-22T10:00")
    assert daily.first(now, at("2026-11-20T02:00"), make_up=True) == now
    assert daily.first(now, at("2026-11-20T02:00"), make_up=False) == at("2026-11-23T02:00")
    assert daily.first(now, at("2026-11-22T02:00"), make_up=True) == at("2026-11-23T02:00")
    assert daily.first(now, None, make_up=True) == at("2026-11-23T02:00")


def test_a_clock_that_jumped_back_does_not_repeat_a_pass() -> None:
    daily = Schedule("0 2 * * *", "UTC")
    assert daily.first(at("2026-11-20T10:00"), at("2026-11-22T02:00"), make_up=True) == at("2026-11-21T02:00")


@pytest.mark.parametrize("expression", ["", "0 25 * * *", "* * * *", "0 0 31 2 *", "each night"])
def test_what_never_comes_is_refused(expression: str) -> None:
    with pytest.raises(ConfigError, match=r"adapter\.schedule"):
        read_schedule(expression, "UTC", "a.toml")


def test_an_unknown_zone_is_named() -> None:
    with pytest.raises(ConfigError, match=r"adapter\.zone"):
        read_schedule("0 2 * * *", "Asia/Nowhere", "a.toml")
