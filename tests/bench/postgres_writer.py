"""``python -m tests.bench.postgres_writer ADDRESS TABLE SECONDS``: an application that changes persons, steadily.

Each transaction has ten changes, nine rows changed and one new; no row is changed twice. It ends with the number of
changes and the seconds that they took, as JSON. The password is PGPASSWORD.
"""

from __future__ import annotations

import json
import sys
import time

import psycopg

from tests.bench.persons import persons
from tests.bench.postgres_stage import COLUMNS

CHANGES_PER_S, IN_ONE = 2_000, 10
UPDATES = IN_ONE - 1
BASE = 100_000  # rows that the table has before
MARK = "w"  # begins the telephone number of a row that was written here


def main(address: str, table: str, seconds: float) -> None:
    """Write."""
    transactions = int(seconds * CHANGES_PER_S / IN_ONE)
    rows = list(persons(BASE + transactions))
    update = f"UPDATE {table} SET lxdh = %s, sr = sr + 1, gxsj = clock_timestamp() WHERE gmsfhm = %s"
    insert = f"INSERT INTO {table} ({COLUMNS}) VALUES ({', '.join(['%s'] * len(rows[0]))})"
    with psycopg.connect(address) as database:
        started = time.perf_counter()
        for number in range(transactions):
            if (early := started + number * IN_ONE / CHANGES_PER_S - time.perf_counter()) > 0:
                time.sleep(early)  # the pace, not readiness
            first = number * UPDATES
            with database.pipeline(), database.cursor() as cursor:
                for at in range(first, first + UPDATES):
                    cursor.execute(update, (f"{MARK}{at}", rows[at][0]))
                new = rows[BASE + number]
                cursor.execute(insert, (*new[:7], f"{MARK}{BASE + number}", *new[8:]))
                database.commit()
        took = time.perf_counter() - started
    print(json.dumps({"changes": transactions * IN_ONE, "seconds": took}))  # noqa: T201 - its parent reads it


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]))
