"""Signing in through an OpenID Connect provider, over HTTP."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Cookie, Query, Response
from fastapi.responses import JSONResponse, RedirectResponse
from pydantic import BaseModel

from exchange.text import Text
from registry.access import service
from registry.access.oidc import COOKIE, PATIENCE_S, Provider
from registry.access.terminal import Desk, Waiting
from registry.errors import OAuthError
from registry.runtime import Runtime
from registry.web.access import Registry

router = APIRouter(tags=["access"])
PATH = "/oauth2/oidc"
SEE_OTHER = 303
Word = Annotated[str | None, Query(max_length=4096)]


class SignedIn(BaseModel):
    """A token of the user who came back from the provider."""

    access_token: str
    token_type: str = "Bearer"  # noqa: S105 (a kind of token, not one)
    expires_in: int
    user: str


@router.get("/oauth2/oidc/login", status_code=SEE_OTHER, response_class=RedirectResponse)
def login(
    registry: Registry,
    port: Annotated[int | None, Query(ge=1024, le=65535, description="where a program here waits (RFC 8252)")] = None,
    challenge: Annotated[str | None, Query(pattern=r"^[A-Za-z0-9_-]{43}$", description="S256 of its verifier")] = None,
) -> RedirectResponse:
    """Send the browser to the OpenID Connect provider; `exchange login --browser` waits on a port of this machine."""
    if (port is None) is not (challenge is None):
        raise OAuthError("invalid_request", Text("port and challenge belong together", "port 与 challenge 须同时提供"))
    waiting = Waiting(port, challenge) if port is not None and challenge is not None else None
    departure = _provider(registry).depart(waiting)
    response = RedirectResponse(departure.url, SEE_OTHER, headers={"Cache-Control": "no-store"})
    response.set_cookie(
        COOKIE,
        departure.cookie,
        max_age=PATIENCE_S,
        path=PATH,
        httponly=True,
        samesite="lax",
        secure=registry.settings.oidc.redirect_url.startswith("https:"),
    )
    return response


@router.get("/oauth2/oidc/callback", response_model=SignedIn, responses={SEE_OTHER: {"description": "to a terminal"}})
def callback(
    registry: Registry,
    code: Word = None,
    state: Word = None,
    error: Annotated[str | None, Query(max_length=200)] = None,
    exchange_oidc: Annotated[str | None, Cookie(max_length=4096)] = None,
) -> Response:
    """Take the browser back from the provider: its code becomes a token of the user that `sub`, or the email, names.

    Where a terminal waits, the browser takes a code to it instead.
    """
    waiting = _provider(registry).waiting(exchange_oidc)
    response: Response
    try:
        person = _provider(registry).arrive(exchange_oidc, state, code if error is None else None)
    except OAuthError as exc:
        if waiting is None:
            raise
        response = RedirectResponse(waiting.address(error=exc.error), SEE_OTHER)
    else:
        response = _signed_in(registry, person, waiting)
    response.headers["Cache-Control"] = "no-store"
    response.delete_cookie(COOKIE, path=PATH)
    return response


def desk(registry: Runtime) -> Desk:
    """Return what hands sign-ins over to terminals."""
    return Desk(registry.keyring, registry.database, registry.clock, registry.settings.oidc.session_s)


def _signed_in(registry: Runtime, person: service.Person, waiting: Waiting | None) -> Response:
    if waiting is not None:
        return RedirectResponse(waiting.address(code=desk(registry).code(person, waiting)), SEE_OTHER)
    token = service.user_token(registry.tokens, person)
    registry.metrics.add("exchange_tokens_total", outcome="issued")
    signed_in = SignedIn(access_token=token.text, expires_in=token.ttl_s, user=person.name)
    return JSONResponse(signed_in.model_dump())


def _provider(registry: Runtime) -> Provider:
    return Provider(registry.settings.oidc, registry.keyring, registry.database, registry.clock)
