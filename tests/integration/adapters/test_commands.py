"""``exchange adapter``: what an operator sees, and the exit codes that scripts rely on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.adapters.places import CsvOrigin, SqlTarget, World, people, write_file
from tests.support.superuser import Superuser
from tests.support.wait import wait_until


def exchange(*words: str, lang: str = "en") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "exchange.cli.main", "adapter", *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "EXCHANGE_LANG": lang, "COLUMNS": "200"},
    )


@pytest.fixture
def origin(tmp_path: Path) -> CsvOrigin:
    made = CsvOrigin(tmp_path)
    made.put(people(8))
    return made


@pytest.fixture
def file(world: World, origin: CsvOrigin) -> Path:
    return write_file(world, "source", origin)


def test_one_pass_prints_a_summary_in_both_languages_and_as_json(file: Path) -> None:
    first = exchange("run", str(file), "--once", "--json")
    assert first.returncode == 0, first.stderr
    assert json.loads(first.stdout)["published"] == 8
    second = exchange("run", str(file), "--once")
    assert "unchanged" in second.stdout
    assert "未变化" in exchange("run", str(file), "--once", lang="zh").stdout


def test_check_shows_each_part_and_masks_what_is_sensitive(file: Path, world: World) -> None:
    done = exchange("check", str(file), "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    answer = json.loads(done.stdout)
    assert [part["ok"] for part in answer["parts"]] == [True] * 4
    assert "READ, WRITE" in answer["parts"][2]["said"]
    assert answer["rows"][1] == ["k000001", "***", "***", "0.01"]
    assert world.owner.secret not in done.stdout + done.stderr
    shown = exchange("check", str(file), lang="zh")
    assert "正常" in shown.stdout
    assert "居民" not in shown.stdout


def test_check_of_a_system_without_a_grant_says_what_the_broker_says(world: World, tmp_path: Path) -> None:
    stranger = world.catalogue.office("stranger", "440100")
    target = SqlTarget(f"sqlite:///{tmp_path}/t.db", tmp_path)
    file = write_file(World(world.catalogue, world.owner, stranger, world.code, 0, tmp_path), "sink", target)
    done = exchange("check", str(file), "--json")
    assert done.returncode == 4
    parts = {part["part"]: part for part in json.loads(done.stdout)["parts"]}
    assert not parts["access at the broker"]["ok"]
    assert "catalogue" in parts["access at the broker"]["fix"]
    assert parts["destination"]["ok"]


def test_a_wrong_secret_and_a_wrong_key_have_their_exit_codes(file: Path) -> None:
    good = file.read_text(encoding="utf-8")
    file.write_text(good.replace("[adapter]", "[adapter]\ncolour = 1"), encoding="utf-8")
    wrong = exchange("run", str(file), "--once")
    assert (wrong.returncode, "adapter.colour" in wrong.stderr) == (2, True)
    file.write_text(good, encoding="utf-8")
    next(file.parent.glob("*.secret")).write_text("wrong", encoding="utf-8")
    assert exchange("run", str(file), "--once").returncode == 3


def test_too_many_rejects_are_exit_code_5_with_a_summary(file: Path, origin: CsvOrigin) -> None:
    origin.put({**people(3), "x": (None, None, None)})
    file.write_text(file.read_text(encoding="utf-8") + "[limits]\nmax_rejects = 0\n", encoding="utf-8")
    done = exchange("run", str(file), "--once", "--json")
    assert done.returncode == 5
    summary = json.loads(done.stdout)
    assert (summary["published"], summary["rejected"]) == (3, 1)


@pytest.fixture
def process(file: Path) -> Iterator[subprocess.Popen[str]]:
    running = subprocess.Popen(
        [sys.executable, "-m", "exchange.cli.main", "adapter", "run", str(file), "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield running
    finally:
        running.kill()
        running.communicate()


def test_sigterm_ends_with_what_was_done(process: subprocess.Popen[str], world: World) -> None:
    topic = world.catalogue.topic(world.code)
    wait_until(lambda: published(world, topic), 30, "a first pass")
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=15)
    assert process.returncode == 0, err
    assert json.loads(out)["published"] == 8


def published(world: World, topic: str) -> bool:
    return Superuser(world.catalogue.node).end(topic) > 0
