"""A system posts batches: answered when Kafka has them, once for each id, whatever dies in between."""

from __future__ import annotations

import gzip
import json
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from typing import Any

import fastavro
import httpx
import pytest

from exchange import Publisher
from exchange.contract import receipts_topic
from exchange.errors import Fenced
from exchange.kafka import Broker
from exchange.node.ports import free_ports
from exchange.readback import read_back
from exchange.receipts import Receipt
from exchange.registry_client import RegistryClient
from tests.integration.adapters.places import Place, World, write_file
from tests.integration.adapters.runs import Background, background, topic_rows
from tests.support.wait import wait_until

SECRET = "correct horse battery staple"


class Pushed(Place):
    def __init__(self, directory: Path) -> None:
        self.port = free_ports(1)[0]
        self.ledger = directory / "push.ledger"
        self.secret = directory / "push.secret"
        self.secret.write_text(SECRET, encoding="utf-8")
        self.client = httpx.Client(
            base_url=f"http://127.0.0.1:{self.port}", headers={"Authorization": f"Bearer {SECRET}"}, timeout=30
        )

    def part(self) -> dict[str, Any]:
        return {"kind": "http_push", "port": self.port, "token_file": str(self.secret), "ledger": str(self.ledger)}

    def answers(self) -> bool:
        """Whether an engine takes posts (an empty batch of no id is refused, which needs no engine)."""
        try:
            return self.client.put("/batches/ping", json=[]).status_code == 200
        except httpx.TransportError:
            return False


def person(key: str, **more: Any) -> dict[str, Any]:
    return {"id": key, "name": f"居民{key}", "born": "2001-02-03", "amount": 0.1, **more}


@pytest.fixture
def pushed(tmp_path: Path) -> Iterator[Pushed]:
    made = Pushed(tmp_path)
    yield made
    made.client.close()


@pytest.fixture
def file(world: World, pushed: Pushed) -> Path:
    return write_file(world, "source", pushed)


@pytest.fixture
def engine(file: Path, pushed: Pushed) -> Iterator[Background]:
    with background(file) as running:
        wait_until(pushed.answers, 30, "the endpoint")
        yield running
        assert running.error is None


def published(world: World) -> list[int]:
    """How many records each committed transaction had, by the receipts."""
    registry = RegistryClient(world.owner.settings.registry, world.owner.settings.identity)
    topic = receipts_topic(world.owner.client_id)
    found = list(read_back(Broker.of(world.owner.settings, registry), f"{world.owner.client_id}.check", topic))
    registry.close()
    return [Receipt.from_bytes(message.value() or b"").count for message in found]


def test_what_is_answered_is_in_kafka_and_the_same_id_counts_once(
    world: World, pushed: Pushed, engine: Background
) -> None:
    body = {"records": [person("a"), person("b", amount="12345678901234.56", born=None)], "deleted": ["gone"]}
    first = pushed.client.put("/batches/1", json=body)
    assert (first.status_code, first.json()) == (
        200,
        {"batch": "1", "accepted": 2, "deleted": 1, "rejected": 0, "errors": []},
    )
    rows = topic_rows(world, 3, "look")
    assert rows["b"] == ("b", "居民b", None, Decimal("12345678901234.56"))
    assert rows["gone"] is None
    again = pushed.client.put("/batches/1", json=body)
    assert (again.status_code, again.json()) == (200, first.json())
    by_header = pushed.client.post("/records", json=body, headers={"Idempotency-Key": "1"})
    assert by_header.json() == first.json()
    other = pushed.client.put("/batches/1", json=[person("c")])
    assert (other.status_code, other.json()["code"]) == (422, "other_content")
    assert sum(published(world)) == 3
    assert engine.summary.published == 2


def test_numbers_are_not_rounded_on_their_way(world: World, pushed: Pushed, engine: Background) -> None:
    raw = b'[{"id": "a", "name": "n", "amount": 9007199254740993.17}]'
    answer = pushed.client.put("/batches/1", content=raw, headers={"Content-Type": "application/json"})
    assert answer.status_code == 200
    row = topic_rows(world, 1, "look")["a"]
    assert row is not None
    assert row[3] == Decimal("9007199254740993.17")


