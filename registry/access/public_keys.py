"""Public keys that systems register: read from PEM or JWK, and kept as a JWK without anything private."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from exchange.text import Text
from registry.errors import Invalid

LEAST_RSA_BITS, MOST_RSA_BITS = 2048, 8192
MEMBERS = {"RSA": ("e", "kty", "n"), "EC": ("crv", "kty", "x", "y")}  # those of a thumbprint (RFC 7638)
PublicKey = RSAPublicKey | EllipticCurvePublicKey


@dataclass(frozen=True, slots=True)
class RegisteredKey:
    """A public key as it is kept, and its thumbprint (RFC 7638)."""

    jwk: dict[str, Any]
    thumbprint: str


def read_key(*, pem: str | None, jwk: Mapping[str, str] | None) -> RegisteredKey:
    """Return the public key given as exactly one of PEM and JWK. Errors: Invalid."""
    if (pem is None) == (jwk is None):
        raise Invalid(field="key", reason=Text("give one of pem and jwk", "pem 与 jwk 须且只能提供一项"))
    if jwk is not None and "d" in jwk:
        raise Invalid(field="jwk", reason=Text("it is a private key: register the public one", "这是私钥，请登记公钥"))
    try:
        key = _from_pem(pem) if pem is not None else public_key(dict(jwk or {}))
    except (ValueError, TypeError, KeyError, UnsupportedAlgorithm, jwt.PyJWTError) as exc:
        raise Invalid(field="key", reason=Text("not a public key that can be read", "无法识别的公钥")) from exc
    return _checked(key)


def public_key(jwk: Mapping[str, Any]) -> PublicKey:
    """Return the key of a JWK. Errors: ValueError, KeyError, PyJWTError."""
    text = json.dumps(dict(jwk))
    kind = jwk["kty"]
    if kind not in MEMBERS:
        raise ValueError(kind)
    return _public(RSAAlgorithm.from_jwk(text) if kind == "RSA" else ECAlgorithm.from_jwk(text))


def algorithms(key: PublicKey) -> list[str]:
    """Return the algorithms that a key may have signed with."""
    return ["RS256", "PS256"] if isinstance(key, RSAPublicKey) else ["ES256"]


def _from_pem(pem: str) -> PublicKey:
    return _public(serialization.load_pem_public_key(pem.encode()))


def _public(key: object) -> PublicKey:
    if not isinstance(key, RSAPublicKey | EllipticCurvePublicKey):
        raise TypeError("neither RSA nor EC, or private")
    return key


def _checked(key: PublicKey) -> RegisteredKey:
    if isinstance(key, RSAPublicKey):
        if not LEAST_RSA_BITS <= key.key_size <= MOST_RSA_BITS:
            raise Invalid(field="key", reason=Text("an RSA key has 2048 to 8192 bits", "RSA 密钥应为 2048 至 8192 位"))
        full = RSAAlgorithm.to_jwk(key, as_dict=True)
    else:
        if not isinstance(key.curve, SECP256R1):
            raise Invalid(field="key", reason=Text("an EC key is on P-256", "EC 密钥应使用 P-256 曲线"))
        full = ECAlgorithm.to_jwk(key, as_dict=True)
    jwk = {name: full[name] for name in MEMBERS[full["kty"]]}
    canonical = json.dumps(jwk, sort_keys=True, separators=(",", ":")).encode()
    thumbprint = base64.urlsafe_b64encode(hashlib.sha256(canonical).digest()).rstrip(b"=").decode()
    return RegisteredKey(jwk, thumbprint)
