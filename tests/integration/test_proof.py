"""Proof on a real node: SDK and adapter sign by themselves, and the command line traces and verifies."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from exchange import Publisher, Subscriber
from exchange.cli.main import app
from exchange.receipts import Receipt, Side
from exchange.receipts_topic import own_receipts
from exchange.settings import SystemSettings
from exchange.signing import SigningKey
from tests.support.catalogue import Catalogue, Office
from tests.support.node import RunningNode
from tests.support.wait import wait_until

pytestmark = pytest.mark.long

PERSON = "440000199001010011"


def keyed(office: Office, folder: Path) -> SystemSettings:
    """The office's settings as a file in ``folder`` would give them."""
    identity = office.settings.identity.model_copy(update={"key_dir": folder})
    return office.settings.model_copy(update={"identity": identity})


@pytest.fixture
def parties(node: RunningNode) -> tuple[Office, Office, str]:
    catalogue = Catalogue(node)
    owner, reader = catalogue.office("proof-out"), catalogue.office("proof-in", "440600")
    code = catalogue.resource(owner)
    catalogue.grant(owner, reader, code)
    return owner, reader, code


def moved(parties: tuple[Office, Office, str], folder: Path) -> tuple[SystemSettings, SystemSettings]:
    owner, reader, code = parties
    out, inward = keyed(owner, folder / "out"), keyed(reader, folder / "in")
    with Publisher.open(out, code) as publisher, publisher.batch() as batch:
        batch.put({"id": PERSON, "name": "某人"})
    with Subscriber.open(inward, code) as subscriber:
        for records in subscriber.batches(idle_s=3):
            subscriber.done(records)
    return out, inward


def test_both_sides_sign_by_themselves_and_the_record_is_traced(
    parties: tuple[Office, Office, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, reader, code = parties
    sides = zip((owner, reader), moved(parties, tmp_path), (Side.PUBLISHED, Side.LANDED), ("out", "in"), strict=True)
    for office, settings, side, folder in sides:
        file = tmp_path / folder / f"{office.client_id}.receipts.pem"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        client_id, read = own_receipts(settings)
        receipts: list[Receipt] = list(read)
        assert (client_id, [receipt.side for receipt in receipts]) == (office.client_id, [side])
        key = SigningKey.at(file)
        assert all(receipt.is_signed_by(key.jwk) for receipt in receipts)
        assert [row["kid"] for row in office.admin.receipt_keys(office.client_id)] == [key.kid]

    def landed() -> dict[str, Any]:
        found: dict[str, Any] = owner.admin.trace(code, key=[PERSON])
        return found if found["trails"] and found["trails"][0]["receivers"] else {}

    wait_until(lambda: bool(landed()), 30, "the receipts of both sides are in")
    (trail,) = landed()["trails"]
    assert (trail["source"]["client_id"], trail["source"]["signed"]) == (owner.client_id, True)
    assert trail["schema_version"] == 1
    (receiver,) = trail["receivers"]
    assert (receiver["client_id"], receiver["signed"], receiver["grant_state"]) == (reader.client_id, True, "active")
    assert reader.admin.trace(code, batch=trail["batch"])["trails"][0]["receivers"] == [receiver]

    for variable, value in zip(("URL", "USER", "PASSWORD"), (owner.registry.url, *owner.login), strict=True):
        monkeypatch.setenv(f"EXCHANGE_LOGIN_{variable}", value)
    shown = CliRunner().invoke(app, ["trace", "-", "--resource", code], input=f"{PERSON}\n", catch_exceptions=False)
    assert shown.exit_code == 0, shown.output
    assert owner.client_id in shown.output
    assert trail["batch"] in shown.output
    told = CliRunner().invoke(app, ["trace", PERSON, "--resource", code, "--json"], catch_exceptions=False)
    assert json.loads(told.output)["trails"] == [trail]
