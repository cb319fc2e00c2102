"""Killed with -9 at random moments on each side while 26,842 rows flow: nothing is lost, nothing doubled.

`make long` kills 30 times on each side, `make test` a few times.

The source's file changes meanwhile: rows are changed, added and deleted. Afterwards source and destination are equal
row for row, the receipts of both sides agree batch for batch, and the topic's log holds each published record once.
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

from exchange.demo.runs import write_adapter_file
from exchange.demo.villages import COLUMNS, ITEMS, ROWS, Village, VillageFile, differences
from exchange.kafka import Broker
from exchange.readback import read_back
from exchange.registry_client import RegistryClient
from tests.support.catalogue import Catalogue, Office
from tests.support.node import RunningNode
from tests.support.superuser import Superuser
from tests.support.wait import wait_until

FIRST_LIFE_S = 3.0
LONGEST_LIFE_S = 15.0
SPARE = 8  # more lives of a short run, before it is said that nothing moves
GROWTH = 1.3  # of the next life, after one that moved nothing: a busy machine starts processes slowly
ENVIRONMENT_PASSWORD = "EXCHANGE_SINK_PASSWORD"


class Mortal:
    """An adapter that is killed at random moments, ``kills`` times, and then left to live.

    ``progress``: a number that grows while records move. ``useful``: lives in which they did; on a machine that is
    slow to start processes it is killed more often, up to twice as often, until a third of ``kills`` were useful.
    """

    def __init__(
        self,
        file: Path,
        environment: Mapping[str, str],
        moments: random.Random,
        progress: Callable[[], int],
        kills: int,
    ) -> None:
        self._kills = kills
        self.killed = 0
        self.useful = 0
        self._progress = progress
        self.ended_by_itself: int | None = None
        self._file = file
        self._environment = dict(environment)
        self._moments = moments
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._die_often)
        self._thread.start()

    @property
    def dying(self) -> bool:
        return self._thread.is_alive()

    def survive(self) -> None:
        """Wait for the last kill, then run on."""
        self._thread.join()
        assert self.ended_by_itself is None, f"{self._file.stem} ended by itself: {self.log()}"
        self._start()

    def log(self) -> str:
        return self._file.with_suffix(".log").read_text(encoding="utf-8")[-2000:]

    def stop(self) -> int:
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(30)

    def end(self) -> None:
        """Leave nothing running, whatever happened."""
        self._thread.join()
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def _die_often(self) -> None:
        longest = FIRST_LIFE_S
        while self.killed < self._kills or (self.useful < self._kills // 3 and self.killed < 2 * self._kills + SPARE):
            before = self._progress()
            process = self._start()
            time.sleep(self._moments.uniform(0.2, longest))
            self.ended_by_itself = process.poll()
            if self.ended_by_itself is not None:
                return
            process.kill()
            process.wait()
            self.killed += 1
            if self._progress() > before:
                self.useful += 1
            else:
                longest = min(longest * GROWTH, LONGEST_LIFE_S)

    def _start(self) -> subprocess.Popen[bytes]:
        with self._file.with_suffix(".log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "exchange.cli.main", "adapter", "run", str(self._file)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, env=self._environment,
            )  # fmt: skip
        return self._process


@pytest.fixture
def offices(node: RunningNode) -> tuple[Catalogue, Office, Office, str]:
    catalogue = Catalogue(node)
    owner, reader = catalogue.office("crash-out"), catalogue.office("crash-in", "440600")
    code = catalogue.resource(owner, ITEMS)
    catalogue.grant(owner, reader, code)
    return catalogue, owner, reader, code


@pytest.mark.timeout(900)
@pytest.mark.parametrize("kills", [4, pytest.param(30, marks=pytest.mark.long)])
def test_killed_many_times_on_each_side(
    offices: tuple[Catalogue, Office, Office, str],
    postgres_url: str,
    tmp_path: Path,
    environment: dict[str, str],
    kills: int,
) -> None:
    catalogue, owner, reader, code = offices
    seed = random.randrange(10**9)
    print(f"seed {seed}")  # noqa: T201 - pytest shows it when the test fails
    chance = random.Random(seed)
    file = VillageFile(tmp_path / "villages.csv")
    file.save()
    out = write_adapter_file(tmp_path / "out.toml", source_tables(owner, code, file.path, tmp_path))
    into = write_adapter_file(tmp_path / "in.toml", sink_tables(reader, code, postgres_url, tmp_path))
    password = make_url(postgres_url).password
    assert password
    broker, topic = Superuser(catalogue.node), catalogue.topic(code)
    secret = {**environment, ENVIRONMENT_PASSWORD: password}
    mortals = [
        Mortal(out, environment, random.Random(chance.random()), lambda: broker.end(topic), kills),
        Mortal(into, secret, random.Random(chance.random()), lambda: position(postgres_url), kills),
    ]
    try:
        edits = edit_while(file, chance, lambda: any(mortal.dying for mortal in mortals))
        for mortal in mortals:
            mortal.survive()
        with psycopg.connect(make_url(postgres_url).set(drivername="postgresql").render_as_string(False)) as database:
            wait_until(lambda: equal(file.villages, database), 120, "source and destination are equal")
            assert [mortal.stop() for mortal in mortals] == [0, 0]
            assert landed(database) == file.villages
    finally:
        for mortal in mortals:
            mortal.end()
    assert min(mortal.killed for mortal in mortals) >= kills
    assert min(mortal.useful for mortal in mortals) >= kills // 3, "most kills came before anything moved"
    assert edits >= 1
    check_accounts(catalogue, owner, reader, code, kills)


def check_accounts(catalogue: Catalogue, owner: Office, reader: Office, code: str, kills: int) -> None:
    """The receipts of both sides agree, and the log holds exactly what the publisher's receipts say."""

    found: dict[str, int] = {}

    def settled() -> bool:
        found.update(owner.admin.reconciliation(code, reader.client_id))
        return not found["in_flight"] and found["published"] == found["landed"] >= ROWS

    try:
        wait_until(settled, 120, "the registry has the receipts of both sides")
    finally:
        print(found)  # noqa: T201 - pytest shows it when the test fails
    assert (found["lost"], found["duplicated"], found["differing"]) == (0, 0, 0)
    registry = RegistryClient(owner.settings.registry, owner.settings.identity)
    log = list(read_back(Broker.of(owner.settings, registry), f"{owner.client_id}.log", catalogue.topic(code)))
    assert len(log) == found["published"]
    assert found["batches"] > kills


