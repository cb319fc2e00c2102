"""Accounts on both databases: passwords, lock-out, the three separate duties, and systems with keys of their own."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from registry.access import assertions
from registry.settings import AccountsGroup
from tests.support.databases import BOTH_DATABASES
from tests.support.registry_world import PASSWORD, Office, World, new_uscc, world

NEW = "another horse battery"


@pytest.fixture(params=BOTH_DATABASES)
def here(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    url = request.getfixturevalue("postgres_url") if request.param == "postgresql" else None
    accounts = AccountsGroup(lock_after=3, lock_minutes=15, password_days=30, password_history=3)
    with world(tmp_path, url, accounts=accounts) as made:
        yield made


def status(response: Any) -> tuple[int, str]:
    return response.status_code, response.json()["code"]


def sign_in(here: World, name: str, password: str) -> tuple[int, str]:
    answer = here.http.post("/oauth2/token", data={"grant_type": "password", "username": name, "password": password})
    return answer.status_code, answer.json().get("error", "signed in")


def change(here: World, name: str, old: str, new: str) -> Any:
    return here.http.post("/oauth2/password", data={"username": name, "password": old, "new_password": new})


def person(here: World, name: str, role: str = "system_admin", **place: Any) -> None:
    here.security.post("users", {"name": name, "password": PASSWORD, "role": role, **place})


WRONG, IN = (400, "invalid_grant"), (200, "signed in")


def test_the_life_of_a_password(here: World) -> None:
    person(here, "li.lei")
    assert sign_in(here, "li.lei", PASSWORD) == WRONG, "another chose it: it has to be changed first"
    assert change(here, "li.lei", PASSWORD, PASSWORD).status_code == 400, "to something else"
    assert change(here, "li.lei", PASSWORD, "i am li.lei and long").status_code == 400, "not the name"
    assert change(here, "li.lei", PASSWORD, "short").status_code == 422
    assert change(here, "li.lei", "wrong password", NEW).status_code == 400
    assert change(here, "li.lei", PASSWORD, NEW).status_code == 204
    assert (sign_in(here, "li.lei", PASSWORD), sign_in(here, "li.lei", NEW)) == (WRONG, IN)
    assert change(here, "li.lei", NEW, f"{NEW} 2").status_code == 204
    assert change(here, "li.lei", f"{NEW} 2", PASSWORD).status_code == 400, "one of the last three"
    assert change(here, "li.lei", f"{NEW} 2", f"{NEW} 3").status_code == 204
    assert change(here, "li.lei", f"{NEW} 3", PASSWORD).status_code == 204, "it is long ago now"
    here.clock.ahead = timedelta(days=29, hours=23)
    assert sign_in(here, "li.lei", PASSWORD) == IN
    here.clock.ahead = timedelta(days=30)
    assert sign_in(here, "li.lei", PASSWORD) == WRONG, "too old"
    assert change(here, "li.lei", PASSWORD, NEW).status_code == 204
    assert sign_in(here, "li.lei", NEW) == IN


def test_guessing_locks_an_account_for_a_while(here: World) -> None:
    person(here, "li.lei")
    assert change(here, "li.lei", PASSWORD, NEW).status_code == 204
    assert [sign_in(here, "li.lei", "wrong") for _ in range(2)] == [WRONG] * 2
    assert sign_in(here, "li.lei", NEW) == IN, "which forgets the two"
    assert [sign_in(here, "li.lei", "wrong") for _ in range(2)] == [WRONG] * 2
    assert change(here, "li.lei", "wrong", f"{NEW} 2").status_code == 400, "changing is no way around"
    refused = here.http.post(
        "/oauth2/token", data={"grant_type": "password", "username": "li.lei", "password": NEW}
    ).json()
    nobody = here.http.post(
        "/oauth2/token", data={"grant_type": "password", "username": "nobody", "password": NEW}
    ).json()
    assert refused == nobody, "who guesses does not learn that it is locked, nor that it exists"
    here.clock.ahead = timedelta(minutes=14)
    assert sign_in(here, "li.lei", NEW) == WRONG
    assert here.user("security", here.security.secret).get("users/li.lei")["locked_until"] is not None
    here.clock.ahead = timedelta(minutes=15, seconds=5)
    assert sign_in(here, "li.lei", NEW) == IN
    for _ in range(3):
        sign_in(here, "li.lei", "wrong")
    assert sign_in(here, "li.lei", NEW) == WRONG
    again = here.user("security", here.security.secret)
    again.post("users/li.lei/password", {"password": f"{NEW} 5"})
    assert change(here, "li.lei", f"{NEW} 5", f"{NEW} 6").status_code == 204, "a reset ends the lock"


def test_three_duties_stay_with_three_accounts(here: World) -> None:
    office = make_office(here)
    assert (
        status(here.root.call("POST", "users", {"name": "my.own", "password": PASSWORD, "role": "auditor"}))[0] == 403
    )
    for duty, other in (("system_admin", "auditor"), ("auditor", "security_admin"), ("security_admin", "system_admin")):
        person(here, f"a-{duty}", duty)
        assert status(patch(here, f"a-{duty}", role=other)) == (409, "conflict")
        demoted = patch(here, f"a-{duty}", role="developer", department_id=office.id)
        assert demoted.status_code == 200
        assert status(patch(here, f"a-{duty}", role=other, department_id=None)) == (409, "conflict"), "by no detour"
        assert patch(here, f"a-{duty}", role=duty, department_id=None).status_code == 200, "back to the same"
    for role in ("system_admin", "auditor"):
        assert status(patch(here, "security", role=role)) == (403, "forbidden"), "nobody promotes the own account"
    assert status(here.security.call("POST", "users/security/deactivate")) == (403, "forbidden")
    person(here, "one", "system_admin", email="Wei@Example.cn", subject="s-1")
    second = {"name": "two", "password": PASSWORD, "role": "auditor"}
    assert status(here.security.call("POST", "users", {**second, "email": "wei@example.cn"})) == (409, "conflict")
    assert status(here.security.call("POST", "users", {**second, "subject": "s-1"})) == (409, "conflict")
    person(here, **{k: v for k, v in second.items() if k != "password"})
    assert status(patch(here, "two", subject="s-1")) == (409, "conflict"), "one person, one account"


def test_a_department_keeps_its_own_staff(here: World) -> None:
    office, other = make_office(here), make_office(here)
    staff = {"name": "han.mei", "password": PASSWORD, "role": "data_owner", "department_id": office.id}
    assert office.admin.post("users", staff)["must_change"] is True
    assert status(other.admin.call("POST", "users/han.mei/deactivate")) == (404, "not_found")
    for role in ("department_admin", "system_admin"):
        body = {**staff, "name": "higher", "role": role, "department_id": None if "system" in role else office.id}
        assert status(office.admin.call("POST", "users", body)) == (403, "forbidden"), role
    assert status(office.admin.call("PATCH", "users/han.mei", {"role": "developer"})) == (403, "forbidden")
    assert change(here, "han.mei", PASSWORD, NEW).status_code == 204
    owner = here.user("han.mei", NEW)
    assert owner.get("me")["department_id"] == office.id
    assert [row["name"] for row in owner.get("users")["items"]] == ["han.mei"], "oneself only"
    office.admin.post("users/han.mei/deactivate")
    assert status(owner.call("GET", "me")) == (401, "unauthenticated"), "at once"
    assert sign_in(here, "han.mei", NEW) == WRONG


def test_an_auditor_reads_nothing_else(here: World) -> None:
    assert here.auditor.get("me")["role"] == "auditor"
    for path in ("divisions", "departments", "systems", "users", "resources", "requests", "grants", "node"):
        assert status(here.auditor.call("GET", path)) == (403, "forbidden"), path


def test_a_security_administrator_is_bound_to_the_division(here: World) -> None:
    person(here, "fs.security", "security_admin", division="440600")
    assert change(here, "fs.security", PASSWORD, NEW).status_code == 204
    local = here.user("fs.security", NEW)
    body = {"name": "someone", "password": PASSWORD, "role": "auditor"}
    assert status(local.call("POST", "users", body)) == (403, "forbidden"), "not of the whole node"
    assert status(local.call("POST", "users", {**body, "division": "440100"})) == (403, "forbidden")
    assert local.call("POST", "users", {**body, "division": "440604"}).status_code == 201
    assert {row["name"] for row in local.get("users")["items"]} == {"fs.security", "someone"}
    assert status(local.call("PATCH", "users/someone", {"division": None})) == (403, "forbidden"), "it does not widen"
    assert status(local.call("POST", "users/admin/password", {"password": NEW})) == (404, "not_found")
    assert status(local.call("POST", "keys/rotate")) == (403, "forbidden")


def patch(here: World, name: str, **changes: Any) -> Any:
    return here.security.call("PATCH", f"users/{name}", changes)


def make_office(here: World) -> Office:
    """An office, although passwords have to be changed first in these tests."""
    made = here.root.post("departments", {"uscc": new_uscc("440600"), "name": "某局", "division": "440600"})
    name, client_id = f"admin-{made['id']}", f"s-office-{made['id']}"
    person(here, name, "department_admin", department_id=made["id"])
    assert change(here, name, PASSWORD, NEW).status_code == 204
    told = here.root.post("systems", {"client_id": client_id, "department_id": made["id"], "name": "系统"})
    return Office(made["id"], here.user(name, NEW), here.system(client_id, told["secret"]))


def pem(key: Any) -> str:
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return str(public.decode())


def test_a_system_signs_in_with_its_own_key(here: World) -> None:
    office = make_office(here)
    name, now = office.client_id, here.clock().timestamp()
    keys: dict[str, Any] = {
        "ES256": ec.generate_private_key(ec.SECP256R1()),
        "RS256": rsa.generate_private_key(65537, 2048),
    }
    claims = {"iss": name, "sub": name, "aud": "exchange", "exp": now + 120, "iat": now}

    def ask(assertion: str, **more: str) -> tuple[int, str]:
        form = {"grant_type": "client_credentials", "client_assertion": assertion, **more}
        answer = here.http.post("/oauth2/token", data={"client_assertion_type": assertions.KIND, **form})
        return answer.status_code, answer.json().get("error", "signed in")

    for algorithm, key in keys.items():
        good = jwt.encode({**claims, "jti": algorithm}, key, algorithm)
        assert ask(good) == (401, "invalid_client"), "this key is not registered yet"
        told = office.admin.call("PUT", f"systems/{name}/key", {"pem": pem(key)})
        assert told.status_code == 200, told.text
        assert "d" not in told.json()["jwk"]
        assert ask(good) == IN
        assert ask(good) == (401, "invalid_client"), "a jti is good once"
    secret = {"grant_type": "client_credentials", "client_id": name, "client_secret": office.system.secret}
    assert here.http.post("/oauth2/token", data=secret).status_code == 401, "the secret ended"

    key = keys["RS256"]
    bad: dict[str, dict[str, Any]] = {
        "another audience": {"aud": "https://elsewhere"},
        "no audience": {"aud": None},
        "another issuer": {"iss": "exchange"},
        "another system": {"sub": "nobody-here", "iss": "nobody-here"},
        "expired": {"exp": now - 61},
        "too long": {"exp": now + 3600},
        "no expiry": {"exp": None},
        "endless": {"exp": float("inf")},
        "from the future": {"iat": now + 120},
        "not yet": {"nbf": now + 120},
        "no jti": {"jti": None},
        "a number as jti": {"jti": 7},
    }
    for word, changed in bad.items():
        body = {name: value for name, value in {**claims, "jti": word, **changed}.items() if value is not None}
        assert ask(jwt.encode(body, key, "RS256")) == (401, "invalid_client"), word
    body = {**claims, "jti": "unsigned"}
    assert ask(jwt.encode(body, "", "none")) == (401, "invalid_client")
    assert ask(forged(body, pem(key).encode())) == (401, "invalid_client"), "a public key is no HMAC secret"
    assert ask(jwt.encode({**body, "jti": "x"}, key, "RS256"), client_secret="x" * 20)[1] == "invalid_request"
    assert ask(jwt.encode({**body, "jti": "y"}, key, "RS256"), client_id="another") == (401, "invalid_client")
    assert ask(jwt.encode({**body, "jti": "z"}, key, "RS256"), client_id=name) == IN

    renewed = office.admin.post(f"systems/{name}/secret")["secret"]
    assert here.system(name, renewed).get("node"), "a secret again"
    assert ask(jwt.encode({**body, "jti": "late"}, key, "RS256")) == (401, "invalid_client"), "and the key ended"


def forged(claims: dict[str, Any], secret: bytes) -> str:
    def text(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    head = f"{text(json.dumps({'alg': 'HS256', 'typ': 'JWT'}).encode())}.{text(json.dumps(claims).encode())}"
    return f"{head}.{text(hmac.new(secret, head.encode(), hashlib.sha256).digest())}"


def test_a_key_that_proves_little_is_refused(here: World) -> None:
    office = make_office(here)
    private = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    bodies: list[dict[str, Any]] = [
        {},
        {"pem": "nonsense"},
        {"pem": private.decode()},
        {"pem": pem(rsa.generate_private_key(65537, 1024))},
        {"pem": pem(ec.generate_private_key(ec.SECP384R1()))},
        {"jwk": {"kty": "oct", "k": "c2VjcmV0"}},
        {"jwk": {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}},
        {"jwk": {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "d": "AA"}},
    ]
    for body in bodies:
        answer = office.admin.call("PUT", f"systems/{office.client_id}/key", body)
        assert status(answer) == (422, "invalid"), body
    assert office.system.get("me")["client_id"] == office.client_id
