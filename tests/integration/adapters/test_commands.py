"""``exchange adapter``: what an operator sees, and the exit codes that scripts rely on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.adapters.places import CsvOrigin, Place, SqlTarget, World, people, write_file
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


def test_an_operator_pauses_watches_and_refreshes_in_both_languages(
    process: subprocess.Popen[str], world: World, file: Path
) -> None:
    def status(word: str) -> dict[str, Any]:
        rows: list[dict[str, Any]] = json.loads(exchange("status", word, "--json").stdout)
        return rows[0]

    wait_until(lambda: published(world, world.catalogue.topic(world.code)), 30, "a first pass")
    wait_until(lambda: (status(str(file))["state"], status(str(file))["moved"]) == ("running", 8), 10, "it runs")
    assert "已暂停" in exchange("pause", str(file), lang="zh").stdout
    wait_until(lambda: status(str(file.parent))["state"] == "paused", 10, "it obeys")
    assert "已暂停" in exchange("status", str(file.parent), lang="zh").stdout
    assert "already" in exchange("pause", str(file)).stdout
    assert "goes on" in exchange("resume", str(file)).stdout
    assert "was not paused" in exchange("resume", str(file)).stdout
    assert exchange("refresh", str(file)).returncode == 0
    wait_until(lambda: not status(str(file))["refresh"], 20, "the refresh is done")
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=15)
    assert status(str(file))["state"] == "ended"
    shown = exchange("history", str(file), "--json")
    assert [entry["published"] for entry in json.loads(shown.stdout)] == [8]
    assert "完成" in exchange("history", str(file), lang="zh").stdout


def test_a_killed_adapter_is_not_called_running(process: subprocess.Popen[str], world: World, file: Path) -> None:
    wait_until(lambda: published(world, world.catalogue.topic(world.code)), 30, "a first pass")
    process.kill()
    process.communicate()

    def state() -> str:
        found: str = json.loads(exchange("status", str(file), "--json").stdout)[0]["state"]
        return found

    wait_until(lambda: state() == "gone", 20, "silence is noticed")


def test_a_file_that_new_writes_works(world: World, origin: CsvOrigin, tmp_path: Path) -> None:
    secret = tmp_path / "owner.secret"
    secret.write_text(world.owner.secret, encoding="utf-8")
    file = tmp_path / "made.toml"
    words = [
        *("new", str(file), "--side", "source", "--kind", "csv", "--resource", world.code),
        *("--client-id", world.owner.client_id, "--secret-file", str(secret)),
        *("--registry", world.owner.registry.url, "--set", f"path={origin.path}", "--set", "encoding=gb18030"),
    ]
    made = exchange(*words, lang="zh")
    assert (made.returncode, "下一步" in made.stdout) == (0, True), made.stderr
    assert "# name = " in file.read_text(encoding="utf-8"), "each item is named in it"
    assert exchange("check", str(file)).returncode == 0
    assert json.loads(exchange("run", str(file), "--once", "--json").stdout)["published"] == 8
    again = exchange(*words)
    assert (again.returncode, "--force" in again.stderr) == (2, True)
    wrong = exchange(*words, "--force", "--column", "nobody=X")
    assert (wrong.returncode, "nobody" in wrong.stderr) == (2, True)
    assert "nobody" not in file.read_text(encoding="utf-8"), "the good file stays"
    assert not list(tmp_path.glob(".*.new"))


def test_new_says_which_option_is_missing_where_nobody_can_be_asked(tmp_path: Path) -> None:
    done = exchange("new", str(tmp_path / "a.toml"), "--side", "sink")
    assert (done.returncode, "--resource" in done.stderr) == (2, True)


def test_check_shows_five_mapped_rows_and_personal_values_only_when_asked(file: Path) -> None:
    rules = '\n[mapping.name]\nsteps = [{ suffix = "先生" }]\n\n[quality.amount]\nmaximum = 0\naction = "warn"\n'
    file.write_text(file.read_text(encoding="utf-8") + rules, encoding="utf-8")
    hidden = json.loads(exchange("check", str(file), "--json").stdout)
    assert (len(hidden["rows"]), hidden["rows"][1][1]) == (5, "***")
    assert "amount/range/warn 7" in hidden["parts"][3]["said"]
    shown = json.loads(exchange("check", str(file), "--json", "--show").stdout)
    assert shown["rows"][1][1] == "居民1先生"


def test_commands_find_an_adapter_by_its_name_and_refuse_what_makes_no_sense(world: World, tmp_path: Path) -> None:
    sink = write_file(world, "sink", SqlTarget(f"sqlite:///{tmp_path}/t.db", tmp_path))
    refused = exchange("refresh", str(sink))
    assert (refused.returncode, "sink" in refused.stderr) == (2, True)
    unknown = exchange("pause", "nobody")
    assert (unknown.returncode, "nobody" in unknown.stderr) == (2, True)
    assert json.loads(exchange("status", str(tmp_path), "--json").stdout)[0]["state"] == "never"
    (tmp_path / "broken.toml").write_text("[adapter]\nname = 'Ä'\n", encoding="utf-8")
    states = {row["adapter"]: row["state"] for row in json.loads(exchange("status", str(tmp_path), "--json").stdout)}
    assert states == {"people-sink": "never", "broken": "unreadable"}


def test_what_was_pushed_cannot_be_read_again(world: World, tmp_path: Path) -> None:
    class Pushed(Place):
        def part(self) -> dict[str, Any]:
            return {"kind": "http_push", "port": 9, "ledger": "push.ledger"}

    refused = exchange("refresh", str(write_file(world, "source", Pushed())), lang="zh")
    assert (refused.returncode, "无法重读" in refused.stderr) == (2, True)
