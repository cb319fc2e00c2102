"""Signing in through an OpenID Connect provider, over HTTP."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Cookie, Query, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel

from exchange.text import Text
from registry.access import service
from registry.access.oidc import COOKIE, PATIENCE_S, Provider
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
def login(registry: Registry) -> RedirectResponse:
    """Send the browser to the OpenID Connect provider."""
    departure = _provider(registry).depart()
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


@router.get("/oauth2/oidc/callback")
def callback(
    registry: Registry,
    response: Response,
    code: Word = None,
    state: Word = None,
    error: Annotated[str | None, Query(max_length=200)] = None,
    exchange_oidc: Annotated[str | None, Cookie(max_length=4096)] = None,
) -> SignedIn:
    """Take the browser back from the provider: its code becomes a token of the user that `sub`, or the email, names."""
    if error is not None or not code or not state:
        raise OAuthError("access_denied", Text("the provider did not sign you in", "统一身份认证未完成登录"))
    person = _provider(registry).arrive(exchange_oidc, state, code)
    token = service.user_token(registry.tokens, person)
    response.headers["Cache-Control"] = "no-store"
    response.delete_cookie(COOKIE, path=PATH)
    registry.metrics.add("exchange_tokens_total", outcome="issued")
    return SignedIn(access_token=token.text, expires_in=token.ttl_s, user=person.name)


def _provider(registry: Runtime) -> Provider:
    return Provider(registry.settings.oidc, registry.keyring, registry.database, registry.clock)
