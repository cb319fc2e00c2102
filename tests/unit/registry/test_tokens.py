"""Only a token that this registry signed for itself, and that has not expired, is a login."""

from __future__ import annotations

import base64
import hmac
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from registry.access.keys import CLOCK_SKEW_S, Keyring, algorithm, live_kids, signing_kid
from registry.access.tokens import BROKER_AUDIENCE, REGISTRY_AUDIENCE, Tokens
from registry.errors import Unauthenticated

ISSUER = "http://registry.example"
TTL_S = 900


class At:
    """A clock that stands, and is moved."""

    def __init__(self) -> None:
        self.now = datetime(2024, 5, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> At:
    return At()


@pytest.fixture
def keyring(tmp_path: Path, clock: At) -> Keyring:
    ring = Keyring(tmp_path / "keys", jwks_file=tmp_path / "jwks.json", token_ttl_s=TTL_S, delay_s=10, clock=clock)
    ring.ensure()
    return ring


@pytest.fixture
def tokens(keyring: Keyring, clock: At) -> Tokens:
    return Tokens(keyring, issuer=ISSUER, ttl_s=TTL_S, clock=clock)


def claims(clock: At, **changed: Any) -> dict[str, Any]:
    now = int(clock().timestamp())
    good = {"iss": ISSUER, "aud": REGISTRY_AUDIENCE, "sub": "abc", "iat": now, "exp": now + 60, "jti": "1"}
    return {name: value for name, value in {**good, **changed}.items() if value is not None}


def signed(keyring: Keyring, body: dict[str, Any], **header: Any) -> str:
    kid, key = keyring.signing()
    return jwt.encode(body, key, algorithm(key), headers={"kid": kid, **header})


def test_its_own_token_is_accepted(tokens: Tokens, keyring: Keyring, clock: At) -> None:
    assert tokens.subject(tokens.issue("abc", [BROKER_AUDIENCE, REGISTRY_AUDIENCE]).text) == "abc"
    assert tokens.subject(signed(keyring, claims(clock))) == "abc"


@pytest.mark.parametrize(
    "changed",
    [
        {"aud": BROKER_AUDIENCE},
        {"aud": None},
        {"iss": "http://other.example"},
        {"iss": None},
        {"exp": None},
        {"exp": 1_000_000_000},
        {"exp": "9999999999"},
        {"sub": None},
        {"jti": None},
        {"iat": None},
    ],
)
def test_a_wrong_claim_is_refused(tokens: Tokens, keyring: Keyring, clock: At, changed: dict[str, Any]) -> None:
    with pytest.raises(Unauthenticated):
        tokens.subject(signed(keyring, claims(clock, **changed)))


def test_expiry_is_by_the_second(tokens: Tokens, clock: At) -> None:
    token = tokens.issue("abc", [REGISTRY_AUDIENCE]).text
    clock.now += timedelta(seconds=TTL_S - 1)
    assert tokens.subject(token) == "abc"
    clock.now += timedelta(seconds=1)
    with pytest.raises(Unauthenticated):
        tokens.subject(token)


def test_an_rsa_key_of_an_older_registry_signs_until_the_rotation(
    tokens: Tokens, keyring: Keyring, clock: At, tmp_path: Path
) -> None:
    first, _key = keyring.signing()
    older = generate_private_key(public_exponent=65537, key_size=2048)
    pem = older.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "keys" / f"{first}.pem").write_bytes(pem)
    again = Keyring(tmp_path / "keys", jwks_file=None, token_ttl_s=TTL_S, delay_s=10, clock=clock)
    aged = Tokens(again, issuer=ISSUER, ttl_s=TTL_S, clock=clock)
    token = aged.issue("abc", [REGISTRY_AUDIENCE]).text
    assert jwt.get_unverified_header(token)["alg"] == "RS256"
    assert aged.subject(token) == "abc"
    for wrong in ("PS256", "RS512"):
        with pytest.raises(Unauthenticated):
            aged.subject(jwt.encode(claims(clock), older, wrong, headers={"kid": first}))
    again.rotate()
    assert {key["alg"] for key in again.jwks()["keys"]} == {"RS256", "EdDSA"}
    clock.now += timedelta(seconds=11)
    assert jwt.get_unverified_header(aged.issue("abc", [REGISTRY_AUDIENCE]).text)["alg"] == "EdDSA"
    assert aged.subject(token) == "abc", "what the old key signed is good until it expires"


