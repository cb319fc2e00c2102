"""Idempotency-Key: a POST that is sent again under the same key is answered as before, and done once.

The answer is kept for a day, encrypted: it may hold a secret that is told once, and the key lies in a file, not in the
database. A process that is killed between a change and its answer leaves the key taken for a minute; after that a
repeat is done again, and meets the conflict that any second creation meets.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken
from sqlalchemy import delete, update
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from exchange.errors import ExchangeError
from exchange.text import Text
from registry.access.secrets import write_private
from registry.access.tokens import Tokens
from registry.clock import Clock
from registry.database import Database
from registry.errors import Conflict, Invalid, Repeating, Unauthenticated
from registry.web.middleware import replayed
from registry.web.models import KeptAnswer
from registry.web.problems import answer, lang_of

KEY = re.compile(r"[\x21-\x7e]{1,128}")
STUCK = timedelta(seconds=60)
MOST_KEPT = 256 * 1024  # bytes of an answer; a longer one is not kept, and its request is not repeated
PREFIX = "/api/"
LOOKS = frozenset({"/api/v1/provenance"})  # a look that is a POST: done each time, so that the audit has each


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer as it was."""

    status: int
    body: bytes
    content_type: str


class Answers:
    """The kept answers in the database. Errors of its methods: DatabaseUnavailable."""

    def __init__(self, database: Database, clock: Clock, key_file: Path, hours: int) -> None:
        self._database = database
        self._clock = clock
        self._fernet = Fernet(_key(key_file))
        self._ttl = timedelta(hours=hours)

    def claim(self, caller: str, key: str, fingerprint: str) -> Kept | None:
        """Return the answer that there is, or take the key for a request that is done now (None).

        Errors: Invalid (the key belongs to another request), Repeating (the first one still runs).
        """
        self._forget(caller, key)
        now = self._clock()
        row = KeptAnswer(caller=caller, key_sha256=_sha256(key), fingerprint=fingerprint, created_at=now)
        try:
            with self._database.write() as session:
                known = session.get(KeptAnswer, (caller, _sha256(key)))
                if known is None:
                    session.add(row)
                    return None
        except Conflict as exc:  # another process took it in this moment
            raise Repeating from exc
        if known.fingerprint != fingerprint:
            reason = Text("it was used for another request", "该键已用于其他请求")
            raise Invalid(field="Idempotency-Key", reason=reason)
        if known.status is None or known.body is None:
            raise Repeating
        try:
            kind, _, body = self._fernet.decrypt(known.body).partition(b"\n")
        except InvalidToken as exc:
            raise Conflict(reason=Text("its answer can not be read any more", "原应答已无法读取")) from exc
        return Kept(known.status, body, kind.decode())

    def keep(self, caller: str, key: str, kept: Kept) -> None:
        """Keep the answer of a request that holds the key."""
        sealed = self._fernet.encrypt(kept.content_type.encode() + b"\n" + kept.body)
        with self._database.write() as session:
            session.execute(
                update(KeptAnswer)
                .where(KeptAnswer.caller == caller, KeptAnswer.key_sha256 == _sha256(key))
                .values(status=kept.status, body=sealed)
            )

    def release(self, caller: str, key: str) -> None:
        """Give the key of a request back that was not done."""
        with self._database.write() as session:
            session.execute(
                delete(KeptAnswer).where(KeptAnswer.caller == caller, KeptAnswer.key_sha256 == _sha256(key))
            )

    def _forget(self, caller: str, key: str) -> None:
        now = self._clock()
        mine = (KeptAnswer.caller == caller) & (KeptAnswer.key_sha256 == _sha256(key))
        stuck = mine & KeptAnswer.status.is_(None) & (KeptAnswer.created_at < now - STUCK)
        with self._database.write() as session:
            session.execute(delete(KeptAnswer).where((KeptAnswer.created_at < now - self._ttl) | stuck))


