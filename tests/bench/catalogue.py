"""Search and list over a province's catalogue, on SQLite and PostgreSQL: p95 of the API's answers, in-process."""

from __future__ import annotations

import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from exchange.node.ports import free_ports
from exchange.node.postgres import temporary_cluster
from registry.database import Database
from tests.bench.book import Bench
from tests.bench.province import SUBJECTS, fill
from tests.support.registry_world import Person, World, world

CALLS = 60
WARM = 5
SEED = 7


def run(bench: Bench) -> None:
    """Add p95 of search and list, in ms, and the seconds that the generator takes."""
    for kind, place in (("sqlite", _sqlite), ("postgresql", _postgresql)):
        with place() as (directory, url):
            database = Database(url)
            start = time.perf_counter()
            fill(database)
            bench.add(f"catalogue/{kind}/generate", time.perf_counter() - start, "s")
            database.close()
            with world(directory, url) as here:
                _measure(bench, kind, here)


def _measure(bench: Bench, kind: str, here: World) -> None:
    caller = here.root
    chance = random.Random(SEED)  # the same calls each time
    for name, wanted in CASES.items():
        for _ in range(WARM):
            _call(caller, wanted(chance))
        times = [_call(caller, wanted(chance)) for _ in range(CALLS)]
        bench.add(f"catalogue/{kind}/{name} p95", statistics.quantiles(times, n=20)[-1] * 1000, "ms")


def _call(caller: Person, wanted: dict[str, Any]) -> float:
    start = time.perf_counter()
    answer = caller.call("GET", "resources", limit=20, **wanted)
    took = time.perf_counter() - start
    assert answer.status_code == 200, answer.text
    return took


def _long(chance: random.Random) -> dict[str, Any]:
    return {"q": f"{chance.choice(SUBJECTS)}信息"}


def _short(chance: random.Random) -> dict[str, Any]:
    return {"q": chance.choice(SUBJECTS)[:2]}


def _two(chance: random.Random) -> dict[str, Any]:
    return {"q": f"{chance.choice(SUBJECTS)} 公民身份号码", "tier": "county"}


def _rare(_chance: random.Random) -> dict[str, Any]:
    return {"q": "没有这样的资源"}


def _page(chance: random.Random) -> dict[str, Any]:
    return {"sort": chance.choice(("code", "name", "-published_at", "-last_data_at"))}


def _filtered(chance: random.Random) -> dict[str, Any]:
    some = {"division": "440600", "sharing_type": chance.choice((1, 2, 3)), "level": 4}
    return {**some, "freshness": chance.choice(("fresh", "stale", "never")), "sort": "name"}


CASES: dict[str, Callable[[random.Random], dict[str, Any]]] = {
    "search": _long,
    "search, 2 characters": _short,
    "search, 2 words and tier": _two,
    "search, nothing found": _rare,
    "list, sorted": _page,
    "list, filtered": _filtered,
}


@contextmanager
def _sqlite() -> Iterator[tuple[Path, str]]:
    with tempfile.TemporaryDirectory() as directory:
        yield Path(directory), f"sqlite:///{directory}/registry.db"


@contextmanager
def _postgresql() -> Iterator[tuple[Path, str]]:
    with tempfile.TemporaryDirectory() as directory, temporary_cluster(free_ports(1)[0]) as cluster:
        yield Path(directory), cluster.create_database("province")
