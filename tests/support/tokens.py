from __future__ import annotations

import base64
import hmac
import json
import time
from pathlib import Path
from typing import Any

import jwt
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.support.node import RunningNode

REGISTRY = "exchange-registry"
LOGIN_TIMEOUT_S = 15.0


def claims(node: RunningNode, **changed: Any) -> dict[str, Any]:
    now = int(time.time())
    good = {"iss": node.registry_url, "aud": "exchange-broker", "sub": REGISTRY, "iat": now, "exp": now + 600}
    return good | changed


def signed(node: RunningNode, **changed: Any) -> str:
    """A token signed with the registry's own newest key."""
    path = _key_file(node)
    return jwt.encode(claims(node, **changed), path.read_bytes(), "EdDSA", headers={"kid": path.stem})


def signed_by_a_stranger(node: RunningNode) -> str:
    return jwt.encode(claims(node), Ed25519PrivateKey.generate(), "EdDSA", headers={"kid": _key_file(node).stem})


def unsigned(node: RunningNode) -> str:
    return jwt.encode(claims(node), "", "none", headers={"kid": _key_file(node).stem})


def signed_with_the_public_key(node: RunningNode) -> str:
    """HS256 with the text of the public key as the secret; built by hand, because PyJWT refuses to."""
    path = _key_file(node)
    private = serialization.load_pem_private_key(path.read_bytes(), password=None)
    public = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    header = {"alg": "HS256", "typ": "JWT", "kid": path.stem}
    parts = [_part(json.dumps(part).encode()) for part in (header, claims(node))]
    return ".".join([*parts, _part(hmac.digest(public, ".".join(parts).encode(), "sha256"))])


def login(node: RunningNode, token: str) -> KafkaError | None:
    """Log in at the broker with ``token``; return None when it lets the client in, else its refusal."""
    refusals: list[KafkaError] = []
    config: dict[str, Any] = {
        "bootstrap.servers": node.bootstrap_servers,
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism": "OAUTHBEARER",
        "oauth_cb": lambda _: (token, time.time() + 600),
        "error_cb": refusals.append,
        "log_level": 0,
    }
    client = AdminClient(config)
    deadline = time.monotonic() + LOGIN_TIMEOUT_S
    while time.monotonic() < deadline:
        client.poll(0.1)
        refused = [error for error in refusals if error.code() == KafkaError._AUTHENTICATION]
        if refused:
            return refused[0]
        try:
            client.list_topics(timeout=0.5)
        except KafkaException:
            continue
        return None
    raise AssertionError(f"neither let in nor refused: {refusals}")


def _key_file(node: RunningNode) -> Path:
    return max((node.layout.registry / "keys").glob("*.pem"))


def _part(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
