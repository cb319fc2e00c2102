"""What surrounds each request: a bound on its body, and its measure."""

from __future__ import annotations

import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from exchange.metrics import Metrics
from registry.errors import TooLarge
from registry.web.problems import answer, lang_of


class BodyLimit:
    """Refuses bodies of more than ``limit`` bytes, announced or not."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self.app = app
        self.limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on unless it is too large."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or int(length) > self.limit:
            await self._refuse(scope, receive, send)
            return
        body = await self._read(receive) if b"transfer-encoding" in headers else None
        if body is not None and len(body) > self.limit:
            await self._refuse(scope, receive, send)
            return
        await self.app(scope, receive if body is None else _replay(body, receive), send)

    async def _read(self, receive: Receive) -> bytes:
        body, more = b"", True
        while more and len(body) <= self.limit:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        return body

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = answer(TooLarge(limit=self.limit), lang_of(dict(scope["headers"]).get(b"accept-language", b"")))
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
            self.metrics.observe(
                "exchange_http_request_seconds",
                time.perf_counter() - start,
                method=scope["method"] if route != "-" else "-",
                route=route,
                status=str(status),
            )


def _replay(body: bytes, receive: Receive) -> Receive:
    sent = False

    async def replayed() -> Message:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replayed
