"""Tokens: JWTs whose ``sub`` is the principal at the broker."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jwt

from exchange.text import Text
from registry.access.keys import Keyring, algorithm
from registry.clock import Clock, utc_now
from registry.errors import Unauthenticated

BROKER_AUDIENCE = "exchange-broker"
REGISTRY_AUDIENCE = "exchange-registry"
SELF = "exchange-registry"  # the registry's own principal, a super user of the broker
PROBE = "exchange-registry-probe"  # a principal of the registry that may do next to nothing
USER_PREFIX = "user:"  # a colon cannot be in a client_id, so a user's token is never a system's
REQUIRED = ("iss", "aud", "sub", "iat", "exp", "jti")


@dataclass(frozen=True, slots=True)
class Token:
    """A signed token: its text, and when it expires (seconds since 1970)."""

    text: str
    expires_at: int
    ttl_s: int


class Tokens:
    """Issues and verifies the tokens of one issuer."""

    def __init__(self, keyring: Keyring, *, issuer: str, ttl_s: int, clock: Clock = utc_now) -> None:
        self._keyring = keyring
        self._issuer = issuer
        self._ttl_s = ttl_s
        self._clock = clock

    def issue(
        self, subject: str, audiences: Sequence[str], *, roles: Sequence[str] = (), department: int | None = None
    ) -> Token:
        """Return a token of ``subject`` for ``audiences``."""
        now = int(self._clock().timestamp())
        claims: dict[str, Any] = {
            "iss": self._issuer,
            "aud": audiences[0] if len(audiences) == 1 else list(audiences),
            "sub": subject,
            "iat": now,
            "exp": now + self._ttl_s,
            "jti": secrets.token_hex(16),
            "roles": list(roles),
            "department": department,
        }
        kid, key = self._keyring.signing()
        return Token(jwt.encode(claims, key, algorithm(key), headers={"kid": kid}), now + self._ttl_s, self._ttl_s)

    def subject(self, token: str) -> str:
        """Return the ``sub`` of a token that this registry issued for itself. Errors: Unauthenticated."""
        try:
            kid = jwt.get_unverified_header(token).get("kid")
            key = self._keyring.public(kid) if isinstance(kid, str) else None
            if key is None:
                raise Unauthenticated(reason=Text("unknown key", "未知的签名密钥"))
            claims = jwt.decode(
                token,
                key,
                algorithms=[algorithm(key)],  # of the key, never of the token's header
                audience=REGISTRY_AUDIENCE,
                issuer=self._issuer,
                options={"require": list(REQUIRED), "verify_exp": False, "verify_iat": False},
            )
        except jwt.PyJWTError as exc:
            raise Unauthenticated(reason=type(exc).__name__) from exc
        if not isinstance(claims["exp"], int) or claims["exp"] <= self._clock().timestamp():
            raise Unauthenticated(reason=Text("expired", "已过期"))
        return str(claims["sub"])
