"""Days in China's time, totals as a day's share, quality."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from adapters.announcer import MOST_TOLD, findings, undeclared
from adapters.protocol import Stream
from adapters.summary import Summary
from exchange.contract import Contract
from exchange.items import Item, ItemType
from registry.history import domain
from registry.history.domain import Counted, Rule

START = datetime(2026, 2, 1, tzinfo=UTC)
ID = Rule("gmsfhm", "citizen_id", "reject")
NAME = Rule("xm", "length", "warn")


def counted(read: int | None, rejected: int, found: dict[Rule, int], start: datetime = START) -> Counted:
    return Counted(start, read, rejected, found)


def test_a_day_is_china_s_and_is_closed_an_hour_after_its_end() -> None:
    evening = datetime(2026, 2, 1, 16, tzinfo=UTC)  # midnight in China
    assert domain.day_of(evening) == date(2026, 2, 2)
    assert domain.day_of(evening - timedelta(seconds=1)) == date(2026, 2, 1)
    assert domain.end_of(date(2026, 2, 1)) == evening
    assert domain.last_over(evening) == date(2026, 1, 31)
    assert domain.last_over(evening + timedelta(hours=1)) == date(2026, 2, 1)
    assert domain.month_of(date(2026, 2, 28)) == date(2026, 2, 1)


def test_a_report_that_is_repeated_adds_nothing_and_a_new_process_counts_from_nothing() -> None:
    first = counted(100, 5, {ID: 5})
    assert domain.since(None, first) == first
    assert domain.since(first, first) == counted(0, 0, {})
    assert domain.since(first, counted(150, 6, {ID: 6, NAME: 2})) == counted(50, 1, {ID: 1, NAME: 2})
    other = counted(20, 1, {ID: 1}, START + timedelta(hours=1))
    assert domain.since(first, other) == other
    assert domain.since(first, counted(90, 1, {ID: 1})) == counted(0, 0, {}), "totals do not go back"
    assert domain.since(first, counted(None, 9, {})).read is None, "an adapter that does not say"


def test_quality_is_the_share_of_rows_that_broke_no_rule() -> None:
    assert domain.quality(100, 5, 5) == 0.9
    assert domain.quality(0, 0, 0) is None
    assert domain.quality(10, 8, 8) == 0.0, "a row that breaks two rules counts twice; less than nothing there is not"
    assert domain.warned({ID: 3, NAME: 4}) == 4


def test_what_rules_found_is_told_by_item_and_bounded() -> None:
    summary = Summary("a", "r", "source", rules={"citizen_id": 5, "type": 2})
    summary.quality = {"gmsfhm/citizen_id/reject": 5, "a/b/length/warn": 1}
    assert findings(summary) == [
        {"item": "gmsfhm", "rule": "citizen_id", "action": "reject", "count": 5},
        {"item": "-", "rule": "type", "action": "reject", "count": 2},
        {"item": "a/b", "rule": "length", "action": "warn", "count": 1},
    ]
    summary.quality = {f"i{n}/r/warn": n + 1 for n in range(1000)}
    told = findings(summary)
    assert len(told) == MOST_TOLD
    assert told[0]["count"] == 1000, "the most first"


def test_undeclared_columns_are_told_by_name_only_and_bounded() -> None:
    items = (Item("id", "编号", ItemType.TEXT, length=20, primary_key=True), Item("name", "名称", ItemType.TEXT))
    contract = Contract("r", "r", 1, "t", "t.rejects", 1, {}, items, may_read=True, may_write=True)
    stream = Stream(contract, {"name": "MC"}, 100)
    assert stream.undeclared(["id", "MC", "name", "", "phone"]) == ("name", "phone"), "the item comes from MC"
    assert undeclared(None) is None
    assert undeclared(["x" * 500]) == ["x" * 128]
    assert len(undeclared([f"c{n}" for n in range(5000)]) or ()) == MOST_TOLD