class Repeats:
    """Answers a repeated POST under ``/api/`` with what was answered before."""

    def __init__(self, app: ASGIApp, answers: Answers, tokens: Tokens) -> None:
        self.app = app
        self.answers = answers
        self.tokens = tokens

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, unless its answer is there."""
        key = _header(scope, b"idempotency-key")
        if scope["type"] != "http" or scope["method"] != "POST" or key is None or not _kept(scope["path"]):
            await self.app(scope, receive, send)
            return
        caller = self._caller(scope)
        if caller is None:
            await self.app(scope, receive, send)  # which refuses it
            return
        try:
            if not KEY.fullmatch(key):
                reason = Text("1 to 128 printable ASCII characters", "应为 1 至 128 个可打印 ASCII 字符")
                raise Invalid(field="Idempotency-Key", reason=reason)
            body = await _read(receive)
            kept = await run_in_threadpool(self.answers.claim, caller, key, _fingerprint(scope, body))
        except ExchangeError as exc:
            await answer(exc, lang_of(_raw(scope, b"accept-language")))(scope, receive, send)
            return
        if kept is not None:
            replay = Response(kept.body, kept.status, {"Idempotency-Replayed": "true"}, media_type=kept.content_type)
            await replay(scope, receive, send)
            return
        await self._first(scope, replayed(body, receive), send, caller, key)

    async def _first(self, scope: Scope, receive: Receive, send: Send, caller: str, key: str) -> None:
        recorder = _Recorder(send)
        try:
            await self.app(scope, receive, recorder)
        finally:
            kept = recorder.kept()
            with contextlib.suppress(ExchangeError):  # the answer is out already; the key ends by itself
                if kept is None:
                    await run_in_threadpool(self.answers.release, caller, key)
                else:
                    await run_in_threadpool(self.answers.keep, caller, key, kept)
        await recorder.finish()

    def _caller(self, scope: Scope) -> str | None:
        kind, _, token = (_header(scope, b"authorization") or "").partition(" ")
        if kind.lower() != "bearer":
            return None
        try:
            return self.tokens.subject(token)
        except Unauthenticated:
            return None


class _Recorder:
    """Passes an answer on and remembers it; its end waits until it is kept, so that a repeat finds it."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._status = 0
        self._kind = ""
        self._body = b""
        self._last: Message | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            self._kind = Headers(raw=message["headers"]).get("content-type", "")
        elif message["type"] == "http.response.body":
            if len(self._body) <= MOST_KEPT:
                self._body += message.get("body", b"")
            if not message.get("more_body", False):
                self._last = message
                return
        await self._send(message)

    def kept(self) -> Kept | None:
        done = 200 <= self._status < 300 and self._last is not None and len(self._body) <= MOST_KEPT  # noqa: PLR2004
        return Kept(self._status, self._body, self._kind) if done else None

    async def finish(self) -> None:
        if self._last is not None:
            await self._send(self._last)


def _kept(path: str) -> bool:
    return path.startswith(PREFIX) and path not in LOOKS


def _fingerprint(scope: Scope, body: bytes) -> str:
    return _sha256(json.dumps([scope["method"], scope["path"], scope["query_string"].decode("latin-1"), _sha256(body)]))


async def _read(receive: Receive) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


def _header(scope: Scope, name: bytes) -> str | None:
    values = [value for key, value in scope.get("headers", ()) if key == name]
    return values[0].decode("latin-1") if values else None


def _raw(scope: Scope, name: bytes) -> bytes:
    return (_header(scope, name) or "").encode("latin-1")


def _sha256(text: str | bytes) -> str:
    return hashlib.sha256(text.encode() if isinstance(text, str) else text).hexdigest()


def _key(path: Path) -> bytes:
    if not path.exists():
        with contextlib.suppress(FileExistsError):  # another process was first
            write_private(path, Fernet.generate_key())
    return path.read_bytes().strip()
