"""The signing keys: Ed25519, one PEM file each; the name of a key tells from when it signs.

A key of an older registry may be RSA; it signs on, as RS256, until the keys are rotated.

A rotated key is published at once and signs a little later, so that each broker has it by then; the old one stays
published until the last token that it signed has expired. All of this follows from the names of the files, so several
processes that share the directory agree without speaking to each other.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from jwt.algorithms import OKPAlgorithm, RSAAlgorithm

from registry.access.secrets import write_atomic, write_private
from registry.clock import Clock, utc_now

CLOCK_SKEW_S = 60
FRESH_NS = 2_000_000_000  # a folder that changed just now may change again within the same tick of its clock
MEMBERS = {"EdDSA": ("kty", "crv", "x"), "RS256": ("kty", "n", "e")}  # of a JWK, without what RFC 7517 has for all
PrivateKey = Ed25519PrivateKey | RSAPrivateKey
PublicKey = Ed25519PublicKey | RSAPublicKey


def algorithm(key: PrivateKey | PublicKey) -> str:
    """Return the one algorithm (RFC 7518, RFC 8037) that a key signs with."""
    return "EdDSA" if isinstance(key, Ed25519PrivateKey | Ed25519PublicKey) else "RS256"


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
        self._cache: dict[str, PrivateKey] = {}
        self._listed: tuple[int, list[str]] = (-1, [])

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

    def signing(self) -> tuple[str, PrivateKey]:
        """Return id and private key to sign with now."""
        kid = signing_kid(self._kids(), self._now())
        assert kid is not None, "ensure() comes first"
        return kid, self._key(kid)

    def public(self, kid: str) -> PublicKey | None:
        """Return the public key of that id; None for one that is not published."""
        return self._key(kid).public_key() if kid in self._live() else None

    def jwks(self) -> dict[str, Any]:
        """Return the published keys as a JSON Web Key Set (RFC 7517)."""
        return {"keys": [self._jwk(kid) for kid in self._live()]}

    def _jwk(self, kid: str) -> dict[str, Any]:
        public = self._key(kid).public_key()
        name = algorithm(public)
        jwk = (
            OKPAlgorithm.to_jwk(public, as_dict=True)
            if isinstance(public, Ed25519PublicKey)
            else RSAAlgorithm.to_jwk(public, as_dict=True)
        )
        return {**{member: jwk[member] for member in MEMBERS[name]}, "kid": kid, "alg": name, "use": "sig"}

    def _generate(self, start: float) -> str:
        kid = f"{int(start)}-{secrets.token_hex(4)}"
        pem = Ed25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        write_private(self._path(kid), pem)
        return kid

    def _kids(self) -> list[str]:
        """Return the ids of the files there are; the folder's time tells when to look again: each token asks."""
        try:
            stamp = self._directory.stat().st_mtime_ns
        except FileNotFoundError:
            return []
        if stamp != self._listed[0] or time.time_ns() - stamp < FRESH_NS:
            self._listed = (stamp, [path.stem for path in self._directory.glob("*.pem")])
        return self._listed[1]

    def _live(self) -> list[str]:
        return live_kids(self._kids(), self._now(), self._token_ttl_s)

    def _key(self, kid: str) -> PrivateKey:
        if kid not in self._cache:
            key = serialization.load_pem_private_key(self._path(kid).read_bytes(), password=None)
            assert isinstance(key, PrivateKey)
            self._cache[kid] = key
        return self._cache[kid]

    def _path(self, kid: str) -> Path:
        return self._directory / f"{kid}.pem"

    def _now(self) -> float:
        return self._clock().timestamp()
