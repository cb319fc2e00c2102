"""What surrounds the Schema Registry's endpoints: addresses as they were sent, and answers from memory."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from starlette.types import ASGIApp, Receive, Scope, Send

from registry.schema_registry.cache import Kept, SchemaCache
from registry.schema_registry.problems import PREFIX

IDS = f"{PREFIX}/schemas/ids/"
CACHE_CONTROL = "private, max-age=3600"
OK, NOT_MODIFIED = 200, 304


@dataclass(frozen=True)
class Route:
    """What the measure of an answer from memory is called."""

    path: str = f"{IDS}{{schema_id}}"


class SchemaWire:
    """Leaves what is percent-encoded in an address as it is, so that a slash may be part of a subject."""

    def __init__(self, app: ASGIApp, cache: SchemaCache) -> None:
        self.app = app
        self.cache = cache
        self.route = Route()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it from memory."""
        if scope["type"] != "http" or not scope["path"].startswith(PREFIX):
            await self.app(scope, receive, send)
            return
        scope["path"] = raw_path(scope)
        kept = self._kept(scope) if scope["method"] == "GET" and scope["path"].startswith(IDS) else None
        if kept is None:
            await self.app(scope, receive, send)
            return
        scope["route"] = self.route
        await self._answer(kept, dict(scope["headers"]).get(b"if-none-match"), send)

    def _kept(self, scope: Scope) -> Kept | None:
        authorization = next((value for name, value in scope["headers"] if name == b"authorization"), None)
        return self.cache.answer(address_of(scope), authorization) if authorization else None

    async def _answer(self, kept: Kept, known: bytes | None, send: Send) -> None:
        fresh = known == kept.etag
        body = b"" if fresh else kept.body
        headers = [(b"etag", kept.etag), (b"cache-control", CACHE_CONTROL.encode())]
        if not fresh:
            headers += [(b"content-type", kept.media_type), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": NOT_MODIFIED if fresh else OK, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def raw_path(scope: Scope) -> str:
    """Return the path as it was sent, still percent-encoded."""
    raw = scope.get("raw_path")
    sent: str = raw.decode("ascii", "replace").partition("?")[0] if raw else quote(scope["path"])
    return sent


def address_of(scope: Scope) -> bytes:
    """Return path and query of a request, as an answer is kept under."""
    return f"{scope['path']}?".encode() + bytes(scope["query_string"])
