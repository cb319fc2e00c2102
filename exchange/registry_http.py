"""HTTP to the registry under a token: fetched when needed, renewed before it ends, errors in the family's words."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import httpx

from exchange.errors import ExchangeError, LoginFailed, NotFound, Refused, RegistryUnavailable
from exchange.settings import RegistrySettings
from exchange.text import process_lang
from exchange.trust import trusted

UNAUTHORIZED, NOT_FOUND, SERVER_ERRORS = 401, 404, 500
BINARY = "application/octet-stream"
REFRESH_AT = 0.8  # of a token's life


@dataclass(frozen=True, slots=True)
class Login:
    """How a token is asked for: ``form`` as OAuth2 wants it; ``basic``: client_id and secret of a system."""

    name: str
    form: dict[str, str] = field(repr=False)
    basic: tuple[str, str] | None = field(default=None, repr=False)


class RegistryHttp:
    """Calls as one system or user. Errors: RegistryUnavailable, LoginFailed, Refused, NotFound."""

    def __init__(self, settings: RegistrySettings, login: Login) -> None:
        self.url = settings.url.rstrip("/")
        self._login = login
        verify = trusted(self.url, settings.ca_file)
        self._http = httpx.Client(base_url=self.url, timeout=settings.timeout_s, verify=verify)
        self._token = ""
        self._token_until = 0.0

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def get(self, path: str, **params: Any) -> Any:
        """Return the JSON of ``path``."""
        return self.call("GET", path, params=params)

    def post(self, path: str, body: Any = None) -> Any:
        """Return the JSON answered to ``body`` posted at ``path``."""
        return self.call("POST", path, json=body)

    def call(self, method: str, path: str, **kwargs: Any) -> Any:
        """Return the JSON answered; None for an empty answer."""
        response = self._authorised(method, path, **kwargs)
        if response.status_code == UNAUTHORIZED:  # the keys were rotated, or the clock jumped
            self._token_until = 0.0
            response = self._authorised(method, path, **kwargs)
        if response.is_error:
            raise self._refusal(response, path)
        return response.json() if response.content else None

    def send_form(self, path: str) -> None:
        """Post the login's own form at ``path``, which asks for no token. Errors: RegistryUnavailable, LoginFailed."""
        response = self._send("POST", path, data=self._login.form, auth=self._login.basic)
        if response.is_error:
            raise LoginFailed(client_id=self._login.name, reason=_reason(response))

    def download(self, path: str, *, wait_s: float | None = None, **params: Any) -> bytes:
        """Return the file at ``path``; ``wait_s``: for longer than other answers."""
        patience: dict[str, Any] = {} if wait_s is None else {"timeout": wait_s}
        response = self._authorised("GET", path, params=params, **patience)
        if response.is_error:
            raise self._refusal(response, path)
        return response.content

    def upload(self, path: str, data: bytes, **params: Any) -> Any:
        """Return the JSON answered to a file posted at ``path``."""
        return self.call("POST", path, content=data, params=params, headers={"Content-Type": BINARY})

    def _authorised(
        self, method: str, path: str, *, headers: dict[str, str] | None = None, **kwargs: Any
    ) -> httpx.Response:
        return self._send(
            method, path, headers={**(headers or {}), "Authorization": f"Bearer {self._bearer()}"}, **kwargs
        )

    def _bearer(self) -> str:
        if time.monotonic() >= self._token_until:
            response = self._send("POST", "/oauth2/token", data=self._login.form, auth=self._login.basic)
            if response.is_error:
                raise LoginFailed(client_id=self._login.name, reason=_reason(response))
            answer = response.json()
            self._token = answer["access_token"]
            self._token_until = time.monotonic() + REFRESH_AT * float(answer["expires_in"])
        return self._token

    def _send(self, method: str, path: str, *, headers: dict[str, str] | None = None, **kwargs: Any) -> httpx.Response:
        language = "zh-CN" if process_lang() == "zh" else "en"
        try:
            response = self._http.request(
                method, path, headers={"Accept-Language": language, **(headers or {})}, **kwargs
            )
        except httpx.HTTPError as exc:
            raise RegistryUnavailable(url=self.url, reason=str(exc) or exc.__class__.__name__) from exc
        if response.status_code >= SERVER_ERRORS:
            raise RegistryUnavailable(url=self.url, reason=f"HTTP {response.status_code}")
        return response

    def _refusal(self, response: httpx.Response, path: str) -> ExchangeError:
        reason = _reason(response)
        if response.status_code == UNAUTHORIZED:
            return LoginFailed(client_id=self._login.name, reason=reason)
        if response.status_code == NOT_FOUND:
            return NotFound(what=path, reason=reason)
        return Refused(reason=reason)


def _reason(response: httpx.Response) -> str:
    try:
        body = response.json()
    except ValueError:
        return f"HTTP {response.status_code}"
    found = body if isinstance(body, dict) else {}
    words = [found.get(name) for name in ("detail", "message", "error_description", "error")]
    return next((str(word) for word in words if word), f"HTTP {response.status_code}")


def change_password(settings: RegistrySettings, username: str, password: str, new: str) -> None:
    """Change a user's own password. Errors: RegistryUnavailable, LoginFailed (wrong, or the new one refused)."""
    form = {"username": username, "password": password, "new_password": new}
    http = RegistryHttp(settings, Login(username, form))
    try:
        http.send_form("/oauth2/password")
    finally:
        http.close()
