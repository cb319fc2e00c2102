"""A system without a Kafka client as destination: it reads its grant over REST, at its own pace.

A landing is kept in a SQLite file (the spool) in one transaction with the position, and served from there. A cursor
that the reader sends back acknowledges what came before it: only then is it forgotten, and only then do its receipts
say that it landed. So a reader that dies has everything again that it had not acknowledged: at-least-once.
"""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar, TypeVarTuple

import anyio
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from adapters.http_pages import CONTAINER, LINES, Pages
from adapters.http_problems import CursorGone, Malformed, Unavailable
from adapters.http_server import HttpServer, ListenConfig
from adapters.http_spool import Page, Spool
from adapters.protocol import Landing, Stream
from adapters.spec import Spec
from exchange.errors import ExchangeError, SinkProblem
from exchange.receipts import Receipt
from exchange.text import Text

SPEC = Spec(
    side="sink",
    kind="http_pull",
    summary=Text(
        "a REST endpoint where a system without a Kafka client reads its grant: page, long poll or stream",
        "REST 接口，供没有 Kafka 客户端的系统读取其授权数据：分页、长轮询或流",
    ),
    example='[sink]\nkind = "http_pull"\nport = 9461\ntoken_file = "pull.secret"\nspool = "pull.spool"',
)

T = TypeVar("T")
A = TypeVarTuple("A")

CURSOR = re.compile(r"([0-9a-f]{8})-([0-9]{1,18})")
CURSOR_HEADER = "X-Exchange-Cursor"
MOST_WAIT_S = 60
MOST_ON_A_PAGE, ON_A_PAGE = 10_000, 1000
HEARTBEAT_S = 15.0
READERS = 4


class Config(ListenConfig):
    """Where it listens, and how much may wait."""

    spool: Path = Field(description="SQLite file of what waits for the reader", examples=["pull.spool"])
    most_waiting: int = Field(
        default=1_000_000, ge=1, description="records that may wait for the reader; then the exchange waits"
    )


def open_sink(config: Config, stream: Stream) -> HttpPullSink:
    """Return the sink of an adapter file."""
    return HttpPullSink(config, stream)


class Bell:
    """Wakes requests that wait for records, from another thread."""

    def __init__(self) -> None:
        self._waiting: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()
        self._lock = threading.Lock()

    def ring(self) -> None:
        """Wake all that wait."""
        with self._lock:
            waiting, self._waiting = self._waiting, set()
        for loop, event in waiting:
            loop.call_soon_threadsafe(event.set)

    def listen(self) -> asyncio.Event:
        """Return an event that is set by the next ring."""
        event = asyncio.Event()
        with self._lock:
            self._waiting.add((asyncio.get_running_loop(), event))
        return event

    def forget(self, event: asyncio.Event) -> None:
        """Wait no longer."""
        with self._lock:
            self._waiting = {entry for entry in self._waiting if entry[1] is not event}


