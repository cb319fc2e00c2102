"""Ed25519: the key with which a system signs its receipts, and how anybody verifies what was signed.

The key is made at the first start, in the folder of the configuration file (0600), and is never told: the registry gets
its public half over the authenticated API, by itself.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import logging
import os
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from exchange.errors import NotFound, Refused
from exchange.text import Text

log = logging.getLogger("exchange.signing")

RAW_BYTES = 32
OTHERS = 0o077  # what a key file's mode must not allow to anybody else


class SigningKey:
    """A private key; ``jwk`` is its public half (RFC 8037), ``kid`` that one's thumbprint (RFC 7638)."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        raw = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        self.jwk = {"kty": "OKP", "crv": "Ed25519", "x": to_text(raw)}
        self.kid = kid_of(self.jwk)

    @classmethod
    def generate(cls) -> SigningKey:
        """Return a new key, which is kept nowhere."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def at(cls, path: Path) -> SigningKey:
        """Return the key in a file, made (0600) when there is none. Errors: OSError, ValueError (no such key)."""
        if not path.exists():
            _make(path)
        if path.stat().st_mode & OTHERS:
            log.warning("%s can be read by others: chmod 600 it / 其他用户可读取，请执行 chmod 600", path)
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
        if not isinstance(key, Ed25519PrivateKey):
            raise ValueError(f"{path}: not an Ed25519 key")  # noqa: TRY004 (the file is wrong, not the caller)
        return cls(key)

    def sign(self, statement: bytes) -> str:
        """Return the signature as text."""
        return to_text(self._key.sign(statement))

    def pem(self) -> bytes:
        """Return the private key as PKCS #8, for who signs in another form."""
        return self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )


def kid_of(jwk: Mapping[str, str]) -> str:
    """Return the thumbprint (RFC 7638) of a public key."""
    members = {name: jwk[name] for name in ("crv", "kty", "x")}
    canonical = json.dumps(members, sort_keys=True, separators=(",", ":")).encode()
    return to_text(hashlib.sha256(canonical).digest())


def read_jwk(jwk: Mapping[str, Any]) -> dict[str, str]:
    """Return an Ed25519 public key without anything else that stood there. Errors: ValueError, for all other keys."""
    if "d" in jwk:
        raise ValueError("it is a private key")
    if jwk.get("kty") != "OKP" or jwk.get("crv") != "Ed25519" or not isinstance(jwk.get("x"), str):
        raise ValueError("not an Ed25519 key (OKP)")
    if len(from_text(jwk["x"])) != RAW_BYTES:
        raise ValueError("x is not 32 bytes")
    return {"kty": "OKP", "crv": "Ed25519", "x": jwk["x"]}


def is_signed(jwk: Mapping[str, str], statement: bytes, signature: str) -> bool:
    """Whether the owner of a public key has signed a statement."""
    try:
        Ed25519PublicKey.from_public_bytes(from_text(jwk["x"])).verify(from_text(signature), statement)
    except (InvalidSignature, ValueError):
        return False
    return True


def to_text(data: bytes) -> str:
    """Return bytes as base64url without padding, as JOSE has it."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def from_text(text: str) -> bytes:
    """Return what ``to_text`` was given; one text only stands for it. Errors: ValueError."""
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, UnicodeEncodeError) as exc:
        raise ValueError("not base64url") from exc
    if to_text(data) != text:
        raise ValueError("not base64url")
    return data


class KeyDesk(Protocol):
    """Where a system makes its public key known."""

    def register_receipt_key(self, jwk: Mapping[str, str]) -> None:
        """Register it, again perhaps. Errors: NotFound (an older registry), Refused, RegistryUnavailable."""


@dataclass(frozen=True, slots=True)
class Unsigned:
    """Why receipts are not signed."""

    reason: Text


def signing_key(folder: Path | None, client_id: str, desk: KeyDesk) -> SigningKey | Unsigned:
    """Return the key of a system, known to its registry; data moves without one too, and then it is said why."""
    found = _found(folder, client_id)
    if isinstance(found, SigningKey):
        try:
            desk.register_receipt_key(found.jwk)
        except NotFound:
            reason = Text("the registry is older and does not take keys", "登记中心版本较旧，不支持登记密钥")
            found = Unsigned(reason)
        except Refused as exc:
            said = exc.message()
            found = Unsigned(Text(f"the registry did not take the key: {said}", f"登记中心未接受密钥：{said}"))
    if isinstance(found, Unsigned):
        log.warning("receipts of %s are not signed / 回执未签名: %s", client_id, found.reason.format())
    return found


def _found(folder: Path | None, client_id: str) -> SigningKey | Unsigned:
    if folder is None:
        return Unsigned(Text("no identity.key_dir is set", "未设置 identity.key_dir"))
    path = folder / f"{client_id}.receipts.pem"
    try:
        return SigningKey.at(path)
    except (OSError, ValueError) as exc:
        why = exc.strerror if isinstance(exc, OSError) and exc.strerror else type(exc).__name__
        other = Text("identity.key_dir may name another folder", "可用 identity.key_dir 另设目录")
        return Unsigned(Text(f"{path}: {why}; {other.en}", f"{path}：{why}；{other.zh}"))


def _make(path: Path) -> None:
    """Make a key file whole or not at all; who comes second uses the first one's."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(SigningKey.generate().pem())
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(part, path)
    except FileExistsError:
        pass
    finally:
        part.unlink()
