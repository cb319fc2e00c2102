"""A remote REST API as source: read whole page by page, or only what changed since the last pass."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Generator, Iterator
from typing import Any, Literal, Self
from zoneinfo import ZoneInfo

import httpx
from pydantic import Field, SecretStr, model_validator

from adapters.coerce import as_text
from adapters.errors import SourceChanging
from adapters.http_body import BodyReader, load_json
from adapters.http_client import host_of, open_client, passing, translated
from adapters.http_paging import Ask, PagingConfig, PagingFault, dig, first, following
from adapters.http_problems import Malformed
from adapters.protocol import Coverage, Position, ReadBatch, Reject, Stream
from adapters.spec import Spec
from exchange.errors import BackOff, BadRecord, ConfigError, NotConnected, SourceProblem
from exchange.items import Row
from exchange.text import Text

SPEC = Spec(
    side="source",
    kind="http_pull",
    summary=Text(
        "a REST API, read page by page: whole, or what changed since the last time",
        "REST 接口，逐页读取：整体比对，或只取上次之后的变化",
    ),
    example='[source]\nkind = "http_pull"\nurl = "https://system.example/api/people"\ntoken_file = "api.secret"\n'
    'records = "data.list"\npaging = "page"\npage_param = "page"\nsize_param = "size"',
)

MEGABYTE = 1 << 20
REDIRECTS, REFUSALS = 300, 400
SLICE_S = 0.5  # of a wait, after which the engine may stop it
RESERVED = frozenset({"authorization", "host", "content-length", "transfer-encoding", "connection"})


class Config(PagingConfig):
    """What is asked, how pages follow each other, and what is new."""

    records: str = Field(default="", description="dotted path to the list in the answer; empty: the answer itself")
    token: SecretStr | None = Field(default=None, description="Bearer token, or password of user, from a file")
    user: str | None = Field(default=None, description="user name, when the API wants Basic authentication")
    headers: dict[str, str] = Field(default={}, description="further headers", examples=['{ X-Tenant = "44" }'])
    params: dict[str, str] = Field(default={}, description="further parameters", examples=['{ state = "active" }'])
    mode: Literal["whole", "changes"] = Field(
        default="whole", description="whole: all is compared, deletes are seen; changes: only what is new"
    )
    since_param: str = Field(default="", description="mode changes: parameter that asks for what is new since a value")
    since_path: str = Field(default="", description="mode changes: path to the value for the next time")
    since_column: str = Field(default="", description="mode changes: or the column whose largest value is that value")
    since_first: str = Field(default="", description="mode changes: value of the first time; empty: it is not sent")
    deleted: str = Field(default="", description="column that marks a record as deleted")
    absent: Literal["reject", "null"] = Field(default="reject", description="a record without a column's field")
    max_body_mb: int = Field(default=64, ge=1, le=1024, description="largest answer in megabytes, unpacked")
    zone: str = Field(default="Asia/Shanghai", description="time zone of date-times that name none")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.paging == "cursor" and not self.next_path:
            raise ValueError('paging = "cursor" needs next_path')
        if self.user is not None and self.token is None:
            raise ValueError("user goes with token_file")
        if self.mode == "whole":
            if self.since_param:
                raise ValueError('since_param goes with mode = "changes"')
        elif bool(self.since_param) != (bool(self.since_path) != bool(self.since_column)):
            raise ValueError("since_param goes with either since_path or since_column")
        elif not self.since_param and self.paging != "cursor":
            raise ValueError('mode = "changes" needs since_param, or paging = "cursor" over a feed of changes')
        return self

    def verify(self, file: str, group: str) -> None:
        """Refuse headers that are not the department's to set, or that are none."""
        super().verify(file, group)
        for name, value in self.headers.items():
            if name.lower() in RESERVED or not (name + value).isprintable() or not (name + value).isascii():
                example = 'headers = { X-Tenant = "44" }'
                raise ConfigError(file=file, key=f"{group}.headers", expected=_HEADER, found="***", example=example)


def open_source(config: Config, stream: Stream) -> HttpPullSource:
    """Return the source of an adapter file."""
    return HttpPullSource(config, stream)


