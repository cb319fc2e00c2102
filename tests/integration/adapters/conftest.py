from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.adapters import suite
from tests.integration.adapters.places import Origin, SqlTarget, Target, World
from tests.support.catalogue import Catalogue
from tests.support.node import RunningNode


@pytest.fixture(scope="session")
def catalogue(node: RunningNode) -> Catalogue:
    return Catalogue(node)


@pytest.fixture
def world(catalogue: Catalogue, tmp_path: Path) -> World:
    owner, reader = catalogue.office("owner"), catalogue.office("reader", "440600")
    code = catalogue.resource(owner)
    return World(catalogue, owner, reader, code, catalogue.grant(owner, reader, code), tmp_path)


@pytest.fixture(params=suite.params(suite.ORIGINS))
def origin(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Origin]:
    made = suite.make_origin(request.param, request, tmp_path)
    assert made.part()["kind"] == suite.ORIGINS[request.param]
    yield made
    made.close()


@pytest.fixture(params=suite.params(suite.TARGETS))
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Target]:
    made = suite.make_target(request.param, request, tmp_path)
    assert made.part()["kind"] == suite.TARGETS[request.param]
    yield made
    made.close()


@pytest.fixture(params=suite.SQL_TARGETS)
def sql_target(request: pytest.FixtureRequest, tmp_path: Path) -> SqlTarget:
    return suite.make_sql_target(request.param, request, tmp_path)
