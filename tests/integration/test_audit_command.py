"""``exchange audit`` as an auditor uses it, against a real node: the bus is a witness that only the registry reads."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from exchange.admin import AdminClient
from exchange.settings import RegistrySettings
from registry.enforcement.acls import AUDIT_TOPIC
from tests.support.catalogue import Catalogue
from tests.support.clients import TOPIC_REFUSED, Librdkafka
from tests.support.node import RunningNode
from tests.support.wait import wait_until

TAMPERED = 7


@pytest.fixture
def auditor(node: RunningNode) -> AdminClient:
    return AdminClient(RegistrySettings(url=node.registry_url), "auditor", node.passwords["auditor"])


def exchange(node: RunningNode, *words: str) -> subprocess.CompletedProcess[str]:
    login = {"URL": node.registry_url, "USER": "auditor", "PASSWORD_FILE": str(node.layout.first_password("auditor"))}
    return subprocess.run(
        [sys.executable, "-m", "exchange.cli.main", "audit", *words],
        env={**os.environ, "LANG": "en", **{f"EXCHANGE_LOGIN_{name}": value for name, value in login.items()}},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_an_auditor_takes_the_audit_along_and_verifies_it_alone(node: RunningNode, tmp_path: Path) -> None:
    office = Catalogue(node).office("audited")
    listed = exchange(node, "list", "--target", f"system/{office.client_id}", "--json")
    assert listed.returncode == 0, listed.stderr
    actions = [entry["action"] for entry in json.loads(listed.stdout)]
    assert "system.create" in actions
    assert office.secret not in listed.stdout

    file = tmp_path / "audit.jsonl"
    assert exchange(node, "export", str(file)).returncode == 0
    key = tmp_path / "pinned.pem"
    key.write_text(next(iter(json.loads(signature(file).read_text())["keys"].values())))
    verified = exchange(node, "verify", str(file), "--key", str(key), "--json")
    assert verified.returncode == 0, verified.stderr
    assert json.loads(verified.stdout)["intact"] is True

    lines = file.read_text(encoding="utf-8").splitlines()
    forged = json.loads(lines[2])
    forged["actor"] = "somebody-else"
    file.write_text("\n".join([*lines[:2], json.dumps(forged), *lines[3:]]), encoding="utf-8")
    found = exchange(node, "verify", str(file), "--json")
    assert found.returncode == TAMPERED
    assert (json.loads(found.stdout)["tampering"], json.loads(found.stdout)["number"]) == ("changed", 3)

    file.write_text("\n".join(lines[:-1]), encoding="utf-8")
    assert exchange(node, "verify", str(file)).returncode == TAMPERED  # cut off at its end
    head = json.loads(signature(file).read_text())
    head["heads"][0]["number"] -= 1
    signature(file).write_text(json.dumps(head))
    assert exchange(node, "verify", str(file)).returncode == TAMPERED  # a head that nobody signed


def test_the_bus_is_a_witness_that_nobody_else_reads(node: RunningNode, auditor: AdminClient) -> None:
    def published() -> Any:
        return auditor.get("audit/heads/published")["head"]

    wait_until(lambda: published() is not None, 90, "a head is on the bus")
    assert published() in auditor.audit_heads()
    verified = exchange(node, "verify", "--json")
    assert verified.returncode == 0, verified.stderr
    office = Catalogue(node).office("curious")
    client = Librdkafka(node.bootstrap_servers)
    assert client.read(office, AUDIT_TOPIC, f"{office.client_id}.spy", 1) == TOPIC_REFUSED
    assert client.write(office, AUDIT_TOPIC, b"forged") == TOPIC_REFUSED
    assert AUDIT_TOPIC not in client.topics(office)


def signature(file: Path) -> Path:
    return file.with_name(file.name + ".sig")
