"""``exchange certificate verify``: offline, with exit code 7 for whatever is not as it was signed or received."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from exchange.certificate import BadCertificate
from exchange.cli.certificate import Contradicted
from exchange.cli.main import app
from exchange.errors import SourceProblem
from exchange.receipts import Receipt
from tests.unit.exchange.test_certificate import JWS, KEY, LANDED, PUBLISHED, SAID


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "day.json").write_text(json.dumps({"jws": JWS, "certificate": SAID}))
    (tmp_path / "keys.json").write_text(json.dumps({"keys": [{**KEY.jwk, "kid": KEY.kid, "alg": "EdDSA"}]}))
    return tmp_path


def verify(folder: Path, receipts: list[Receipt] | None = None, client_id: str = "city") -> Result:
    argv = ["certificate", "verify", str(folder / "day.json"), "--keys", str(folder / "keys.json"), "--json"]
    if receipts is not None:
        (folder / "own.jsonl").write_bytes(b"\n".join(receipt.to_bytes() for receipt in receipts))
        argv += ["--receipts", str(folder / "own.jsonl"), "--client-id", client_id]
    return CliRunner().invoke(app, argv)


def test_a_certificate_is_verified_without_the_registry(folder: Path) -> None:
    done = verify(folder)
    assert done.exit_code == 0, done.output
    assert json.loads(done.output)["receipts"] is None, "only the signature was looked at"
    for client_id in ("city", "province"):
        done = verify(folder, [*LANDED, *PUBLISHED], client_id)
        assert json.loads(done.output)["receipts"] is True


def test_what_differs_from_ones_own_receipts_is_named(folder: Path) -> None:
    done = verify(folder, [*LANDED[1:], replace(LANDED[0], count=9)])
    assert isinstance(done.exception, Contradicted)
    assert done.exception.exit_code == 7
    assert {each["field"] for each in json.loads(done.output)["findings"]} == {"records", "root"}
    assert isinstance(verify(folder, LANDED, "stranger").exception, SourceProblem)


def test_a_changed_file_is_refused(folder: Path) -> None:
    (folder / "day.json").write_text(json.dumps({"jws": JWS, "certificate": {**SAID, "differences_open": 0}}))
    done = verify(folder)
    assert isinstance(done.exception, BadCertificate)
    assert done.exception.exit_code == 7
    for text in ('{"keys": 1}', '{"keys": ["a", 1, null, {}]}', "{}"):
        (folder / "keys.json").write_text(text)
        assert isinstance(verify(folder).exception, BadCertificate)
    for text in ("", "[]", "{}", "\x00"):
        (folder / "day.json").write_text(text)
        assert isinstance(verify(folder).exception, BadCertificate)
