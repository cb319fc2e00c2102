"""``exchange reconcile`` on the real parts: every database finds the same keys, and repairs no others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from adapters.config import read_adapter
from adapters.reconcile import Options, reconcile
from adapters.reconcile_words import Report
from tests.integration.adapters.places import SqlOrigin, SqlTarget, World, people, write_file
from tests.integration.adapters.runs import once


def compare(*files: Path, **options: Any) -> Report:
    return reconcile([read_adapter(file) for file in files], Options(**options))


def said(report: Report) -> dict[str, tuple[str, str]]:
    return {found.key.decode(): (found.kind.value, found.owner.value) for found in report.findings}


def run(place: Any, *statements: str) -> None:
    with place.engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


@pytest.fixture
def target(tmp_path: Path) -> Iterator[SqlTarget]:
    made = SqlTarget(f"sqlite:///{tmp_path}/target.db", tmp_path)
    yield made
    made.engine.dispose()


@pytest.fixture
def origin(tmp_path: Path) -> SqlOrigin:
    return SqlOrigin(f"sqlite:///{tmp_path}/source.db", tmp_path)


def test_a_source_and_the_topic(world: World, origin: SqlOrigin) -> None:
    file = write_file(world, "source", origin)
    origin.put(people(40))
    once(file)
    report = compare(file)
    assert (report.differences, report.rows) == (0, (40, 40))
    run(origin, "DELETE FROM people WHERE id = 'k000003'", "UPDATE people SET name = '改' WHERE id = 'k000004'")
    run(origin, "INSERT INTO people (id, name) VALUES ('new', '新')")
    report = compare(file, repair=True)
    wanted = {"k000003": "extra", "k000004": "differing", "new": "missing"}
    assert said(report) == {key: (kind, "publisher") for key, kind in wanted.items()}
    assert (report.repaired, report.open) == (3, 0)
    assert compare(file).differences == 0
    assert once(file).unchanged == 40, "nothing is left for the adapter"
