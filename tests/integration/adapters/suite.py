"""The places over which the conformance suite runs: each kind of ``adapters/kinds.py`` has one at least.

``ORIGINS`` and ``TARGETS`` map a place to its kind.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.integration.adapters.file_places import FilesOrigin, FilesTarget
from tests.integration.adapters.http_origins import ApiOrigin, PushOrigin
from tests.integration.adapters.http_targets import Hook, PullTarget
from tests.integration.adapters.places import CsvOrigin, Origin, SqlOrigin, SqlTarget, Target
from tests.integration.adapters.postgres_places import PostgresOrigin

ORIGINS: Mapping[str, str] = {
    "csv": "csv",
    "files": "files",
    "sqlite": "sql",
    "postgres": "sql",
    "mariadb": "sql",
    "postgres-capture": "postgres",
    "postgres-snapshot": "postgres",
    "http_pull": "http_pull",
    "http_push": "http_push",
}
TARGETS: Mapping[str, str] = {
    "sqlite": "sql",
    "postgres": "sql",
    "mariadb": "sql",
    "files": "files",
    "webhook": "webhook",
    "http_pull": "http_pull",
}
SQL_TARGETS = [name for name, kind in TARGETS.items() if kind == "sql"]
SLOWER = {"postgres-snapshot"}  # in `make long`: what it does otherwise than its neighbours is in their own tests

FILES_AND_HTTP: Mapping[str, Callable[[Path], Origin]] = {
    "csv": CsvOrigin,
    "files": FilesOrigin,
    "http_pull": ApiOrigin,
    "http_push": PushOrigin,
}


def params(names: Mapping[str, str]) -> list[object]:
    """The places as parameters of a fixture."""
    return [pytest.param(name, marks=pytest.mark.long) if name in SLOWER else name for name in names]


def make_origin(name: str, request: pytest.FixtureRequest, directory: Path) -> Origin:
    """Return a source that is empty."""
    if name in FILES_AND_HTTP:
        return FILES_AND_HTTP[name](directory)
    if name == "sqlite":
        return SqlOrigin(f"sqlite:///{directory}/source.db", directory)
    server, _, mode = name.partition("-")
    url, cluster = request.getfixturevalue(f"{server}_url"), request.getfixturevalue(server)
    return PostgresOrigin(url, directory, cluster, mode) if mode else SqlOrigin(url, directory, cluster)


def make_target(name: str, request: pytest.FixtureRequest, directory: Path) -> Target:
    """Return a destination that is empty."""
    if name == "files":
        return FilesTarget(directory)
    if name == "webhook":
        return Hook(directory, most_records=1000)
    return PullTarget(directory) if name == "http_pull" else make_sql_target(name, request, directory)


def make_sql_target(name: str, request: pytest.FixtureRequest, directory: Path) -> SqlTarget:
    """Return a database without tables."""
    if name == "sqlite":
        return SqlTarget(f"sqlite:///{directory}/target.db", directory)
    return SqlTarget(request.getfixturevalue(f"{name}_url"), directory, request.getfixturevalue(name))
