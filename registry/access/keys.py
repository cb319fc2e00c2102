"""The signing keys: RSA 2048, one PEM file each; the name of a key tells from when it signs.

A rotated key is published at once and signs a little later, so that each broker has it by then; the old one stays
published until the last token that it signed has expired. All of this follows from the names of the files, so several
processes that share the directory agree without speaking to each other.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey, generate_private_key
from jwt.algorithms import RSAAlgorithm

from registry.access.secrets import write_atomic, write_private
from registry.clock import Clock, utc_now

KEY_BITS = 2048
CLOCK_SKEW_S = 60


def signing_kid(kids: Sequence[str], now: float) -> str | None:
    """Return the key that signs at ``now`` (seconds): the newest whose time has come, else the only one there is."""
    ordered = sorted(kids, key=signs_from)
    ready = [kid for kid in ordered if signs_from(kid) <= now]
    return ready[-1] if ready else ordered[0] if ordered else None


def live_kids(kids: Sequence[str], now: float, token_ttl_s: float) -> list[str]:
    """Return the keys that are published at ``now``: all but those whose last token has expired."""
    ordered = sorted(kids, key=signs_from)
    return [
        kid
        for kid, successor in zip(ordered, [*ordered[1:], None], strict=True)
        if successor is None or signs_from(successor) + token_ttl_s + CLOCK_SKEW_S > now
    ]


def signs_from(kid: str) -> int:
    """Return the second (since 1970) from which a key signs."""
    return int(kid.partition("-")[0])


class Keyring:
    """The keys in a directory, and the JWKS made of them."""

    def __init__(
        self, directory: Path, *, jwks_file: Path | None, token_ttl_s: int, delay_s: int, clock: Clock = utc_now
    ) -> None:
        self._directory = directory
        self._jwks_file = jwks_file
        self._token_ttl_s = token_ttl_s
        self._delay_s = delay_s
        self._clock = clock
        self._cache: dict[str, RSAPrivateKey] = {}

    def ensure(self) -> None:
        """Make the first key if there is none, and write the JWKS file."""
        if not self._kids():
            self._generate(self._now())
        self.publish()

    def rotate(self) -> str:
        """Make a key that signs after the delay; return its id."""
        kid = self._generate(self._now() + self._delay_s)
        self.publish()
        return kid

    def publish(self) -> None:
        """Delete the keys that are past, and write the JWKS file if it has to change."""
        live = self._live()
        for kid in set(self._kids()) - set(live):
            self._path(kid).unlink(missing_ok=True)
            self._cache.pop(kid, None)
        if self._jwks_file is None:
            return
        content = json.dumps(self.jwks(), sort_keys=True).encode()
        if not self._jwks_file.exists() or self._jwks_file.read_bytes() != content:
            write_atomic(self._jwks_file, content)

    def signing(self) -> tuple[str, RSAPrivateKey]:
        """Return id and private key to sign with now."""
        kid = signing_kid(self._kids(), self._now())
        assert kid is not None, "ensure() comes first"
        return kid, self._key(kid)

    def public(self, kid: str) -> RSAPublicKey | None:
        """Return the public key of that id; None for one that is not published."""
        return self._key(kid).public_key() if kid in self._live() else None

    def jwks(self) -> dict[str, Any]:
        """Return the published keys as a JSON Web Key Set (RFC 7517)."""
        return {"keys": [self._jwk(kid) for kid in self._live()]}

    def _jwk(self, kid: str) -> dict[str, Any]:
        jwk = RSAAlgorithm.to_jwk(self._key(kid).public_key(), as_dict=True)
        return {"kty": "RSA", "kid": kid, "alg": "RS256", "use": "sig", "n": jwk["n"], "e": jwk["e"]}

    def _generate(self, start: float) -> str:
        kid = f"{int(start)}-{secrets.token_hex(4)}"
        key = generate_private_key(public_exponent=65537, key_size=KEY_BITS)
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        write_private(self._path(kid), pem)
        return kid

    def _kids(self) -> list[str]:
        return [path.stem for path in self._directory.glob("*.pem")]

    def _live(self) -> list[str]:
        return live_kids(self._kids(), self._now(), self._token_ttl_s)

    def _key(self, kid: str) -> RSAPrivateKey:
        if kid not in self._cache:
            key = serialization.load_pem_private_key(self._path(kid).read_bytes(), password=None)
            assert isinstance(key, RSAPrivateKey)
            self._cache[kid] = key
        return self._cache[kid]

    def _path(self, kid: str) -> Path:
        return self._directory / f"{kid}.pem"

    def _now(self) -> float:
        return self._clock().timestamp()