class HttpPullSource:
    """Memory is bounded by one page."""

    keyed = False

    def __init__(self, config: Config, stream: Stream) -> None:
        self.place = host_of(config.url)
        self._config = config
        self._stream = stream
        self._names = [stream.column(item) for item in stream.items]
        self._reader = BodyReader(stream, ZoneInfo(config.zone), self.place, strict=False)
        self._client: httpx.Client | None = None
        self._closed = threading.Event()
        self._ties: set[Row] = set()  # rows that have the largest value of since_column: an API gives them again

    def connect(self) -> None:
        """Open a client; nothing is asked before ``read``."""
        self.close()
        self._closed.clear()
        try:
            self._client = open_client(self._config)
        except OSError as exc:
            raise self._problem(Text("ca_file cannot be used", "ca_file 无法使用")) from exc

    def coverage(self, position: Position | None) -> Coverage:  # noqa: ARG002 - the mode decides
        """Return what the configured mode shows."""
        return Coverage.WHOLE if self._config.mode == "whole" else Coverage.CHANGES

    def changed(self) -> bool:
        """Return True: only asking tells."""
        return True

    def read(self, position: Position | None) -> Generator[ReadBatch]:
        """Yield all records, or those that are new since ``position``."""
        if self._config.mode == "whole":
            yield from self._whole()
        else:
            yield from self._new(position)

    def close(self) -> None:
        """Close the connections."""
        self._closed.set()
        if self._client is not None:
            self._client.close()
            self._client = None

    def _whole(self) -> Iterator[ReadBatch]:
        seen, total, before = 0, None, b""
        ask: Ask | None = first(self._config, self._config.params, None)
        while ask is not None:
            try:
                response = self._get(ask)
            except BackOff as limit:  # from the start again, a whole of many pages would never come to its end
                yield from self._wait(float(str(limit.facts["wait_s"])))
                continue
            data, records = self._records(response)
            mark = hashlib.sha256(response.content).digest()
            if records and mark == before:
                raise self._problem(Text("every page is the same: see page_param", "每页内容相同：请检查 page_param"))
            before, seen = mark, seen + len(records)
            counted = dig(data, self._config.total_path) if self._config.total_path else None
            total = total if counted is None else counted
            yield from self._batches(records, None)
            ask = self._next(ask, response, data, len(records))
        if total is not None and str(total) != str(seen):
            raise SourceChanging(what=self.place)

    def _new(self, position: Position | None) -> Iterator[ReadBatch]:
        config, known = self._config, dict(position or {})
        since = known.get("since", config.since_first or None)
        params = {**config.params, **({config.since_param: str(since)} if config.since_param and since else {})}
        ask: Ask | None = first(config, params, known.get("cursor"))
        after: Any = known.get("since")
        begun = False
        while ask is not None:
            response = self._get(ask)
            data, records = self._records(response)
            after = after if begun and config.since_path else self._after(after, data, records)
            begun = True
            asked, ask = ask, self._next(ask, response, data, len(records))
            yield from self._batches(records, self._position(after, asked, ask), since)
            if not records and config.paging == "cursor":
                return

    def _after(self, after: Any, data: Any, records: list[Any]) -> Any:
        """Return the value for the next pass: what the first page says, or the largest of a column."""
        if self._config.since_path:
            return dig(data, self._config.since_path)
        if not self._config.since_column:
            return None
        values = [dig(record, self._config.since_column) for record in records]
        texts = [str(value) for value in values if value is not None]
        return max([*texts, *([str(after)] if after else [])], key=_by_size, default=None)

    def _position(self, after: Any, asked: Ask, following: Ask | None) -> Position | None:
        """A feed of changes goes on from its cursor; otherwise a pass counts when it came to its end."""
        cursor = following.cursor if following is not None else None
        if not self._config.since_param:
            return {"cursor": cursor or asked.cursor} if cursor or asked.cursor else None
        return {"since": after} if following is None and after else None

    def _batches(self, records: list[Any], position: Position | None, since: Any = None) -> Iterator[ReadBatch]:
        """Cut a page into batches; the position holds after the last of them."""
        most = self._stream.batch_rows
        for at in range(0, max(len(records), 1), most):
            last = at + most >= len(records)
            yield self._batch(records[at : at + most], position if last else None, since)

    def _batch(self, records: list[Any], position: Position | None, since: Any) -> ReadBatch:
        rows: list[Row] = []
        changes: dict[bytes, Row | None] = {}
        rejects: list[Reject] = []
        for record in records:
            gone = bool(self._config.deleted and dig(record, self._config.deleted))
            fields = {name: dig(record, name) for name in self._names} if isinstance(record, dict) else record
            try:
                self._all_there(record, gone=gone)
                key, row = self._reader.row(fields)
            except BadRecord as exc:
                rejects.append(self._reject(fields, exc))
                continue
            rows.append(row)
            changes[key] = None if gone else row
        if self._config.mode == "whole" and not self._config.deleted:
            return ReadBatch(rows=rows, rejects=rejects)
        kept = [row for row in changes.values() if row is not None]
        if self._config.mode == "whole":
            return ReadBatch(rows=kept, rejects=rejects)
        deleted = [key for key, row in changes.items() if row is None]
        return ReadBatch(rows=self._fresh(kept, position, since), deleted=deleted, rejects=rejects, position=position)

    def _all_there(self, record: Any, *, gone: bool) -> None:
        """A field that an API gives no more must not empty a column of every record. Errors: BadRecord."""
        if gone or self._config.absent == "null" or not isinstance(record, dict):
            return
        for item, name in zip(self._stream.items, self._names, strict=True):
            if dig(record, name, _NOTHING) is _NOTHING:
                raise BadRecord(item.name, "missing_column", _ABSENT)

    def _fresh(self, rows: list[Row], position: Position | None, since: Any) -> list[Row]:
        """Leave out what the last pass ended with: an API that gives what is new *from* a value gives it again."""
        fresh = [row for row in rows if row not in self._ties]
        if position is not None and position.get("since") != since:
            self._ties = set(rows)
        elif position is not None:
            self._ties |= set(rows)
        return fresh

    def _reject(self, fields: Any, fault: BadRecord) -> Reject:
        whole = isinstance(fields, dict)
        raw = as_text(self._stream.items, [fields[name] for name in self._names]) if whole else type(fields).__name__
        column = self._stream.columns.get(fault.item, fault.item)
        return Reject(self.place, None, column, fault.rule, fault.reason, raw, self._reader.key(fields))

    def _get(self, ask: Ask) -> httpx.Response:
        """Return a good answer. Errors: NotConnected, BackOff, SourceProblem."""
        assert self._client is not None, "connect comes first"
        config = self._config
        headers = {"Accept": "application/json", "Accept-Encoding": "gzip", **config.headers}
        auth: tuple[str, str] | None = None
        if config.token is not None and config.user is not None:
            auth = config.user, config.token.get_secret_value()
        elif config.token is not None:
            headers["Authorization"] = f"Bearer {config.token.get_secret_value()}"
        with (
            translated(self.place),
            self._client.stream(
                "GET", ask.url, params=dict(ask.params) or None, headers=headers, auth=auth
            ) as response,
        ):
            error = passing(response, self.place)
            if error is not None:
                raise error
            if response.status_code >= REDIRECTS:
                status = response.status_code
                raise self._problem(Text(f"HTTP {status} at {ask.url.partition('?')[0]}", f"HTTP {status}"))
            return httpx.Response(response.status_code, headers=_plain(response), content=self._bounded(response))

    def _bounded(self, response: httpx.Response) -> bytes:
        body, limit = bytearray(), self._config.max_body_mb * MEGABYTE
        for piece in response.iter_bytes():
            body += piece
            if len(body) > limit:
                raise self._problem(
                    Text(
                        "an answer is larger than max_body_mb: ask for smaller pages",
                        "响应超过 max_body_mb：请减小每页条数",
                    )
                )
        return bytes(body)

    def _records(self, response: httpx.Response) -> tuple[Any, list[Any]]:
        try:
            data = load_json(response.content)
        except Malformed as exc:
            raise self._problem(Text("the answer is not JSON in UTF-8", "响应不是 UTF-8 编码的 JSON")) from exc
        found = dig(data, self._config.records)
        if not isinstance(found, list):
            where = self._config.records or "the answer"
            raise self._problem(Text(f"{where} is no list: see records", f"{where} 不是列表：请检查 records"))
        return data, found

    def _next(self, ask: Ask, response: httpx.Response, data: Any, count: int) -> Ask | None:
        link = response.links.get("next", {}).get("url")
        try:
            return following(self._config, ask, count, data, link)
        except PagingFault as exc:
            raise self._problem(exc.reason) from exc

    def _wait(self, seconds: float) -> Iterator[ReadBatch]:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if self._closed.wait(min(SLICE_S, left)):
                raise NotConnected(what=self.place, reason=Text("closed", "已关闭"))
            yield ReadBatch()

    def _problem(self, reason: Text) -> SourceProblem:
        return SourceProblem(source=self.place, reason=reason)


def _plain(response: httpx.Response) -> dict[str, str]:
    return {"link": response.headers["link"]} if "link" in response.headers else {}


def _by_size(text: str) -> tuple[int, str]:
    """Order numbers by size and other texts, date-times in ISO 8601 among them, by their letters."""
    return (len(text), text) if text.isdigit() else (0, text)


_NOTHING = object()
_ABSENT = Text(
    'the record has no such field; if fields are left out on purpose, set absent = "null"',
    '记录中没有该字段；若有意省略，请设 absent = "null"',
)
_HEADER = Text(
    "printable ASCII headers, not Authorization or Host", "可打印 ASCII 的请求头，不含 Authorization 与 Host"
)
