"""The key that signs the audit's heads: Ed25519, made once, kept as long as the audit."""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from registry.access.secrets import write_atomic, write_private
from registry.audit.chain import Anchor
from registry.audit.domain import instant

KEY_FILE = "head.pem"


@dataclass(frozen=True, slots=True)
class Head:
    """The chain's end at an instant, signed: ``node`` is the division whose registry keeps the chain."""

    node: str
    number: int
    hash: str
    at: datetime
    kid: str = ""
    signature: str = ""

    @property
    def anchor(self) -> Anchor:
        """Return what the head says about the chain."""
        return Anchor(self.number, self.hash)

    def statement(self) -> bytes:
        """Return the bytes that are signed: canonical JSON."""
        said = {"at": instant(self.at), "hash": self.hash, "node": self.node, "number": self.number}
        return json.dumps(said, sort_keys=True, separators=(",", ":")).encode()

    def as_json(self) -> dict[str, Any]:
        """Return the head as files and the bus have it."""
        return {
            "node": self.node,
            "number": self.number,
            "hash": self.hash,
            "at": instant(self.at),
            "kid": self.kid,
            "signature": self.signature,
        }

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Head:
        """Return the head that a file or the bus has. Errors: KeyError, TypeError, ValueError."""
        words = {name: str(data[name]) for name in ("node", "hash", "kid", "signature")}
        return Head(number=int(data["number"]), at=datetime.fromisoformat(data["at"]), **words)

    def is_signed_by(self, keys: Mapping[str, str]) -> bool:
        """Whether one of ``keys`` (PEM texts by id) has signed it."""
        pem = keys.get(self.kid)
        if pem is None or kid_of(pem) != self.kid:
            return False
        try:
            _public(pem).verify(base64.b64decode(self.signature, validate=True), self.statement())
        except (InvalidSignature, binascii.Error):
            return False
        return True


class HeadSigner:
    """The key in a directory (0600), made when there is none; its public half lies beside it for ever."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._key = self._load()
        self._pem = (
            self._key.public_key()
            .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
            .decode()
        )
        self.kid = kid_of(self._pem)
        write_atomic(directory / f"{self.kid}.pub", self._pem.encode())

    def sign(self, head: Head) -> Head:
        """Return ``head`` with the signature of this key."""
        signature = base64.b64encode(self._key.sign(head.statement())).decode()
        return Head(head.node, head.number, head.hash, head.at, self.kid, signature)

    def public_keys(self) -> dict[str, str]:
        """Return all public keys that ever signed here, as PEM by id."""
        return {path.stem: path.read_text(encoding="ascii") for path in sorted(self._directory.glob("*.pub"))}

    def _load(self) -> Ed25519PrivateKey:
        path = self._directory / KEY_FILE
        if not path.exists():
            pem = Ed25519PrivateKey.generate().private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            with contextlib.suppress(FileExistsError):  # another process was first
                write_private(path, pem)
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
        assert isinstance(key, Ed25519PrivateKey)
        return key


def kid_of(pem: str) -> str:
    """Return the id of a public key: the beginning of its SHA-256."""
    return hashlib.sha256(_raw(pem)).hexdigest()[:32]


def _raw(pem: str) -> bytes:
    return _public(pem).public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)


def _public(pem: str) -> Ed25519PublicKey:
    key = serialization.load_pem_public_key(pem.encode())
    assert isinstance(key, Ed25519PublicKey)
    return key
