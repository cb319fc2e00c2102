"""Marks on each answer: the request's id, for whoever compares logs, and what a browser must not do with it."""

from __future__ import annotations

import re
import uuid

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from exchange import logs
from exchange.tracing import CURRENT, TRACING, Span, new_span

GIVEN_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
TRACE = re.compile(rb"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}")

DOCS = ("/docs", "/redoc")
DOCS_POLICY = (
    b"default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    b"font-src 'self'; connect-src 'self'; worker-src 'self' blob:; frame-ancestors 'none'; base-uri 'none'"
)
DATA_POLICY = b"default-src 'none'; frame-ancestors 'none'"
ALWAYS = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
]


class Marks:
    """Gives each request an id (its own X-Request-ID, its trace's, or a new one), and each answer its headers."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and mark its answer."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        name = request_id(headers)
        logs.bind(**{logs.REQUEST: name.decode()})  # a request is a task with a context of its own
        if TRACING.on:
            CURRENT.set(span_of(headers))
        policy = DOCS_POLICY if scope["path"].startswith(DOCS) else DATA_POLICY
        added = [*ALWAYS, (b"content-security-policy", policy), (b"x-request-id", name)]

        async def marking(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *added]
            await send(message)

        await self.app(scope, receive, marking)


def request_id(headers: dict[bytes, bytes]) -> bytes:
    """Return the id of a request with these headers."""
    given = headers.get(b"x-request-id", b"")
    if GIVEN_ID.fullmatch(given):
        return given
    trace = TRACE.fullmatch(headers.get(b"traceparent", b""))
    return trace[1] if trace else uuid.uuid4().hex.encode()


def span_of(headers: dict[bytes, bytes]) -> Span:
    """Return the span of a request with these headers: in its caller's trace, or the first of a new one."""
    trace = TRACE.fullmatch(headers.get(b"traceparent", b""))
    if trace is None or not int(trace[1], 16):
        return Span(uuid.uuid4().int, new_span())
    return Span(int(trace[1], 16), new_span(), int(trace[2], 16))
