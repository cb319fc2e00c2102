"""What a person at a terminal sees: questions that are answered, and a line that lives."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.integration.adapters.places import CsvOrigin, World, people, write_file
from tests.support.wait import wait_until


class Terminal:
    """A command with a terminal of its own; ``seen`` is all that it wrote there."""

    def __init__(self, words: list[str], lang: str, group: str | None = "adapter") -> None:
        self._own, theirs = pty.openpty()
        self.seen = ""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "exchange.cli.main", *([group] if group else []), *words],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**os.environ, "EXCHANGE_LANG": lang, "TERM": "xterm", "COLUMNS": "160", "LINES": "40"},
        )
        os.close(theirs)
        os.set_blocking(self._own, False)

    def shows(self, text: str) -> bool:
        with suppress(BlockingIOError, OSError):  # the latter: it has ended and all was read
            while piece := os.read(self._own, 65536):
                self.seen += piece.decode(errors="replace")
        return text in self.seen

    def answer(self, question: str, text: str) -> None:
        """Wait for a question after the ones before, and answer it."""
        wait_until(lambda: self.shows(question), 60, f"{question} in {self.seen!r}")
        self.seen = ""
        os.write(self._own, f"{text}\n".encode())

    def end(self) -> int:
        wait_until(lambda: self.shows("") and self.process.poll() is not None, 60, f"the end, after {self.seen!r}")
        self.shows("")
        return self.process.returncode

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._own)


@contextmanager
def terminal(*words: str, lang: str = "en") -> Iterator[Terminal]:
    made = Terminal([*words], lang)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def origin(tmp_path: Path) -> CsvOrigin:
    made = CsvOrigin(tmp_path)
    made.put(people(8))
    return made


def test_a_file_is_written_from_answers_and_the_secret_is_not_shown(
    world: World, origin: CsvOrigin, tmp_path: Path
) -> None:
    file = tmp_path / "new" / "people-out.toml"
    with terminal("new", str(file), lang="zh") as screen:
        screen.answer("适配器名称", "")
        screen.answer("信息资源代码", world.code)
        screen.answer("client_id", world.owner.client_id)
        screen.answer("密钥的文件", str(tmp_path / "new" / "owner.secret"))
        screen.answer("登记中心地址", world.owner.registry.url)
        screen.answer("密钥（不回显）", world.owner.secret)
        screen.answer("source 发布", "")
        screen.answer("类型", "")
        screen.answer("path", str(origin.path))
        screen.answer("encoding", "")
        for item in ("id", "name", "born", "amount"):
            screen.answer(f"{item}（", "")
        assert screen.end() == 0, screen.seen
        assert "下一步" in screen.seen
        assert world.owner.secret not in screen.seen
    assert (tmp_path / "new" / "owner.secret").stat().st_mode & 0o077 == 0
    with terminal("check", str(file), "--json") as screen:
        assert screen.end() == 0, screen.seen
        assert '"ok": false' not in screen.seen


def test_a_running_adapter_is_a_line_that_lives(world: World, origin: CsvOrigin) -> None:
    file = write_file(world, "source", origin)
    with terminal("run", str(file), lang="zh") as screen:
        wait_until(lambda: screen.shows("发布 8"), 30, f"the line, in {screen.seen!r}")
        assert "people-source" in screen.seen
        screen.process.terminate()
        assert screen.end() == 0
    done = subprocess.run(
        [sys.executable, "-m", "exchange.cli.main", "adapter", "run", str(file), "--once", "--json"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout)["unchanged"] == 8
    assert "\x1b[" not in done.stdout + done.stderr, "no colours where nobody looks"
