"""The drill: a node with grants is backed up, wiped to the last file, and brought back, all by the commands."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from exchange import Publisher
from exchange.node import service
from registry.enforcement.acls import Acl
from tests.support import tokens
from tests.support.catalogue import Catalogue, Office
from tests.support.clients import TOPIC_REFUSED, Librdkafka
from tests.support.node import BRIEF, RunningNode, running_node
from tests.support.superuser import Superuser

ROWS = 5


def exchange(node: RunningNode, *words: str, user: str = "auditor") -> subprocess.CompletedProcess[str]:
    group = node.settings.node
    environ = {
        "LANG": "en",
        "EXCHANGE_KAFKA_HEAP": "512m",
        **{f"EXCHANGE_NODE_{name.upper()}": str(value) for name, value in group.model_dump().items()},
        "EXCHANGE_LOGIN_URL": node.registry_url,
        "EXCHANGE_LOGIN_USER": user,
        "EXCHANGE_LOGIN_PASSWORD_FILE": str(node.layout.first_password(user)),
    }
    return subprocess.run(
        [sys.executable, "-m", "exchange.cli.main", *words],
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


def told(done: subprocess.CompletedProcess[str]) -> dict[str, object]:
    assert done.returncode == 0, done.stderr
    answer: dict[str, object] = json.loads(done.stdout)
    return answer


@pytest.mark.proof
def test_backup_wipe_restore(tmp_path: Path) -> None:
    with running_node(tmp_path / "var", jvm_options=BRIEF) as node:
        catalogue = Catalogue(node)
        owner, reader, foreign = (catalogue.office(word) for word in ("owner", "reader", "foreign"))
        code = catalogue.resource(owner)
        catalogue.grant(owner, reader, code)
        topic = catalogue.topic(code)
        publish(owner, code)
        acls, topics = state(node)
        token = tokens.signed(node)

        backup = told(exchange(node, "backup", str(tmp_path), "--json"))
        assert backup["grants"] == {"active": 1}
        refused = exchange(node, "restore", str(backup["file"]), "--force")
        assert (refused.returncode, "runs" in refused.stderr) == (1, True), refused.stderr

        service.down(node.settings)
        shutil.rmtree(node.data_dir)
        restored = told(exchange(node, "restore", str(backup["file"]), "--sha256", str(backup["sha256"]), "--json"))
        assert (restored["grants"], restored["audit_intact"]) == ({"active": 1}, True)

        assert state(node) == (acls, topics)
        verified = told(exchange(node, "audit", "verify", "--json"))
        assert verified["intact"] is True
        assert isinstance(verified["entries"], int)
        assert verified["entries"] > int(str(backup["audit_entries"]))
        assert tokens.login(node, token) is None, "a token from before is still good"
        publish(owner, code)
        client = Librdkafka(node.bootstrap_servers)
        assert client.read(reader, topic, f"{reader.client_id}.again", ROWS) == ROWS
        assert client.read(foreign, topic, f"{foreign.client_id}.again", ROWS) == TOPIC_REFUSED


def publish(owner: Office, code: str) -> None:
    with Publisher.open(owner.settings, code) as publisher, publisher.batch() as batch:
        for number in range(ROWS):
            batch.put({"id": f"k{number}", "name": "某人"})


def state(node: RunningNode) -> tuple[frozenset[Acl], set[str]]:
    broker = Superuser(node)
    return broker.acls(), broker.topics()
