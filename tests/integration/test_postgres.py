from __future__ import annotations

from pathlib import Path

import psycopg
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from exchange.node.errors import PostgresFailed, PostgresMissing
from exchange.node.ports import free_ports
from exchange.node.postgres import PostgresCluster, create_cluster, temporary_cluster


@pytest.mark.parametrize("turn", [1, 2])
def test_each_test_has_a_fresh_database(postgres_url: str, turn: int) -> None:
    engine = create_engine(postgres_url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE village (code text PRIMARY KEY, name text)"))  # twice in one would fail
        connection.execute(text("INSERT INTO village VALUES ('440604001001', '同济')"))
        assert connection.execute(text("SELECT name FROM village")).scalar_one() == "同济"
    engine.dispose()


def test_nobody_gets_in_without_the_password(postgres: PostgresCluster) -> None:
    assert postgres.password not in repr(postgres)
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(host="127.0.0.1", port=postgres.port, user="exchange", password="wrong", dbname="postgres")


def test_a_cluster_can_be_stopped_and_started_and_is_removed_at_the_end() -> None:
    with temporary_cluster(free_ports(1)[0]) as cluster:
        engine = create_engine(cluster.create_database("kept"))
        with engine.begin() as connection:
            connection.execute(text("CREATE TABLE kept AS SELECT 1 AS one"))
        engine.dispose()
        cluster.stop()
        with pytest.raises(OperationalError):
            engine.connect()
        cluster.start()
        with engine.begin() as connection:
            assert connection.execute(text("SELECT one FROM kept")).scalar_one() == 1
        engine.dispose()
    assert not cluster.directory.exists()


def test_what_postgresql_says_is_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data").write_text("in the way")
    with pytest.raises(PostgresFailed, match="initdb"):
        create_cluster(tmp_path, free_ports(1)[0])
    monkeypatch.setenv("POSTGRES_HOME", str(tmp_path))
    with pytest.raises(PostgresMissing, match="apt-get install postgresql"):
        create_cluster(tmp_path, free_ports(1)[0])
