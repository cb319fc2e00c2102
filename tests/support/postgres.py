from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from exchange.node.ports import free_ports
from exchange.node.postgres import PostgresCluster, temporary_cluster

numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresCluster]:
    """A private PostgreSQL cluster, one a session."""
    with temporary_cluster(free_ports(1)[0]) as cluster:
        yield cluster


@pytest.fixture
def postgres_url(postgres: PostgresCluster) -> Iterator[str]:
    """The SQLAlchemy URL of a database that is fresh for this test."""
    name = f"test_{next(numbers)}"
    yield postgres.create_database(name)
    postgres.drop_database(name)
