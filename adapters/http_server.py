"""An HTTP server inside an adapter: who may call it, how much a request may be, and how patient it is with a client.

It runs in a thread of its own beside the engine. Bodies are bounded before and after they are unpacked, heads and
bodies have to come in time, and the secret is compared in constant time before anything of a body is read.
"""

from __future__ import annotations

import asyncio
import base64
import errno
import hmac
import ipaddress
import socket
import threading
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import uvicorn
from pydantic import Field, SecretStr
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from adapters.http_problems import (
    HttpRefusal,
    Malformed,
    NoSuchPlace,
    TooLarge,
    TooSlow,
    Unauthenticated,
    UnsupportedMedia,
    answer,
    lang_of,
)
from adapters.spec import PartConfig
from exchange.errors import ConfigError, ExchangeError, NotConnected
from exchange.text import Text

HEAD_S, BODY_S, IDLE_S = 10.0, 60.0, 75
HEAD_BYTES = 512 * 1024  # of a head that never ends; what came with it in one piece counts too
DRAIN_S = 2
MEGABYTE = 1 << 20


class ListenConfig(PartConfig):
    """Where the adapter listens, and who may call."""

    host: str = Field(default="127.0.0.1", description="address to listen on", examples=["127.0.0.1"])
    port: int = Field(ge=1, le=65535, description="port to listen on", examples=[9460])
    token: SecretStr = Field(
        description="the secret that the client sends (Bearer, or Basic with user), from a file or the environment"
    )
    user: str = Field(default="exchange", pattern=r"^[^:\s]+$", description="user name of Basic authentication")
    certificate: Path | None = Field(default=None, description="TLS certificate chain", examples=["adapter.pem"])
    private_key: Path | None = Field(default=None, description="TLS private key", examples=["adapter.key"])
    allow_plain: bool = Field(
        default=False, description="allow an address beyond this machine without TLS, behind a proxy that has it"
    )
    max_connections: int = Field(default=100, ge=2, le=10_000, description="clients at the same time; more get a 503")

    def verify(self, file: str, group: str) -> None:
        """Refuse an empty secret, half a TLS setup, and plain HTTP beyond this machine."""
        if not self.token.get_secret_value():
            raise ConfigError(file=file, key=f"{group}.token", expected=_SECRET, found="***", example=_EXAMPLE)
        if (self.certificate is None) != (self.private_key is None):
            raise ConfigError(file=file, key=f"{group}.certificate", expected=_PAIR, found=_HALF, example=_TLS)
        if self.certificate is None and not self.allow_plain and not _loopback(self.host):
            raise ConfigError(file=file, key=f"{group}.host", expected=_SAFE, found=repr(self.host), example=_TLS)


