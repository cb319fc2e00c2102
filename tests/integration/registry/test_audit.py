"""The audit on both databases: chained under concurrent writers, append-only, told by its own transaction, signed."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, insert, select, text
from sqlalchemy.engine import Connection

from exchange.errors import DatabaseUnavailable
from exchange.items import Item, ItemType
from registry.audit.chain import Anchor, Tampering, Verdict, verify
from registry.audit.domain import Entry
from registry.audit.models import AuditEntry
from registry.audit.service import note
from registry.audit.signing import Head
from registry.clock import utc_now
from registry.database import Database
from registry.errors import Conflict
from registry.migrate import migrate
from registry.settings import AuditGroup
from tests.support.databases import BOTH_DATABASES
from tests.support.registry_world import ITEMS, Person, World, world
from tests.unit.registry.test_audit_chain import chain

BOTH = pytest.mark.parametrize("kind", BOTH_DATABASES)


@pytest.fixture
def database(request: pytest.FixtureRequest, tmp_path: Path, kind: str) -> Iterator[Database]:
    url = request.getfixturevalue("postgres_url") if kind == "postgresql" else f"sqlite:///{tmp_path}/r.db"
    opened = Database(url)
    migrate(opened)
    yield opened
    opened.close()


@pytest.fixture
def here(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        yield made


def stored(database: Database) -> list[Entry]:
    with database.read() as session:
        return [row.value() for row in session.scalars(select(AuditEntry).order_by(AuditEntry.number))]


@BOTH
def test_concurrent_writers_make_one_chain(database: Database, kind: str) -> None:
    second = Database(database.engine.url)  # another process, as far as the database can tell

    def work(number: int) -> None:
        with (database if number % 2 else second).write() as session:
            note(session, utc_now, actor="a", action="x.do", target=f"x/{number}", facts={"n": number})
            if number % 5 == 0:
                note(session, utc_now, actor="a", action="x.also", target=f"x/{number}")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(200)))
    entries = stored(database)
    assert len(entries) == 240
    assert verify(entries).intact
    assert {entry.target for entry in entries} == {f"x/{number}" for number in range(200)}
    second.close()


@BOTH
def test_an_entry_lives_and_dies_with_its_transaction(database: Database, kind: str) -> None:
    with pytest.raises(ZeroDivisionError), database.write() as session:  # noqa: PT012 (the rollback is the point)
        note(session, utc_now, actor="a", action="x.never", target="x/1")
        raise ZeroDivisionError
    with database.write() as session:
        note(session, utc_now, actor="a", action="x.done", target="x/1")
    assert [entry.action for entry in stored(database)] == ["x.done"]


@BOTH
@pytest.mark.parametrize(
    "statement", ["UPDATE audit_entries SET actor = 'b'", "DELETE FROM audit_entries", "DELETE FROM audit_heads"]
)
def test_the_database_refuses_to_change_an_entry(database: Database, kind: str, statement: str) -> None:
    with database.write() as session:
        note(session, utc_now, actor="a", action="x.do", target="x/1")
        session.execute(
            text("INSERT INTO audit_heads VALUES (1, 'h', :at, 'k', 's')"), {"at": "2026-01-01 00:00:00.000000"}
        )
    with pytest.raises((Conflict, DatabaseUnavailable)), database.write() as session:
        session.execute(text(statement))
    assert [entry.actor for entry in stored(database)] == ["a"]


def disarm(connection: Connection) -> None:
    """What one with all rights at the database would do first."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("ALTER TABLE audit_entries DISABLE TRIGGER ALL"))
        return
    for deed in ("update", "delete"):
        connection.execute(text(f"DROP TRIGGER audit_entries_no_{deed}"))


def change(connection: Connection, at: int) -> None:
    connection.execute(text("UPDATE audit_entries SET target = 'grant/forged' WHERE number = :at"), {"at": at})


def remove(connection: Connection, at: int) -> None:
    """Close the gap as well: nothing in the numbers tells of it."""
    connection.execute(text("DELETE FROM audit_entries WHERE number = :at"), {"at": at})
    shift(connection, at, -1)


