"""Decisions and the enforcer with 50,000 grants, in a province-size catalogue, on a real broker.

The catalogue is that of ``province.py``; but one small broker does not hold its 30,000 topics, so 500 of its systems
are switched on, 500 of their resources are published, and each of these is granted to 100 systems: as many grants and
ACLs, on 2,000 topics.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import delete, insert, select, update

from exchange.node.registry import registry_part
from registry.catalogue.models import Resource
from registry.clock import utc_now
from registry.database import Database
from registry.organisation.models import System
from registry.sharing.models import Grant, Request
from tests.bench import province
from tests.bench.book import Bench
from tests.support.catalogue import Catalogue
from tests.support.node import RunningNode, running_node
from tests.support.wait import wait_until

SYSTEMS = RESOURCES = 500
EACH = 100  # systems that a resource is granted to
DECISIONS = 40
INTERVAL = "EXCHANGE_ENFORCER_INTERVAL_S"
PATIENCE_S = 240.0


def run(bench: Bench) -> None:
    """Measure."""
    with TemporaryDirectory(prefix="exchange-bench-") as place, _often():
        directory = Path(place) / "var"
        database = Database(f"sqlite:///{directory}/registry/registry.db")
        province.fill(database)
        _shrink(database)
        with running_node(directory) as node:
            _decisions(bench, node, "few grants")
            bench.add("sharing_reconcile_from_none", _first_comparison(database, node), "s")
            bench.add("sharing_reconcile", _next_comparison(node), "s")
            _decisions(bench, node, "50,000 grants")
            bench.add("sharing_registry_memory", _peak_mb(node), "MB")
        database.close()


@contextmanager
def _often() -> Iterator[None]:
    """Full comparisons some seconds apart: each decision waits for one that changes ACLs, as it does in real life."""
    before = os.environ.get(INTERVAL)
    os.environ[INTERVAL] = "5"
    try:
        yield
    finally:
        del os.environ[INTERVAL]
        if before is not None:
            os.environ[INTERVAL] = before


def _shrink(database: Database) -> None:
    with database.write() as session:
        session.execute(delete(Grant))
        session.execute(delete(Request))
        kept = list(session.scalars(select(System.client_id).order_by(System.client_id).limit(SYSTEMS)))
        session.execute(update(System).where(System.client_id.not_in(kept)).values(active=False))
        mine = select(Resource.slug).where(Resource.source_system.in_(kept)).order_by(Resource.slug).limit(RESOURCES)
        shown = list(session.scalars(mine))
        session.execute(update(Resource).where(Resource.slug.not_in(shown)).values(lifecycle="withdrawn"))


def _first_comparison(database: Database, node: RunningNode) -> float:
    """Write 50,000 grants behind the registry's back; return the time of the comparison that makes their ACLs."""
    with database.write() as session:
        systems = list(session.scalars(select(System.client_id).where(System.active).order_by(System.client_id)))
        systems = [name for name in systems if "-s" in name]
        published = select(Resource.slug, Resource.source_system).where(Resource.lifecycle == "published")
        resources = [(slug, source) for slug, source in session.execute(published) if source in set(systems)]
        pairs = [
            (name, slug)
            for number, (slug, source) in enumerate(resources)
            for name in [systems[(number * 7 + step) % len(systems)] for step in range(EACH + 1)]
            if name != source
        ][: RESOURCES * EACH]
        first = 1_000_000  # numbers of their own, beside those of the decisions
        common = {"created_at": utc_now(), "revision": 1}
        wish = {"purpose": "collaboration", "legal_basis": "依据", "state": "approved", "requested_by": "bench"}
        session.execute(
            insert(Request),
            [{"id": first + n, "client_id": c, "slug": s, **wish, **common} for n, (c, s) in enumerate(pairs)],
        )
        before = _full(node)
        session.execute(
            insert(Grant),
            [
                {"id": first + n, "request_id": first + n, "client_id": c, "slug": s, "state": "active", **common}
                for n, (c, s) in enumerate(pairs)
            ],
        )
    wait_until(lambda: _metric(node, "exchange_grants", state="active") >= len(pairs), PATIENCE_S, "50,000 grants")
    return _longest(before, node)


def _next_comparison(node: RunningNode) -> float:
    """Return the time of one comparison that finds all as it should be."""
    count, spent = wait_until(lambda: _advanced(node, _full(node)), PATIENCE_S, "a comparison") or (0.0, 0.0)
    return spent / count


def _decisions(bench: Bench, node: RunningNode, word: str) -> None:
    """Time the answers to approvals, suspensions and revocations over HTTP: each has its ACL at the broker."""
    here = Catalogue(node)
    owner, reader = here.office(), here.office(division="440600")
    codes = [here.resource(owner) for _ in range(DECISIONS)]
    requests = [here.request(reader, code) for code in codes]
    before = _summed(node, "decision")
    approved = [_timed(owner.admin.approve, number) for number in requests]
    assert all(answer["enforced"] for _, answer in approved)
    count, spent = (after - start for after, start in zip(_summed(node, "decision"), before, strict=True))
    revoked = [_timed(owner.admin.revoke, answer["grant"]["id"], "测试") for _, answer in approved]
    assert all(answer["enforced"] for _, answer in revoked)
    bench.add(f"sharing_approve_p95, {word}", _p95(approved), "ms")
    bench.add(f"sharing_revoke_p95, {word}", _p95(revoked), "ms")
    bench.add(f"sharing_incremental_mean, {word}", spent / count * 1000, "ms")


def _timed(call: Any, *arguments: Any) -> tuple[float, Any]:
    start = time.perf_counter()
    answer = call(*arguments)
    return (time.perf_counter() - start) * 1000, answer


def _p95(timed: list[tuple[float, Any]]) -> float:
    return sorted(spent for spent, _ in timed)[int(len(timed) * 0.95) - 1]


def _full(node: RunningNode) -> tuple[float, float]:
    return _summed(node, "full")


def _summed(node: RunningNode, scope: str) -> tuple[float, float]:
    name = "exchange_enforcement_seconds"
    return _metric(node, f"{name}_count", scope=scope), _metric(node, f"{name}_sum", scope=scope)


def _advanced(node: RunningNode, before: tuple[float, float]) -> tuple[float, float] | None:
    """Return number and seconds of the whole comparisons after ``before``, once there is one."""
    after = wait_until(lambda: (now := _full(node))[0] > before[0] and now, PATIENCE_S, "a whole comparison")
    return (after[0] - before[0], after[1] - before[1]) if after else None


def _longest(before: tuple[float, float], node: RunningNode) -> float:
    """Return the seconds of all comparisons after ``before``: the first that saw the grants made their ACLs."""
    return _full(node)[1] - before[1]


def _metric(node: RunningNode, name: str, **labels: str) -> float:
    text = httpx.get(f"{node.registry_url}/metrics", timeout=60, trust_env=False).text
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == name and labels.items() <= sample.labels.items():
                return float(sample.value)
    return 0.0


def _peak_mb(node: RunningNode) -> float:
    """Return the most memory that the registry's process ever held."""
    pid = registry_part(node.layout).pid()
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    peak = next(line for line in lines if line.startswith("VmHWM"))
    return int(peak.split()[1]) / 1024
