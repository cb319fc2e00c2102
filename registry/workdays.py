"""Working days (工作日): the State Council's yearly holiday notices, and a file for what the library does not know."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta, timezone
from pathlib import Path

import chinese_calendar

from exchange.errors import ConfigError

CHINA = timezone(timedelta(hours=8))  # one zone, without daylight saving
SATURDAY = 5
EXAMPLE = "off = [2027-01-01]\nworked = [2027-01-03]"


class Workdays:
    """Which days are worked; ``overrides`` win over the library, and a year that neither knows has plain weekends."""

    def __init__(self, overrides: Mapping[date, bool] | None = None) -> None:
        self._overrides = dict(overrides or {})

    @classmethod
    def from_file(cls, path: Path | None) -> Workdays:
        """Return the calendar with a TOML file of dates ``off`` and ``worked``. Errors: ConfigError."""
        if path is None:
            return cls()
        try:
            found = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, tomllib.TOMLDecodeError) as exc:
            raise ConfigError(file=path, key="-", expected="TOML", found=str(exc), example=EXAMPLE) from exc
        unknown = found.keys() - {"off", "worked"}
        if unknown:
            key = min(unknown)
            raise ConfigError(file=path, key=key, expected="off, worked", found=key, example=EXAMPLE)
        return cls({day: key == "worked" for key in ("off", "worked") for day in _dates(path, key, found.get(key, []))})

    def is_workday(self, day: date) -> bool:
        """Whether ``day`` is worked."""
        if day in self._overrides:
            return self._overrides[day]
        try:
            return bool(chinese_calendar.is_workday(day))
        except NotImplementedError:  # the notice for that year is not in the library
            return day.weekday() < SATURDAY

    def due(self, start: datetime, days: int) -> datetime:
        """Return the instant at which ``days`` working days after the day of ``start`` are over.

        The day of ``start`` itself does not count; the last day counts to its end, in China's time.
        """
        day = start.astimezone(CHINA).date()
        for _ in range(days):
            day = self.following(day)
        return datetime.combine(day + timedelta(days=1), time(), CHINA)

    def following(self, day: date) -> date:
        """Return the first working day after ``day``."""
        day += timedelta(days=1)
        while not self.is_workday(day):
            day += timedelta(days=1)
        return day


def _dates(path: Path, key: str, days: object) -> list[date]:
    if isinstance(days, list) and all(type(day) is date for day in days):
        return list(days)
    raise ConfigError(file=path, key=key, expected="a list of dates", found=str(days), example=EXAMPLE)
