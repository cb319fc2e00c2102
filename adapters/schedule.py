"""When an adapter is due: cron's five fields, in a time zone; what was missed while nothing ran is made up once."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from exchange.errors import ConfigError
from exchange.text import Text


class Schedule:
    """A cron expression, e.g. ``0 2 * * *``: each night at two o'clock of ``zone``."""

    def __init__(self, expression: str, zone: str) -> None:
        """Errors: CronSimError, ZoneInfoNotFoundError."""
        self._expression = expression
        self._zone = ZoneInfo(zone)
        self.after(datetime.now(UTC))

    def after(self, moment: datetime) -> datetime:
        """Return the first time after ``moment``, in UTC; daylight saving is treated as Debian's cron does."""
        return next(CronSim(self._expression, moment.astimezone(self._zone))).astimezone(UTC)

    def first(self, now: datetime, last: datetime | None, *, make_up: bool) -> datetime:
        """Return when a process that starts ``now`` is due; ``last``: when the last pass began, None if none did."""
        if make_up and last is not None and self.after(last) <= now:
            return now
        return self.after(now)


def read_schedule(expression: str, zone: str, file: object) -> Schedule:
    """Return the schedule of an adapter file. Errors: ConfigError."""
    try:
        return Schedule(expression, zone)
    except (ZoneInfoNotFoundError, ValueError) as exc:
        raise ConfigError(
            file=file,
            key="adapter.zone",
            expected=Text("a time zone", "时区名称"),
            found=repr(zone),
            example='zone = "Asia/Shanghai"',
        ) from exc
    except (CronSimError, StopIteration) as exc:
        raise ConfigError(
            file=file,
            key="adapter.schedule",
            expected=Text("cron's five fields, with a time that comes", "cron 的五个字段，且存在可到达的时刻"),
            found=repr(expression),
            example='schedule = "0 2 * * *"',
        ) from exc
