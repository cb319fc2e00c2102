"""Signing in at a terminal by way of a browser on the same machine (RFC 8252).

The browser brings a code to the loopback port at which the program waits; the program alone can redeem it, as it alone
has the verifier (RFC 7636). Nothing is stored: code and session are sealed claims. A session only says who signed in;
each renewal asks the database whether the account still is what it was.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass
from urllib.parse import urlencode

from exchange.text import Text
from registry.access import seals
from registry.access.keys import Keyring
from registry.access.service import Person, may_sign_in
from registry.clock import Clock
from registry.database import Database
from registry.errors import OAuthError
from registry.organisation.models import User

CODE, SESSION = "exchange-code", "exchange-session"
CODE_S = 60


@dataclass(frozen=True, slots=True)
class Waiting:
    """A program that waits on a loopback port; ``challenge``: S256 of its verifier."""

    port: int
    challenge: str

    def address(self, **said: str) -> str:
        """Return where the browser takes the outcome."""
        return f"http://127.0.0.1:{self.port}/?{urlencode(said)}"


@dataclass(frozen=True)
class Desk:
    """Hands sign-ins over to terminals. Errors: OAuthError."""

    keyring: Keyring
    database: Database
    clock: Clock
    session_s: int

    def code(self, person: Person, waiting: Waiting) -> str:
        """Return what the waiting program redeems within a minute."""
        return seals.seal(self.keyring, self.clock, CODE, CODE_S, name=person.name, challenge=waiting.challenge)

    def redeem(self, code: str, verifier: str) -> Person:
        """Return who signed in, to the program that began it."""
        claims = seals.opened(self.keyring, self.clock, CODE, code)
        digest = hashlib.sha256(verifier.encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if claims is None or not hmac.compare_digest(str(claims["challenge"]).encode(), challenge.encode()):
            raise _again()
        return self._person(str(claims["name"]))

    def session(self, person: Person) -> str:
        """Return what renews the person's tokens for a working day."""
        return seals.seal(self.keyring, self.clock, SESSION, self.session_s, name=person.name)

    def renew(self, session: str) -> Person:
        """Return whose session it is, as the account is now."""
        claims = seals.opened(self.keyring, self.clock, SESSION, session)
        if claims is None:
            raise _again()
        return self._person(str(claims["name"]))

    def _person(self, name: str) -> Person:
        with self.database.read() as session:
            user = session.get(User, name)
            if user is None or not may_sign_in(user):
                raise _again()
            return Person(user.name, user.role, user.department_id)


def _again() -> OAuthError:
    return OAuthError(
        "invalid_grant", Text("sign in again: it is too old, or not yours", "登录已过期或无效，请重新登录")
    )
