"""What surrounds each request: a bound on its body, and its measure."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from exchange.logs import IDS
from exchange.metrics import Metrics
from exchange.tracing import CURRENT, TRACING, Value
from registry.errors import TooLarge
from registry.web.problems import answer, lang_of

log = logging.getLogger("exchange.requests")
SERVER_ERRORS = 500
CHANGES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
FREQUENT = frozenset({"/api/v1/adapters", "/oauth2/token"})  # heartbeats and tokens: counted, not told one by one


class BodyLimit:
    """Refuses bodies of more than ``limit`` bytes, announced or not; ``larger``: other limits, by path."""

    def __init__(self, app: ASGIApp, limit: int, larger: Mapping[str, int] | None = None) -> None:
        self.app = app
        self.limit = limit
        self.larger = larger or {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on unless it is too large."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        limit = self.larger.get(scope["path"], self.limit)
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or int(length) > limit:
            await self._refuse(scope, receive, send, limit)
            return
        body = await self._read(receive, limit) if b"transfer-encoding" in headers else None
        if body is not None and len(body) > limit:
            await self._refuse(scope, receive, send, limit)
            return
        await self.app(scope, receive if body is None else replayed(body, receive), send)

    async def _read(self, receive: Receive, limit: int) -> bytes:
        body, more = b"", True
        while more and len(body) <= limit:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        return body

    async def _refuse(self, scope: Scope, receive: Receive, send: Send, limit: int) -> None:
        response = answer(TooLarge(limit=limit), lang_of(dict(scope["headers"]).get(b"accept-language", b"")))
        await response(scope, receive, send)


class Measured:
    """Observes each answer's time by method, route and status."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and measure its answer."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start, status = time.perf_counter(), 500

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, noting)
        finally:
            route = getattr(scope.get("route"), "path", "-")  # never the raw path: labels have to stay few
            method, seconds = scope["method"] if route != "-" else "-", time.perf_counter() - start
            self.metrics.observe(
                "exchange_http_request_seconds", seconds, method=method, route=route, status=str(status)
            )
            if status >= SERVER_ERRORS:
                self.metrics.add("exchange_http_faults_total")
            _tell(method, route, status, seconds)


def _tell(method: str, route: str, status: int, seconds: float) -> None:
    """Write a line of what changes something or fails; the route, not the path: a path may hold what is not ours."""
    fault = status >= SERVER_ERRORS
    if fault or (method in CHANGES and route not in FREQUENT):
        log.log(logging.WARNING if fault else logging.INFO, "%s %s %d, %.0f ms", method, route, status, seconds * 1000)
    span = CURRENT.get()
    if TRACING.on and span is not None:
        ids: dict[str, Value] = {f"exchange.{name}": value for name, value in IDS.get().items()}
        facts: dict[str, Value] = {
            "http.request.method": method,
            "http.route": route,
            "http.response.status_code": status,
        }
        TRACING.record(f"{method} {route}", span, seconds, facts | ids)


def replayed(body: bytes, receive: Receive) -> Receive:
    """Return what receives a body that was read already, and then goes on."""
    sent = False

    async def again() -> Message:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again