def insert_one(connection: Connection, at: int) -> None:
    """Put a well-made entry between two, and number the rest anew."""
    shift(connection, at - 1, 1)
    before = connection.execute(select(AuditEntry.hash).where(AuditEntry.number == at - 1)).scalar_one()
    model = connection.execute(select(AuditEntry.__table__).where(AuditEntry.number == at - 1)).one()
    forged = Entry(**{**model._mapping, "number": at, "target": "grant/forged", "previous": before})
    connection.execute(insert(AuditEntry), [asdict(replace(forged, hash=forged.proof()))])


def reorder(connection: Connection, at: int) -> None:
    for old, new in ((at, -1), (at + 1, at), (-1, at + 1)):
        connection.execute(text("UPDATE audit_entries SET number = :new WHERE number = :old"), {"old": old, "new": new})


def shift(connection: Connection, after: int, by: int) -> None:
    """Number all entries after one anew; by way of negative numbers, as they are unique at each moment."""
    connection.execute(
        text("UPDATE audit_entries SET number = -(number + :by) WHERE number > :after"), {"by": by, "after": after}
    )
    connection.execute(text("UPDATE audit_entries SET number = -number WHERE number < 0"))


def nothing(connection: Connection, at: int) -> None:
    pass


MANIPULATIONS = {"none": nothing, "change": change, "remove": remove, "insert": insert_one, "reorder": reorder}


def judged(connection: Connection, anchors: list[Anchor]) -> Verdict:
    wanted = select(AuditEntry.__table__).order_by(AuditEntry.number).execution_options(yield_per=1000)
    return verify((Entry(*row) for row in connection.execute(wanted)), anchors)


@pytest.mark.parametrize(
    ("kind", "many"),
    [
        ("sqlite", 4_000),
        *[pytest.param(*more, marks=pytest.mark.long) for more in (("sqlite", 100_000), ("postgresql", 4_000))],
    ],
)
def test_each_manipulation_of_a_hundred_thousand_entries_is_found_in_ten_seconds(
    database: Database, kind: str, many: int
) -> None:
    entries = chain(many)
    load(database.engine, entries)
    anchors = [Anchor(many, entries[-1].hash)]
    at = many - 1_803
    found: dict[str, Any] = {}
    with database.engine.connect() as connection:
        for name, manipulate in MANIPULATIONS.items():
            transaction = connection.begin()
            disarm(connection)
            manipulate(connection, at)
            start = time.perf_counter()
            verdict = judged(connection, anchors)
            took = time.perf_counter() - start
            transaction.rollback()
            assert took < 10
            found[name] = (verdict.kind, verdict.number)
            print(f"{kind}, {many} entries, {name}: {took:.2f} s")  # noqa: T201 (the measure, shown with -s)
    assert found == {
        "none": (None, None),
        "change": (Tampering.CHANGED, at),
        "remove": (Tampering.REMOVED, at),
        "insert": (Tampering.INSERTED, at),
        "reorder": (Tampering.REORDERED, at),
    }


def load(engine: Engine, entries: list[Entry]) -> None:
    with engine.begin() as connection:
        rows = [asdict(entry) for entry in entries]
        for start in range(0, len(rows), 10_000):
            connection.execute(insert(AuditEntry), rows[start : start + 10_000])


def auditor(here: World) -> Person:
    password = (here.runtime.settings.registry.data_dir / "auditor.password").read_text()
    return here.user("auditor", password)


