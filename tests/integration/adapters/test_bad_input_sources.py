"""What sources meet beside SQL's own troubles: fields that vanish, large values, no room on the adapter's disk."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from adapters.coerce import LARGEST_ROW
from adapters.errors import DiskFull, Unwritable
from adapters.http_body import BodyReader
from exchange.errors import TooManyRejects
from tests.integration.adapters.http_origins import ApiOrigin, PushOrigin
from tests.integration.adapters.places import CsvOrigin, World, people, write_file
from tests.integration.adapters.runs import background, once, topic_rows
from tests.integration.adapters.sql_world import ITEMS
from tests.integration.adapters.test_bad_input_sql import files_no_larger_than
from tests.support.adapters import stream_of
from tests.support.wait import wait_until

pytestmark = pytest.mark.long


@pytest.fixture
def api(tmp_path: Path) -> Iterator[ApiOrigin]:
    made = ApiOrigin(tmp_path)
    yield made
    made.close()


@pytest.fixture
def push(tmp_path: Path) -> Iterator[PushOrigin]:
    made = PushOrigin(tmp_path)
    yield made
    made.close()


def test_a_field_that_an_api_gives_no_more_empties_no_column(world: World, api: ApiOrigin) -> None:
    file = write_file(world, "source", api, limits={"max_rejects": 20})
    api.put(people(30))
    assert once(file).published == 30
    for record in api.records:
        del record["born"]
    with pytest.raises(TooManyRejects):
        once(file)
    assert {row is not None and row[2] is not None for row in topic_rows(world, 30, "look").values()} == {True}
    summary = once(write_file(world, "source", api, source={"absent": "null"}))
    assert (summary.published, summary.rejected, summary.deleted) == (30, 0, 0), "by choice it means null"


def test_a_field_that_one_record_lacks_costs_that_record(world: World, api: ApiOrigin) -> None:
    api.put(people(3))
    del api.records[1]["amount"]
    summary = once(write_file(world, "source", api))
    assert (summary.published, summary.rejected, summary.rules) == (2, 1, {"missing_column": 1})
    assert summary.rejects_file is not None
    reject = json.loads(Path(summary.rejects_file).read_text(encoding="utf-8"))
    assert reject["column"] == "amount"
    assert 'absent = "null"' in reject["reason"]["zh"]


@pytest.mark.parametrize(
    ("record", "item", "rule"),
    [
        ({"id": None, "amount": 1}, "id", "required"),
        ({"id": "x", "born": "0000-00-00"}, "born", "type_D"),
        ({"id": "x", "amount": "1.005"}, "amount", "range"),
        ({"id": "x", "amount": "12345678901234567.00"}, "amount", "range"),
        ({"id": "x", "amount": "一百"}, "amount", "type_N"),
        ({"id": "x", "amount": {"cents": 1}}, "amount", "type_N"),
        ({"id": "x", "memo": "x" * (LARGEST_ROW + 1)}, "memo", "too_large"),
        ({"id": "x", "note": "renamed"}, "-", "unknown_item"),
    ],
)
def test_a_system_that_posts_is_told_which_record_is_wrong(record: dict[str, Any], item: str, rule: str) -> None:
    reader = BodyReader(stream_of(ITEMS), ZoneInfo("Asia/Shanghai"), "here")
    posted = reader.read("application/json", json.dumps([{"id": "good", "amount": "1.50"}, record]).encode())
    assert list(posted.changes.values()) == [("good", None, Decimal("1.50"), None)]
    (error,) = posted.errors
    assert (error["row"], error["item"], error["rule"]) == (2, item, rule)


def test_without_room_for_what_was_rejected_a_source_waits_and_loses_nothing(world: World, tmp_path: Path) -> None:
    origin = CsvOrigin(tmp_path)
    origin.put({**people(10), "bad": (None, None, None)})
    file = write_file(world, "source", origin)
    with files_no_larger_than(0), background(file) as engine:
        wait_until(lambda: engine.summary.waits >= 2 or engine.ended(), 40, "two waits")
        assert not engine.ended(), str(engine.error)
        assert engine.run.keeper.patience is not None
        assert isinstance(engine.run.keeper.patience.waiting_for, DiskFull)
        assert engine.summary.published == 0, "a batch and its rejects are one"
    assert once(file).published == 10
    kept = [line for path in (tmp_path / "rejects").rglob("*.jsonl") for line in path.read_text().splitlines()]
    assert len(kept) == 1
    assert len(topic_rows(world, 10, "look")) == 10


def test_a_rejects_folder_that_cannot_be_written_is_named(world: World, tmp_path: Path) -> None:
    origin = CsvOrigin(tmp_path)
    origin.put({"bad": (None, None, None)})
    (tmp_path / "taken").write_text("a file, not a folder")
    file = write_file(world, "source", origin, limits={"rejects_dir": str(tmp_path / "taken")})
    with pytest.raises(Unwritable) as caught:
        once(file)
    assert "taken" in caught.value.message("zh")
    assert "limits.rejects_dir" in caught.value.next_step("en")


def test_a_batch_without_room_in_the_ledger_is_answered_when_there_is(world: World, push: PushOrigin) -> None:
    file = write_file(world, "source", push)
    with background(file) as engine:
        wait_until(push.answers, 30, "the endpoint")
        with files_no_larger_than(0):
            refused = push.client.put("/batches/1", json=[record("a")])
            assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
            wait_until(lambda: engine.summary.waits >= 1 or engine.ended(), 30, "a wait")
            assert not engine.ended(), str(engine.error)
        wait_until(lambda: taken(push), 60, "the answer when there is room")
        assert push.client.put("/batches/1", json=[record("a")]).json()["accepted"] == 1
    assert engine.error is None
    assert engine.summary.published == 1
    assert set(topic_rows(world, 1, "look")) == {"a"}


def record(key: str) -> dict[str, Any]:
    return {"id": key, "name": "居民", "born": None, "amount": "1"}


def taken(push: PushOrigin) -> bool:
    try:
        return push.client.put("/batches/1", json=[record("a")]).status_code == 200
    except httpx.TransportError:
        return False
