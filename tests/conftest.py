from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.support.mariadb import mariadb, mariadb_url
from tests.support.node import RunningNode, running_node
from tests.support.postgres import postgres, postgres_url

# How long an example takes is the machine's affair: what is asked is whether it is right.
settings.register_profile("exchange", deadline=None)
settings.load_profile("exchange")

__all__ = ["mariadb", "mariadb_url", "node", "postgres", "postgres_url"]


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    """One real node a session; tests that share it use names of their own, and must not stop it."""
    with running_node(tmp_path_factory.mktemp("node") / "var") as running:
        yield running
