from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

from exchange.node import ports
from tests.support.mariadb import mariadb, mariadb_url
from tests.support.node import BRIEF, RunningNode, running_node
from tests.support.postgres import postgres, postgres_url

# How long an example takes is the machine's affair: what is asked is whether it is right.
settings.register_profile("exchange", deadline=None)
settings.load_profile("exchange")

# Each worker of a run has ports of its own: two that look for a free one at the same moment would find the same.
WORKERS = 8
_first, _last = ports.UNASSIGNED
_width = (_last - _first) // WORKERS
_worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % WORKERS
ports.UNASSIGNED = (_first + _worker * _width, _first + (_worker + 1) * _width - 1)

__all__ = ["mariadb", "mariadb_url", "node", "postgres", "postgres_url"]


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    """One real node a session; tests that share it use names of their own, and must not stop it."""
    with running_node(tmp_path_factory.mktemp("node") / "var", jvm_options=BRIEF) as running:
        yield running
