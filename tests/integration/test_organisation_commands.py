"""``exchange login``, ``org``, ``system`` and ``user`` against a real node."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from exchange.cli.main import app
from exchange.errors import ExchangeError
from tests.support.node import RunningNode
from tests.support.registry_world import new_uscc


@dataclass(frozen=True)
class Terminal:
    """One person's terminal."""

    home: Path

    def run(self, *words: str, code: int = 0, **env: str) -> str:
        """Run a command in this process; return what it said, or, where it fails with ``code``, its error."""
        blank = {name: None for name in os.environ if name.startswith("EXCHANGE_")}
        given = {**blank, "XDG_CONFIG_HOME": str(self.home), "EXCHANGE_LANG": "en", **env}
        done = CliRunner().invoke(app, list(words), env=given)
        error = done.exception if isinstance(done.exception, ExchangeError) else None
        found = error.exit_code if error else done.exit_code
        assert found == code, f"{words}: {found}\n{done.output}\n{done.exception!r}"
        return error.message("en") + error.next_step("en") if error else done.stdout

    def json(self, *words: str, **env: str) -> Any:
        return json.loads(self.run(*words, "--json", code=0, **env))


def secret(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)


def test_a_day_of_the_three_administrators(node: RunningNode, tmp_path: Path) -> None:
    root, security = Terminal(tmp_path / "root"), Terminal(tmp_path / "security")
    assert "exchange login" in root.run("org", "departments", code=3), "who is not logged in is told how"
    for name, terminal in (("admin", root), ("security", security)):
        file = str(node.layout.first_password(name))
        terminal.run("login", "--url", node.registry_url, "--user", name, "--password-file", file)
    kept = tmp_path / "root/exchange/login.json"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert node.passwords["admin"] not in root.run("whoami")

    old, new = (
        root.json("org", "add", new_uscc("440700"), word, "--division", "440700")["id"] for word in ("旧局", "新局")
    )
    client_id = f"cli-{old}"
    told = root.json("system", "add", client_id, "系统", "--department", str(old))
    assert told["secret"]
    assert client_id in root.run("system", "list", "--department", str(old))
    security.run("system", "secret", client_id, "--secret-file", str(tmp_path / "s"))
    assert (tmp_path / "s").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "s").read_text() != told["secret"]
    assert "Not allowed" in root.run("system", "secret", client_id, code=4), "another's duty"

    first, own = secret(tmp_path / "first", "first long password"), secret(tmp_path / "own", "my own long password")
    user = f"cli-user-{old}"
    made = security.json(
        "user", "add", user, "--role", "department_admin", "--department", str(old), "--password-file", first
    )
    assert (made["role"], made["must_change"]) == ("department_admin", True)
    person = Terminal(tmp_path / "person")
    credentials = {"EXCHANGE_LOGIN_URL": node.registry_url, "EXCHANGE_LOGIN_USER": user}
    refused = person.run("whoami", code=3, **credentials, EXCHANGE_LOGIN_PASSWORD_FILE=first)
    assert "exchange user password" in refused
    person.run("user", "password", user, "--url", node.registry_url, "--old-file", first, "--new-file", own)
    me = person.json("whoami", **credentials, EXCHANGE_LOGIN_PASSWORD_FILE=own)
    assert (me["name"], me["department_id"]) == (user, old)

    assert root.json("org", "merge", str(old), "--into", str(new))[0]["systems"] == 1
    shown = {row["id"]: row for row in root.json("org", "departments", "--division", "440700", "--dissolved")}
    assert (shown[old]["successor_id"], shown[new]["valid_to"]) == (new, None)
    root.run("org", "merge", str(old), "--into", str(new), code=4)
    root.run("logout")
    assert not kept.exists()


def test_help_is_there_in_both_languages() -> None:
    said = {}
    for lang in ("en", "zh"):
        command = [sys.executable, "-m", "exchange.cli.main", "user", "--help"]
        env = {**os.environ, "EXCHANGE_LANG": lang}
        said[lang] = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True, env=env).stdout
    assert "Change the own password" in said["en"]
    assert "修改本人密码" in said["zh"]
