"""A REST endpoint as source: a system posts batches, and is answered when Kafka has them."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import anyio
from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from adapters.http_batches import BatchLedger, Noted, Remembered, short_hash
from adapters.http_body import BodyReader, Posted
from adapters.http_inbox import Inbox, Post, fail
from adapters.http_problems import Malformed, OtherContent, RecordsRejected, Unavailable
from adapters.http_server import MEGABYTE, HttpServer, ListenConfig, read_body
from adapters.protocol import Coverage, Position, ReadBatch, Stream
from adapters.spec import Spec
from exchange.errors import ConfigError, ExchangeError, SourceProblem
from exchange.items import Row
from exchange.text import Text

SPEC = Spec(
    side="source",
    kind="http_push",
    summary=Text(
        "a REST endpoint to which a system posts JSON or Avro batches; answered when the broker has them",
        "REST 接口，由业务系统推送 JSON 或 Avro 批次；消息服务收妥后应答",
    ),
    example='[source]\nkind = "http_push"\nport = 9460\ntoken_file = "push.secret"\nledger = "push.ledger"',
    rereads=False,
)

IDLE_S = 0.5
MOST_POSTS = 100  # in one transaction: fewer ids than the position remembers
ANSWER_S = 60.0
ROOM = 4  # bodies of the largest size that may wait at once
PARSERS = 2
BATCH_ID = re.compile(r"[A-Za-z0-9._~:-]{1,128}")
CHOICE = {"true": True, "false": False}


class Config(ListenConfig):
    """Where it listens, and what it takes."""

    ledger: Path = Field(description="SQLite file of the batch ids and their answers", examples=["push.ledger"])
    keep_days: int = Field(default=30, ge=1, le=3660, description="days for which a batch id is remembered")
    max_body_mb: int = Field(default=16, ge=1, le=512, description="largest body in megabytes, unpacked")
    partial: bool = Field(
        default=False, description="publish the good records of a batch with wrong ones; the request may say otherwise"
    )
    zone: str = Field(default="Asia/Shanghai", description="time zone of date-times that name none")

    def verify(self, file: str, group: str) -> None:
        """Check the address, and the zone's name."""
        super().verify(file, group)
        try:
            ZoneInfo(self.zone)
        except (ZoneInfoNotFoundError, ValueError) as exc:
            key, example = f"{group}.zone", 'zone = "Asia/Shanghai"'
            raise ConfigError(file=file, key=key, expected=_ZONE, found=repr(self.zone), example=example) from exc


def open_source(config: Config, stream: Stream) -> HttpPushSource:
    """Return the source of an adapter file."""
    return HttpPushSource(config, stream)


