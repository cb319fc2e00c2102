"""Kafka into a table of PostgreSQL: the adapter with everything on, beside a bare COPY and upsert.

Inserts and updates are measured apart. Everything that lands was published before.
"""

from __future__ import annotations

import gc
import time

from tests.bench.book import Bench
from tests.bench.postgres_stage import COLUMNS, ROWS, TABLE, TYPES, Sample, Stage, stage, turns

BATCH = 5_000
BINARY = [kind.split("(")[0].split()[0].replace("varchar", "text") for kind in TYPES.values()]
BARE = "COPY into staging + upsert, no Kafka"


def run(bench: Bench) -> None:
    """Add rows/s of inserts and of updates."""
    with stage() as here:
        here.fill("persons", ROWS)
        here.derive("persons_next", f"SELECT {COLUMNS.replace('sr, gxsj', '')} sr + 1, gxsj + '1 day' FROM persons")
        ours, bare = Ours(here), Bare(here)
        measures = {
            "insert": ours.insert,
            "bare insert": bare.insert,
            "update": ours.update,
            "bare update": bare.update,
        }
        found = turns(measures)
    insert, update = found["insert"], found["update"]
    bench.add("sink_postgres.insert_bare_loop", insert.rate, "rows/s", BARE, found["bare insert"].rate)
    bench.add("sink_postgres.update_bare_loop", update.rate, "rows/s", BARE, found["bare update"].rate)


class Ours:
    """The adapter: a resource and a database of its own in each round."""

    def __init__(self, here: Stage) -> None:
        self._here = here
        self._code = self._database = ""

    def insert(self) -> Sample:
        """Measure the landing of rows that are all new."""
        self._code, self._database = self._here.resource(), self._here.destination()
        return self._land("persons")

    def update(self) -> Sample:
        """Measure the landing of rows that are all there, with other values."""
        return self._land("persons_next")

    def _land(self, table: str) -> Sample:
        here = self._here
        published = here.publish(self._code, table)
        assert published.summary["published"] == ROWS, published.summary
        ran = here.land(self._code, self._database)
        assert ran.summary["landed"] == ROWS, ran.summary
        here.tidy("persons", self._database)
        return Sample(ROWS / ran.summary["seconds"], ran.cpu_s, ran.peak_mb)


class Bare:
    """COPY into a staging table and an upsert from it, of rows that are in memory already."""

    def __init__(self, here: Stage) -> None:
        self._here = here
        self._database = ""

    def insert(self) -> Sample:
        """Measure rows that are all new."""
        self._database = self._here.destination()
        with self._here.connect(self._database) as database:
            database.execute(f"CREATE TABLE persons {TABLE}")
        return self._write("persons")

    def update(self) -> Sample:
        """Measure rows that are all there, with other values."""
        return self._write("persons_next")

    def _write(self, table: str) -> Sample:
        with self._here.connect() as source_database:
            rows = source_database.execute(f"SELECT {COLUMNS} FROM {table}").fetchall()
        gc.freeze()  # a million tuples that are no concern of the loop
        kept = ", ".join(f"{name} = excluded.{name}" for name in list(TYPES)[1:])
        upsert = f"INSERT INTO persons SELECT * FROM staging ON CONFLICT (gmsfhm) DO UPDATE SET {kept}"
        with self._here.connect(self._database) as database:
            database.execute("CREATE TEMP TABLE staging (LIKE persons) ON COMMIT DELETE ROWS")
            database.commit()
            before, started = time.process_time(), time.perf_counter()
            for begin in range(0, ROWS, BATCH):
                with database.cursor().copy("COPY staging FROM STDIN (FORMAT binary)") as copy:
                    copy.set_types(BINARY)
                    for row in rows[begin : begin + BATCH]:
                        copy.write_row(row)
                database.execute(upsert)
                database.commit()
            took, spent = time.perf_counter() - started, time.process_time() - before
        gc.unfreeze()
        self._here.tidy("persons", self._database)
        return Sample(ROWS / took, spent)
