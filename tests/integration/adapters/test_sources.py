"""The conformance suite of sources: whatever the technology, the engine and the topic behave the same."""

from __future__ import annotations

import json
import stat
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from adapters.announcer import Announcer
from adapters.config import read_adapter
from adapters.engine import Run, RunOptions
from adapters.errors import TooManyDeletes
from adapters.launch import run_adapter
from exchange.errors import Fenced, NotGranted, TooManyRejects
from exchange.items import Item, ItemType
from exchange.kafka import Broker
from exchange.metric_names import OF_ADAPTER
from exchange.prometheus import PrometheusMetrics
from exchange.readback import read_back
from exchange.registry_client import RegistryClient
from tests.integration.adapters.places import EXTRA, CsvOrigin, Origin, World, people, write_file
from tests.integration.adapters.runs import background, once, topic_rows
from tests.support.catalogue import PEOPLE
from tests.support.wait import wait_until


def test_an_empty_source_publishes_nothing(world: World, origin: Origin) -> None:
    origin.put({})
    summary = origin.once(write_file(world, "source", origin))
    assert (summary.passes, summary.published, summary.deleted, summary.rejected) == (1, 0, 0, 0)


def test_changes_and_deletes_follow_and_a_restart_repeats_nothing(world: World, origin: Origin) -> None:
    file = write_file(world, "source", origin)
    first = people(30)
    origin.put(first)
    assert origin.once(file).published == 30
    again = origin.once(file)
    assert (again.published, again.unchanged, again.deleted) == (0, 0 if origin.follows else 30, 0)
    changed = {**people(35), "k000003": ("改名", None, "7.5")}
    del changed["k000001"]
    origin.put(changed)
    summary = origin.once(file)
    assert (summary.published, summary.deleted, summary.unchanged) == (6, 1, 0 if origin.follows else 28)
    rows = topic_rows(world, 37, "look")
    assert rows["k000001"] is None
    assert rows["k000003"] == ("k000003", "改名", None, Decimal("7.50"))
    assert set(rows) == set(people(35))


def test_a_source_larger_than_memory_is_compared_in_a_file(world: World, origin: Origin) -> None:
    if origin.follows:
        pytest.skip("it is compared with nothing")
    file = write_file(world, "source", origin, limits={"rows_in_memory": 10})
    first = people(30)
    origin.put(first)
    assert origin.once(file).published == 30
    changed = {**people(35), "k000003": ("改名", None, "7.5")}
    del changed["k000001"]
    origin.put(changed)
    summary = origin.once(file)
    assert (summary.published, summary.deleted, summary.unchanged) == (6, 1, 28)
    origin.put(people(10))
    with pytest.raises(TooManyDeletes) as caught:
        origin.once(file)
    assert "25 of 34" in caught.value.message("en")
    rows = topic_rows(world, 37 + 2, "look")
    assert set(rows) == set(people(35))
    assert rows["k000001"] is not None, "it came back"


def test_a_large_source_goes_in_batches(world: World, origin: Origin) -> None:
    origin.put(people(12_000))
    file = write_file(world, "source", origin, limits={"batch_rows": 5000})
    assert origin.once(file).published == 12_000
    assert len(topic_rows(world, 12_000, "look")) == 12_000


def test_a_bad_record_is_kept_twice_and_its_row_is_not_gone(world: World, origin: Origin) -> None:
    file = write_file(world, "source", origin)
    origin.put(people(30))
    origin.once(file)
    origin.put({**people(29), "k000004": (None, "2001-02-03", "1"), "new": ("新", "2001-02-30", "1")})
    summary = origin.once(file)
    assert (summary.rejected, summary.published, summary.deleted) == (2, 0, 1)
    assert summary.rejects_file is not None
    kept = Path(summary.rejects_file)
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    lines = kept.read_text(encoding="utf-8").splitlines()
    first, second = [json.loads(line) for line in lines]
    assert (first["column"], first["rule"], first["reason"]["zh"]) == ("name", "required", "必填项为空")
    assert (second["column"], second["rule"]) == ("born", "type_D")
    assert (first["line"], second["line"]) == origin.bad_lines
    assert dead_letters(world) == lines
    assert topic_rows(world, 31, "look")["k000004"] is not None


def dead_letters(world: World) -> list[str]:
    settings = world.owner.settings
    registry = RegistryClient(settings.registry, settings.identity)
    contract = registry.contract(world.code)
    found = read_back(Broker.of(settings, registry), f"{world.owner.client_id}.dead", contract.rejects_topic)
    values = [message.value() for message in found]
    registry.close()
    return [value.decode() for value in values if isinstance(value, bytes)]


