"""What is odd about HTTP: hostile bodies, clients that never finish, ids, waits; no broker is needed."""

from __future__ import annotations

import json
import socket
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import format_datetime
from io import BytesIO
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import fastavro
import httpx
import pytest
from pydantic import create_model
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from adapters import http_server
from adapters.http_batches import REMEMBERED, Noted, Remembered, short_hash
from adapters.http_body import BodyReader, Posted
from adapters.http_client import passing
from adapters.http_inbox import Inbox, Post
from adapters.http_pages import Pages
from adapters.http_problems import (
    HttpRefusal,
    Malformed,
    StillRunning,
    TooBusy,
    TooLarge,
    Unavailable,
    UnsupportedMedia,
)
from adapters.http_spool import Spool
from adapters.protocol import Landing
from adapters.sink_webhook import Config as WebhookConfig
from adapters.sink_webhook import signature
from adapters.source_http_pull import Config as PullConfig
from adapters.source_http_push import Config as PushConfig
from exchange.config import load
from exchange.errors import BackOff, ConfigError, Fenced, NotConnected, SourceProblem
from exchange.items import Item, ItemType, Row
from exchange.node.ports import free_ports
from exchange.text import Text
from exchange.transaction import POSITION_BYTES
from tests.support.adapters import stream_of
from tests.support.catalogue import PEOPLE

AVRO = "application/vnd.apache.avro"
SECRET = "push secret"
DECIMAL = {"type": "bytes", "logicalType": "decimal", "precision": 38, "scale": 2}


def reader(**more: Any) -> BodyReader:
    return BodyReader(stream_of(PEOPLE, batch_rows=10), ZoneInfo("Asia/Shanghai"), "here", **more)


def container(schema: Any, records: list[Any], codec: str = "null") -> bytes:
    out = BytesIO()
    fastavro.writer(out, schema, records, codec=codec)
    return out.getvalue()


def flat(*types: Any) -> dict[str, Any]:
    return {
        "type": "record",
        "name": "r",
        "fields": [{"name": f"f{at}", "type": kind} for at, kind in enumerate(types)],
    }


@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        (b"", Malformed),
        (b"Obj\x01", Malformed),
        (b"Obj\x01" + b"\xff" * 40, Malformed),
        (container(flat({"type": "array", "items": "null"}), [{"f0": []}]), Malformed),
        (container(flat({"type": "map", "values": "null"}), [{"f0": {}}]), Malformed),
        (container({"type": "array", "items": "null"}, [[None] * 9]), Malformed),
        (container(flat("null"), [{"f0": None}] * 5000), TooLarge),
        (container(flat("string"), [{"f0": "x" * 99}], "deflate"), UnsupportedMedia),
        (container(flat("string"), [{"f0": "x" * 99}])[:-30], Malformed),
        (container(flat(DECIMAL), [{"f0": b"x" * 999_999}]), Malformed),
    ],
)
def test_a_hostile_container_is_refused(body: bytes, refusal: type[HttpRefusal]) -> None:
    with pytest.raises(refusal):
        reader().read(AVRO, body)


@pytest.mark.parametrize(
    "fault", [b"\xff", b"{}x", b'{"records": 5}', b'{"rows": []}', b'"x"', b"[" * 99999, b"[1e999999999]"]
)
def test_json_of_another_shape_is_refused_or_its_record_is_rejected(fault: bytes) -> None:
    try:
        posted = reader().read("application/json; charset=utf-8", fault)
    except Malformed as exc:
        assert exc.message("zh")  # noqa: PT017 - either is right, a crash is not
    else:
        assert [error["rule"] for error in posted.errors] == ["not_an_object"]


def test_a_decimal_of_a_container_is_read() -> None:
    names = ("id", "name", "amount")
    fields = [{"name": n, "type": kind} for n, kind in zip(names, ("string", "string", DECIMAL), strict=True)]
    record = {"id": "a", "name": "n", "amount": Decimal("1.50")}
    body = container({"type": "record", "name": "r", "fields": fields}, [record])
    assert reader().read(AVRO, body).changes == {b"a": ("a", "n", None, Decimal("1.50"))}


def test_a_number_that_fits_nothing_is_one_reject() -> None:
    body = b'[{"id": "a", "name": "n", "amount": 1e999999}, {"id": "b", "name": "n", "amount": 1}]'
    posted = reader().read("application/json", body)
    assert set(posted.changes) == {b"b"}
    assert [error["item"] for error in posted.errors] == ["amount"]


