"""A frame of ``exchange top``: trouble first, sums that are right, and nothing of a name that could be markup."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import Any

import pytest
from rich.console import Console

from exchange.cli.top_frame import Snapshot, frame, ordered, totals

AT = datetime(2026, 2, 14, 8, 0, 30, tzinfo=UTC)


def adapter(name: str, state: str = "running", **more: Any) -> dict[str, Any]:
    made = {
        "client_id": "440000-mz", "name": name, "side": "source", "kind": "csv", "resource": "307440000-000001",
        "state": state, "error": None, "records_total": 1000, "rejected_total": 0, "records_per_s": 10.0,
        "lag_records": None, "lag_seconds": None, "seen_at": "2026-02-14T08:00:20Z",
    }  # fmt: skip
    return {**made, **more}


def drawn(adapters: list[dict[str, Any]], height: int | None = None, width: int = 170, **more: Any) -> str:
    out = io.StringIO()
    snapshot = Snapshot("广东省交换节点 440000", "http://127.0.0.1:8440", AT, adapters, **more)
    Console(file=out, width=width).print(frame(snapshot, width, height), highlight=False)
    return out.getvalue()


MANY = [
    adapter("b-in", side="sink", lag_records=1234, lag_seconds=301.5, records_per_s=5.0),
    adapter("a-out"),
    adapter("ended", "stopped", records_per_s=99.0),
    adapter("broken", "failed", error="too_many_rejects", rejected_total=101),
    adapter("lost", "silent", resource="zzz", records_per_s=7.0),
]


def test_trouble_comes_first_and_a_publisher_before_its_subscribers() -> None:
    assert [each["name"] for each in ordered(MANY)] == ["broken", "lost", "a-out", "b-in", "ended"]


def test_rates_are_of_what_runs() -> None:
    found = totals(MANY)
    assert found["records_per_s"] == {"source": 10.0, "sink": 5.0}
    assert (found["lag_records"], found["lag_seconds"], found["rejected"]) == (1234, 301.5, 101)
    assert found["states"] == {"running": 2, "stopped": 1, "failed": 1, "silent": 1}


@pytest.mark.parametrize(("lang", "words"), [("en", ("failed", "rejects 101")), ("zh", ("失败", "拒收 101"))])
def test_the_frame_in_both_languages(monkeypatch: pytest.MonkeyPatch, lang: str, words: tuple[str, str]) -> None:
    monkeypatch.setenv("EXCHANGE_LANG", lang)
    text = drawn(MANY, facts={"broker_up": 1.0, "grants_active": 3.0})
    assert all(word in text for word in words)
    row = next(line for line in text.splitlines() if "b-in" in line)
    assert "1,234" in row
    assert "301.5" in row
    assert "10s" in row


def test_a_small_screen_keeps_the_trouble_and_says_what_it_leaves_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXCHANGE_LANG", "en")
    text = drawn([*(adapter(f"n{number}") for number in range(50)), MANY[3]], height=12)
    assert len(text.splitlines()) <= 12
    assert "broken" in text
    assert "46 more" in text


def test_nothing_is_taken_for_markup(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXCHANGE_LANG", "en")
    text = drawn([adapter("x", resource="[red]r[/]", error="[/]")], problem="[bold]away[/]")
    assert "[red]r[/]" in text
    assert "[bold]away[/]" in text


def test_nothing_reported_yet_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXCHANGE_LANG", "en")
    assert "No adapter" in drawn([])


@pytest.mark.parametrize("width", [80, 100, 120, 170])
def test_a_narrow_screen_has_fewer_columns_and_whole_figures(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    monkeypatch.setenv("EXCHANGE_LANG", "en")
    lines = drawn(MANY, width=width).splitlines()
    assert max(map(len, lines)) <= width
    row = next(line for line in lines if "301.5" in line)
    assert "running" in row
    assert "307440000-000" in row, "a code that can be told from others"
    assert "1,234" in row
    assert ("too_many_rejects" in "".join(lines)) is (width >= 170)
