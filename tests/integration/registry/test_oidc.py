"""Signing in through an OpenID Connect provider, which is a process of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import select

from registry.audit.models import AuditEntry
from registry.settings import OidcGroup
from tests.support.oidc_provider import CLIENT, Provider, provider
from tests.support.registry_world import PASSWORD, World, world

CALLBACK = "http://testserver/oauth2/oidc/callback"


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[Provider]:
    with provider() as running:
        yield running


@contextmanager
def joined(directory: Path, elsewhere: Provider, **more: Any) -> Iterator[World]:
    secret = SecretStr(CLIENT[1])
    group = {"issuer": elsewhere.issuer, "client_id": CLIENT[0], "client_secret": secret, "redirect_url": CALLBACK}
    with world(directory, oidc=OidcGroup(**{**group, **more})) as here:
        body = {"name": "wei", "password": PASSWORD, "role": "auditor", "subject": "s-1", "email": "s-1@example.gov.cn"}
        here.security.post("users", body)
        yield here


def leave(here: World) -> str:
    """Begin to sign in; return the provider's address. The browser keeps the cookie."""
    here.http.cookies.clear()
    answer = here.http.get("/oauth2/oidc/login", follow_redirects=False)
    assert answer.status_code == 303
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    return str(answer.headers["location"])


def come_back(here: World, address: str) -> tuple[int, str]:
    answer = here.http.get(address)
    return answer.status_code, answer.json().get("user") or answer.json()["error"]


REFUSED = (400, "invalid_grant")


def test_a_person_signs_in_at_the_provider(tmp_path: Path, elsewhere: Provider) -> None:
    with joined(tmp_path, elsewhere) as here:
        back = elsewhere.sign_in(leave(here), "s-1")
        answer = here.http.get(back)
        assert (answer.status_code, answer.json()["user"]) == (200, "wei")
        assert answer.headers["cache-control"] == "no-store"
        me = here.http.get("/api/v1/me", headers={"Authorization": f"Bearer {answer.json()['access_token']}"})
        assert (me.json()["name"], me.json()["role"]) == ("wei", "auditor")
        assert come_back(here, back) == REFUSED, "a code is good once"
        assert come_back(here, elsewhere.sign_in(leave(here), "stranger")) == REFUSED, "nobody is registered by it"
        here.security.post("users/wei/deactivate")
        assert come_back(here, elsewhere.sign_in(leave(here), "s-1")) == REFUSED
        with here.runtime.database.read() as session:
            found = session.scalars(select(AuditEntry.facts).where(AuditEntry.action == "user.sign_in"))
            assert any(elsewhere.issuer in facts for facts in found)


def test_what_the_provider_says_is_checked(tmp_path: Path, elsewhere: Provider) -> None:
    with joined(tmp_path, elsewhere) as here:
        for fault in ("nonce", "audience", "azp", "issuer", "expired", "signature", "unsigned"):
            assert come_back(here, elsewhere.sign_in(leave(here), "s-1", fault)) == REFUSED, fault
        assert come_back(here, elsewhere.sign_in(leave(here), "s-1")) == (200, "wei"), "without a fault"

        back = elsewhere.sign_in(leave(here), "s-1")
        here.http.cookies.clear()
        assert come_back(here, back) == REFUSED, "another browser"
        mine = elsewhere.sign_in(leave(here), "s-1")
        leave(here)
        assert come_back(here, mine) == REFUSED, "another sign-in of the same browser"
        back = elsewhere.sign_in(leave(here), "s-1")
        here.clock.ahead = timedelta(minutes=10)
        assert come_back(here, back) == REFUSED, "too late"
        assert come_back(here, f"{CALLBACK}?error=access_denied&state=x") == (400, "access_denied")
        assert come_back(here, CALLBACK) == (400, "access_denied")


def test_an_email_counts_when_it_is_verified(tmp_path: Path, elsewhere: Provider) -> None:
    with joined(tmp_path, elsewhere, match="email") as here:
        assert come_back(here, elsewhere.sign_in(leave(here), "s-1")) == (200, "wei")
        assert come_back(here, elsewhere.sign_in(leave(here), "s-1", "unverified")) == REFUSED


def test_a_provider_that_is_away_or_wrong_is_said_so(tmp_path: Path, elsewhere: Provider) -> None:
    with joined(tmp_path, elsewhere) as here:
        for issuer, expected in ((None, 404), ("http://127.0.0.1:1", 503), (f"{elsewhere.issuer}/", 503)):
            configure(here, issuer=issuer)
            assert here.http.get("/oauth2/oidc/login", follow_redirects=False).status_code == expected
        configure(here, client_secret=SecretStr("wrong"))
        assert come_back(here, elsewhere.sign_in(leave(here), "s-1")) == REFUSED


def configure(here: World, **changed: Any) -> None:
    """Let the application go on with other settings."""
    settings = here.runtime.settings
    oidc = settings.oidc.model_copy(update=changed)
    app: Any = here.http.app
    app.state.runtime = replace(here.runtime, settings=settings.model_copy(update={"oidc": oidc}))
