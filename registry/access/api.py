"""The token endpoint, the published keys, and their rotation."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Any, NamedTuple
from urllib.parse import unquote_plus

from fastapi import APIRouter, Form, Request, Response
from pydantic import BaseModel
from sqlalchemy.orm import Session

from exchange.text import Text
from registry.access import service
from registry.access.tokens import Token
from registry.errors import OAuthError
from registry.runtime import Runtime
from registry.web.access import Registry, SystemAdmin

router = APIRouter()
Field = Annotated[str | None, Form(max_length=1024)]


class Given(NamedTuple):
    """The form of a token request."""

    grant_type: str | None
    scope: str | None
    client_id: str | None
    client_secret: str | None
    username: str | None
    password: str | None


class TokenAnswer(BaseModel):
    """A token, as RFC 6749 §5.1 has it."""

    access_token: str
    token_type: str = "Bearer"  # noqa: S105 (a kind of token, not one)
    expires_in: int


class Rotated(BaseModel):
    """The id of the new key."""

    kid: str


@router.post("/oauth2/token", tags=["access"])
def token(
    request: Request,
    response: Response,
    registry: Registry,
    grant_type: Field = None,
    scope: Field = None,
    client_id: Field = None,
    client_secret: Field = None,
    username: Field = None,
    password: Field = None,
) -> TokenAnswer:
    """Return a token: `client_credentials` for systems (HTTP Basic or form), `password` for users.

    Scopes: `kafka` (for the broker), `registry` (for this API); none means both, for a user `registry`.
    """
    given = Given(grant_type, scope, client_id, client_secret, username, password)
    try:
        with registry.database.read() as session:
            issued = _issue(session, registry, given, request.headers.get("authorization", ""))
    except OAuthError as exc:
        registry.metrics.add("exchange_tokens_total", outcome=exc.error)
        raise
    registry.metrics.add("exchange_tokens_total", outcome="issued")
    response.headers["Cache-Control"] = "no-store"
    return _answer(issued)


@router.get("/oauth2/jwks", tags=["access"])
def jwks(registry: Registry) -> dict[str, Any]:
    """Return the keys that verify tokens (RFC 7517)."""
    return registry.keyring.jwks()


@router.post("/api/v1/keys/rotate", tags=["access"])
def rotate(registry: Registry, _caller: SystemAdmin) -> Rotated:
    """Make a new signing key: published at once, used after a short delay."""
    return Rotated(kid=registry.keyring.rotate())


def _issue(session: Session, registry: Runtime, given: Given, authorization: str) -> Token:
    match given.grant_type:
        case "client_credentials":
            name, secret = _credentials(authorization, given)
            return service.system_token(session, registry.tokens, name, secret, given.scope)
        case "password":
            name, secret = _needed(given.username), _needed(given.password)
            return service.user_token(session, registry.tokens, name, secret, given.scope)
        case None:
            raise OAuthError("invalid_request", Text("grant_type is missing", "缺少 grant_type"))
    supported = Text("client_credentials or password", "仅支持 client_credentials 与 password")
    raise OAuthError("unsupported_grant_type", supported)


def _answer(issued: Token) -> TokenAnswer:
    return TokenAnswer(access_token=issued.text, expires_in=issued.ttl_s)


def _credentials(authorization: str, given: Given) -> tuple[str, str]:
    kind, _, encoded = authorization.partition(" ")
    if kind.lower() != "basic":
        return _needed(given.client_id), _needed(given.client_secret)
    try:
        name, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError) as exc:
        raise OAuthError("invalid_client", Text("not HTTP Basic", "不是有效的 HTTP Basic 凭据")) from exc
    return _needed(unquote_plus(name)), _needed(unquote_plus(secret))  # RFC 6749 §2.3.1


def _needed(value: str | None) -> str:
    if not value or "\x00" in value:
        raise OAuthError("invalid_request", Text("credentials are missing", "缺少凭据"))
    return value
