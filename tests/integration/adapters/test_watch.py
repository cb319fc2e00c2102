"""``exchange top`` and ``exchange status`` on a real node with real adapters, in a real terminal."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from exchange.contract import slug
from exchange.demo.runs import AdapterRun
from tests.integration.adapters.places import CsvOrigin, SqlTarget, World, people, write_file
from tests.integration.adapters.test_terminal import Terminal
from tests.support.node import RunningNode
from tests.support.wait import wait_until


def environment(node: RunningNode) -> dict[str, str]:
    login = {"URL": node.registry_url, "USER": "admin", "PASSWORD_FILE": str(node.layout.first_password("admin"))}
    places = {f"EXCHANGE_NODE_{name.upper()}": str(value) for name, value in node.settings.node.model_dump().items()}
    return {**places, "EXCHANGE_LANG": "en", **{f"EXCHANGE_LOGIN_{name}": value for name, value in login.items()}}


def exchange(node: RunningNode, *words: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "exchange.cli.main", *words],
        env={**os.environ, **environment(node)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout) if "--json" in words else done.stdout


def test_top_shows_what_runs(node: RunningNode, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    origin, target = CsvOrigin(tmp_path), SqlTarget(f"sqlite:///{tmp_path}/target.db", tmp_path)
    origin.put(people(30))
    runs = [AdapterRun(write_file(world, side, place), {}) for side, place in (("source", origin), ("sink", target))]
    name = slug(world.code)
    try:

        def told() -> list[dict[str, Any]]:
            found = exchange(node, "top", "--json", "--resource", world.code)
            rows: list[dict[str, Any]] = found["adapters"]
            return rows

        wait_until(lambda: len(told()) == 2, 60, "both have reported")
        source, sink = told()
        assert (source["side"], sink["side"]) == ("source", "sink")
        assert {source["resource"], sink["resource"]} == {name}
        assert {source["state"], sink["state"]} <= {"running", "waiting"}
        page = exchange(node, "top", "--once")
        assert name in page
        assert "people-source" in page

        for key, value in environment(node).items():
            monkeypatch.setenv(key, value)
        screen = Terminal(["top", "--every", "0.5", "--resource", world.code], "en", group=None)
        try:
            wait_until(lambda: screen.shows("people-sink"), 60, "the adapter is on the screen")
            screen.seen = ""
            wait_until(lambda: screen.shows("people-sink"), 20, "the screen is drawn again")
            screen.process.send_signal(signal.SIGINT)
            assert screen.end() == 0
            assert "Traceback" not in screen.seen
        finally:
            screen.close()
    finally:
        for run in runs:
            run.stop()


def test_status_is_one_screen(node: RunningNode) -> None:
    told = exchange(node, "status", "--json")
    assert [(part["part"], part["state"]) for part in told["parts"]] == [
        ("The registry", "running"),
        ("The broker", "running"),
    ]
    assert told["ready"]["status"] == "ok"
    assert told["outlook"]["broker_up"] is True
    assert told["outlook"]["disk_size"] > 0
    text = exchange(node, "status")
    assert len(text.splitlines()) <= 40
    assert "enforcement" in text
    assert "grants" in text
