"""The permission matrix: every endpoint, every role, own, parent, sibling and child division, and nobody."""

from __future__ import annotations

import importlib
import pkgutil
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute

from tests.support import permissions
from tests.support.permissions.matrix import Call, Row, Stage
from tests.support.registry_world import world

pytestmark = pytest.mark.proof


def rows() -> list[Row]:
    found: list[Row] = []
    for module in pkgutil.iter_modules(permissions.__path__):
        found += getattr(importlib.import_module(f"{permissions.__name__}.{module.name}"), "ROWS", ())
    return found


ROWS = rows()


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with world(tmp_path_factory.mktemp("matrix")) as here:
        yield Stage(here)


def test_every_endpoint_has_one_row(stage: Stage) -> None:
    app = stage.world.http.app
    assert isinstance(app, FastAPI)
    declared = Counter((row.method, row.path) for row in ROWS)
    there = set(endpoints(app.routes))
    documented = {(method.upper(), path) for path, item in app.openapi()["paths"].items() for method in item}
    assert documented <= there, "the walk below misses some"
    assert there - set(declared) == set(), "endpoints without a row"
    assert set(declared) - there == set(), "rows without an endpoint"
    assert max(declared.values()) == 1


def endpoints(routes: Sequence[Any]) -> Iterator[tuple[str, str]]:
    """Method and path of each endpoint, documented or not; files and pages of the documentation are none."""
    for route in routes:
        if isinstance(route, APIRoute):
            yield from ((method, route.path) for method in (route.methods or set()) - {"HEAD"})
        elif hasattr(route, "effective_route_contexts"):  # an included router
            for inner in route.effective_route_contexts():
                yield from ((method, inner.path) for method in inner.methods - {"HEAD"})


@pytest.mark.parametrize("row", [row for row in ROWS if not row.public], ids=str)
def test_each_role_gets_what_the_matrix_says(stage: Stage, row: Row) -> None:
    call, found = row.prepare(stage), {}
    assert send(stage, row, call, None).status_code == 401, "nobody"
    for role, place, expected in row.expected():
        if row.each:
            call = row.prepare(stage)
        answer = send(stage, row, call, stage.callers[role, place].token)
        if answer.status_code not in expected:
            found[role, place] = (answer.status_code, expected[0], answer.text[:200])
        if answer.is_success and not row.each:
            call = row.prepare(stage)
    assert not found


def send(stage: Stage, row: Row, call: Call, token: str | None) -> Any:
    headers = {**call.headers, **({"Authorization": f"Bearer {token}"} if token else {})}
    return stage.world.http.request(
        row.method,
        call.path,
        json=call.body,
        params=call.params,
        data=call.form,
        content=call.content,
        headers=headers,
        follow_redirects=False,
    )
