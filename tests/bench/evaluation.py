"""The evaluation of a province's 1,000 departments over a year of facts, on SQLite and PostgreSQL, in-process.

10,000 resources with a row for each day of the year (3,650,000), 50,000 grants used each month (600,000 rows), 50,000
requests, 20,000 differences, 5,000 objections.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import Any

from sqlalchemy import insert, select, text, update

from registry.access.caller import Caller
from registry.database import Base, Database
from registry.drift.service import Limits, counts
from registry.evaluation.domain import Indicator
from registry.evaluation.report import report_of
from registry.evaluation.report_pdf import pdf
from registry.evaluation.report_xlsx import xlsx
from registry.evaluation.service import Method, facts_behind, figures_of, make
from registry.history.models import GrantMonth, ResourceDay
from registry.objections.models import Objection
from registry.organisation.domain import Role
from registry.receipts.models import Difference
from registry.settings import EvaluationGroup
from registry.sharing.models import Grant, Request
from registry.workdays import Workdays
from tests.bench.book import Bench
from tests.bench.catalogue import _postgresql, _sqlite
from tests.bench.province import DEPARTMENTS, fill

YEAR = 2026
FIRST, DAYS = date(YEAR, 1, 1), 365
NOW = datetime(YEAR + 1, 1, 5, tzinfo=UTC)
AT_ONCE = 10_000
SEED = 11
DIFFERENCES, OBJECTIONS = 20_000, 5_000
STATES = ("fresh",) * 8 + ("stale", "never")


def run(bench: Bench) -> None:
    """Add the seconds of an evaluation and of its reports."""
    for kind, place in (("sqlite", _sqlite), ("postgresql", _postgresql)):
        with place() as (_directory, url):
            database = Database(url)
            fill(database)
            add_year(database)
            measure(bench, kind, database)
            database.close()


def measure(bench: Bench, kind: str, database: Database) -> None:
    """Evaluate the year, follow a figure down, count drift, and write both reports."""
    method = Method(lambda: NOW, Workdays(), EvaluationGroup())
    root = Caller("admin", None, Role.SYSTEM_ADMIN)
    start = time.perf_counter()
    made = make(database, method, root, str(YEAR))
    bench.add(f"evaluation.seconds, {kind}", time.perf_counter() - start, "s")
    start = time.perf_counter()
    with database.read() as session:
        department = next(iter(figures_of(session, made)))
        facts = facts_behind(session, root, made, method.workdays, department, Indicator.FRESHNESS)
    assert facts
    bench.add(f"evaluation.facts, {kind}", time.perf_counter() - start, "s")
    start = time.perf_counter()
    with database.read() as session:
        assert counts(session, Limits.of(method.settings, NOW))
    bench.add(f"evaluation.drift, {kind}", time.perf_counter() - start, "s")
    start = time.perf_counter()
    with database.read() as session:
        report = report_of(session, made, "zh")
    assert len(report.judged) == DEPARTMENTS
    sizes = len(xlsx(report)), len(pdf(report))
    assert min(sizes) > 0
    bench.add(f"evaluation.reports, {kind}", time.perf_counter() - start, "s")


def add_year(database: Database) -> None:
    """Write a year of facts straight into the tables: the same one each time."""
    chance = random.Random(SEED)
    with database.write() as session:
        resources = session.execute(text("SELECT slug, department_id FROM resources ORDER BY slug")).all()
        pairs = [(slug, client_id) for slug, client_id in session.execute(select(Grant.slug, Grant.client_id))]
        session.execute(
            update(Request).values(
                answer_due_at=datetime(YEAR, 6, 1, tzinfo=UTC), first_answered_at=datetime(YEAR, 5, 20, tzinfo=UTC)
            )
        )
    for table, rows in (
        (ResourceDay, _days(chance, resources)),
        (GrantMonth, _months(pairs)),
        (Difference, _differences(chance, pairs)),
        (Objection, _objections(chance, pairs)),
    ):
        _insert(database, table, rows)
    if database.engine.dialect.name == "postgresql":
        with database.write() as session:
            session.execute(text("ANALYZE"))


def _days(chance: random.Random, resources: Any) -> Iterator[dict[str, Any]]:
    for slug, department in resources:
        for n in range(DAYS):
            yield {
                "slug": slug,
                "day": FIRST + timedelta(days=n),
                "department_id": department,
                "freshness": chance.choice(STATES),
                "published": 10,
                "read": 1_000,
                "rejected": n % 7,
                "warned": n % 3,
            }


def _months(pairs: list[tuple[str, str]]) -> Iterator[dict[str, Any]]:
    at = datetime(YEAR, 1, 15, tzinfo=UTC)
    for slug, client_id in pairs:
        for month in range(1, 13):
            yield {
                "slug": slug, "client_id": client_id, "month": date(YEAR, month, 1), "records": 100, "last_at": at,
            }  # fmt: skip


def _differences(chance: random.Random, pairs: list[tuple[str, str]]) -> Iterator[dict[str, Any]]:
    for number, (slug, client_id) in enumerate(chance.sample(pairs, DIFFERENCES)):
        opened = datetime(YEAR, 1, 2, tzinfo=UTC) + timedelta(days=number % 360)
        yield {
            "slug": slug, "client_id": client_id, "batch": f"{number:032x}", "kind": "lost", "reason": "-",
            "owner": chance.choice(("publisher", "subscriber")), "records": 1, "opened_at": opened,
            "closed_at": opened + timedelta(days=number % 20),
        }  # fmt: skip


def _objections(chance: random.Random, pairs: list[tuple[str, str]]) -> Iterator[dict[str, Any]]:
    for number, (slug, client_id) in enumerate(chance.sample(pairs, OBJECTIONS)):
        at = datetime(YEAR, 1, 2, tzinfo=UTC) + timedelta(days=number % 360)
        yield {
            "slug": slug, "client_id": client_id, "complaint": "-", "state": "closed", "overdue": False,
            "late": number % 10 == 0, "raised_by": "province", "created_at": at, "changed_at": at, "revision": 1,
        }  # fmt: skip


def _insert(database: Database, table: type[Base], rows: Iterator[dict[str, Any]]) -> None:
    with database.write() as session:
        while part := list(islice(rows, AT_ONCE)):
            session.connection().execute(insert(table), part)
