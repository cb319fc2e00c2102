"""How long a scrape of the registry takes, with 2,000 published resources: what it shows of each are three series."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

import httpx
from sqlalchemy import select, update

from registry.catalogue.models import Resource
from registry.database import Database
from tests.bench import province
from tests.bench.book import Bench
from tests.bench.lone_registry import LoneRegistry, lone_registry
from tests.support.wait import wait_until

STREAMS = 2_000
SCRAPES = 40


def run(bench: Bench) -> None:
    """Add the 95th percentile of forty scrapes, in ms, from the first byte asked to the last byte had."""
    with lone_registry(prepare=_fill) as registry, httpx.Client(trust_env=False) as client:
        wait_until(lambda: _streams(registry, client) == STREAMS, 60, "the registry has counted its resources")
        bench.add("metrics.scrape", _p95(registry, client), "ms", "the bar", 100)
        bench.add("metrics.scrape_size", len(_scraped(registry, client)) / 1024, "KiB")


def _p95(registry: LoneRegistry, client: httpx.Client) -> float:
    times = []
    for _ in range(SCRAPES):
        start = time.perf_counter()
        _scraped(registry, client)
        times.append((time.perf_counter() - start) * 1000)
    return statistics.quantiles(times, n=20)[-1]


def _scraped(registry: LoneRegistry, client: httpx.Client) -> str:
    return client.get(f"{registry.url}/metrics").raise_for_status().text


def _streams(registry: LoneRegistry, client: httpx.Client) -> int:
    return _scraped(registry, client).count("\nexchange_resource_data_timestamp_seconds{")


def _fill(place: Path) -> None:
    database = Database(f"sqlite:///{place}/registry.db")
    province.fill(database)
    with database.write() as session:
        shown = list(session.scalars(select(Resource.slug).order_by(Resource.slug).limit(STREAMS)))
        session.execute(update(Resource).where(Resource.slug.not_in(shown)).values(lifecycle="withdrawn"))
        session.execute(update(Resource).where(Resource.slug.in_(shown)).values(last_data_at=province.EPOCH))
    database.close()
