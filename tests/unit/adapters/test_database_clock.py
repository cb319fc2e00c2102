from __future__ import annotations

from datetime import UTC, datetime, timedelta

from adapters.database_clock import DatabaseClock

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def test_a_clock_that_goes_as_time_does_is_believed() -> None:
    clock = DatabaseClock(lag_s=5)
    for second in range(0, 100, 10):
        reading = clock.read(at(second + 0.3), 1000 + second)
        assert (reading.now, reading.set_back) == (at(second + 0.3), False)


def test_set_back_by_more_than_the_lag_is_said_once() -> None:
    clock = DatabaseClock(lag_s=5)
    clock.read(at(0), 1000)
    assert not clock.read(at(6), 1010).set_back, "4 s: rows are still stamped after what was read"
    assert clock.read(at(6), 1020).set_back
    assert not clock.read(at(16), 1030).set_back


def test_a_jump_ahead_makes_no_row_old_before_the_lag_has_passed() -> None:
    clock = DatabaseClock(lag_s=5)
    clock.read(at(0), 1000)
    assert clock.read(at(3601), 1001).now == at(1)
    assert clock.read(at(3603), 1003).now == at(3)
    assert clock.read(at(3606), 1006).now == at(3606)
    assert clock.read(at(3607), 1007).now == at(3607)