class HttpPullSink:
    """The engine writes the spool, the reader empties it."""

    def __init__(self, config: Config, stream: Stream) -> None:
        self._place = f"{config.host}:{config.port}"
        self._spool = Spool(config.spool, stream, config.most_waiting)
        self._pages = Pages()
        self._bell = Bell()
        self._reading = anyio.CapacityLimiter(READERS)
        self._landing = ""
        self._ended = False
        routes = [
            Route("/records", self._on_records, methods=["GET"]),
            Route("/stream", self._on_stream, methods=["GET"]),
            Route("/acknowledge", self._on_acknowledge, methods=["POST"]),
        ]
        self._server = HttpServer(config, routes, self._problem)

    def connect(self) -> None:
        """Open the spool and listen."""
        self.close()
        self._landing = self._spool.open()
        self._ended = False
        try:
            self._server.start()
        except ExchangeError:
            self._spool.close()
            raise

    def landing_id(self) -> str:
        """Return the destination's own id."""
        return self._landing

    def positions(self, log: str) -> Mapping[int, int]:
        """Return the next offset of each partition of ``log``."""
        return self._spool.positions(log)

    def write(self, landing: Landing) -> None:
        """Keep ``landing`` for the reader. Errors: NotConnected while the spool is full."""
        self._spool.keep(landing)
        self._bell.ring()

    def unsent_receipts(self, limit: int) -> Sequence[Receipt]:
        """Return receipts of what the reader acknowledged."""
        return self._spool.unsent(limit)

    def mark_sent(self, ids: Sequence[str]) -> None:
        """Forget receipts that the broker has."""
        if ids:
            self._spool.sent(ids)

    def close(self) -> None:
        """Stop listening; streams end."""
        self._ended = True
        self._bell.ring()
        self._server.stop()
        self._spool.close()

    async def _on_records(self, request: Request) -> Response:
        """One page, after a wait for it if the reader wants to wait; its cursor acknowledges what came before."""
        most = _number(request, "limit", ON_A_PAGE, MOST_ON_A_PAGE) or 1
        wait_s, container = _number(request, "wait", 0, MOST_WAIT_S), _wants_container(request)
        after = await self._start(request)
        page = await self._page(after, most, wait_s)
        write = self._pages.container if container else self._pages.lines
        body = await anyio.to_thread.run_sync(write, page, limiter=self._reading)
        headers = {
            CURSOR_HEADER: self._cursor(page.last),
            "X-Exchange-Count": str(len(page.records)),
            "Cache-Control": "no-store",
        }
        return Response(body, headers=headers, media_type=CONTAINER if container else LINES)

    async def _on_stream(self, request: Request) -> Response:
        """JSON lines without end; a line ``{"cursor": ...}`` follows each page, and an empty one each silent while."""
        most = _number(request, "limit", ON_A_PAGE, MOST_ON_A_PAGE) or 1
        after = await self._start(request)
        return StreamingResponse(self._lines(after, most), headers={"Cache-Control": "no-store"}, media_type=LINES)

    async def _on_acknowledge(self, request: Request) -> Response:
        if "cursor" not in request.query_params:
            raise Malformed(reason=Text("a cursor is expected", "缺少游标"))
        await self._start(request)
        return Response(status_code=204)

    async def _lines(self, after: int, most: int) -> AsyncIterator[bytes]:
        while not self._ended:
            page = await self._page(after, most, HEARTBEAT_S)
            if not page.records:
                yield b"\n"
                continue
            lines = await anyio.to_thread.run_sync(self._pages.lines, page, limiter=self._reading)
            after = page.last
            yield lines + f'{{"cursor": "{self._cursor(after)}"}}\n'.encode()

    async def _page(self, after: int, most: int, wait_s: float) -> Page:
        loop = asyncio.get_running_loop()
        until = loop.time() + wait_s
        while True:
            woken = self._bell.listen()
            try:
                page = await self._ask(self._spool.page, after, most)
                left = until - loop.time()
                if page.records or left <= 0 or self._ended:
                    return page
                await asyncio.wait_for(woken.wait(), left)
            except TimeoutError:
                return page
            finally:
                self._bell.forget(woken)

    async def _start(self, request: Request) -> int:
        """Return the number behind which the reader goes on; its cursor acknowledges all up to there."""
        given = request.query_params.get("cursor")
        acknowledged, last = await self._ask(self._spool.bounds)
        if given is None:
            return acknowledged
        found = CURSOR.fullmatch(given)
        if found is None or found[1] != self._landing[:8] or int(found[2]) > last:
            raise Malformed(reason=Text("not a cursor of this endpoint", "不是本接口的游标"))
        after = int(found[2])
        if after < acknowledged:
            raise CursorGone
        await self._ask(self._spool.acknowledge, after)
        return after

    async def _ask(self, question: Callable[[*A], T], *about: *A) -> T:
        """Ask the spool in another thread. Errors: Unavailable."""
        try:
            return await anyio.to_thread.run_sync(question, *about, limiter=self._reading)
        except ExchangeError as exc:
            raise Unavailable from exc

    def _cursor(self, number: int) -> str:
        return f"{self._landing[:8]}-{number}"

    def _problem(self, reason: Text) -> SinkProblem:
        return SinkProblem(sink=self._place, reason=reason)


def _number(request: Request, name: str, default: int, most: int) -> int:
    given = request.query_params.get(name)
    if given is None:
        return default
    if not (given.isascii() and given.isdigit() and len(given) <= len(str(most)) and int(given) <= most):
        raise Malformed(reason=Text(f"{name} is a number from 0 to {most}", f"{name} 应为 0 至 {most} 的整数"))
    return int(given)


def _wants_container(request: Request) -> bool:
    return CONTAINER in request.headers.get("accept", "")
