"""A webhook gets every change, signed and in order, whatever it answers and whoever dies."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.patience import LONGEST_WAIT_S, Patience
from exchange.errors import SinkProblem
from tests.integration.adapters.http_targets import Hook
from tests.integration.adapters.places import World, write_file
from tests.integration.adapters.runs import background, once, until_idle
from tests.integration.adapters.test_sinks import person, publish, receipts
from tests.support.wait import wait_until


@pytest.fixture
def hook(tmp_path: Path) -> Iterator[Hook]:
    made = Hook(tmp_path)
    yield made
    made.close()


@pytest.fixture
def file(world: World, hook: Hook) -> Path:
    return write_file(world, "sink", hook)


def test_changes_and_deletes_arrive_in_order_and_the_receipts_agree(world: World, hook: Hook, file: Path) -> None:
    publish(world, *[person(n) for n in range(25)])
    publish(world, person(3, name="改名", born=None), deleted=("k5",))
    summary = until_idle(file)
    assert (summary.landed, summary.deleted) == (26, 1)
    assert hook.records["k3"] == {"id": "k3", "name": "改名", "born": None, "amount": "0.03"}
    assert hook.records["k4"] == {"id": "k4", "name": "居民4", "born": "2001-02-03", "amount": "0.04"}
    assert hook.records["k5"] is None
    assert [key for _, key in hook.log].index("k3") < 27 - 1 - [key for _, key in hook.log][::-1].index("k3")
    published = {r.batch: (r.count, r.deletes, r.digest) for r in receipts(world.owner).values()}
    assert {r.batch: (r.count, r.deletes, r.digest) for r in receipts(world.reader).values()} == published
    assert until_idle(file).landed == 0
    assert len(hook.log) == 27, "a restart sends nothing again"


@pytest.mark.parametrize(("status", "headers"), [(500, {}), (429, {"Retry-After": "1"}), (503, {"Retry-After": "x"})])
def test_a_webhook_that_is_in_trouble_loses_nothing(
    world: World, hook: Hook, file: Path, status: int, headers: dict[str, str]
) -> None:
    hook.status, hook.headers = status, headers
    publish(world, *[person(n) for n in range(5)])
    with background(file) as engine:
        wait_until(lambda: engine.summary.waits >= 2, 60, "two waits")
        publish(world, person(9))
        assert not hook.records
        assert not receipts(world.reader), "what was not accepted has no receipt"
        hook.status = 200
        wait_until(lambda: len(hook.records) == 6, 60, "all that was published meanwhile")
        wait_until(lambda: sum(r.count for r in receipts(world.reader).values()) == 6, 30, "the receipts")
    assert engine.error is None
    assert engine.summary.landed == 6
    tried = {said.headers["X-Exchange-Delivery"] for said in hook.server.said}
    assert tried == set(hook.deliveries), "each delivery kept its id over all tries"


@pytest.mark.long
def test_a_webhook_that_answers_500_for_an_hour_loses_nothing(
    world: World, hook: Hook, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An hour of the longest waits, each a hundredth as long: each try is a real one."""
    next_wait, waited = Patience._next_wait, 0.0
    monkeypatch.setattr(Patience, "_next_wait", lambda self, state: next_wait(self, state) / 100)
    hook.status = 500
    publish(world, person(0))
    with background(file) as engine:
        published = 1
        while waited < 3600:
            tries = engine.summary.waits
            publish(world, person(published), deleted=(f"k{published - 2}",) if published > 1 else ())
            published += 1
            wait_until(lambda known=tries: engine.summary.waits >= known + 10 or engine.ended(), 60, "tries")  # type: ignore[misc]
            waited += 10 * LONGEST_WAIT_S
        assert not engine.ended(), str(engine.error)
        assert not hook.records
        with sqlite3.connect(hook.outbox) as outbox:
            assert outbox.execute("SELECT count(*) FROM exchange_delivery").fetchone() == (1,), "it does not grow"
        hook.status = 200
        wait_until(lambda: f"k{published - 1}" in hook.records, 60, "all that was published meanwhile")
        total = published + published - 2
        wait_until(lambda: sum(r.count for r in receipts(world.reader).values()) == total, 60, "the receipts")
    assert engine.error is None
    assert set(hook.rows()) == {f"k{published - 2}", f"k{published - 1}"}
    assert len(hook.log) == total, "each once"


def test_a_refusal_stops_the_adapter_and_the_delivery_is_kept(world: World, hook: Hook, file: Path) -> None:
    hook.status = 422
    publish(world, person(1))
    with background(file) as engine:
        wait_until(engine.ended, 60, "the end")
    assert isinstance(engine.error, SinkProblem)
    assert "HTTP 422" in engine.error.message("en")
    assert len(hook.server.said) == 3
    hook.status = 200
    until_idle(file)
    assert set(hook.records) == {"k1"}
    assert sum(r.count for r in receipts(world.reader).values()) == 1


@pytest.mark.long
def test_killed_after_a_delivery_was_accepted_it_comes_again_under_its_id(world: World, hook: Hook, file: Path) -> None:
    publish(world, *[person(n) for n in range(30)])
    killed = subprocess.run([sys.executable, "-m", "tests.support.dies_after_delivery", str(file)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert len(hook.log) == 10
    until_idle(file)
    assert len(hook.records) == 30
    ids = [said.headers["X-Exchange-Delivery"] for said in hook.server.said]
    assert len(ids) == 4, "one of the three came twice"
    assert len(set(ids)) == 3
    assert sum(r.count for r in receipts(world.reader).values()) == 30


def test_the_outbox_is_empty_in_the_end_and_nobody_elses_to_read(world: World, hook: Hook, file: Path) -> None:
    publish(world, person(1))
    once(file)
    assert hook.outbox.stat().st_mode & 0o777 == 0o600
    with sqlite3.connect(hook.outbox) as outbox:
        for table in ("exchange_delivery", "exchange_held_receipt", "exchange_receipt"):
            assert outbox.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)
