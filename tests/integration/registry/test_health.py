"""Health and readiness that are true: each real part is broken, and the answer changes, and says why."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from sqlalchemy import text

from exchange.node.postgres import PostgresCluster
from registry.migrate import head
from tests.integration.registry.conftest import LoneBroker
from tests.support.registry_world import World, world
from tests.support.wait import wait_until

PARTS = ("database", "migrations", "broker", "enforcement")


def readiness(here: World) -> dict[str, str]:
    """Each part that is not well with its reason; the status and its code agree with them."""
    answer = here.http.get("/readyz")
    told = answer.json()
    bad = {part: told["reasons"][part] for part in PARTS if told[part] != "ok"}
    assert bad.keys() == told["reasons"].keys()
    assert (answer.status_code, told["status"]) == ((503, "not ready") if bad else (200, "ok"))
    return bad


def test_the_broker_goes_and_comes_back(broker: LoneBroker, tmp_path: Path) -> None:
    with broker.world(tmp_path, timeout_s=3) as here:
        assert readiness(here) == {"enforcement": "The broker cannot be reached: not compared yet"}
        assert here.runtime.enforcer.reconcile()
        assert readiness(here) == {}
        with broker.stopped():
            assert "cannot be reached" in readiness(here)["broker"]
            assert here.http.get("/healthz").status_code == 200, "a restart of the registry would not help"
        wait_until(lambda: readiness(here) == {}, 60, "ready again")


def test_a_comparison_that_is_too_long_ago_is_none(broker: LoneBroker, tmp_path: Path) -> None:
    with broker.world(tmp_path, stale_s=60) as here:
        assert here.runtime.enforcer.reconcile()
        assert readiness(here) == {}
        here.runtime.enforcer._compared_at -= 61  # type: ignore[operator]  # as if the time had passed
        assert "more than enforcer.stale_s = 60" in readiness(here)["enforcement"]
        assert here.runtime.enforcer.reconcile()
        assert readiness(here) == {}


def test_another_process_that_compares_is_as_good(broker: LoneBroker, tmp_path: Path) -> None:
    with broker.world(tmp_path, stale_s=60) as here:
        other = here.runtime.lease
        other._holder = "elsewhere:8440"
        assert other.hold()
        other.succeeded()
        other._holder = "here:8440"
        assert readiness(here) == {}
        here.clock.ahead += here.clock.ahead.__class__(seconds=61)
        assert "enforcement" in readiness(here)


def test_postgres_goes_and_comes_back(postgres: PostgresCluster, postgres_url: str, tmp_path: Path) -> None:
    with world(tmp_path, postgres_url) as here:
        assert "database" not in readiness(here)
        postgres.stop()
        try:
            bad = readiness(here)
            assert "The database cannot be reached" in bad["database"]
            assert "migrations" in bad
        finally:
            postgres.start()
        wait_until(lambda: "database" not in readiness(here), 30, "the database is back")


def test_a_sqlite_file_that_is_gone_is_noticed(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        assert "database" not in readiness(here)
        here.runtime.database.engine.dispose()
        for file in tmp_path.glob("registry.db*"):
            file.rename(tmp_path / f"away-{file.name}")
        assert "database" in readiness(here)
        here.runtime.database.engine.dispose()
        for file in tmp_path.glob("registry.db*"):
            file.unlink()
        for file in tmp_path.glob("away-*"):
            shutil.move(file, tmp_path / file.name.removeprefix("away-"))
        assert "database" not in readiness(here)


def test_tables_of_another_version_are_noticed(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        assert "migrations" not in readiness(here)
        _set_migration(here, "0001")
        assert readiness(here)["migrations"] == f"The database is at migration 0001; this version needs {head()}"
        _set_migration(here, head())
        assert "migrations" not in readiness(here)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_has_ended_makes_the_process_unhealthy(
    broker: LoneBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with broker.world(tmp_path) as here:
        assert here.http.get("/healthz").json()["reasons"] == {}
        monkeypatch.setattr(here.runtime.loop, "tick", lambda: 1 // 0)  # what nobody has thought of
        here.runtime.loop.start()
        wait_until(lambda: here.http.get("/healthz").status_code == 503, 10, "the process is unhealthy")
        told = here.http.get("/healthz").json()
        assert (told["status"], list(told["reasons"])) == ("failing", ["enforcer"])
        here.runtime.loop.stop()


def _set_migration(here: World, number: str) -> None:
    with here.runtime.database.write() as session:
        session.execute(text("UPDATE alembic_version SET version_num = :number"), {"number": number})
