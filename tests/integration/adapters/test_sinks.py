"""The conformance suite of sinks: whatever the database, each record lands once, and what is refused does not."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from confluent_kafka import Producer
from sqlalchemy import text

from exchange import NotGranted, Publisher
from exchange.contract import receipts_topic
from exchange.errors import Fenced, SinkProblem
from exchange.items import Item, ItemType, Value
from exchange.kafka import Broker
from exchange.readback import read_back
from exchange.receipts import Receipt, Side
from exchange.registry_client import RegistryClient
from tests.integration.adapters.places import EXTRA, SqlTarget, Target, World, write_file
from tests.integration.adapters.runs import background, once, until_idle
from tests.support.catalogue import PEOPLE, Office
from tests.support.superuser import Superuser
from tests.support.wait import wait_until

COUNT = 30
FOREIGN = [Item("word", "词", ItemType.TEXT, length=20, primary_key=True)]


def person(number: int, **more: Value) -> dict[str, Value]:
    amount = Decimal(number) / 100
    return {"id": f"k{number}", "name": f"居民{number}", "born": date(2001, 2, 3), "amount": amount, **more}


def publish(world: World, *rows: Mapping[str, Value], deleted: tuple[str, ...] = ()) -> None:
    with Publisher.open(world.owner.settings, world.code, "test") as publisher, publisher.batch() as batch:
        for row in rows:
            batch.put(row)
        for key in deleted:
            batch.delete(key.encode())


def receipts(office: Office) -> dict[str, Receipt]:
    registry = RegistryClient(office.settings.registry, office.settings.identity)
    found = read_back(
        Broker.of(office.settings, registry), f"{office.client_id}.check", receipts_topic(office.client_id)
    )
    made = [Receipt.from_bytes(message.value() or b"") for message in found]
    registry.close()
    return {receipt.id: receipt for receipt in made}


def test_rows_changes_and_deletes_land_and_the_receipts_agree(world: World, target: Target) -> None:
    publish(world, *[person(n) for n in range(COUNT)])
    file = write_file(world, "sink", target)
    assert until_idle(file).landed == COUNT
    publish(world, person(3, name="改名", born=None), person(99), deleted=("k5", "k6", "never-was"))
    summary = until_idle(file)
    assert (summary.landed, summary.deleted) == (2, 3)
    rows = target.rows()
    assert len(rows) == COUNT + 1 - 2
    assert rows["k3"] == ("改名", None, "0.03")
    assert rows["k4"] == ("居民4", "2001-02-03", "0.04")
    published = {r.batch: (r.count, r.deletes, r.digest) for r in receipts(world.owner).values()}
    landed = receipts(world.reader).values()
    assert {r.batch: (r.count, r.deletes, r.digest) for r in landed} == published
    assert {r.side for r in landed} == {Side.LANDED}
    assert len({r.landing for r in landed}) == 1
    with target.engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM exchange_receipt")).scalar() == 0, "all were sent"


def schema_id(world: World, code: str) -> int:
    registry = RegistryClient(world.owner.settings.registry, world.owner.settings.identity)
    found = registry.contract(code).schema_id
    registry.close()
    return found


def publish_bytes(world: World, key: str, value: bytes) -> None:
    """What a system could do that is granted to write and does not use our publisher."""
    registry = RegistryClient(world.owner.settings.registry, world.owner.settings.identity)
    producer = Producer(Broker.of(world.owner.settings, registry).config())
    producer.produce(world.catalogue.topic(world.code), value, key.encode())
    assert producer.flush(30) == 0
    registry.close()


def test_nothing_lands_nothing_and_what_is_no_record_is_set_aside(world: World, target: Target) -> None:
    file = write_file(world, "sink", target)
    empty = until_idle(file)
    assert (empty.landed, empty.deleted, empty.rejected) == (0, 0, 0)
    publish(world, person(1))
    foreign = schema_id(world, world.catalogue.resource(world.owner, FOREIGN)).to_bytes(4, "big")
    for header in (b"", b"{}", b"\x00\x7f\xff\xff\xff", b"\x00" + foreign):
        publish_bytes(world, "k2", header + b"x" * 20)
    publish(world, person(3))
    summary = until_idle(file)
    assert (summary.landed, summary.rejected, summary.rules) == (2, 4, {"wire": 4})
    assert set(target.rows()) == {"k1", "k3"}
    assert summary.rejects_file is not None
    kept = [json.loads(line) for line in Path(summary.rejects_file).read_text(encoding="utf-8").splitlines()]
    assert {reject["raw"] for reject in kept} == {b"k2".hex()}
    assert sum(receipt.count for receipt in receipts(world.reader).values()) == 2, "what was set aside did not land"


def test_a_topic_that_was_made_anew_lands_from_its_beginning(world: World, target: Target) -> None:
    """Its offsets begin anew: a position in the old one would pass over as many records, and nobody would know."""
    publish(world, *[person(n) for n in range(COUNT)])
    file = write_file(world, "sink", target)
    assert until_idle(file).landed == COUNT
    Superuser(world.catalogue.node).make_anew(world.catalogue.topic(world.code))
    publish(world, *[person(n, name="新") for n in range(2 * COUNT)])
    assert until_idle(file).landed == 2 * COUNT
    assert {row[0] for row in target.rows().values()} == {"新"}
    assert len(target.rows()) == 2 * COUNT


def test_a_restart_lands_nothing_twice(world: World, sql_target: SqlTarget) -> None:
    publish(world, *[person(n) for n in range(COUNT)])
    file = write_file(world, "sink", sql_target)
    until_idle(file)
    with sql_target.engine.begin() as connection:
        connection.execute(text("UPDATE people SET name = 'local mark'"))
    assert until_idle(file).landed == 0
    assert {row[0] for row in sql_target.rows().values()} == {"local mark"}


@pytest.mark.long
def test_killed_between_the_commit_and_the_next_step_each_landing_stands_once(world: World, target: Target) -> None:
    publish(world, *[person(n) for n in range(COUNT)])
    file = write_file(world, "sink", target, limits={"batch_rows": 10})
    for lives in range(1, 3):
        killed = subprocess.run([sys.executable, "-m", "tests.support.dies_after_commit", str(file)], check=False)
        assert killed.returncode == -signal.SIGKILL
        assert len(target.rows()) == 10 * lives, "each life commits one landing, and the next one starts behind it"
    assert until_idle(file).landed == COUNT - 20
    assert len(target.rows()) == COUNT
    made = receipts(world.reader).values()
    assert sum(receipt.count for receipt in made) == COUNT, "the receipts of the killed are sent by the one that lived"


def test_a_later_process_of_the_name_takes_over_at_once(world: World, target: Target) -> None:
    publish(world, person(1))
    with background(write_file(world, "sink", target)) as first:
        wait_until(lambda: first.summary.landed == 1, 30, "a first landing")
        with background(write_file(world, "sink", target)) as second:
            if target.listens:  # the port is for one alone: the later one waits for it
                wait_until(lambda: second.summary.waits >= 1, 30, "a wait for the port")
                first.stop()
            wait_until(first.ended, 30, "the end of the first")
            publish(world, person(2))
            wait_until(lambda: second.summary.landed == 1, 30, "a landing of the second")
    assert isinstance(first.error, Fenced) or target.listens
    assert second.error is None
    assert set(target.rows()) == {"k1", "k2"}


def test_many_changes_of_one_key_leave_the_last(world: World, target: Target) -> None:
    for number in range(3):
        publish(world, person(1, amount=Decimal(number)), person(2), deleted=("k2",) if number == 2 else ())
    until_idle(write_file(world, "sink", target))
    assert {key: Decimal(str(row[2])) for key, row in target.rows().items()} == {"k1": 2}


def test_a_large_backlog_lands(world: World, target: Target) -> None:
    publish(world, *[person(n) for n in range(12_000)])
    assert until_idle(write_file(world, "sink", target, limits={"batch_rows": 5000})).landed == 12_000
    assert len(target.rows()) == 12_000


def test_a_lost_table_is_landed_again_from_the_start(world: World, sql_target: SqlTarget) -> None:
    publish(world, *[person(n) for n in range(COUNT)])
    file = write_file(world, "sink", sql_target)
    until_idle(file)
    with sql_target.engine.begin() as connection:
        connection.execute(text("DROP TABLE people"))
    assert until_idle(file).landed == COUNT
    assert len(sql_target.rows()) == COUNT
    assert len({r.landing for r in receipts(world.reader).values()}) == 2


def test_a_second_destination_process_is_fenced(world: World, target: Target) -> None:
    publish(world, person(1))
    with background(write_file(world, "sink", target)) as engine:
        wait_until(lambda: engine.summary.landed == 1, 30, "a first landing")
        with target.engine.begin() as connection:  # what another process would do
            connection.execute(text("UPDATE exchange_position SET next_offset = next_offset + 100"))
        publish(world, person(2))
        wait_until(engine.ended, 30, "the fenced engine's end")
    assert isinstance(engine.error, Fenced)
    assert set(target.rows()) == {"k1"}, "nothing was written"


def test_a_grant_is_waited_for_and_a_revocation_stops(world: World, target: Target) -> None:
    reader = world.catalogue.office("late", "440604")
    late = World(world.catalogue, world.owner, reader, world.code, 0, world.directory)
    publish(world, person(1))
    file = write_file(late, "sink", target)
    with pytest.raises(NotGranted):
        once(file)
    with background(file) as engine:
        wait_until(lambda: engine.summary.waits >= 1, 30, "a wait")
        grant = world.catalogue.grant(world.owner, reader, world.code)
        wait_until(lambda: engine.summary.landed == 1, 30, "the landing after the grant")
        waits = engine.summary.waits
        assert world.owner.admin.revoke(grant, "测试")["enforced"] is True
        publish(world, person(2))
        wait_until(lambda: engine.summary.waits > waits, 30, "the refusal")
        assert not engine.ended()
    assert set(target.rows()) == {"k1"}, "nothing that was published after the revocation"


def test_a_destination_that_goes_away_is_waited_for(world: World, target: Target) -> None:
    if target.cluster is None:
        pytest.skip("a file does not go away, and a system that asks for its grant may be away as long as it likes")
    publish(world, person(1))
    with background(write_file(world, "sink", target)) as engine:
        wait_until(lambda: engine.summary.landed == 1, 30, "a first landing")
        target.cluster.stop()
        try:
            publish(world, person(2))
            wait_until(lambda: engine.summary.waits >= 2, 30, "a wait")
        finally:
            target.cluster.start()
        wait_until(lambda: set(target.rows()) == {"k1", "k2"}, 40, "the landing after the outage")
        wait_until(lambda: sum(r.count for r in receipts(world.reader).values()) == 2, 30, "its receipt")
    assert engine.error is None
    assert engine.summary.landed == 2


def test_an_added_item_becomes_a_column_while_the_adapter_runs(world: World, target: Target) -> None:
    publish(world, person(1))
    with background(write_file(world, "sink", target)) as engine:
        wait_until(lambda: engine.summary.landed == 1, 30, "a first landing")
        world.owner.admin.change_items(world.code, [*PEOPLE, Item(EXTRA, "电话", ItemType.TEXT, length=20)])
        publish(world, person(2, phone="139"))
        wait_until(lambda: engine.summary.landed == 2, 30, "the landing of the new version")
    assert engine.error is None
    assert target.rows(EXTRA) == {"k1": (None,), "k2": ("139",)}


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("CREATE TABLE people (id varchar(20) PRIMARY KEY, name varchar(50), born date)", "column amount is missing"),
        (
            "CREATE TABLE people (id varchar(20) PRIMARY KEY, name integer, born date, amount numeric(18,2))",
            "column name has type INTEGER",
        ),
        (
            "CREATE TABLE people (id varchar(20), name varchar(50), born date, amount varchar(40))",
            "",
        ),
    ],
)
def test_a_table_of_the_departments_own_is_not_altered_but_named(
    world: World, sql_target: SqlTarget, table: str, words: str
) -> None:
    with sql_target.engine.begin() as connection:
        connection.execute(text(table))
    with pytest.raises(SinkProblem) as caught:
        once(write_file(world, "sink", sql_target))
    assert words in caught.value.message("en")
