"""``exchange login --browser``: a real registry, a provider, and a browser that follows where it is sent."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from exchange.admin import AdminClient
from exchange.node.ports import free_ports
from exchange.settings import RegistrySettings
from tests.support.oidc_provider import CLIENT, provider
from tests.support.wait import wait_until

pytestmark = pytest.mark.long

PASSWORD = "correct horse battery"


def exchange(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in os.environ.items() if not name.startswith("EXCHANGE_")}
    browser = f"{sys.executable} -m tests.support.oidc_browser %s &"
    env |= {"XDG_CONFIG_HOME": str(home), "EXCHANGE_LANG": "en", "BROWSER": browser, "PATH": str(home)}
    command = [sys.executable, "-m", "exchange.cli.main", *words]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)


def test_a_person_signs_in_by_way_of_the_browser(tmp_path: Path) -> None:
    port = free_ports(1)[0]
    url, data = f"http://127.0.0.1:{port}", tmp_path / "registry"
    with provider() as elsewhere:
        settings = {
            "EXCHANGE_REGISTRY_PORT": str(port),
            "EXCHANGE_REGISTRY_DATA_DIR": str(data),
            "EXCHANGE_ACCOUNTS_CHANGE_FIRST": "false",
            "EXCHANGE_BROKER_BOOTSTRAP_SERVERS": "127.0.0.1:1",
            "EXCHANGE_OIDC_ISSUER": elsewhere.issuer,
            "EXCHANGE_OIDC_CLIENT_ID": CLIENT[0],
            "EXCHANGE_OIDC_CLIENT_SECRET": CLIENT[1],
            "EXCHANGE_OIDC_REDIRECT_URL": f"{url}/oauth2/oidc/callback",
        }
        process = subprocess.Popen([sys.executable, "-m", "registry", "serve"], env={**os.environ, **settings})
        try:
            wait_until(lambda: answers(url), 60, "the registry answers")
            first = (data / "security.password").read_text(encoding="utf-8").strip()
            security: Any = AdminClient(RegistrySettings(url=url), "security", first)
            security.add_user("wei", PASSWORD, "auditor", subject="s-1")
            done = exchange(tmp_path, "login", "--url", url, "--browser")
            assert done.returncode == 0, done.stderr
            assert "wei is logged in" in done.stdout
            kept = tmp_path / "exchange/login.json"
            assert kept.stat().st_mode & 0o777 == 0o600
            assert json.loads(kept.read_text())["password"] == ""
            assert json.loads(exchange(tmp_path, "whoami", "--json").stdout)["name"] == "wei"
            security.switch_user("wei", active=False)
            ended = exchange(tmp_path, "whoami")
            assert ended.returncode == 3, "a session ends with its account"
            security.close()
        finally:
            process.terminate()
            process.wait(30)


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz", timeout=2).is_success
    except httpx.HTTPError:
        return False