def test_wrong_records_are_named_and_nothing_or_the_others_are_published(
    world: World, pushed: Pushed, engine: Background
) -> None:
    body = {
        "records": [person("a"), person("b", born="2001-02-30"), person("c", colour="x"), person("a"), 5],
        "deleted": [{"id": None}],
    }
    whole = pushed.client.put("/batches/1", json=body, headers={"Accept-Language": "zh"})
    assert whole.status_code == 422
    problem = whole.json()
    assert problem["code"] == "records_rejected"
    assert "未发布" in problem["message"]
    assert [(e["in"], e["row"], e["item"], e["rule"]) for e in problem["errors"]] == [
        ("records", 2, "born", "type_D"),
        ("records", 3, "-", "unknown_item"),
        ("records", 4, "id", "duplicate_key"),
        ("records", 5, "-", "not_an_object"),
        ("deleted", 1, "id", "required"),
    ]
    assert problem["errors"][0]["reason"].keys() == {"en", "zh"}
    assert "居民" not in whole.text, "values are not told back"
    part = pushed.client.put("/batches/1?partial=true", json=body)
    assert (part.status_code, part.json()["accepted"], part.json()["rejected"]) == (200, 1, 5)
    assert set(topic_rows(world, 1, "look")) == {"a"}
    assert engine.summary.rejected == 5, "kept in the rejects file and the dead-letter topic"


def test_avro_containers_and_gzip(world: World, pushed: Pushed, engine: Background) -> None:
    schema = {
        "type": "record",
        "name": "p",
        "fields": [
            {"name": "id", "type": "string"},
            {"name": "name", "type": "string"},
            {"name": "born", "type": ["null", {"type": "int", "logicalType": "date"}]},
            {"name": "amount", "type": {"type": "bytes", "logicalType": "decimal", "precision": 18, "scale": 2}},
        ],
    }
    out = BytesIO()
    fastavro.writer(out, schema, [{"id": "a", "name": "n", "born": None, "amount": Decimal("1.50")}])
    packed = gzip.compress(out.getvalue())
    headers = {"Content-Type": "application/vnd.apache.avro", "Content-Encoding": "gzip"}
    assert pushed.client.put("/batches/1", content=packed, headers=headers).json()["accepted"] == 1
    assert topic_rows(world, 1, "look")["a"] == ("a", "n", None, Decimal("1.50"))


def test_hostile_requests_are_refused_and_the_endpoint_lives(pushed: Pushed, engine: Background) -> None:
    client, json_type = pushed.client, {"Content-Type": "application/json"}
    bomb = gzip.compress(b"[" + b" " * (17 << 20) + b"]")
    refused = [
        (client.put("/batches/1", json=[], headers={"Authorization": "Bearer wrong"}), 401),
        (client.put("/nowhere", json=[], headers={"Authorization": "Bearer wrong"}), 401),
        (client.put("/nowhere", json=[]), 404),
        (client.post("/records", json=[]), 400),
        (client.put("/batches/1", content=b"a,b", headers={"Content-Type": "text/csv"}), 415),
        (client.put("/batches/1", content=b"x", headers={**json_type, "Content-Encoding": "br"}), 415),
        (client.put("/batches/1", content=b"[" * 1_000_000, headers=json_type), 400),
        (client.put("/batches/1", content=b'[{"id": NaN}]', headers=json_type), 400),
        (client.put("/batches/1", content=bomb, headers={**json_type, "Content-Encoding": "gzip"}), 413),
        (client.put("/batches/1", content=bomb[:99], headers={**json_type, "Content-Encoding": "gzip"}), 400),
        (client.put("/batches/1", content=iter([b" " * (9 << 20)] * 2), headers=json_type), 413),
        (client.put("/batches/1", json=[person(str(n)) for n in range(20_001)]), 413),
        (client.put("/batches/1?partial=maybe", json=[]), 400),
    ]
    assert [answer.status_code for answer, _ in refused] == [status for _, status in refused]
    for answer, status in refused:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == status
    assert refused[0][0].headers["www-authenticate"].startswith("Bearer")
    basic = httpx.put(f"{client.base_url}/batches/2", json=[], auth=("exchange", SECRET))
    assert basic.status_code == 200


