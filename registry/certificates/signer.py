"""The key that signs certificates: Ed25519, made once; public halves are kept for ever."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from exchange.certificate import ALGORITHM, sign
from exchange.signing import SigningKey
from registry.access.secrets import write_atomic

KEY_FILE = "certificates.pem"


class CertificateSigner:
    """The key in a directory (0600)."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._key = SigningKey.at(directory / KEY_FILE)
        write_atomic(directory / f"{self._key.kid}.jwk", json.dumps(self._key.jwk).encode())

    def sign(self, said: Mapping[str, Any]) -> str:
        """Return a certificate as a JWS."""
        return sign(said, self._key)

    def jwks(self) -> dict[str, Any]:
        """Return all public keys that ever signed here (RFC 7517)."""
        found = [(path.stem, json.loads(path.read_bytes())) for path in sorted(self._directory.glob("*.jwk"))]
        return {"keys": [{**jwk, "kid": kid, "alg": ALGORITHM, "use": "sig"} for kid, jwk in found]}
