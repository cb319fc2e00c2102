from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.adapters.file_places import FilesOrigin, FilesTarget
from tests.integration.adapters.places import CsvOrigin, Origin, SqlOrigin, SqlTarget, World
from tests.integration.adapters.postgres_places import PostgresOrigin
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


SLOWER = pytest.param("postgres-snapshot", marks=pytest.mark.long)


@pytest.fixture(params=["csv", "files", "sqlite", "postgres", "mariadb", "postgres-capture", SLOWER])
def origin(request: pytest.FixtureRequest, tmp_path: Path) -> Origin:
    if request.param in {"csv", "files"}:
        return CsvOrigin(tmp_path) if request.param == "csv" else FilesOrigin(tmp_path)
    if request.param == "sqlite":
        return SqlOrigin(f"sqlite:///{tmp_path}/source.db", tmp_path)
    if request.param.startswith("postgres-"):
        url, cluster = request.getfixturevalue("postgres_url"), request.getfixturevalue("postgres")
        return PostgresOrigin(url, tmp_path, cluster, request.param.removeprefix("postgres-"))
    return SqlOrigin(request.getfixturevalue(f"{request.param}_url"), tmp_path, request.getfixturevalue(request.param))


SERVERS = ["sqlite", "postgres", "mariadb"]


def sql_place(request: pytest.FixtureRequest, tmp_path: Path) -> SqlTarget:
    if request.param == "sqlite":
        return SqlTarget(f"sqlite:///{tmp_path}/target.db", tmp_path)
    return SqlTarget(request.getfixturevalue(f"{request.param}_url"), tmp_path, request.getfixturevalue(request.param))


@pytest.fixture(params=[*SERVERS, "files"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> SqlTarget | FilesTarget:
    return FilesTarget(tmp_path) if request.param == "files" else sql_place(request, tmp_path)


@pytest.fixture(params=SERVERS)
def sql_target(request: pytest.FixtureRequest, tmp_path: Path) -> SqlTarget:
    return sql_place(request, tmp_path)
