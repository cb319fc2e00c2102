"""A small OpenID Connect provider, as a process of its own: discovery, keys, authorization code with PKCE, tokens.

Whoever opens the authorization address is signed in as its ``login`` says; ``fault`` makes the identity token wrong.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any

import httpx
import jwt
import uvicorn
from cryptography.hazmat.primitives.asymmetric import rsa
from fastapi import FastAPI, Form, Header, HTTPException
from fastapi.responses import RedirectResponse
from jwt.algorithms import RSAAlgorithm

from exchange.node.ports import free_ports
from tests.support.wait import wait_until

CLIENT = ("exchange", "provider-secret")


@dataclass
class Code:
    """What a code stands for, until it is exchanged once."""

    subject: str
    nonce: str
    challenge: str
    redirect_uri: str
    fault: str


def create(issuer: str) -> FastAPI:
    app = FastAPI()
    key, stranger = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2))
    codes: dict[str, Code] = {}

    @app.get("/.well-known/openid-configuration")
    def discovery() -> dict[str, Any]:
        paths = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "jwks"}
        return {"issuer": issuer, **{name: f"{issuer}/{path}" for name, path in paths.items()}}

    @app.get("/jwks")
    def jwks() -> dict[str, Any]:
        public = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
        return {"keys": [{**public, "kid": "one", "use": "sig", "alg": "RS256"}]}

    @app.get("/authorize")
    def authorize(
        response_type: str,
        client_id: str,
        redirect_uri: str,
        scope: str,
        state: str,
        nonce: str,
        code_challenge: str,
        code_challenge_method: str,
        login: str,
        fault: str = "",
    ) -> RedirectResponse:
        asked = (response_type, client_id, code_challenge_method, "openid" in scope.split())
        if asked != ("code", CLIENT[0], "S256", True):
            raise HTTPException(400, str(asked))
        code = secrets.token_urlsafe(16)
        codes[code] = Code(login, nonce, code_challenge, redirect_uri, fault)
        return RedirectResponse(f"{redirect_uri}?code={code}&state={state}", 302)

    @app.post("/token")
    def token(
        grant_type: Annotated[str, Form()],
        code: Annotated[str, Form()],
        redirect_uri: Annotated[str, Form()],
        code_verifier: Annotated[str, Form()],
        authorization: Annotated[str, Header()],
    ) -> dict[str, Any]:
        known = codes.pop(code, None)
        basic = base64.b64encode(":".join(CLIENT).encode()).decode()
        challenge = base64.urlsafe_b64encode(hashlib.sha256(code_verifier.encode()).digest()).rstrip(b"=").decode()
        right = known is not None and (known.challenge, known.redirect_uri) == (challenge, redirect_uri)
        if not right or known is None or grant_type != "authorization_code" or authorization != f"Basic {basic}":
            raise HTTPException(400, "invalid_grant")
        return {"token_type": "Bearer", "access_token": "unused", "id_token": identity(known)}

    def identity(known: Code) -> str:
        now = int(time.time())
        claims = {
            "iss": issuer,
            "sub": known.subject,
            "aud": CLIENT[0],
            "iat": now,
            "exp": now + 300,
            "nonce": known.nonce,
            "email": f"{known.subject}@Example.gov.cn",
            "email_verified": True,
        }
        faults: dict[str, dict[str, Any]] = {
            "nonce": {"nonce": "another"},
            "audience": {"aud": "another"},
            "azp": {"aud": [CLIENT[0], "another"], "azp": "another"},
            "issuer": {"iss": "http://another"},
            "expired": {"exp": now - 3600},
            "unverified": {"email_verified": False},
        }
        claims |= faults.get(known.fault, {})
        if known.fault == "unsigned":
            return jwt.encode(claims, "", "none", headers={"kid": "one"})
        return jwt.encode(claims, stranger if known.fault == "signature" else key, "RS256", headers={"kid": "one"})

    return app


@dataclass(frozen=True)
class Provider:
    """A provider that runs; ``sign_in`` plays the browser there."""

    issuer: str

    def sign_in(self, address: str, subject: str, fault: str = "") -> str:
        """Open the address as ``subject``; return where the provider sends the browser back to."""
        answer = httpx.get(f"{address}&login={subject}&fault={fault}")
        assert answer.status_code == 302, answer.text
        location: str = answer.headers["location"]
        return location


@contextmanager
def provider() -> Iterator[Provider]:
    """A provider on a free port, for the length of the block."""
    port = free_ports(1)[0]
    issuer = f"http://127.0.0.1:{port}"
    process = subprocess.Popen([sys.executable, "-m", __name__, str(port)])
    try:
        wait_until(lambda: _answers(issuer), 20, "the provider answers")
        yield Provider(issuer)
    finally:
        process.terminate()
        process.wait(10)


def _answers(issuer: str) -> bool:
    try:
        return httpx.get(f"{issuer}/jwks", timeout=1).is_success
    except httpx.HTTPError:
        return False


if __name__ == "__main__":
    uvicorn.run(create(f"http://127.0.0.1:{sys.argv[1]}"), host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
