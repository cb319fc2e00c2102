"""Whether the source of PostgreSQL takes more memory, or more time for a row, when the table is larger.

10,000,000 rows only with EXCHANGE_BENCH_SCALE=full.
"""

from __future__ import annotations

import os
import statistics

from tests.bench.book import ROUNDS, Bench
from tests.bench.postgres_stage import Ran, Stage, stage

SMALL, LARGE = 100_000, 1_000_000
FULL = 10_000_000


def run(bench: Bench) -> None:
    """Add peak memory and time per row, each with its ratio of the largest to the smallest table."""
    large = FULL if os.environ.get("EXCHANGE_BENCH_SCALE") == "full" else LARGE
    with stage() as here:
        for rows in (0, SMALL, large):
            here.fill(f"persons_{rows}", rows)
        rounds = [[_publish(here, rows) for rows in (0, SMALL, large)] for _ in range(ROUNDS)]
        again = [_compare(here, rows) for rows in (SMALL, large)]
    empty, small, big = (_medians([each[at] for each in rounds]) for at in range(3))
    beside = f"{SMALL:,} rows, of {large:,}"
    bench.add("scale.memory", big[1], "MB", beside, small[1])
    bench.add("scale.memory_compared", again[1].peak_mb, "MB", beside, again[0].peak_mb)
    per_row = [float(ran.summary["seconds"]) / rows * 1e6 for ran, rows in zip(again, (SMALL, large), strict=True)]
    bench.add("scale.time_compared", per_row[1], "us/row", beside, per_row[0])
    # the log-in at registry and broker, and the broker's first transaction, are no row's time
    bench.add("scale.time", (big[0] - empty[0]) / large * 1e6, "us/row", beside, (small[0] - empty[0]) / SMALL * 1e6)


def _publish(here: Stage, rows: int) -> Ran:
    ran = here.publish(here.resource(), f"persons_{rows}")
    assert ran.summary["published"] == rows, ran.summary
    return ran


def _compare(here: Stage, rows: int) -> Ran:
    """Return a second pass: mode snapshot then compares each row with the topic."""
    code = here.resource()
    here.publish(code, f"persons_{rows}")
    ran = here.publish(code, f"persons_{rows}")
    assert ran.summary["unchanged"] == rows, ran.summary
    return ran


def _medians(runs: list[Ran]) -> tuple[float, float]:
    seconds = [float(ran.summary["seconds"]) for ran in runs]
    return statistics.median(seconds), statistics.median(ran.peak_mb for ran in runs)
