"""One webhook call: signed, without redirects, and only to addresses that are allowed.

The address is checked where the connection is made, so that a name that resolves to something else the next moment
leads nowhere either. httpx would take a proxy from the environment and hides its connections; httpcore does neither.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import certifi
import httpcore

from exchange.errors import NotConnected
from registry.notices.domain import Network, Told, may_lead_to, signature

ACCEPTED = range(200, 300)


class Sender:
    """Sends notices to webhooks. ``allowed``: private networks that they may lead to."""

    def __init__(self, allowed: Sequence[Network], timeout_s: float) -> None:
        self._timeouts = dict.fromkeys(("connect", "read", "write", "pool"), timeout_s)
        self._pool = httpcore.ConnectionPool(
            ssl_context=ssl.create_default_context(cafile=certifi.where()),
            network_backend=Guarded(allowed),
            keepalive_expiry=timeout_s,
        )

    def send(self, url: str, secret: str, told: Told, now: datetime) -> None:
        """Send one notice. Errors: NotConnected, also for an answer that is not 2xx."""
        body = told.to_bytes()
        timestamp = int(now.timestamp())
        headers: dict[bytes | str, bytes | str] = {
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": "exchange-registry",
            "X-Exchange-Id": str(told.id),
            "X-Exchange-Timestamp": str(timestamp),
            "X-Exchange-Signature": signature(secret, timestamp, body),
        }
        try:
            with self._pool.stream(
                "POST", url, headers=headers, content=body, extensions={"timeout": self._timeouts}
            ) as answer:
                status = answer.status  # the body is not read: it could be endless
        except (
            httpcore.TimeoutException,
            httpcore.NetworkError,
            httpcore.ProtocolError,
            httpcore.UnsupportedProtocol,
        ) as exc:
            raise NotConnected(what="webhook", reason=type(exc).__name__) from exc
        if status not in ACCEPTED:
            raise NotConnected(what="webhook", reason=f"HTTP {status}")

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()


class Guarded(httpcore.SyncBackend):
    """Connects to allowed addresses only: the very address that was checked."""

    def __init__(self, allowed: Sequence[Network]) -> None:
        super().__init__()
        self._allowed = allowed

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Resolve, check, and connect. Errors: httpcore.ConnectError."""
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as exc:
            raise httpcore.ConnectError(str(exc)) from exc
        addresses = [ipaddress.ip_address(str(entry[4][0]).split("%")[0]) for entry in found]
        if not addresses or not all(may_lead_to(address, self._allowed) for address in addresses):
            raise httpcore.ConnectError("the address is not allowed")
        return super().connect_tcp(str(addresses[0]), port, timeout, local_address, socket_options)