def test_the_position_holds_as_many_ids_as_fit() -> None:
    remembered = Remembered(None)
    for number in range(REMEMBERED + 50):
        remembered = Remembered(remembered.with_more([f"batch {number}"]))
    assert len(remembered.hashes) == REMEMBERED
    assert remembered.hashes[-1] == short_hash(f"batch {REMEMBERED + 49}")
    assert len(json.dumps(remembered.with_more(["x"]))) < POSITION_BYTES


def test_an_id_is_taken_until_its_fate_is_known_and_room_is_bounded() -> None:
    inbox, post = Inbox(100), Post(Noted("a", "", {}), Posted())
    with pytest.raises(Unavailable), inbox.take_place("a", 60) as place:
        place.put(post)
    inbox.open()
    with inbox.take_place("a", 60) as place:
        place.put(post)
    with pytest.raises(StillRunning):
        inbox.take_place("a", 1)
    with pytest.raises(TooBusy):
        inbox.take_place("b", 60)
    assert inbox.take(10, 10, 0) == [post]
    post.fate.set_result(None)
    with inbox.take_place("a", 100):
        pass
    late = Post(Noted("b", "", {}), Posted())
    with inbox.take_place("b", 1) as place:
        place.put(late)
    inbox.close()
    assert isinstance(late.fate.exception(), Unavailable)


def test_the_signature_is_what_the_documentation_says() -> None:
    # printf '1700000000.{}' | openssl dgst -sha256 -hmac key
    expected = "9d713ed406bb7076d4123f0dc2c39d2df5c654ed4b0cd56b52c8b4c940bd63ae"
    assert signature("key", 1700000000, b"{}") == f"sha256={expected}"


@pytest.mark.parametrize(
    ("status", "header", "waits"),
    [
        (200, None, None), (404, None, None), (302, None, None),
        (500, None, "?"), (408, None, "?"), (503, "nonsense", "?"),
        (429, "7", 7.0), (503, "999999", 3600.0), (429, "0", 0.1),
    ],
)  # fmt: skip
def test_which_answers_wait_and_how_long(status: int, header: str | None, waits: float | str | None) -> None:
    error = passing(httpx.Response(status, headers={"Retry-After": header} if header else {}), "here")
    if waits is None:
        assert error is None
    elif waits == "?":
        assert isinstance(error, NotConnected)
        assert not isinstance(error, BackOff)
    else:
        assert isinstance(error, BackOff)
        assert error.facts["wait_s"] == waits


def test_a_date_says_when_to_come_back() -> None:
    until = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    error = passing(httpx.Response(503, headers={"Retry-After": until}), "here")
    assert isinstance(error, BackOff)
    assert 50 < float(str(error.facts["wait_s"])) <= 60


@pytest.mark.parametrize(
    ("config", "keys", "named"),
    [
        (PushConfig, 'port = 1\nledger = "l"\nhost = "0.0.0.0"', "source.host"),
        (PushConfig, 'port = 1\nledger = "l"\ncertificate = "c.pem"', "source.certificate"),
        (PushConfig, 'port = 1\nledger = "l"\nzone = "Mars"', "source.zone"),
        (PullConfig, 'url = "https://me:secret@host/x"', "source.url"),
        (PullConfig, 'url = "https://host:99999999/x"', "source.url"),
        (PullConfig, 'url = "https://host/x"\nheaders = { Authorization = "x" }', "source.headers"),
        (PullConfig, 'url = "https://host/x"\nheaders = { X = "a\\r\\nHost: b" }', "source.headers"),
        (WebhookConfig, 'url = "https:///x"\noutbox = "o"', "sink.url"),
    ],
)
def test_unsafe_settings_are_named(config: Any, keys: str, named: str) -> None:
    secrets = {name: SECRET for name in ("token", "secret") if name in config.model_fields}
    made = config.model_validate({"kind": "x", **tomllib.loads(keys), **secrets})
    with pytest.raises(ConfigError) as caught:
        made.verify("file", named.partition(".")[0])
    assert caught.value.facts["key"] == named
    assert "secret@" not in caught.value.message("en")


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    monkeypatch.setattr(http_server, "HEAD_S", 0.3)
    monkeypatch.setattr(http_server, "BODY_S", 0.3)

    async def take(request: Request) -> Response:
        return Response(await http_server.read_body(request, 1000))

    number = free_ports(1)[0]
    config = http_server.ListenConfig.model_validate({"kind": "x", "port": number, "token": SECRET})
    routes = [Route("/", take, methods=["POST"])]
    server = http_server.HttpServer(config, routes, lambda reason: SourceProblem(source="x", reason=reason))
    server.start()
    try:
        second = http_server.HttpServer(config, routes, lambda reason: SourceProblem(source="x", reason=reason))
        with pytest.raises(NotConnected):
            second.start()
        yield number
    finally:
        server.stop()
        server.stop()


