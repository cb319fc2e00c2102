"""The token endpoint, the published keys, and their rotation."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import unquote_plus

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from exchange.text import Text
from registry.access import api_oidc, assertions, service, signins
from registry.access.signin import SignIn
from registry.access.tokens import Token
from registry.audit.service import note
from registry.errors import OAuthError
from registry.runtime import Runtime
from registry.web.access import Registry, SecurityAdmin
from registry.web.forms import NO_NUL

router = APIRouter()
router.include_router(api_oidc.router)
Field = Annotated[str | None, Form(max_length=1024)]
Long = Annotated[str | None, Form(max_length=assertions.LONGEST)]


@dataclass(frozen=True, slots=True)
class Given:
    """The form of a token request."""

    grant_type: str | None
    scope: str | None
    client_id: str | None
    client_secret: str | None
    username: str | None
    password: str | None
    assertion_type: str | None
    assertion: str | None
    code: str | None
    code_verifier: str | None
    refresh_token: str | None


class TokenAnswer(BaseModel):
    """A token, as RFC 6749 §5.1 has it."""

    access_token: str
    token_type: str = "Bearer"  # noqa: S105 (a kind of token, not one)
    expires_in: int
    refresh_token: str | None = None


class Rotated(BaseModel):
    """The id of the new key."""

    kid: str


@router.post("/oauth2/token", tags=["access"], response_model=TokenAnswer)
def token(
    request: Request,
    registry: Registry,
    grant_type: Field = None,
    scope: Field = None,
    client_id: Field = None,
    client_secret: Field = None,
    username: Field = None,
    password: Field = None,
    client_assertion_type: Field = None,
    client_assertion: Long = None,
    code: Long = None,
    code_verifier: Field = None,
    refresh_token: Long = None,
) -> Response:
    """Return a token: `client_credentials` for systems, `password` for users.

    After a sign-in in the browser a terminal has `authorization_code`, and then `refresh_token`.
    A system proves itself with its secret, as HTTP Basic or in the form, or with an assertion that its key signed.
    Scopes: `kafka` (for the broker), `registry` (for this API); none means both, for a user `registry`.
    """
    given = Given(
        grant_type,
        scope,
        client_id,
        client_secret,
        username,
        password,
        client_assertion_type,
        client_assertion,
        code,
        code_verifier,
        refresh_token,
    )
    who = given.username or given.client_id
    peer = request.client.host if request.client else ""
    bucket = (peer, who or hash(request.headers.get("authorization")))
    registry.limits.tokens.take(bucket)
    registry.limits.failures.look(bucket)
    try:
        issued, session = _issue(registry, given, request.headers.get("authorization", ""))
    except OAuthError as exc:
        registry.metrics.add("exchange_tokens_total", outcome=exc.error)
        registry.limits.failures.take(bucket)
        signins.refused(registry, who, exc.error)
        raise
    registry.metrics.add("exchange_tokens_total", outcome="issued")
    # Made here: that the model is what it says need not be asked again for each of the busiest answers.
    told = answer(issued, session).model_dump(exclude_none=True)
    return JSONResponse(told, headers={"Cache-Control": "no-store"})


@router.post("/oauth2/password", tags=["access"], status_code=204)
def change_password(
    request: Request,
    registry: Registry,
    username: Annotated[str, Form(max_length=63)],
    password: Annotated[str, Form(max_length=256)],
    new_password: Annotated[str, Form(min_length=12, max_length=256, pattern=NO_NUL)],
) -> None:
    """Change the own password: asks for the old one, not for a token, so that one that is due can be changed."""
    bucket = (request.client.host if request.client else "", username)
    registry.limits.tokens.take(bucket)
    registry.limits.failures.look(bucket)
    try:
        _sign_in(registry).change(_needed(username), _needed(password), new_password)
    except OAuthError as exc:
        registry.limits.failures.take(bucket)
        signins.refused(registry, username, exc.error)
        raise


@router.get("/oauth2/jwks", tags=["access"])
def jwks(registry: Registry) -> dict[str, Any]:
    """Return the keys that verify tokens (RFC 7517)."""
    return registry.keyring.jwks()


@router.post("/api/v1/keys/rotate", tags=["access"])
def rotate(registry: Registry, caller: SecurityAdmin) -> Rotated:
    """Make a new signing key: published at once, used after a short delay."""
    caller.must_secure(whole=True)
    kid = registry.keyring.rotate()
    with registry.database.write() as session:
        note(session, registry.clock, actor=caller.name, action="key.rotate", target=f"key/{kid}")
    return Rotated(kid=kid)


def answer(issued: Token, session: str | None = None) -> TokenAnswer:
    """Return a token as the endpoint answers it, perhaps with what renews it."""
    return TokenAnswer(access_token=issued.text, expires_in=issued.ttl_s, refresh_token=session)


def _issue(registry: Runtime, given: Given, authorization: str) -> tuple[Token, str | None]:
    match given.grant_type:
        case "client_credentials":
            wanted = service.audiences(given.scope)
            system = _system(registry, given, authorization)
            signins.issued(registry, system.client_id)
            return service.system_token(registry.tokens, system, wanted), None
        case "password":
            service.must_be_persons_scope(given.scope)
            person = _sign_in(registry).person(_needed(given.username), _needed(given.password))
            return service.user_token(registry.tokens, person), None
        case "authorization_code":
            desk = api_oidc.desk(registry)
            person = desk.redeem(_needed(given.code), _needed(given.code_verifier))
            return service.user_token(registry.tokens, person), desk.session(person)
        case "refresh_token":
            person = api_oidc.desk(registry).renew(_needed(given.refresh_token))
            return service.user_token(registry.tokens, person), None
        case None:
            raise OAuthError("invalid_request", Text("grant_type is missing", "缺少 grant_type"))
    supported = Text(
        "client_credentials, password, authorization_code or refresh_token",
        "支持 client_credentials、password、authorization_code 与 refresh_token",
    )
    raise OAuthError("unsupported_grant_type", supported)


def _system(registry: Runtime, given: Given, authorization: str) -> service.Principal:
    if given.assertion_type is None and given.assertion is None:
        name, secret = _credentials(authorization, given)
        with registry.database.plain() as connection:
            return service.proved_system(connection, name, secret)
    if given.assertion_type != assertions.KIND or authorization or given.client_secret:
        raise OAuthError("invalid_request", Text("one way to authenticate, please", "仅可使用一种认证方式"))
    settings = registry.settings
    taken = assertions.Assertions(
        registry.database, registry.clock, settings.registry.issuer, settings.accounts.assertion_max_s
    )
    system = taken.client(_needed(given.assertion), given.client_id)
    return service.Principal(system.client_id, system.department_id)


def _sign_in(registry: Runtime) -> SignIn:
    return SignIn(registry.database, registry.clock, registry.settings.accounts)


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
