from __future__ import annotations

from pathlib import Path

import pytest

from exchange.node.postgres import PostgresCluster
from tests.integration.adapters.places import CsvOrigin, Origin, SqlOrigin, SqlTarget, World
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


@pytest.fixture(params=["csv", "sqlite", "postgres"])
def origin(request: pytest.FixtureRequest, tmp_path: Path) -> Origin:
    if request.param == "csv":
        return CsvOrigin(tmp_path)
    if request.param == "sqlite":
        return SqlOrigin(f"sqlite:///{tmp_path}/source.db", tmp_path)
    cluster: PostgresCluster = request.getfixturevalue("postgres")
    return SqlOrigin(request.getfixturevalue("postgres_url"), tmp_path, cluster)


@pytest.fixture(params=["sqlite", "postgres"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> SqlTarget:
    if request.param == "sqlite":
        return SqlTarget(f"sqlite:///{tmp_path}/target.db", tmp_path)
    cluster: PostgresCluster = request.getfixturevalue("postgres")
    return SqlTarget(request.getfixturevalue("postgres_url"), tmp_path, cluster)
