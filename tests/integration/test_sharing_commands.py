"""``exchange request``, ``grant`` and ``objection``, as department administrators use them against a real node."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from typer.testing import CliRunner

from exchange.cli.main import app
from exchange.errors import Refused
from tests.support.catalogue import Catalogue, Office
from tests.support.node import RunningNode

Command = Callable[..., Any]


@pytest.fixture
def commands(node: RunningNode, monkeypatch: pytest.MonkeyPatch) -> Callable[[Office], Command]:
    """The command line under the name of an office's administrator; the answer is what ``--json`` printed."""

    def as_office(office: Office) -> Command:
        def run(*words: object) -> Any:
            name, password = office.login
            for variable, value in (("URL", node.registry_url), ("USER", name), ("PASSWORD", password)):
                monkeypatch.setenv(f"EXCHANGE_LOGIN_{variable}", value)
            result = CliRunner().invoke(app, [*(str(word) for word in words), "--json"], catch_exceptions=False)
            assert result.exit_code == 0, result.output
            return json.loads(result.stdout)

        return run

    return as_office


def test_a_request_from_asking_to_the_end_of_its_grant(
    node: RunningNode, commands: Callable[[Office], Command]
) -> None:
    here = Catalogue(node)
    owner, city = here.office(), here.office(division="440600")
    codes = [here.resource(owner), here.resource(owner)]
    ours, theirs = commands(owner), commands(city)
    wish = ("--system", city.client_id, "--purpose", "collaboration", "--basis", "《条例》")
    first, second = theirs("request", "new", *codes, *wish, "--volume", 1000)
    assert [row["id"] for row in ours("request", "list", "--batch", first["batch"])] == [first["id"], second["id"]]
    assert theirs("request", "edit", second["id"], "--contact", "数据处")["contact"] == "数据处"
    assert theirs("request", "withdraw", second["id"])["state"] == "withdrawn"
    approved = ours("request", "approve", first["id"])
    grant = approved["grant"]["id"]
    assert approved["enforced"] is True
    assert ours("grant", "suspend", grant, "--reason", "核查")["state"] == "suspended"
    assert ours("grant", "resume", grant)["state"] == "active"
    made = theirs("objection", "new", codes[0], "--system", city.client_id, "--complaint", "不一致", "--key", "A1")
    for step in ("accept", "mark"):
        ours("objection", step, made["id"])
    ours("objection", "verify", made["id"], "--unfounded", "--finding", "与登记一致")
    assert theirs("objection", "close", made["id"])["state"] == "closed"
    with pytest.raises(Refused):  # exit code 4, by the entry point
        theirs("grant", "revoke", grant, "--reason", "x")
    assert ours("grant", "revoke", grant, "--reason", "不再需要")["enforced"] is True
    assert [row["state"] for row in ours("grant", "list", "--resource", codes[0])] == ["revoked"]


def test_a_person_gets_a_table_in_the_persons_language(
    node: RunningNode, commands: Callable[[Office], Command], monkeypatch: pytest.MonkeyPatch
) -> None:
    here = Catalogue(node)
    owner, city = here.office(), here.office()
    here.request(city, here.resource(owner))
    commands(owner)("request", "list")
    monkeypatch.setenv("COLUMNS", "200")
    shown = CliRunner().invoke(app, ["request", "list"]).stdout
    assert "waiting" in shown
    assert city.client_id in shown
