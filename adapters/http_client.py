"""Calling another system over HTTP: settings, a client that trusts only what it is told, its errors in our words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from pydantic import Field

from adapters.spec import PartConfig
from exchange.errors import BackOff, ConfigError, ExchangeError, NotConnected
from exchange.text import Text
from exchange.trust import trusted

REQUEST_TIMEOUT, TOO_EARLY, TOO_MANY = 408, 425, 429
SERVER_ERRORS = 500
PORTS = 65_536
LONGEST_WAIT_S, SHORTEST_WAIT_S = 3600.0, 0.1


class CallConfig(PartConfig):
    """Whom the adapter calls."""

    url: str = Field(description="address", pattern=r"^https?://", examples=["https://system.example/api/records"])
    timeout_s: float = Field(default=30.0, gt=0, le=3600, description="seconds to wait for one answer")
    ca_file: Path | None = Field(default=None, description="certificate authority of that system", examples=["ca.pem"])

    def verify(self, file: str, group: str) -> None:
        """Refuse an address with a password in it, or without a host."""
        try:
            address = httpx.URL(self.url)
        except httpx.InvalidURL:
            address = httpx.URL("")
        if address.userinfo or not address.host or not 0 < (address.port or 1) < PORTS:
            example = 'url = "https://system.example/api/records"'
            raise ConfigError(file=file, key=f"{group}.url", expected=_ADDRESS, found="***", example=example)


def open_client(config: CallConfig) -> httpx.Client:
    """Return a client that follows no redirects and takes no proxy from the environment. Errors: OSError."""
    verify = trusted(config.url, config.ca_file)
    return httpx.Client(timeout=config.timeout_s, verify=verify, follow_redirects=False, trust_env=False)


def host_of(url: str) -> str:
    """Return what may be shown of an address: its host and port; a path or query may hold a secret."""
    return urlsplit(url).netloc.rpartition("@")[2]


@contextmanager
def translated(host: str) -> Iterator[None]:
    """Turn httpx's errors into NotConnected: whatever they are, the other side gave no answer."""
    try:
        yield
    except httpx.HTTPError as exc:
        raise NotConnected(what=host, reason=type(exc).__name__) from exc


def passing(response: httpx.Response, host: str) -> ExchangeError | None:
    """Return the error for an answer that says that waiting helps (BackOff when it says how long), else None."""
    status = response.status_code
    if status < SERVER_ERRORS and status not in {REQUEST_TIMEOUT, TOO_EARLY, TOO_MANY}:
        return None
    wait = _retry_after(response.headers.get("retry-after"))
    if wait is not None:
        return BackOff(what=host, wait_s=wait)
    return NotConnected(what=host, reason=f"HTTP {status}")


def _retry_after(value: str | None) -> float | None:
    """Return the seconds that a Retry-After asks for (RFC 9110 §10.2.3), an hour at most; None when it says nothing."""
    if value is None:
        return None
    try:
        seconds = float(value) if value.isdigit() else _until(parsedate_to_datetime(value))
    except ValueError:
        return None
    return round(min(max(seconds, SHORTEST_WAIT_S), LONGEST_WAIT_S), 1)


def _until(moment: datetime) -> float:
    zoned = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (zoned - datetime.now(UTC)).total_seconds()


_ADDRESS = Text("an address with a host and without a password", "含主机名、不含密码的地址")
