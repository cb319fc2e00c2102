"""What an operator tells a running adapter: pause, resume, refresh, a schedule, a rate; and what its rules count."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from adapters.config import read_adapter
from adapters.engine import Run, RunOptions
from adapters.history import StateFolder
from adapters.launch import run_adapter
from exchange.metric_names import OF_ADAPTER
from exchange.prometheus import PrometheusMetrics
from tests.integration.adapters.places import CsvOrigin, SqlOrigin, SqlTarget, World, people, write_file
from tests.integration.adapters.runs import background, once, topic_rows, until_idle
from tests.support.superuser import Superuser
from tests.support.wait import wait_until


@pytest.fixture
def origin(tmp_path: Path) -> CsvOrigin:
    made = CsvOrigin(tmp_path)
    made.put(people(8))
    return made


@pytest.fixture
def target(tmp_path: Path) -> SqlTarget:
    return SqlTarget(f"sqlite:///{tmp_path}/target.db", tmp_path)


def state_of(file: Path) -> StateFolder:
    return read_adapter(file).state


def said(state: StateFolder) -> Mapping[str, Any]:
    return state.status() or {}


def test_a_paused_source_moves_nothing_even_after_a_restart_and_goes_on_when_resumed(
    world: World, origin: CsvOrigin
) -> None:
    file = write_file(world, "source", origin)
    state = state_of(file)
    with background(file) as engine:
        wait_until(lambda: engine.summary.published == 8, 30, "a first pass")
        state.pause()
        wait_until(lambda: said(state).get("state") == "paused", 10, "the pause is noticed")
        origin.put(people(12))
    assert engine.summary.published == 8
    with background(file) as engine:
        wait_until(lambda: said(state).get("state") == "paused", 10, "a restart stays paused")
        assert once(file).published == 0, "a single run respects the pause too"
        state.resume()
        wait_until(lambda: engine.summary.published == 4, 30, "the rest")
    assert set(topic_rows(world, 12, "reader")) == set(people(12))


def test_a_pause_in_the_middle_of_a_pass_neither_loses_nor_deletes(world: World, origin: CsvOrigin) -> None:
    origin.put(people(3000))
    slow = write_file(world, "source", origin, limits={"batch_rows": 50, "rows_per_s": 500})
    state = state_of(slow)
    with background(slow) as engine:
        wait_until(lambda: engine.summary.published >= 50, 30, "the pass began")
        state.pause()
        wait_until(lambda: said(state).get("state") == "paused", 10, "the pause is noticed")
        wait_until(lambda: state.history(1) != [], 10, "the pass was left")
        assert state.history(1)[0]["reason"] == "paused"
        assert engine.summary.published < 3000
    state.resume()
    quick = write_file(world, "source", origin)
    again = until_idle(quick)
    assert again.published + engine.summary.published == 3000
    assert (again.unchanged, again.deleted) == (engine.summary.published, 0)


def test_a_paused_sink_lands_nothing_and_each_record_lands_once(
    world: World, origin: CsvOrigin, target: SqlTarget
) -> None:
    source = write_file(world, "source", origin)
    sink = write_file(world, "sink", target)
    state = state_of(sink)
    once(source)
    with background(sink) as engine:
        wait_until(lambda: engine.summary.landed == 8, 30, "the first records")
        state.pause()
        wait_until(lambda: said(state).get("state") == "paused", 10, "the pause is noticed")
        wait_until(lambda: state.history(1) != [], 10, "the sink let go")
        origin.put(people(12))
        once(source)
        assert engine.summary.landed == 8
        state.resume()
        wait_until(lambda: engine.summary.landed == 12, 30, "the rest")
        wait_until(lambda: said(state).get("behind") == 0, 10, "nothing waits")
    assert set(target.rows()) == set(people(12))


def test_a_refresh_reads_an_unchanged_file_again_and_is_done_once(world: World, origin: CsvOrigin) -> None:
    file = write_file(world, "source", origin)
    state = state_of(file)
    with background(file) as engine:
        wait_until(lambda: engine.summary.passes == 1, 30, "a first pass")
        state.ask_refresh()
        wait_until(lambda: engine.summary.passes == 2, 30, "the refresh")
        wait_until(lambda: state.refresh_asked() is None, 10, "the wish is fulfilled")
        assert (engine.summary.published, engine.summary.unchanged) == (8, 8)


def test_a_refresh_brings_what_a_watermark_passed_over(world: World, tmp_path: Path) -> None:
    origin = SqlOrigin(f"sqlite:///{tmp_path}/source.db", tmp_path)
    origin.put(people(5))
    part = {**origin.part(), "mode": "watermark", "timestamp": "born", "lag_s": 0}
    file = write_file(world, "source", origin, source=part)
    assert once(file).published == 5
    origin.put({**people(5), "late": ("迟到", "1990-01-01", "1.00")})
    assert once(file).published == 0, "older than the position"
    state_of(file).ask_refresh()
    assert once(file).published == 6
    assert state_of(file).refresh_asked() is None
    assert once(file).published == 0


def test_a_schedule_waits_and_makes_up_what_was_missed(world: World, origin: CsvOrigin) -> None:
    never = {"schedule": "0 0 1 1 *"}
    file = write_file(world, "source", origin, adapter=never)
    state = state_of(file)
    with background(file) as engine:
        wait_until(lambda: said(state).get("state") == "scheduled", 10, "it waits")
        assert (engine.summary.passes, said(state)["due"][5:10]) == (0, "12-31")
        state.ask_refresh()
        wait_until(lambda: engine.summary.published == 8, 30, "a wish does not wait for the schedule")
        wait_until(lambda: said(state).get("state") == "scheduled", 10, "then it waits again")
    status = dict(said(state))
    status["last_pass"] = {**status["last_pass"], "start": "2024-06-01T00:00:00+00:00"}
    state.write_status(status)
    with background(file) as engine:
        wait_until(lambda: engine.summary.passes == 1, 30, "the missed new year")


@pytest.mark.long
def test_a_scheduled_sink_waits_too(world: World, origin: CsvOrigin, target: SqlTarget) -> None:
    once(write_file(world, "source", origin))
    file = write_file(world, "sink", target, adapter={"schedule": "*/2 * * * * *"})
    with background(file) as engine:
        wait_until(lambda: engine.summary.landed == 8, 30, "the first time has come")
    later = write_file(world, "sink", target, adapter={"schedule": "0 0 1 1 *"})
    origin.put(people(9))
    once(write_file(world, "source", origin))
    with background(later) as engine:
        wait_until(lambda: said(state_of(later)).get("state") == "scheduled", 10, "it waits")
        assert engine.summary.landed == 0
    assert until_idle_once(later).landed == 1, "a single run does not wait for the schedule"


def until_idle_once(file: Path) -> Any:
    return run_adapter(Run(read_adapter(file), RunOptions(once=True)))


@pytest.mark.long
def test_the_rate_limit_holds_for_sources_and_sinks(world: World, origin: CsvOrigin, target: SqlTarget) -> None:
    slow = {"rows_per_s": 100}
    origin.put(people(200))
    assert once(write_file(world, "source", origin, limits=slow)).published == 200
    assert Superuser(world.catalogue.node).end(world.catalogue.topic(world.code)) >= 202, "at least two transactions"
    file = write_file(world, "sink", target, limits=slow)
    with background(file) as engine:
        wait_until(lambda: engine.summary.landed == 200, 30, "all")
        assert engine.summary.passes >= 2


def test_a_batch_ends_by_its_bytes(world: World, origin: CsvOrigin, target: SqlTarget) -> None:
    origin.put(people(100))
    small = {"batch_bytes": 500}
    published = PrometheusMetrics(OF_ADAPTER)
    run_adapter(Run(read_adapter(write_file(world, "source", origin, limits=small)), RunOptions(once=True), published))
    text = published.text().decode()
    (batches,) = [line for line in text.splitlines() if line.startswith("exchange_published_batches_total{")]
    assert float(batches.split()[-1]) >= 5
    assert until_idle(write_file(world, "sink", target, limits=small)).landed == 100
    assert len(target.rows()) == 100


def test_a_mapped_and_judged_source_counts_what_it_found_and_lands_right(
    world: World, origin: CsvOrigin, target: SqlTarget
) -> None:
    origin.put(
        {
            " a ": ("张三", "20010203", "1"),
            "b": ("李四", "", "2"),
            "c": ("王", "2001-02-03", "3"),
            "d": ("赵六", "20010203", "9"),
        }
    )
    file = write_file(world, "source", origin)
    file.write_text(file.read_text(encoding="utf-8") + MAPPING, encoding="utf-8")
    metrics = PrometheusMetrics(OF_ADAPTER)
    run = Run(read_adapter(file), RunOptions(once=True), metrics)
    summary = run_adapter(run)
    assert (summary.published, summary.rejected) == (3, 1)
    assert summary.rules == {"date_form": 1}
    assert summary.quality == {
        "id/pattern/repair": 1,
        "born/required/warn": 1,
        "born/date_form/reject": 1,
    }
    assert 'item="born",resource=' in metrics.text().decode()
    assert state_of(file).history(1)[0]["rules"] == {"date_form": 1}
    until_idle(write_file(world, "sink", target))
    assert target.rows() == {
        "A": ("张三", "2001-02-03", "10.00"),
        "B": ("李四", None, "20.00"),
        "D": ("赵六", "2001-02-03", "0.00"),
    }
    origin.put({" a ": ("张三", "20010203", "1"), "c": ("王五", "20010203", "3")})
    again = once(file, allow_deletes=True)
    assert (again.published, again.deleted, again.unchanged) == (1, 2, 1)


MAPPING = """
[mapping.id]
steps = ["upper"]

[mapping.born]
date = "%Y%m%d"

[mapping.amount]
table = { "1" = "10", "2" = "20", "3" = "30" }
unknown = "default"
default = 0

[quality.id]
pattern = "[A-Z]"
action = "repair"

[[quality.born]]
required = true
action = "warn"

[[quality.born]]
minimum = 1900-01-01
"""


def test_a_mapping_of_a_watermark_deletes_by_the_made_key(world: World, tmp_path: Path) -> None:
    origin = SqlOrigin(f"sqlite:///{tmp_path}/source.db", tmp_path)
    origin.put(people(3))
    part = {**origin.part(), "mode": "watermark", "timestamp": "born", "deleted": "amount", "lag_s": 0}
    file = write_file(world, "source", origin, source=part)
    file.write_text(file.read_text(encoding="utf-8") + '\n[mapping.id]\nsteps = ["upper"]\n', encoding="utf-8")
    origin.put({"a": ("x", "2001-01-01", None), "b": ("y", "2001-01-01", None)})
    assert once(file).published == 2
    origin.put({"a": ("x", "2001-01-02", "1"), "b": ("y", "2001-01-01", None)})
    assert once(file).deleted == 1
    assert topic_rows(world, 3, "reader")["A"] is None