def test_an_auditor_finds_decisions_sign_ins_tokens_and_the_settings(here: World) -> None:
    owner, other = here.office(), here.office()
    here.grant(owner, other, here.resource(owner))
    here.http.post("/oauth2/token", data={"grant_type": "password", "username": "admin", "password": "wrong"})
    here.http.post("/oauth2/token", data={"grant_type": "password", "username": "hunter2", "password": "wrong"})
    for _ in range(5):
        here.system(other.client_id, other.system.secret)
    here.runtime.audit.tally.flush()
    eyes = auditor(here)
    found = eyes.get("audit/entries", limit=500)["items"]
    by_action = {entry["action"]: entry for entry in found}
    assert by_action["configuration.load"]["actor"] == "registry"
    assert "registry" in by_action["configuration.load"]["facts"]
    issued = [entry for entry in found if entry["action"] == "token.issue" and entry["actor"] == other.client_id]
    assert [entry["facts"]["count"] for entry in issued] == [6]  # one entry for all of a minute
    refused = [entry["actor"] for entry in found if entry["action"] == "token.refuse"]
    assert refused == ["admin", "unknown"]
    assert "hunter2" not in str(found)
    assert "user.sign_in" in by_action
    assert eyes.get("audit/entries", action="token.*", actor="unknown")["items"] == [by_action["token.refuse"]]
    newest = eyes.get("audit/entries", sort="-number", limit=1)
    assert newest["items"][0]["number"] >= len(found)
    assert eyes.get("audit/entries", sort="-number", limit=1, cursor=newest["next"])["items"][0]["number"] == (
        newest["items"][0]["number"] - 1
    )


def test_the_audit_is_for_auditors_and_they_see_nothing_else(here: World) -> None:
    eyes = auditor(here)
    for path in ("entries", "entries/1", "heads", "export", "keys", "heads/published"):
        assert here.root.call("GET", f"audit/{path}").status_code == 403
    assert eyes.call("GET", "audit/entries/1").status_code == 200
    assert eyes.call("GET", "resources").status_code == 403
    assert eyes.call("GET", "users").status_code == 403


def test_an_export_verifies_without_the_registry(here: World) -> None:
    here.office()
    eyes = auditor(here)
    head = Head.from_json(eyes.call("POST", "audit/heads").json())
    lines = eyes.call("GET", "audit/export", until=head.number).text.splitlines()
    keys = eyes.get("audit/keys")["keys"]
    assert head.is_signed_by(keys)
    entries = [Entry.from_json(json.loads(line)) for line in lines]
    assert verify(entries, [head.anchor]).intact
    assert verify(entries[:-1], [head.anchor]).kind is Tampering.REMOVED
    kept = (here.runtime.settings.registry.data_dir / "audit/heads.jsonl").read_text().splitlines()
    assert Head.from_json(json.loads(kept[-1])) == head
    assert eyes.get("audit/heads")["items"][-1] == head.as_json()


def test_a_chain_goes_on_with_sm3(tmp_path: Path) -> None:
    with world(tmp_path) as first:
        first.office()
    with world(tmp_path, audit=AuditGroup(hash="sm3")) as second:
        second.office()
        entries = stored(second.runtime.database)
    assert verify(entries).intact
    assert {entry.hash.partition(":")[0] for entry in entries} == {"sha256", "sm3"}
    assert entries[-1].hash.startswith("sm3:")


@BOTH
def test_a_note_costs_little(database: Database, kind: str) -> None:
    def took(noting: bool) -> float:
        start = time.perf_counter()
        for number in range(200):
            with database.write() as session:
                session.execute(text("UPDATE leases SET holder = 'x'"))
                if noting:
                    note(session, utc_now, actor="a", action="x.do", target=f"x/{number}", facts={"n": number})
        return (time.perf_counter() - start) / 200 * 1000

    took(True)
    without, with_it = took(False), took(True)
    print(f"{kind}: a transaction {without:.2f} ms, with an entry {with_it:.2f} ms")  # noqa: T201 (shown with -s)
    assert with_it - without < 20  # a few, on a machine that does nothing else


def test_a_look_at_sensitive_items_is_an_entry(here: World) -> None:
    owner, other = here.office(), here.office()
    item = Item("sfz", "身份证号", ItemType.TEXT, length=18, sensitivity=4)
    secret, plain = here.resource(owner, [*ITEMS, item]), here.resource(owner)
    for _ in range(3):
        other.admin.get(f"resources/{secret}")
    other.admin.get(f"resources/{plain}")
    here.runtime.audit.tally.flush()
    found = auditor(here).get("audit/entries", action="metadata.read", actor=other.admin.name)["items"]
    assert [(entry["target"], entry["facts"].get("count")) for entry in found] == [
        (f"resource/{secret}", None),  # at once, before the answer
        (f"resource/{secret}", 2),  # the repeats of the minute
    ]