class Impatient(HttpToolsProtocol):
    """Gives up on a client whose request's head does not end, by time or by size."""

    _head: asyncio.TimerHandle | None = None
    _seen = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        """Start the clock."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        self._done()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count what comes while the head is not complete."""
        super().data_received(data)
        if self._head is not None:
            self._seen += len(data)
            if self._seen > HEAD_BYTES:
                self.transport.abort()

    def on_message_begin(self) -> None:
        """Start the clock again for each further request of a connection."""
        super().on_message_begin()
        self._wait()

    def on_headers_complete(self) -> None:
        """Stop the clock; the body has its own."""
        self._done()
        super().on_headers_complete()

    def _wait(self) -> None:
        if self._head is None:
            self._seen = 0
            self._head = self.loop.call_later(HEAD_S, self.transport.abort)

    def _done(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None


class HttpServer:
    """Answers ``routes`` at the configured address, to who has the secret."""

    def __init__(
        self, config: ListenConfig, routes: Sequence[BaseRoute], problem: Callable[[Text], ExchangeError]
    ) -> None:
        """``problem``: makes the error that says that the address cannot be used at all."""
        self._config = config
        self._problem = problem
        handlers: dict[Any, Any] = {HttpRefusal: _refused, HTTPException: _no_such_place}
        app = Starlette(routes=list(routes), exception_handlers=handlers)
        self._app = Guard(app, config)
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Listen. Errors: NotConnected while another process has the port, ``problem`` for an unusable address."""
        config = self._config
        opened = self._open()
        settings = uvicorn.Config(
            self._app,
            http=Impatient,
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            limit_concurrency=config.max_connections,
            timeout_keep_alive=IDLE_S,
            timeout_graceful_shutdown=DRAIN_S,
            ssl_certfile=str(config.certificate) if config.certificate else None,
            ssl_keyfile=str(config.private_key) if config.private_key else None,
        )
        try:
            settings.load()
        except OSError as exc:  # ssl.SSLError is one
            opened.close()
            raise self._problem(Text("certificate or private_key cannot be used", "证书或私钥无法使用")) from exc
        self._server = uvicorn.Server(settings)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [opened]}, name="exchange-http", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Stop listening, give running requests a moment, and leave; safe to call twice."""
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join(2 * DRAIN_S + 1)
        self._server = self._thread = None

    def _open(self) -> socket.socket:
        host, port = self._config.host, self._config.port
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            return socket.create_server((host, port), family=family, backlog=256)
        except OSError as exc:
            reason = exc.strerror or type(exc).__name__
            if exc.errno == errno.EADDRINUSE:  # the process before this one may still be ending
                raise NotConnected(what=f"{host}:{port}", reason=_TAKEN) from exc
            raise self._problem(Text(reason, reason)) from exc


class Guard:
    """Lets through who has the secret; nobody else learns which paths there are."""

    def __init__(self, app: Starlette, config: ListenConfig) -> None:
        self._app = app
        token = config.token.get_secret_value().encode()
        basic = base64.b64encode(config.user.encode() + b":" + token)
        self._accepted = (b"bearer", token), (b"basic", basic)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass the request on, or answer 401."""
        if scope["type"] != "http":
            return
        if self._known(dict(scope["headers"]).get(b"authorization", b"")):
            await self._app(scope, receive, send)
        else:
            await answer(Unauthenticated(), lang_of(Request(scope)))(scope, receive, send)

    def _known(self, header: bytes) -> bool:
        scheme, _, given = header.partition(b" ")
        found = [
            hmac.compare_digest(given.strip(), secret) and scheme.lower() == kind for kind, secret in self._accepted
        ]
        return any(found)


async def read_body(request: Request, limit: int) -> bytes:
    """Return the body, unpacked when it is gzip; at most ``limit`` bytes before and after.

    Errors: TooLarge, TooSlow, Malformed, UnsupportedMedia.
    """
    encoding = request.headers.get("content-encoding", "identity").lower()
    if encoding not in {"identity", "gzip"}:
        raise UnsupportedMedia(found=repr(encoding[:40]), expected="Content-Encoding: gzip | identity")
    if int(request.headers.get("content-length", "0")) > limit:  # the parser has let only digits through
        raise _too_large(limit)
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_S):
            async for piece in request.stream():
                body += piece
                if len(body) > limit:
                    raise _too_large(limit)
    except TimeoutError as exc:
        raise TooSlow(seconds=int(BODY_S)) from exc
    except ClientDisconnect as exc:
        raise Malformed(reason=Text("it ended early", "请求中断")) from exc
    return bytes(body) if encoding == "identity" else _unpacked(bytes(body), limit)


def _unpacked(body: bytes, limit: int) -> bytes:
    """Return the content of a gzip, never more than a byte above ``limit`` of it: a bomb is noticed, not exploded."""
    unpack = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        content = unpack.decompress(body, limit + 1)
    except zlib.error as exc:
        raise Malformed(reason=_GZIP) from exc
    if len(content) > limit:
        raise _too_large(limit)
    if not unpack.eof or unpack.unused_data:
        raise Malformed(reason=_GZIP)
    return content


def _too_large(limit: int) -> TooLarge:
    return TooLarge(limit=limit, what=Text("bytes", "字节"))


def _refused(request: Request, exc: Exception) -> Response:
    assert isinstance(exc, HttpRefusal)
    return answer(exc, lang_of(request))


def _no_such_place(request: Request, exc: Exception) -> Response:  # noqa: ARG001 - as starlette calls it
    return answer(NoSuchPlace(), lang_of(request))


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


_TAKEN = Text("another process listens there: this adapter, already?", "已有进程在此监听：该适配器是否已在运行？")
_GZIP = Text("damaged, incomplete or more than one gzip", "gzip 损坏、不完整或多于一个")
_SECRET = Text("a secret that is not empty", "非空的密钥")
_PAIR = Text("certificate and private_key together", "同时给出 certificate 与 private_key")
_HALF = Text("only one of them", "只给出其一")
_SAFE = Text("an address of this machine, TLS, or allow_plain = true", "本机地址、TLS，或 allow_plain = true")
_EXAMPLE = 'token_file = "push.secret"'
_TLS = 'certificate = "adapter.pem" and private_key = "adapter.key"'
