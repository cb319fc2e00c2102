"""Matching in rounds, by batches, finds what a registry finds that has just been started and looks at all again."""

from __future__ import annotations

import random
import uuid
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from exchange.metrics import NullMetrics
from registry.catalogue.models import Resource
from registry.database import Database
from registry.receipts.differences import Held
from registry.receipts.matching import Matcher
from registry.receipts.models import Difference, ReceiptRow
from registry.sharing.models import Grant
from tests.bench import province

STEPS = 14
SMALL = {"DEPARTMENTS": 20, "SYSTEMS": 40, "RESOURCES": 20, "GRANTS": 60}
OFTEN, SELDOM = 0.9, 0.05


class Silent:
    """No broker to ask."""

    def held(self, topic: str, batch: str, at: int) -> Held | None:  # noqa: ARG002 - the port's shape
        return None


@dataclass
class Clock:
    now: datetime = datetime(2026, 1, 10, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Town:
    """Publishers and subscribers who lose, double, change and delay what they say, and destinations that begin anew."""

    chance: random.Random
    clock: Clock
    places: dict[str, tuple[str, str]]
    readers: dict[str, list[str]]
    offsets: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    landings: dict[tuple[str, str], str] = field(default_factory=lambda: defaultdict(lambda: "first"))
    late: list[dict[str, Any]] = field(default_factory=list)

    def step(self) -> list[dict[str, Any]]:
        """The receipts that arrive now, in any order."""
        said = [each for _ in range(self.chance.randint(0, 20)) for each in self._batch()]
        self.chance.shuffle(self.late)
        said += [self.late.pop() for _ in range(self.chance.randint(0, len(self.late)))]
        self.chance.shuffle(said)
        return said

    def _batch(self) -> Iterator[dict[str, Any]]:
        slug = self.chance.choice(list(self.readers))
        topic, source = self.places[slug]
        batch, first = uuid.UUID(int=self.chance.getrandbits(128)).hex, self.offsets[slug]
        self.offsets[slug] += 101
        published = {
            "id": batch, "side": "published", "client_id": source, "resource": slug, "topic": topic, "adapter": "a",
            "batch": batch, "count": 100, "deletes": 0, "digest": f"{7:032x}", "schema_id": 1,
            "at": int(self.clock().timestamp() * 1000), "received_at": self.clock(),
            "partition": None, "first_offset": None, "last_offset": None, "landing": None,
        }  # fmt: skip
        if self._happens(OFTEN):
            yield published
        elif self._happens(0.5):
            self.late.append(published)
        if self._happens(SELDOM):
            yield published | {"id": batch + "-other", "topic": "another"}
        if self._happens(SELDOM):
            yield published | {"id": batch + "-stranger", "client_id": "stranger"}
        for client_id in self.readers[slug]:
            yield from self._landing(published, client_id, first)

    def _landing(self, published: dict[str, Any], client_id: str, first: int) -> Iterator[dict[str, Any]]:
        stream = (published["resource"], client_id)
        if self._happens(SELDOM):
            self.landings[stream] = str(self.chance.random())
        landed = published | {
            "id": f"{published['batch']}-{first}-{self.landings[stream]}", "side": "landed", "client_id": client_id,
            "partition": 0, "first_offset": first, "last_offset": first + 99, "landing": self.landings[stream],
        }  # fmt: skip
        if self._happens(SELDOM):
            return
        if self._happens(SELDOM):
            landed["digest"] = f"{9:032x}"
        if self._happens(SELDOM):
            landed["count"] = 90
        if self._happens(SELDOM):
            yield landed | {"id": landed["id"] + "-again"}
        if self._happens(0.1):
            self.late.append(landed)
        else:
            yield landed

    def _happens(self, share: float) -> bool:
        return self.chance.random() < share


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.long)])
def test_rounds_that_go_on_find_what_a_new_start_finds(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in SMALL.items():
        monkeypatch.setattr(province, name, value)
    clock, chance = Clock(), random.Random(seed)
    goes_on, restarts = (Database(f"sqlite:///{tmp_path}/{name}.db") for name in ("one", "two"))
    for database in (goes_on, restarts):
        province.fill(database)
    lasting, town = matcher(goes_on, clock), town_of(goes_on, clock, chance)
    for _ in range(STEPS):
        said, ended = town.step(), chance.random() < 0.1 and chance.choice(list(town.readers))
        for database in (goes_on, restarts):
            with database.write() as session:
                if said:
                    session.execute(insert(ReceiptRow), said)
                if ended:
                    session.execute(update(Grant).where(Grant.slug == ended).values(ended_at=clock()))
        if chance.random() < 0.8:
            lasting.round()
            matcher(restarts, clock).round()
        clock.now += timedelta(seconds=chance.choice([1, 5, 30, 61, 90]))
        assert differences(goes_on) == differences(restarts)
    kinds = {kind for _, _, _, kind in differences(goes_on)}
    assert kinds == {"lost", "duplicated", "differing", "unmatched"}
    assert {row[-1] for row in differences(goes_on).values()} == {None, "registry"}, "some came right by themselves"
    for database in (goes_on, restarts):
        database.close()


def matcher(database: Database, clock: Clock) -> Matcher:
    return Matcher(database=database, clock=clock, metrics=NullMetrics(), witness=Silent(), grace_s=60)


def town_of(database: Database, clock: Clock, chance: random.Random) -> Town:
    with database.read() as session:
        places = {row.slug: (row.topic, row.source_system) for row in session.scalars(select(Resource))}
        readers: dict[str, list[str]] = defaultdict(list)
        for slug, client_id in session.execute(select(Grant.slug, Grant.client_id).distinct().order_by(Grant.slug)):
            readers[slug].append(client_id)
    return Town(chance, clock, places, dict(list(readers.items())[:6]))


def differences(database: Database) -> dict[tuple[str, str, str, str], tuple[Any, ...]]:
    with database.read() as session:
        return {
            (row.slug, row.client_id, row.batch, row.kind): (row.records, row.landing, row.reason, row.closed_by)
            for row in session.scalars(select(Difference))
        }
