"""Signing in through the browser: it brings a code to a loopback port of this machine (RFC 8252, with PKCE)."""

from __future__ import annotations

import base64
import hashlib
import secrets
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx

from exchange.errors import LoginFailed, RegistryUnavailable
from exchange.settings import RegistrySettings
from exchange.text import Text
from exchange.trust import trusted

PATIENCE_S = 600.0  # as long as the registry waits for the provider
DONE = Text("You are signed in; this window can be closed.", "登录成功，可关闭此窗口。")
FAILED = Text("The sign-in failed; the terminal says why.", "登录未完成，原因见终端。")
PAGE = "<!doctype html><meta charset=utf-8><title>exchange</title><p>{text}</p>"


class SignInFailed(LoginFailed):
    """The browser did not come back signed in."""

    text = Text("The sign-in in the browser failed: {reason}", "浏览器登录失败：{reason}")
    hint = Text(
        "`exchange login --browser` begins again; an administrator registers accounts (`exchange user add --subject`).",
        "请重新执行 `exchange login --browser`；账号由管理员登记（`exchange user add --subject`）。",
    )


def sign_in(settings: RegistrySettings, port: int, show: Callable[[str], object]) -> tuple[str, str]:
    """Return (user name, what renews the user's tokens); ``show`` gets the address for the browser.

    ``port``: where to wait; 0 takes a free one. Errors: SignInFailed, RegistryUnavailable.
    """
    verifier = secrets.token_urlsafe(48)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    url = settings.url.rstrip("/")
    with _Loopback(port) as waiting:
        query = urlencode({"port": waiting.server_port, "challenge": challenge})
        show(f"{url}/oauth2/oidc/login?{query}")
        code = waiting.code()
    form = {"grant_type": "authorization_code", "code": code, "code_verifier": verifier}
    try:
        with httpx.Client(base_url=url, timeout=settings.timeout_s, verify=trusted(url, settings.ca_file)) as http:
            redeemed = http.post("/oauth2/token", data=form)
            answer = redeemed.json() if redeemed.is_success else {}
            if "refresh_token" not in answer:
                raise SignInFailed(reason=f"HTTP {redeemed.status_code}")
            headers = {"Authorization": f"Bearer {answer['access_token']}"}
            name = str(http.get("/api/v1/me", headers=headers).raise_for_status().json()["name"])
    except httpx.HTTPError as exc:
        raise RegistryUnavailable(url=url, reason=type(exc).__name__) from exc
    return name, str(answer["refresh_token"])


class _Loopback(HTTPServer):
    """Waits for the browser on this machine only."""

    timeout = 1.0

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.said: dict[str, str] = {}

    def code(self) -> str:
        """Return the code that the browser brings. Errors: SignInFailed."""
        deadline = time.monotonic() + PATIENCE_S
        while not self.said and time.monotonic() < deadline:
            self.handle_request()
        if "code" not in self.said:
            raise SignInFailed(reason=self.said.get("error", "timeout"))
        return self.said["code"]


class _Handler(BaseHTTPRequestHandler):
    server: _Loopback

    def do_GET(self) -> None:
        """Take the outcome; anything else that a browser asks for, like an icon, is not there."""
        found = parse_qs(urlsplit(self.path).query)
        said = {name: values[0] for name, values in found.items() if name in {"code", "error"}}
        if not said:
            self.send_error(404)
            return
        self.server.said = said
        text = DONE if "code" in said else FAILED
        page = PAGE.format(text=text.format()).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *_args: object) -> None:
        """Write nothing: the address has the code in it."""
