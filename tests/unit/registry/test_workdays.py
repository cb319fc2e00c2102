"""The working-day clock, over 春节 and 国庆 weeks with a weekend that is worked, and beyond what the library knows."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.errors import ConfigError
from registry.workdays import CHINA, Workdays

KNOWN = Workdays()


def at(text: str, hour: int = 10) -> datetime:
    return datetime.combine(date.fromisoformat(text), datetime.min.time(), CHINA) + timedelta(hours=hour)


def last_day(due: datetime) -> str:
    """The last day that counts: a deadline is over at the midnight after it."""
    assert due.astimezone(CHINA).time() == datetime.min.time()
    return (due.astimezone(CHINA).date() - timedelta(days=1)).isoformat()


@pytest.mark.parametrize(
    ("start", "days", "last"),
    [
        # 2024: 春节 off 10 to 17 February, Sunday 4 and Sunday 18 February are worked
        ("2024-02-02", 1, "2024-02-04"),
        ("2024-02-03", 1, "2024-02-04"),
        ("2024-02-09", 1, "2024-02-18"),
        ("2024-02-08", 3, "2024-02-19"),
        ("2024-02-01", 10, "2024-02-20"),
        # 2024: 国庆 off 1 to 7 October, Sunday 29 September and Saturday 12 October are worked
        ("2024-09-27", 2, "2024-09-30"),
        ("2024-09-30", 1, "2024-10-08"),
        ("2024-09-30", 5, "2024-10-12"),
        ("2024-09-30", 6, "2024-10-14"),
        # 2025: 春节 off 28 January to 4 February, Sunday 26 January and Saturday 8 February are worked
        ("2025-01-24", 10, "2025-02-13"),
        # an ordinary fortnight
        ("2024-06-17", 10, "2024-07-01"),
    ],
)
def test_deadlines_follow_the_holiday_notices(start: str, days: int, last: str) -> None:
    assert last_day(KNOWN.due(at(start), days)) == last


def test_the_day_is_chinas_whatever_the_zone_of_the_instant() -> None:
    late = datetime.fromisoformat("2024-06-17T17:00:00+00:00")  # the 18th, one o'clock, in Guangzhou
    assert last_day(KNOWN.due(late, 1)) == "2024-06-19"


@given(st.dates(date(2010, 1, 1), date(2026, 12, 1)), st.integers(0, 40))
def test_a_deadline_is_the_nth_worked_day(day: date, days: int) -> None:
    start = at(day.isoformat())
    due = KNOWN.due(start, days)
    between = [day + timedelta(days=n) for n in range(1, (due.astimezone(CHINA).date() - day).days)]
    assert sum(KNOWN.is_workday(one) for one in between) == days
    assert due > start or not days


def test_a_year_that_the_library_does_not_know_comes_from_the_file(tmp_path: Path) -> None:
    path = tmp_path / "calendar.toml"
    path.write_text("off = [2098-10-01, 2098-10-02]\nworked = [2098-10-04]\n", encoding="utf-8")
    calendar = Workdays.from_file(path)
    assert date(2098, 10, 4).weekday() == 5
    assert calendar.is_workday(date(2098, 10, 4)), "a Saturday that is worked"
    assert last_day(calendar.due(at("2098-09-30"), 1)) == "2098-10-03"
    assert not KNOWN.is_workday(date(2098, 10, 4)), "without it: plain weekends"
    assert KNOWN.is_workday(date(2098, 10, 1))


@pytest.mark.parametrize("text", ["off = 3", "holidays = []", "off = ['2027-01-01']", "off ="])
def test_a_wrong_file_names_its_fault(tmp_path: Path, text: str) -> None:
    path = tmp_path / "calendar.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"calendar\.toml"):
        Workdays.from_file(path)