def edit_while(file: VillageFile, chance: random.Random, going_on: Callable[[], bool]) -> int:
    """Change, add and delete rows at the source until the killing is over; return how many times."""
    edits = 0
    while going_on():
        codes = list(file.villages)
        file.change(chance.sample(codes, 300), f"·{edits}")
        file.delete(chance.sample(codes, 20))
        like = next(iter(file.villages.values()))[2:]
        for number in range(20):
            added = f"T{edits:08d}{number:03d}"
            file.villages[added] = (added, "新村", *like)
        file.save()
        edits += 1
        time.sleep(3.0)  # longer than a pass, or no pass would come to its end
    return edits


def equal(source: Mapping[str, Village], database: psycopg.Connection) -> bool:
    return differences(source, landed(database)) == (0, 0, 0)


def landed(database: psycopg.Connection) -> dict[str, Village]:
    columns = ", ".join(item.name for item in ITEMS)
    try:
        rows = database.execute(f"SELECT {columns} FROM villages").fetchall()
    except psycopg.errors.UndefinedTable:
        rows = []
    database.rollback()
    return {row[0]: tuple(row) for row in rows}


def position(url: str) -> int:
    """Return how far the destination has come, 0 while it has no position."""
    with psycopg.connect(make_url(url).set(drivername="postgresql").render_as_string(False)) as database:
        try:
            row = database.execute("SELECT sum(next_offset) FROM exchange_position").fetchone()
        except psycopg.errors.UndefinedTable:
            return 0
    return int(row[0] or 0) if row else 0


def source_tables(office: Office, code: str, path: Path, directory: Path) -> dict[str, dict[str, object]]:
    return {
        **head(office, "crash-out", code, directory),
        "source": {"kind": "csv", "path": path.name},
        "adapter.columns": dict(COLUMNS),
    }


def sink_tables(office: Office, code: str, url: str, directory: Path) -> dict[str, dict[str, object]]:
    plain = make_url(url)._replace(password=None).render_as_string(hide_password=False)
    sink: dict[str, object] = {"kind": "sql", "url": plain, "table": "villages"}
    return {**head(office, "crash-in", code, directory), "sink": sink}


def head(office: Office, name: str, code: str, directory: Path) -> dict[str, dict[str, object]]:
    secret = directory / f"{office.client_id}.secret"
    secret.write_text(office.secret)
    return {
        "adapter": {"name": name, "resource": code, "interval_s": 0.2},
        "identity": {"client_id": office.client_id, "secret_file": secret.name},
        "registry": {"url": office.registry.url},
        "limits": {"batch_rows": 100},
    }
