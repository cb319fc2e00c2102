"""Finding 10 differing rows in 1,000,000, and repairing them: the whole command, from its start to its answer."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

from exchange.demo.runs import write_adapter_file
from tests.bench.book import ROUNDS, Bench
from tests.bench.postgres_stage import ROWS, SOURCE, USAGE, Stage, stage

FAULTS = 10


class Took(NamedTuple):
    """One command: seconds, CPU seconds and the most resident memory (MB) of its processes, not of the servers."""

    seconds: float
    cpu_s: float
    peak_mb: float


def run(bench: Bench) -> None:
    """Add seconds of each comparison, of a repair, and the memory."""
    with stage() as here:
        here.fill("persons", ROWS)
        code, database = here.resource(), here.destination()
        here.publish(code, "persons")
        here.land(code, database)
        here.tidy("persons", database)
        with here.connect(database) as destination:
            destination.execute(
                "UPDATE persons SET hjdz = 'x' WHERE gmsfhm IN (SELECT gmsfhm FROM persons ORDER BY hjdz LIMIT %s)",
                (FAULTS,),
            )
        part = {"kind": "postgres", "url": here.url(SOURCE), "table": "persons", "mode": "snapshot"}
        source = _file(here, "source", here.tables(here.owner, code, "source", part))
        part = {"kind": "sql", "url": here.url(database), "table": "persons"}
        sink = _file(here, "sink", here.tables(here.reader, code, "sink", part))
        found = [_reconcile(here, FAULTS, source, sink) for _ in range(ROUNDS)]
        of_source, of_sink = _reconcile(here, 0, source), _reconcile(here, FAULTS, sink)
        repaired = _reconcile(here, FAULTS, sink, "--repair")
    both = Took(*map(statistics.median, zip(*found, strict=True)))
    bench.add("reconcile.bisect", both.seconds, "s")
    bench.add("reconcile.bisect_cpu", both.cpu_s, "s")
    bench.add("reconcile.bisect_memory", max(both.peak_mb, of_source.peak_mb, of_sink.peak_mb), "MB")
    bench.add("reconcile.source_and_topic", of_source.seconds, "s")
    bench.add("reconcile.topic_and_sink", of_sink.seconds, "s")
    bench.add("reconcile.repair_sink", repaired.seconds, "s")


def _file(here: Stage, side: str, tables: dict[str, dict[str, Any]]) -> Path:
    return write_adapter_file(here.place / f"reconcile-{side}.toml", tables)


def _reconcile(here: Stage, differences: int, *words: Path | str) -> Took:
    spent = here.place / "usage.json"
    command = [sys.executable, str(USAGE), str(spent), sys.executable, "-m", "exchange.cli.main", "reconcile"]
    began = time.perf_counter()
    done = subprocess.run(
        [*command, *map(str, words), "--json"],
        capture_output=True, text=True, timeout=600, env=here.environment(), check=False,
    )  # fmt: skip
    took = time.perf_counter() - began
    assert done.stdout, done.stderr
    said = json.loads(done.stdout)
    assert said["differences"] == differences, said
    print(f"  {[Path(word).stem for word in words]}: {took:.2f} s, {said['seconds']} s inside", flush=True)  # noqa: T201
    used = json.loads(spent.read_text())
    print(f"    {used}", flush=True)  # noqa: T201
    return Took(took, used["cpu_s"], used["peak_mb"])