class HttpPushSource:
    """Several posts that wait together are one batch of the engine, so one transaction."""

    keyed = True

    def __init__(self, config: Config, stream: Stream) -> None:
        self.place = f"{config.host}:{config.port}"
        self._config = config
        self._rows = stream.batch_rows
        self._reader = BodyReader(stream, ZoneInfo(config.zone), self.place)
        self._ledger = BatchLedger(config.ledger, config.keep_days)
        self._limit = config.max_body_mb * MEGABYTE
        self._inbox = Inbox(ROOM * self._limit)
        self._remembered = Remembered(None)
        self._parsing = anyio.CapacityLimiter(PARSERS)
        routes = [
            Route("/records", self._on_post, methods=["POST"]),
            Route("/batches/{id}", self._on_post, methods=["PUT"]),
        ]
        self._server = HttpServer(config, routes, self._problem)

    def connect(self) -> None:
        """Open the ledger and listen; what comes before ``read`` is asked to come again."""
        self.close()
        self._ledger.open()
        try:
            self._server.start()
        except ExchangeError:
            self._ledger.close()
            raise

    def coverage(self, position: Position | None) -> Coverage:  # noqa: ARG002 - whatever was posted before
        """Return that only what is posted is seen."""
        return Coverage.CHANGES

    def changed(self) -> bool:
        """Return True: posts may wait."""
        return True

    def read(self, position: Position | None) -> Generator[ReadBatch]:
        """Yield posts as they come, without end; being asked for the next batch means that the last is committed."""
        self._remembered = Remembered(position)
        self._ledger.confirm(self._remembered.hashes)
        self._inbox.open()
        try:
            while True:
                posts = self._inbox.take(self._rows, MOST_POSTS, IDLE_S)
                if posts:
                    yield from self._publish(posts)
                else:
                    yield ReadBatch()
        finally:
            self._inbox.close()

    def close(self) -> None:
        """Stop listening."""
        self._inbox.close()
        self._server.stop()
        self._ledger.close()

    def _publish(self, posts: Sequence[Post]) -> Generator[ReadBatch]:
        """Note, have it committed, confirm, answer: in this order, so that the end of the process loses no answer."""
        try:
            self._ledger.note([post.noted for post in posts])
            changes: dict[bytes, Row | None] = {}
            for post in posts:
                changes.update(post.posted.changes)
            position = self._remembered.with_more([post.noted.id for post in posts])
            yield ReadBatch(
                rows=[row for row in changes.values() if row is not None],
                deleted=[key for key, row in changes.items() if row is None],
                rejects=[reject for post in posts for reject in post.posted.rejects],
                position=position,
            )
            self._remembered = Remembered(position)
            self._ledger.confirm([short_hash(post.noted.id) for post in posts])
            for post in posts:
                post.fate.set_result(None)
        finally:
            fail(posts)

    async def _on_post(self, request: Request) -> Response:
        batch_id, partial = _batch_id(request), self._partial(request)
        with self._inbox.take_place(batch_id, self._size(request)) as place:
            body = await read_body(request, self._limit)
            fingerprint = hashlib.sha256(
                f"{request.headers.get('content-type', '')}\n{partial}\n".encode() + body
            ).hexdigest()
            known = await self._known(batch_id, fingerprint)
            if known is not None:
                return JSONResponse(known)
            media = request.headers.get("content-type", "")
            posted = await anyio.to_thread.run_sync(self._reader.read, media, body, limiter=self._parsing)
            answer = _answer(batch_id, posted)
            if posted.rejects and not partial:
                raise RecordsRejected({"errors": posted.errors}, rejected=len(posted.rejects), total=posted.total)
            post = Post(Noted(batch_id, fingerprint, answer), posted)
            place.put(post)
            try:
                await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(post.fate)), ANSWER_S)
            except TimeoutError as exc:
                raise Unavailable from exc
            return JSONResponse(answer)

    async def _known(self, batch_id: str, fingerprint: str) -> Mapping[str, Any] | None:
        """Return what was answered to this batch before. Errors: OtherContent, Unavailable."""
        try:
            noted = await anyio.to_thread.run_sync(self._ledger.find, batch_id, limiter=self._parsing)
        except ExchangeError as exc:
            raise Unavailable from exc
        if noted is None:
            return {"batch": batch_id} if short_hash(batch_id) in self._remembered.hashes else None
        if noted.fingerprint != fingerprint:
            raise OtherContent
        return noted.answer

    def _size(self, request: Request) -> int:
        """Return the room that a body may need: as announced, or as much as any when it may grow."""
        plain = "content-encoding" not in request.headers
        return min(int(request.headers.get("content-length", self._limit)), self._limit) if plain else self._limit

    def _partial(self, request: Request) -> bool:
        given = request.query_params.get("partial")
        if given is None:
            return self._config.partial
        if given not in CHOICE:
            raise Malformed(reason=Text("partial is true or false", "partial 应为 true 或 false"))
        return CHOICE[given]

    def _problem(self, reason: Text) -> SourceProblem:
        return SourceProblem(source=self.place, reason=reason)


def _batch_id(request: Request) -> str:
    given = request.path_params.get("id") or request.headers.get("idempotency-key", "")
    if not BATCH_ID.fullmatch(given):
        raise Malformed(reason=_ID)
    return str(given)


def _answer(batch_id: str, posted: Posted) -> dict[str, Any]:
    deleted = sum(row is None for row in posted.changes.values())
    return {
        "batch": batch_id,
        "accepted": len(posted.changes) - deleted,
        "deleted": deleted,
        "rejected": len(posted.rejects),
        "errors": posted.errors,
    }


_ID = Text(
    "each batch needs an id, in Idempotency-Key or as PUT /batches/<id>: 1 to 128 of A-Z a-z 0-9 . _ ~ : -",
    "每个批次须有编号，放在 Idempotency-Key 或 PUT /batches/<编号>：1 至 128 个字符，限 A-Z a-z 0-9 . _ ~ : -",
)
_ZONE = Text("a time zone", "时区名称")
