from __future__ import annotations

from pathlib import Path

import pytest

from adapters import history
from adapters.history import StateFolder
from adapters.keeper import Keeper
from adapters.summary import Summary
from exchange.errors import NotConnected


def test_wishes_are_kept_and_fulfilled_once(tmp_path: Path) -> None:
    state = StateFolder(tmp_path, "a")
    assert (state.paused, state.resume(), state.refresh_asked()) == (False, False, None)
    assert (state.pause(), state.pause(), state.paused) == (True, False, True)
    assert (state.resume(), state.paused) == (True, False)
    state.ask_refresh()
    first = state.refresh_asked()
    assert first is not None
    state.ask_refresh()
    state.refresh_done(first)
    assert state.refresh_asked() is not None, "a wish that came meanwhile stays"
    state.refresh_done(state.refresh_asked() or "")
    assert state.refresh_asked() is None


def test_the_history_stays_small_and_a_cut_line_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "HISTORY_BYTES", 2000)
    state = StateFolder(tmp_path, "a")
    for number in range(500):
        state.append({"number": number})
    path = tmp_path / "a" / "history.jsonl"
    assert path.stat().st_size <= 2020
    with path.open("a", encoding="utf-8") as file:
        file.write('{"number": 50')
    assert [entry["number"] for entry in state.history(3)] == [499, 498, 497]


def test_a_keeper_writes_what_was_done_since_the_last_entry(tmp_path: Path) -> None:
    state, summary = StateFolder(tmp_path, "a"), Summary("a", "r", "source")
    with Keeper(state, summary) as keeper:
        summary.published, summary.rules["required"] = 5, 2
        keeper.note("done", finished=True)
        keeper.note("done", finished=True)
        summary.published, summary.rules["length"] = 7, 1
    entries = state.history(10)
    assert [(e["published"], e["rules"], e["reason"]) for e in entries] == [
        (2, {"length": 1}, "stopped"),
        (5, {"required": 2}, "done"),
    ]
    said = state.status()
    assert said is not None
    assert (said["state"], said["published"]) == ("ended", 7)


def test_the_end_by_an_error_is_told(tmp_path: Path) -> None:
    state = StateFolder(tmp_path, "a")
    with pytest.raises(NotConnected), Keeper(state, Summary("a", "r", "sink")):
        raise NotConnected(what="db", reason="gone")
    said = state.status() or {}
    assert said["error"] == {
        "code": "not_connected",
        "en": "db cannot be reached: gone",
        "zh": "无法连接db：gone",
    }
    assert state.history(1)[0]["reason"] == "not_connected"


def test_records_move_without_a_state_folder(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "a").write_text("a file where the folder should be", encoding="utf-8")
    with Keeper(StateFolder(tmp_path, "a"), Summary("a", "r", "source")) as keeper:
        keeper.note("stopped")
        keeper.note("stopped")
    assert len([record for record in caplog.records if "state folder" in record.message]) == 1