def test_a_client_that_never_finishes_is_hung_up_on(port: int) -> None:
    for start in (b"", b"POST / HTTP/1.1\r\nHost: x\r\nX-Slow: "):
        with socket.create_connection(("127.0.0.1", port), 10) as raw:
            raw.sendall(start)
            with suppress(ConnectionError):
                assert raw.recv(100) == b""
    head = f"POST / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {SECRET}\r\nContent-Length: 9\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), 10) as raw:
        raw.sendall(head.encode() + b"half")
        assert raw.recv(4096).startswith(b"HTTP/1.1 408")
    answer = httpx.post(f"http://127.0.0.1:{port}/", content=b"whole", headers={"Authorization": f"Bearer {SECRET}"})
    assert answer.content == b"whole"


ITEMS = (
    Item("id", "-", ItemType.INTEGER, primary_key=True),
    Item("text", "-", ItemType.TEXT, length=9),
    Item("money", "-", ItemType.MONEY),
    Item("day", "-", ItemType.DATE),
    Item("at", "-", ItemType.INSTANT),
    Item("yes", "-", ItemType.LOGICAL),
    Item("raw", "-", ItemType.BINARY),
    Item("real", "-", ItemType.DOUBLE),
    Item("count", "-", ItemType.NUMBER, length=9),
)


def test_rows_of_every_type_go_out_as_json_and_come_in_again(tmp_path: Path) -> None:
    stream = stream_of(ITEMS)
    at = datetime(2024, 1, 31, 8, 30, 1, 5, tzinfo=UTC)
    full: Row = (7, '引号"', Decimal("12.5000"), at.date(), at, True, b"\x00\xff", 0.1, -3)
    empty: Row = (8, *[None] * 8)
    spool = Spool(tmp_path / "spool", stream, 100)
    spool.open()
    topic = stream.contract.topic
    spool.keep(Landing(topic, [(b"7", full), (b"8", empty), (b"9", None)], {0: (0, 3)}))
    with pytest.raises(Fenced):
        spool.keep(Landing(topic, [(b"7", full)], {0: (0, 3)}))
    page = spool.page(0, 10)
    changes = [json.loads(line) for line in Pages().lines(page).splitlines()]
    again = BodyReader(stream, ZoneInfo("UTC"), "here")
    assert [again.row(change["row"])[1] for change in changes[:2]] == [full, empty]
    assert changes[2] == {"op": "delete", "key": "9", "row": None}
    records: list[Any] = list(fastavro.reader(BytesIO(Pages().container(page))))
    assert tuple(records[0]["row"].values()) == full
    assert records[2] == {"key": "9", "row": None}
    spool.acknowledge(3)
    assert spool.bounds() == (3, 3)
    spool.keep(Landing(topic, [(b"7", None)], {0: (3, 4)}))
    assert spool.bounds() == (3, 4), "numbers are not used again"
    spool.close()


def test_settings_are_read_from_a_file_with_the_secret_beside_it(tmp_path: Path) -> None:
    (tmp_path / "s").write_text(SECRET, encoding="utf-8")
    text = '[source]\nkind = "http_push"\nport = 9460\ntoken_file = "s"\nledger = "l"\n'
    (tmp_path / "a.toml").write_text(text, encoding="utf-8")
    made: Any = load(create_model("File", source=(PushConfig, ...)), tmp_path / "a.toml")
    assert made.source.ledger == tmp_path / "l"
    assert made.source.host == "127.0.0.1"
    assert SECRET not in repr(made)


def test_texts_of_refusals_are_in_both_languages() -> None:
    kinds = HttpRefusal.__subclasses__()
    assert len(kinds) > 10
    for kind in kinds:
        assert isinstance(kind.text, Text)
        assert kind.text.en != kind.text.zh
        assert 400 <= kind.status < 600
