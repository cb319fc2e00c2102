"""Signing in through an OpenID Connect provider, which is a process of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from pydantic import SecretStr
from sqlalchemy import select

from registry.audit.models import AuditEntry
from registry.settings import OidcGroup
from tests.support.oidc_provider import CLIENT, Provider, provider
from tests.support.registry_world import PASSWORD, World, world

CALLBACK = "http://testserver/oauth2/oidc/callback"
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"  # and its challenge: RFC 7636, appendix B
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


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


def terminal(here: World, elsewhere: Provider, subject: str = "s-1") -> dict[str, list[str]]:
    """A sign-in that a program waits for on port 50000; return what the browser takes there."""
    here.http.cookies.clear()
    there = here.http.get(f"/oauth2/oidc/login?port=50000&challenge={CHALLENGE}", follow_redirects=False)
    back = here.http.get(elsewhere.sign_in(there.headers["location"], subject), follow_redirects=False)
    assert back.status_code == 303
    address = urlsplit(back.headers["location"])
    assert (address.scheme, address.netloc, address.path) == ("http", "127.0.0.1:50000", "/")
    return parse_qs(address.query)


def redeem(here: World, **form: str) -> tuple[int, dict[str, Any]]:
    answer = here.http.post("/oauth2/token", data=form)
    return answer.status_code, answer.json()


def test_a_terminal_gets_what_only_it_can_redeem(tmp_path: Path, elsewhere: Provider) -> None:
    with joined(tmp_path, elsewhere) as here:
        code = terminal(here, elsewhere)["code"][0]
        asked = {"grant_type": "authorization_code", "code": code}
        assert redeem(here, **asked, code_verifier="another")[1]["error"] == "invalid_grant"
        assert redeem(here, **asked)[1]["error"] == "invalid_request"
        status, told = redeem(here, **asked, code_verifier=VERIFIER)
        assert status == 200, told
        session = told["refresh_token"]
        for stolen in (code, session):
            me = here.http.get("/api/v1/me", headers={"Authorization": f"Bearer {stolen}"})
            assert me.status_code == 401, "neither is a token"
        renewed = redeem(here, grant_type="refresh_token", refresh_token=session)[1]["access_token"]
        me = here.http.get("/api/v1/me", headers={"Authorization": f"Bearer {renewed}"})
        assert (me.json()["name"], me.json()["role"]) == ("wei", "auditor")
        assert redeem(here, grant_type="refresh_token", refresh_token=code)[1]["error"] == "invalid_grant"

        assert terminal(here, elsewhere, "stranger") == {"error": ["invalid_grant"]}, "the terminal is told"
        old = terminal(here, elsewhere)["code"][0]
        here.clock.ahead = timedelta(seconds=61)
        late = redeem(here, grant_type="authorization_code", code=old, code_verifier=VERIFIER)
        assert late[1]["error"] == "invalid_grant"
        here.security.post("users/wei/deactivate")
        ended = redeem(here, grant_type="refresh_token", refresh_token=session)
        assert ended[1]["error"] == "invalid_grant", "switched off"


def test_a_browser_is_sent_to_this_machine_only(tmp_path: Path, elsewhere: Provider) -> None:
    with joined(tmp_path, elsewhere) as here:
        for query in ("port=80", "port=50000", f"challenge={CHALLENGE}", f"port=evil.example&challenge={CHALLENGE}"):
            answer = here.http.get(f"/oauth2/oidc/login?{query}", follow_redirects=False)
            assert answer.status_code in {400, 422}, query


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
