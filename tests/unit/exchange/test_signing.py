"""Signed receipts: a key is made once and kept from others; no field of a receipt can be changed unseen."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from exchange.config import load
from exchange.errors import NotFound, Refused
from exchange.receipts import Receipt, Side
from exchange.settings import SystemSettings
from exchange.signing import SigningKey, Unsigned, from_text, kid_of, read_jwk, signing_key

RECEIPT = Receipt(
    id="one:440000.r-1:0:5",
    side=Side.LANDED,
    resource="r-1",
    topic="440000.r-1",
    client_id="city",
    adapter="村庄",
    batch="0" * 32,
    count=3,
    deletes=1,
    digest="f" * 32,
    schema_id=7,
    at=1_764_000_000_000,
    partition=0,
    first_offset=5,
    last_offset=7,
    landing="one",
)


class Desk:
    """A registry that takes keys, or does not."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.taken: list[Mapping[str, str]] = []

    def register_receipt_key(self, jwk: Mapping[str, str]) -> None:
        if self.error:
            raise self.error
        self.taken.append(jwk)


def test_a_signed_receipt_is_found_good_after_the_wire() -> None:
    key = SigningKey.generate()
    signed = RECEIPT.signed(key)
    assert Receipt.from_bytes(signed.to_bytes()) == signed
    assert signed.is_signed_by(key.jwk)
    assert not signed.is_signed_by(SigningKey.generate().jwk)
    assert not RECEIPT.is_signed_by(key.jwk), "one without a signature is signed by nobody"
    assert b"kid" not in RECEIPT.to_bytes(), "an older registry refuses fields that it does not know"


@pytest.mark.parametrize("name", [field.name for field in fields(Receipt) if field.name not in {"kid", "signature"}])
def test_no_field_can_be_changed_unseen(name: str) -> None:
    key = SigningKey.generate()
    signed = RECEIPT.signed(key)
    old = getattr(signed, name)
    other = Side.PUBLISHED if isinstance(old, Side) else old + 1 if isinstance(old, int) else f"{old}x"
    changed: dict[str, Any] = {name: other}
    assert not replace(signed, **changed).is_signed_by(key.jwk)
    if getattr(Receipt, name, "needed") is None:
        gone: dict[str, Any] = {name: None}
        assert not replace(signed, **gone).is_signed_by(key.jwk)


def test_a_signature_has_one_spelling() -> None:
    key = SigningKey.generate()
    signed = RECEIPT.signed(key)
    assert signed.signature is not None
    for odd in (signed.signature + "=", signed.signature[:-1], "", "ö" * 86, signed.signature[:-1] + "x"):
        assert not replace(signed, signature=odd).is_signed_by(key.jwk) or odd == signed.signature
    with pytest.raises(ValueError, match="base64url"):
        from_text("a+/b")


def test_a_key_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    with ThreadPoolExecutor(8) as pool:
        kids = list(pool.map(lambda _: SigningKey.at(folder / "a.receipts.pem").kid, range(32)))
    assert len(set(kids)) == 1
    assert [path.name for path in folder.iterdir()] == ["a.receipts.pem"]
    assert stat.S_IMODE((folder / "a.receipts.pem").stat().st_mode) == 0o600


def test_the_registry_gets_the_public_half_alone(tmp_path: Path) -> None:
    desk = Desk()
    key = signing_key(tmp_path, "city", desk)
    assert isinstance(key, SigningKey)
    assert desk.taken == [key.jwk]
    assert set(key.jwk) == {"kty", "crv", "x"}
    assert read_jwk({**key.jwk, "use": "sig"}) == key.jwk
    assert kid_of(key.jwk) == key.kid
    again = signing_key(tmp_path, "city", desk)
    assert isinstance(again, SigningKey)
    assert again.kid == key.kid, "a restart has the same key"


@pytest.mark.parametrize("error", [NotFound(what="receipt-keys", reason="HTTP 404"), Refused(reason="too many")])
def test_without_a_key_data_moves_and_it_is_said_why(
    tmp_path: Path, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    assert isinstance(signing_key(tmp_path, "city", Desk(error)), Unsigned)
    assert isinstance(signing_key(None, "city", Desk()), Unsigned)
    (tmp_path / "b.receipts.pem").write_text("nonsense")
    assert isinstance(signing_key(tmp_path, "b", Desk()), Unsigned)
    assert isinstance(signing_key(tmp_path / "b.receipts.pem", "c", Desk()), Unsigned)
    said = [record.getMessage() for record in caplog.records if "not signed" in record.getMessage()]
    assert len(said) == 4
    assert "PRIVATE" not in caplog.text


def test_a_public_key_is_nothing_else() -> None:
    jwk = SigningKey.generate().jwk
    for odd in (
        {**jwk, "d": "x"},
        {**jwk, "crv": "X25519"},
        {**jwk, "x": "AA"},
        {"kty": "RSA"},
        {**jwk, "x": "?" * 43},
    ):
        with pytest.raises(ValueError, match=r"key|x is not|base64url"):
            read_jwk(odd)


def test_the_key_lies_beside_the_configuration_unless_said_otherwise(tmp_path: Path) -> None:
    file = tmp_path / "system.toml"
    (tmp_path / "secret").write_text("s")
    text = '[registry]\nurl = "http://127.0.0.1:1"\n[identity]\nclient_id = "city"\nsecret_file = "secret"\n'
    file.write_text(text)
    assert load(SystemSettings, file, {}).identity.key_dir == tmp_path
    assert load(SystemSettings, file, {"EXCHANGE_IDENTITY_KEY_DIR": "/var/k"}).identity.key_dir == Path("/var/k")
    file.write_text(text + 'key_dir = "keys"\n')
    assert load(SystemSettings, file, {}).identity.key_dir == tmp_path / "keys"
