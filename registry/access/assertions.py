"""Systems that sign in with their own key: private_key_jwt (RFC 7523, OpenID Connect Core §9)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import jwt
from sqlalchemy import delete
from sqlalchemy.exc import IntegrityError

from exchange.text import Text
from registry.access import secrets
from registry.access.public_keys import algorithms, public_key
from registry.clock import Clock
from registry.database import Database
from registry.errors import OAuthError
from registry.organisation.models import Assertion, System

KIND = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
REQUIRED = ["iss", "sub", "aud", "exp", "jti"]
SKEW_S = 60  # that two clocks may differ by
LONGEST = 8192  # characters of an assertion
LONGEST_JTI = 256


@dataclass(frozen=True)
class Assertions:
    """Takes each assertion once.

    ``audience``: whom it must name, the issuer. ``longest_s``: seconds that it may live.
    """

    database: Database
    clock: Clock
    audience: str
    longest_s: int

    def client(self, assertion: str, client_id: str | None) -> System:
        """Return the system that signed. Errors: OAuthError, always in the same words."""
        if len(assertion) > LONGEST:
            raise _wrong()
        try:
            name = str(jwt.decode(assertion, options={"verify_signature": False})["sub"])
            system = self._system(name)
            if system is None or system.public_key is None or client_id not in {None, name}:
                raise _wrong()
            key = public_key(system.public_key)
            claims = jwt.decode(
                assertion,
                key,
                algorithms=algorithms(key),
                audience=self.audience,
                issuer=name,
                options={"require": REQUIRED, "verify_exp": False, "verify_iat": False, "verify_nbf": False},
            )
        except (jwt.PyJWTError, KeyError) as exc:
            raise _wrong() from exc
        self._take(name, self._identity(claims), self._expiry(claims))
        return system

    def _system(self, name: str) -> System | None:
        if "\x00" in name:
            return None
        with self.database.read() as session:
            system = session.get(System, name)
        return system if system is not None and system.active else None

    def _expiry(self, claims: dict[str, Any]) -> datetime:
        now = self.clock().timestamp()
        times = [claims["exp"], claims.get("iat", now), claims.get("nbf", now)]
        if not all(type(time) in {int, float} for time in times):
            raise _wrong()
        expiry, *begins = times
        if not now - SKEW_S < expiry <= now + self.longest_s + SKEW_S or max(begins) > now + SKEW_S:
            raise _wrong()
        return datetime.fromtimestamp(expiry + SKEW_S, UTC)

    def _identity(self, claims: dict[str, Any]) -> str:
        jti = claims["jti"]
        if not isinstance(jti, str) or not 0 < len(jti) <= LONGEST_JTI:
            raise _wrong()
        return jti

    def _take(self, client_id: str, jti: str, until: datetime) -> None:
        row = Assertion(client_id=client_id, jti_sha256=secrets.digest(jti), expires_at=until)
        with self.database.write() as session:
            session.execute(delete(Assertion).where(Assertion.expires_at <= self.clock()))
            session.add(row)
            try:
                session.flush()
            except IntegrityError as exc:  # it was taken already, here or in another process
                raise _wrong() from exc


def _wrong() -> OAuthError:
    return OAuthError(
        "invalid_client",
        Text(
            "the assertion is not valid: signed by the registered key, iss and sub the client_id, aud the issuer, "
            "a jti that is used once, exp within some minutes",
            "断言无效：须由登记的密钥签名，iss 与 sub 为 client_id，aud 为签发方，jti 仅用一次，exp 在数分钟内",
        ),
    )
