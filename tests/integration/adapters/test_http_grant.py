"""A system without a Kafka client reads its grant over REST: what it acknowledges has landed, the rest comes again."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from typing import Any

import fastavro
import httpx
import pytest

from exchange.items import Item, ItemType
from tests.integration.adapters.http_targets import Grant
from tests.integration.adapters.places import EXTRA, World, write_file
from tests.integration.adapters.runs import Background, background
from tests.integration.adapters.test_sinks import person, publish, receipts
from tests.support.catalogue import PEOPLE
from tests.support.wait import wait_until

AVRO = {"Accept": "application/vnd.apache.avro"}


@pytest.fixture
def grant(tmp_path: Path) -> Iterator[Grant]:
    made = Grant(tmp_path)
    yield made
    made.close()


@pytest.fixture
def engine(world: World, grant: Grant) -> Iterator[Background]:
    with background(write_file(world, "sink", grant)) as running:
        yield running
        assert running.error is None


def landed(engine: Background, count: int) -> None:
    wait_until(lambda: engine.summary.landed + engine.summary.deleted == count, 30, f"{count} in the spool")


def test_pages_in_order_and_only_what_is_acknowledged_has_landed(
    world: World, grant: Grant, engine: Background
) -> None:
    publish(world, *[person(n) for n in range(25)])
    publish(world, person(3, name="改名", born=None), deleted=("k5",))
    landed(engine, 27)
    first, cursor = grant.get(limit=10)
    again, same = grant.get(limit=10)
    assert (first, cursor) == (again, same), "without a cursor nothing is acknowledged"
    assert not receipts(world.reader)
    found = grant.all()
    assert len(found) == 27
    last = {record["key"]: record for record in found}
    assert last["k3"]["row"] == {"id": "k3", "name": "改名", "born": None, "amount": "0.03"}
    assert (last["k5"]["op"], last["k5"]["row"]) == ("delete", None)
    published = {r.batch: (r.count, r.deletes, r.digest) for r in receipts(world.owner).values()}
    wait_until(
        lambda: {r.batch: (r.count, r.deletes, r.digest) for r in receipts(world.reader).values()} == published,
        30,
        "the receipts of what was acknowledged, without any new record",
    )
    late = grant.client.get("/records", params={"cursor": cursor})
    assert (late.status_code, late.json()["code"]) == (410, "cursor_gone")


def test_a_restart_serves_what_was_not_acknowledged(world: World, grant: Grant) -> None:
    publish(world, *[person(n) for n in range(20)])
    file = write_file(world, "sink", grant)
    with background(file) as running:
        landed(running, 20)
        first, cursor = grant.get(limit=8)
        assert grant.client.post("/acknowledge", params={"cursor": cursor}).status_code == 204
        lost, _ = grant.get(limit=8)
    with background(file) as running:
        wait_until(lambda: answers(grant), 30, "the endpoint again")
        rest = grant.all()
    assert rest[:8] == lost
    assert sorted(r["key"] for r in first + rest) == sorted(f"k{n}" for n in range(20))


def answers(grant: Grant) -> bool:
    try:
        return grant.client.get("/records", params={"limit": 1}).status_code == 200
    except httpx.TransportError:
        return False


def test_avro_containers_over_an_item_that_is_added(world: World, grant: Grant, engine: Background) -> None:
    publish(world, person(1), deleted=("gone",))
    landed(engine, 2)
    world.owner.admin.change_items(world.code, [*PEOPLE, Item(EXTRA, "电话", ItemType.TEXT, length=20)])
    publish(world, person(2, phone="139"))
    landed(engine, 3)
    wait_until(lambda: answers(grant), 30, "the endpoint")
    pages, cursor = [], None
    for _ in range(3):
        answer = grant.client.get("/records", params={"cursor": cursor} if cursor else None, headers=AVRO)
        assert answer.headers["content-type"] == "application/vnd.apache.avro"
        changes: list[Any] = list(fastavro.reader(BytesIO(answer.content)))
        pages.append(changes)
        cursor = answer.headers["X-Exchange-Cursor"]
    assert [len(page) for page in pages] == [2, 1, 0], "a page has one schema"
    found = {change["key"]: change["row"] for change in pages[0] + pages[1]}
    assert found["gone"] is None
    assert found["k1"]["amount"] == Decimal("0.01")
    assert found["k2"][EXTRA] == "139"


def test_a_long_poll_and_a_stream_are_told_at_once(world: World, grant: Grant, engine: Background) -> None:
    wait_until(lambda: answers(grant), 30, "the endpoint")
    came: list[dict[str, Any]] = []
    poll = threading.Thread(target=lambda: came.extend(grant.get(wait=25)[0]))
    poll.start()
    publish(world, person(1))
    poll.join(20)
    assert [record["key"] for record in came] == ["k1"]
    with grant.client.stream("GET", "/stream") as answer:
        lines = (json.loads(line) for line in answer.iter_lines() if line)
        assert next(lines)["key"] == "k1"
        cursor = next(lines)["cursor"]
        publish(world, person(2))
        assert next(lines)["key"] == "k2"
    assert [record["key"] for record in grant.get(cursor)[0]] == ["k2"]


def test_a_full_spool_makes_the_exchange_wait_and_loses_nothing(world: World, tmp_path: Path) -> None:
    grant = Grant(tmp_path, most_waiting=10)
    publish(world, *[person(n) for n in range(30)])
    with background(write_file(world, "sink", grant, limits={"batch_rows": 10})) as running:
        wait_until(lambda: running.summary.waits >= 1, 30, "a wait for the reader")
        keys: list[str] = []
        cursor = None

        def read() -> bool:
            nonlocal cursor
            try:
                page, cursor = grant.get(cursor)
            except httpx.TransportError:  # the engine connects again
                return False
            keys.extend(record["key"] for record in page)
            return len(keys) >= 30

        wait_until(read, 60, "all records")
    assert running.error is None
    assert sorted(keys) == sorted(f"k{n}" for n in range(30))
    grant.close()


def test_who_has_no_secret_and_who_asks_nonsense(grant: Grant, engine: Background) -> None:
    wait_until(lambda: answers(grant), 30, "the endpoint")
    _, cursor = grant.get()
    asked = [
        (httpx.get(f"{grant.client.base_url}/records"), 401),
        (grant.client.get("/records", params={"cursor": "x"}), 400),
        (grant.client.get("/records", params={"cursor": cursor[:-1] + "7"}), 400),
        (grant.client.get("/records", params={"cursor": "00000000-0"}), 400),
        (grant.client.get("/records", params={"limit": "99999999999999999999"}), 400),
        (grant.client.get("/records", params={"wait": "-1"}), 400),
        (grant.client.post("/acknowledge"), 400),
        (grant.client.post("/records"), 404),
        (grant.client.get("/other"), 404),
    ]
    assert [answer.status_code for answer, _ in asked] == [status for _, status in asked]
    assert all(answer.headers["content-type"] == "application/problem+json" for answer, _ in asked)