@pytest.mark.parametrize(
    "head",
    [
        b"PUT /batches/1 HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"PUT /batches/1\r\nX: y HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"GET / HTTP/1.1\r\n" + b"x: " + b"y" * (1 << 20),
    ],
)
def test_what_is_not_http_is_hung_up_on(pushed: Pushed, engine: Background, head: bytes) -> None:
    with socket.create_connection(("127.0.0.1", pushed.port), 10) as raw:
        try:
            raw.sendall(head)
            said = raw.recv(4096)
            while raw.recv(4096):
                pass
        except ConnectionError:
            said = b""
    assert said == b"" or said.startswith((b"HTTP/1.1 400", b"HTTP/1.1 401"))
    assert pushed.answers()


def test_a_batch_that_could_not_be_committed_is_answered_503_and_sent_again(
    world: World, pushed: Pushed, file: Path
) -> None:
    with background(file) as running:
        wait_until(pushed.answers, 30, "the endpoint")
        Publisher.open(world.owner.settings, world.code, "people-source").close()  # what another process would do
        answer = pushed.client.put("/batches/1", json=[person("a")])
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert int(answer.headers["retry-after"]) > 0
        wait_until(running.ended, 30, "the fenced engine's end")
    assert isinstance(running.error, Fenced)
    with pytest.raises(httpx.TransportError):
        pushed.client.put("/batches/1", json=[person("a")])
    with background(file):
        wait_until(pushed.answers, 30, "the endpoint again")
        assert pushed.client.put("/batches/1", json=[person("a")]).json()["accepted"] == 1
    assert sum(published(world)) == 1


def test_killed_after_the_commit_the_batch_is_answered_as_if_nothing_had_happened(
    world: World, pushed: Pushed, file: Path
) -> None:
    process = subprocess.Popen([sys.executable, "-m", "tests.support.dies_before_answer", str(file)])
    try:
        body = [person("a"), person("b", born="bad")]

        def died() -> bool:
            try:
                pushed.client.put("/batches/1?partial=true", json=body)
            except httpx.TransportError:
                return process.poll() is not None
            return False

        wait_until(died, 30, "the kill between commit and answer")
    finally:
        process.kill()
        process.wait()
    assert process.returncode == -signal.SIGKILL
    with background(file):
        wait_until(pushed.answers, 30, "the endpoint again")
        again = pushed.client.put("/batches/1?partial=true", json=body)
    assert again.status_code == 200
    assert (again.json()["accepted"], again.json()["rejected"]) == (1, 1)
    assert again.json()["errors"][0]["item"] == "born"
    assert sum(published(world)) == 1, "once, in the topic and in the receipts"
    assert len(topic_rows(world, 1, "look")) == 1


def test_a_lost_ledger_still_counts_once_what_the_position_remembers(world: World, pushed: Pushed, file: Path) -> None:
    with background(file):
        wait_until(pushed.answers, 30, "the endpoint")
        assert pushed.client.put("/batches/1", json=[person("a")]).status_code == 200
    for left in pushed.ledger.parent.glob("push.ledger*"):
        left.unlink()
    with background(file):
        wait_until(pushed.answers, 30, "the endpoint again")
        assert pushed.client.put("/batches/1", json=[person("a")]).json() == {"batch": "1"}
    assert sum(published(world)) == 1
    assert stat.S_IMODE(pushed.ledger.stat().st_mode) == 0o600


def test_posts_from_many_clients_share_transactions(world: World, pushed: Pushed, engine: Background) -> None:
    def post(number: int) -> int:
        return pushed.client.put(f"/batches/n{number}", json=[person(f"k{number}"), person("shared")]).status_code

    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(post, range(48))) == {200}
    rows = topic_rows(world, sum(published(world)), "look")
    assert len(rows) == 49
    assert len(published(world)) < 48, "several posts are one transaction"
    assert json.dumps(sorted(rows)[:2]) == '["k0", "k1"]'
