"""Signing people in through an OpenID Connect provider: authorization code with PKCE, the registry as the client.

What a sign-in has to remember is signed into a cookie of the browser that began it, so that nobody can be made to end
another's, and nothing is stored here for who never comes back.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import httpx
import jwt
from sqlalchemy import select

from exchange.errors import NotConnected
from exchange.text import Text
from registry.access import seals
from registry.access.keys import Keyring
from registry.access.public_keys import algorithms, public_key
from registry.access.service import Person, may_sign_in
from registry.access.terminal import Waiting
from registry.audit.service import note
from registry.clock import Clock
from registry.database import Database
from registry.errors import NotFound, OAuthError
from registry.organisation.models import User
from registry.settings import OidcGroup

COOKIE = "exchange_oidc"
COOKIE_AUDIENCE = "exchange-oidc"
PATIENCE_S = 600  # that a person has to sign in at the provider
SKEW_S = 60
SERVER_ERRORS = 500


class ProviderUnavailable(NotConnected):
    """The OIDC provider does not answer, or not as the specification says."""

    code = "provider_unavailable"
    text = Text("The identity provider cannot be used: {reason}", "无法使用统一身份认证：{reason}")


@dataclass(frozen=True, slots=True)
class Departure:
    """Where a browser is sent, and the cookie that it brings back."""

    url: str
    cookie: str


@dataclass(frozen=True)
class Provider:
    """The provider of the configuration. Errors: NotFound (none is configured), ProviderUnavailable, OAuthError."""

    settings: OidcGroup
    keyring: Keyring
    database: Database
    clock: Clock

    def depart(self, waiting: Waiting | None = None) -> Departure:
        """Begin a sign-in, perhaps one that a terminal waits for."""
        endpoint = self._discover()["authorization_endpoint"]
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        query = {
            "response_type": "code",
            "client_id": self.settings.client_id,
            "redirect_uri": self.settings.redirect_url,
            "scope": self.settings.scope,
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        remembered: dict[str, Any] = {"state": state, "nonce": nonce, "verifier": verifier}
        if waiting is not None:
            remembered |= {"port": waiting.port, "challenge": waiting.challenge}
        cookie = seals.seal(self.keyring, self.clock, COOKIE_AUDIENCE, PATIENCE_S, **remembered)
        return Departure(f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(query)}", cookie)

    def waiting(self, cookie: str | None) -> Waiting | None:
        """Return the terminal that waits for the sign-in of this browser, if one does."""
        claims = seals.opened(self.keyring, self.clock, COOKIE_AUDIENCE, cookie) or {}
        return Waiting(claims["port"], claims["challenge"]) if "port" in claims else None

    def arrive(self, cookie: str | None, state: str | None, code: str | None) -> Person:
        """End a sign-in: return the user that the provider's answer names; without a code there is none."""
        if not code or not state:
            raise OAuthError("access_denied", Text("the provider did not sign you in", "统一身份认证未完成登录"))
        remembered = self._open(cookie)
        if not hmac.compare_digest(remembered["state"].encode(), state.encode()):
            raise _refused(Text("the answer is not that of this browser's sign-in", "登录应答与本浏览器的请求不符"))
        found = self._discover()
        token = self._exchange(found["token_endpoint"], code, remembered["verifier"])
        claims = self._verified(token, found["jwks_uri"])
        if not hmac.compare_digest(str(claims.get("nonce", "")).encode(), remembered["nonce"].encode()):
            raise _refused(Text("the identity token answers another sign-in", "身份令牌不属于本次登录"))
        return self._person(claims)

    def _person(self, claims: dict[str, Any]) -> Person:
        column, value = (User.subject, claims["sub"])
        if self.settings.match == "email":
            if claims.get("email_verified") is not True:  # an address that anybody may claim names nobody
                raise _unknown()
            column, value = (User.email, claims.get("email"))
        if not isinstance(value, str) or not value or "\x00" in value:
            raise _unknown()
        wanted = value.lower() if self.settings.match == "email" else value
        with self.database.write() as session:
            user = session.scalar(select(User).where(column == wanted))
            if user is None or not may_sign_in(user):
                raise _unknown()
            facts = {"by": "oidc", "issuer": self.settings.issuer}
            note(session, self.clock, actor=user.name, action="user.sign_in", target=f"user/{user.name}", facts=facts)
            return Person(user.name, user.role, user.department_id)

    def _discover(self) -> dict[str, str]:
        issuer = self.settings.issuer
        if issuer is None:
            raise NotFound(kind=Text("identity provider", "统一身份认证"), name="oidc")
        found = self._json("GET", f"{issuer.rstrip('/')}/.well-known/openid-configuration")
        if found.get("issuer") != issuer:
            raise ProviderUnavailable(reason=Text("it calls itself by another name", "其标识与配置不符"))
        wanted = ("authorization_endpoint", "token_endpoint", "jwks_uri")
        if not all(isinstance(found.get(name), str) for name in wanted):
            raise ProviderUnavailable(reason=Text("its description is incomplete", "其配置文档不完整"))
        return {name: found[name] for name in wanted}

    def _exchange(self, endpoint: str, code: str, verifier: str) -> str:
        secret = self.settings.client_secret
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.settings.redirect_url,
            "code_verifier": verifier,
        }
        if secret is None:
            form["client_id"] = self.settings.client_id
        auth = (self.settings.client_id, secret.get_secret_value()) if secret else None
        token = self._json("POST", endpoint, data=form, auth=auth).get("id_token")
        if not isinstance(token, str):
            raise ProviderUnavailable(reason=Text("it answered without an identity token", "应答中没有身份令牌"))
        return token

    def _verified(self, token: str, jwks_uri: str) -> dict[str, Any]:
        try:
            kid = jwt.get_unverified_header(token).get("kid")
            keys = self._json("GET", jwks_uri).get("keys", [])
            jwk = next(key for key in keys if key.get("kid") == kid and key.get("use", "sig") == "sig")
            key = public_key(jwk)
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=algorithms(key),
                audience=self.settings.client_id,
                issuer=self.settings.issuer,
                options={
                    "require": ["iss", "aud", "sub", "exp", "iat"],
                    "verify_exp": False,
                    "verify_iat": False,
                    "verify_nbf": False,
                },
            )
        except (jwt.PyJWTError, StopIteration, AttributeError, KeyError, TypeError, ValueError) as exc:
            raise _refused(Text("the identity token is not valid", "身份令牌无效")) from exc
        self._must_be_ours(claims)
        return claims

    def _must_be_ours(self, claims: dict[str, Any]) -> None:
        now, expiry = self.clock().timestamp(), claims["exp"]
        many = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
        if type(expiry) not in {int, float} or expiry <= now - SKEW_S:
            raise _refused(Text("the identity token has expired", "身份令牌已过期"))
        if claims.get("azp", None if many else self.settings.client_id) != self.settings.client_id:
            raise _refused(Text("the identity token is another client's", "身份令牌属于其他应用"))

    def _json(self, method: str, url: str, **kwargs: Any) -> dict[str, Any]:
        try:
            response = httpx.request(method, url, timeout=self.settings.timeout_s, follow_redirects=False, **kwargs)
        except (httpx.HTTPError, httpx.InvalidURL) as exc:
            raise ProviderUnavailable(reason=type(exc).__name__) from exc
        if response.is_client_error and method == "POST":
            raise _refused(Text("the provider refused the code", "统一身份认证拒绝了授权码"))
        if not response.is_success:
            raise ProviderUnavailable(reason=f"HTTP {response.status_code}")
        try:
            body = response.json()
        except ValueError as exc:
            raise ProviderUnavailable(reason=Text("it does not speak JSON", "应答不是 JSON")) from exc
        if not isinstance(body, dict):
            raise ProviderUnavailable(reason=Text("it does not speak JSON", "应答不是 JSON"))
        return body

    def _open(self, cookie: str | None) -> dict[str, Any]:
        claims = seals.opened(self.keyring, self.clock, COOKIE_AUDIENCE, cookie)
        if claims is None:
            raise _refused(Text("begin again: the sign-in is too old, or another browser's", "登录已过期，请重新开始"))
        return claims


def _refused(reason: Text) -> OAuthError:
    return OAuthError("invalid_grant", reason)


def _unknown() -> OAuthError:
    return _refused(Text("no account here is yours, or it is switched off", "未找到对应账号，或账号已停用"))
