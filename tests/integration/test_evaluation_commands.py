"""``exchange evaluation``, ``quality`` and ``drift`` against a real node, for a program and for a person."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from exchange.cli.main import app
from tests.support.catalogue import Catalogue
from tests.support.node import RunningNode

pytestmark = pytest.mark.long

Run = Callable[..., str]


@pytest.fixture
def run(node: RunningNode, monkeypatch: pytest.MonkeyPatch) -> Callable[[tuple[str, str]], Run]:
    """The command line under somebody's name; the answer is what it printed."""

    def under(login: tuple[str, str]) -> Run:
        def command(*words: object) -> str:
            for variable, value in (("URL", node.registry_url), ("USER", login[0]), ("PASSWORD", login[1])):
                monkeypatch.setenv(f"EXCHANGE_LOGIN_{variable}", value)
            result = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
            assert result.exit_code == 0, result.output
            return result.stdout

        return command

    return under


def test_an_evaluation_by_command_line(
    node: RunningNode, run: Callable[[tuple[str, str]], Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EXCHANGE_LANG", "zh")
    monkeypatch.setenv("COLUMNS", "220")
    here = Catalogue(node)
    office = here.office()
    code = here.resource(office)
    root, ours = run(("admin", node.passwords["admin"])), run(office.login)

    def told(command: Run, *words: object) -> Any:
        return json.loads(command(*words, "--json"))

    made = told(root, "evaluation", "make", f"{datetime.now(UTC):%Y}")
    number = made["id"]
    assert not made["final"]
    assert number in [row["id"] for row in told(ours, "evaluation", "list")]
    assert "采集率" in ours("evaluation", "show", number)
    mine = office.admin.get("me")["department_id"]
    table = told(ours, "evaluation", "scores", number)
    assert mine in [row["department_id"] for row in table]
    assert "排名" in ours("evaluation", "scores", number)
    assert told(ours, "evaluation", "department", number, mine)["department_id"] == mine
    assert told(ours, "evaluation", "facts", number, mine, "collection")["count"] == 0, "no day is over yet"
    assert "计算方法" in ours("evaluation", "facts", number, mine, "collection")
    assert told(ours, "evaluation", "appeals", number) == []
    for name, start in (("r.xlsx", b"PK"), ("r.pdf", b"%PDF-")):
        ours("evaluation", "report", number, tmp_path / name)
        assert (tmp_path / name).read_bytes().startswith(start)
    assert told(ours, "quality", "show", code)["quality"] is None
    assert "更新及时率" in ours("quality", "show", code)
    assert told(ours, "quality", "worst") == []
    for kind in ("zombie", "undeclared", "unused"):
        assert told(ours, "drift", "list", kind) == []