def test_forgeries_are_refused(tokens: Tokens, keyring: Keyring, clock: At) -> None:
    kid, key = keyring.signing()
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    stranger = generate_private_key(public_exponent=65537, key_size=2048)
    body = claims(clock)
    forged = {
        "none": jwt.encode(body, "", "none", headers={"kid": kid}),
        "HS256 with the public key": hs256(public, body, kid),
        "a stranger's key": jwt.encode(body, Ed25519PrivateKey.generate(), "EdDSA", headers={"kid": kid}),
        "a stranger's key of another kind": jwt.encode(body, stranger, "RS256", headers={"kid": kid}),
        "no kid": jwt.encode(body, key, "EdDSA"),
        "unknown kid": jwt.encode(body, key, "EdDSA", headers={"kid": "0-0"}),
        "path as kid": jwt.encode(body, key, "EdDSA", headers={"kid": "../keys/" + kid}),
        "text": "not.a.token",
        "empty": "",
    }
    accepted = [name for name, token in forged.items() if not refused(tokens, token)]
    assert accepted == []


def hs256(secret: bytes, body: dict[str, Any], kid: str) -> str:
    parts = [part(json.dumps(p).encode()) for p in ({"alg": "HS256", "typ": "JWT", "kid": kid}, body)]
    return ".".join([*parts, part(hmac.digest(secret, ".".join(parts).encode(), "sha256"))])


def part(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def refused(tokens: Tokens, token: str) -> bool:
    try:
        tokens.subject(token)
    except Unauthenticated:
        return True
    return False


def test_a_rotated_key_is_published_first_and_the_old_one_last(
    tokens: Tokens, keyring: Keyring, clock: At, tmp_path: Path
) -> None:
    old, _ = keyring.signing()
    token = tokens.issue("abc", [REGISTRY_AUDIENCE]).text
    new = keyring.rotate()
    assert published(tmp_path) == {old, new}
    assert keyring.signing()[0] == old, "brokers may not have the new one yet"
    clock.now += timedelta(seconds=10)
    assert keyring.signing()[0] == new
    assert tokens.subject(token) == "abc"
    clock.now += timedelta(seconds=TTL_S + CLOCK_SKEW_S)
    keyring.publish()
    assert published(tmp_path) == {new}
    assert [path.stem for path in (tmp_path / "keys").iterdir()] == [new]


def published(directory: Path) -> set[str]:
    keys = json.loads((directory / "jwks.json").read_text())["keys"]
    assert all(set(key) == {"kty", "kid", "alg", "use", "crv", "x"} for key in keys), "nothing private"
    return {key["kid"] for key in keys}


def test_private_keys_are_private(keyring: Keyring, tmp_path: Path) -> None:
    assert [oct(path.stat().st_mode & 0o777) for path in (tmp_path / "keys").glob("*.pem")] == ["0o600"]


def test_which_key_signs_and_which_are_published() -> None:
    kids = ["100-a", "200-b", "300-c"]
    assert [signing_kid(kids, now) for now in (50, 100, 199, 200, 1000)] == [
        "100-a", "100-a", "100-a", "200-b", "300-c",
    ]  # fmt: skip
    assert signing_kid([], 0) is None
    assert live_kids(kids, 200 + 10 + CLOCK_SKEW_S - 1, 10) == kids
    assert live_kids(kids, 200 + 10 + CLOCK_SKEW_S, 10) == ["200-b", "300-c"]
    assert live_kids(kids, 10_000, 10) == ["300-c"], "the last key is never dropped"