def test_too_many_rejects_stop_the_run_and_keep_what_was_sent(world: World, origin: Origin) -> None:
    origin.put({**people(10), **{f"x{n}": (None, None, None) for n in range(4)}})
    with pytest.raises(TooManyRejects) as caught:
        origin.once(write_file(world, "source", origin, limits={"max_rejects": 3}))
    assert caught.value.exit_code == 5
    assert len(topic_rows(world, 10, "look")) == 10


def test_an_emptied_source_does_not_wipe_the_resource(world: World, origin: Origin) -> None:
    if origin.follows:
        pytest.skip("the source itself said of each row that it was deleted")
    file = write_file(world, "source", origin)
    origin.put(people(40))
    origin.once(file)
    origin.put(people(10))
    with pytest.raises(TooManyDeletes) as caught:
        origin.once(file)
    assert "30 of 40" in caught.value.message("en")
    assert origin.once(file, allow_deletes=True).deleted == 30
    assert sum(row is None for row in topic_rows(world, 70, "look").values()) == 30


def test_an_added_item_reaches_the_topic(world: World, origin: Origin) -> None:
    file = write_file(world, "source", origin)
    origin.put(people(5))
    origin.once(file)
    world.owner.admin.change_items(world.code, [*PEOPLE, Item(EXTRA, "电话", ItemType.TEXT, length=20)])
    origin.put(people(5), {"k000002": "139"})
    assert origin.once(file).published == 5
    row = topic_rows(world, 10, "look")["k000002"]
    assert row == ("k000002", "居民2", date(2001, 2, 3), Decimal("0.02"), "139")


def test_the_registry_is_told_of_rows_rules_and_columns_that_no_item_comes_from(world: World, origin: Origin) -> None:
    if origin.part()["kind"] not in {"csv", "sql", "postgres"}:
        pytest.skip("it does not see columns that it does not read")
    file = write_file(world, "source", origin)
    origin.put({**people(5), "bad": ("坏", "not a date", "1")}, {"k000002": "139"})
    run = Run(read_adapter(file), RunOptions(once=True))
    with Announcer(run, PrometheusMetrics(OF_ADAPTER)):
        run_adapter(run)
    found = world.owner.admin.quality(world.code, 1)
    assert (found["read"], found["rejected"]) == (run.read, run.summary.rejected) == (6, 1)
    assert found["quality"] == pytest.approx(5 / 6)
    assert [(rule["item"], rule["count"]) for rule in found["rules"]] == [("-", 1)]
    told = {row["resource"]: row["columns"] for row in world.owner.admin.drift("undeclared")}
    assert told.get(world.code.replace("/", "-")) == [EXTRA]


def test_a_source_that_goes_away_is_waited_for(world: World, origin: Origin) -> None:
    if origin.cluster is None:
        pytest.skip("the adapter itself is the server; its clients post again")
    origin.put(people(30))
    with background(write_file(world, "source", origin)) as engine:
        wait_until(lambda: engine.summary.published == 30, 30, "a first pass")
        origin.cluster.stop()
        try:
            wait_until(lambda: engine.summary.waits >= 2 or engine.ended(), 60, "a wait")
        finally:
            origin.cluster.start()
        assert not engine.ended(), str(engine.error)
        origin.put(people(31))
        wait_until(lambda: engine.summary.published == 31, 40, "the row after the outage")
    assert engine.error is None


def test_a_second_process_takes_over_and_the_first_stops(world: World, tmp_path: Path) -> None:
    origin = CsvOrigin(tmp_path)
    origin.put(people(3))
    file = write_file(world, "source", origin)
    with background(file) as engine:
        wait_until(lambda: engine.summary.passes == 1, 30, "a first pass, to its end")
        once(file)
        origin.put(people(4))
        wait_until(engine.ended, 30, "the fenced engine's end")
    assert isinstance(engine.error, Fenced)
    assert engine.error.exit_code == 6


def test_who_does_not_own_the_resource_is_refused_by_the_broker(world: World, tmp_path: Path) -> None:
    origin = CsvOrigin(tmp_path)
    origin.put(people(3))
    foreign = replace(world, owner=world.reader)
    with pytest.raises(NotGranted) as caught:
        once(write_file(foreign, "source", origin))
    assert caught.value.exit_code == 4
