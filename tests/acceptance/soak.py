"""A long run under kill -9: ``make soak``. Exit code 1 on any difference.

A table of PostgreSQL is captured into Kafka and landed in another PostgreSQL while an application writes to it:
inserts, updates, deletes, changed keys, transactions that are taken back. Meanwhile both adapters, the broker and both
databases are killed at random moments and started again. In the end both tables are equal row for row, the receipts of
both sides agree batch for batch, and the topic holds exactly what was published.

``EXCHANGE_SOAK_ROWS`` (1,000,000), ``EXCHANGE_SOAK_KILLS`` (100) and ``EXCHANGE_SOAK_SEED`` say how large it is.
"""

from __future__ import annotations

import json
import os
import random
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaException
from sqlalchemy import make_url

from exchange.admin import AdminClient
from exchange.demo.runs import write_adapter_file
from exchange.kafka import Broker as Kafka
from exchange.node.ports import free_ports
from exchange.node.postgres import PostgresCluster, temporary_cluster
from exchange.readback import read_back
from exchange.registry_client import RegistryClient
from tests.acceptance.application import Application, differences, fill, position
from tests.acceptance.victims import Adapter, Broker, Database, Victim
from tests.support.catalogue import Catalogue, Office
from tests.support.node import running_node
from tests.support.superuser import Superuser
from tests.support.wait import wait_until

ROWS_A_SECOND = 80_000  # of a pass over the whole table; lives are long enough for some of them to come to its end
SHORTEST_S, LEAST_MEAN_S = 0.3, 3.0
STUCK_S = 180.0  # a transaction of a killed broker or adapter is given up after a minute
SETTLE_S, SETTLE_ROWS_A_SECOND = 240.0, 2000
SOURCE, TARGET = "soak_out", "soak_in"


@dataclass
class Report:
    """What a run came to; ``moved``: kills before which records had moved since the kill before."""

    rows: int
    seed: int
    kills: Counter[str] = field(default_factory=Counter)
    moved: int = 0
    changes: int = 0
    deletes: int = 0
    missing: int = 0
    extra: int = 0
    differing: int = 0
    log: int = 0
    receipts: dict[str, int] = field(default_factory=dict)
    ended_by_themselves: dict[str, list[int]] = field(default_factory=dict)
    exit_codes: list[int] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def faults(self) -> list[str]:
        """What must not be."""
        left = {name: self.receipts.get(name, -1) for name in ("lost", "duplicated", "differing", "in_flight")}
        counts = {"in the topic": self.log, **{name: self.receipts.get(name, -1) for name in ("published", "landed")}}
        killed = self.kills.total()
        checks: list[tuple[bool, str]] = [
            (bool(self.missing or self.extra or self.differing), "the tables differ"),
            (any(left.values()), f"receipts: {left}"),
            (len(set(counts.values())) > 1, f"records: {counts}"),
            (any(self.ended_by_themselves.values()), f"ended by themselves: {self.ended_by_themselves}"),
            (any(self.exit_codes), f"exit codes at the end: {self.exit_codes}"),
            (self.moved * 3 < killed, f"records had moved before only {self.moved} of {killed} kills"),
            (not (self.changes and self.deletes), "nothing was changed or deleted"),
        ]
        return [what for wrong, what in checks if wrong]


class Soak:
    """One run: everything of its own."""

    def __init__(self, place: Path, stack: ExitStack, report: Report) -> None:
        self._report = report
        self._chance = random.Random(report.seed)
        self._node = stack.enter_context(running_node(place / "var"))
        clusters = [stack.enter_context(temporary_cluster(port)) for port in free_ports(2)]
        self._urls = [cluster.create_database(name) for cluster, name in zip(clusters, (SOURCE, TARGET), strict=True)]
        databases = [Database(f"database {SOURCE}", clusters[0]), Database(f"database {TARGET}", clusters[1])]
        for database, name in zip(databases, (SOURCE, TARGET), strict=True):
            database.make_durable(name)
        fill(self._urls[0], report.rows)
        self._catalogue = Catalogue(self._node)
        self.owner, self.reader = self._catalogue.office("soak-out"), self._catalogue.office("soak-in", "440600")
        self.code = self._catalogue.resource(self.owner)
        self._catalogue.grant(self.owner, self.reader, self.code)
        source = {"kind": "postgres", "table": "people", "create": True}
        self._adapters = [
            self._adapter(place, self.owner, "source", clusters[0], self._urls[0], source),
            self._adapter(place, self.reader, "sink", clusters[1], self._urls[1], {"kind": "sql", "table": "people"}),
        ]
        for adapter in self._adapters:
            stack.callback(adapter.end)
        self._victims: list[Victim] = [*self._adapters, Broker(self._node), *databases]

    def run(self, kills: int) -> None:
        """Kill ``kills`` times while the application writes; then let all come to rest, and compare."""
        for adapter in self._adapters:
            adapter.start()
        with Application(self._urls[0], random.Random(self._chance.random())) as application:
            self._kill_often(kills)
        self._report.changes, self._report.deletes = application.changes, application.deletes
        self._settle()
        self._report.exit_codes = [adapter.stop() for adapter in self._adapters]
        self._report.ended_by_themselves = {adapter.name: adapter.ended for adapter in self._adapters}
        missing, extra, differing = differences(*self._urls)
        self._report.missing, self._report.extra, self._report.differing = missing, extra, differing
        self._report.receipts = self._reconciled()
        self._report.log = self._in_topic()

    def last_words(self) -> str:
        """What the adapters said last."""
        return "\n".join(f"--- {adapter.name}\n{adapter.last_words()}" for adapter in self._adapters)

    def _kill_often(self, kills: int) -> None:
        """A victim and a moment at random; every other kill waits until records move, however long a start takes."""
        mean_s = LEAST_MEAN_S + self._report.rows / ROWS_A_SECOND
        before = self._progress()
        for number in range(kills):
            time.sleep(self._chance.uniform(SHORTEST_S, 2 * mean_s))
            if number % 2:
                self._await_progress(before)
            now = self._progress()
            self._report.moved += now != before
            before = now
            victim = self._victims[number % 5] if number < 5 else self._chance.choice(self._victims)
            say(f"kill {number + 1} of {kills}: {victim.name}")
            victim.kill()
            self._report.kills[victim.name] += 1
            victim.start()

    def _await_progress(self, before: tuple[int, int]) -> None:
        try:
            wait_until(lambda: self._progress() != before, STUCK_S, "records move")
        except AssertionError:
            say(self.last_words())
            raise

    def _progress(self) -> tuple[int, int]:
        """How far publishing and landing have come."""
        ends: list[int] = []

        def answered() -> bool:
            with suppress(KafkaException):  # it has only just come back
                ends.append(Superuser(self._node).end(self._catalogue.topic(self.code)))
            return bool(ends)

        wait_until(answered, 60, "an answer of the broker")
        return ends[0], position(self._urls[1])

    def _settle(self) -> None:
        patience_s = SETTLE_S + self._report.rows / SETTLE_ROWS_A_SECOND
        say("no more kills; waiting for both sides to be equal")
        try:
            wait_until(lambda: _pause(not any(differences(*self._urls))), patience_s, "equal tables")
            wait_until(lambda: _pause(self._agreed()), patience_s, "the receipts of both sides")
        except AssertionError as exc:  # what differs is in the report
            say(str(exc))

    def _agreed(self) -> bool:
        found = self._reconciled()
        return not found["in_flight"] and found["published"] == found["landed"]

    def _reconciled(self) -> dict[str, int]:
        admin = AdminClient(self.owner.registry, *self.owner.login)  # a session does not outlive an hour of kills
        found: dict[str, int] = admin.reconciliation(self.code, self.reader.client_id)
        return {name: found[name] for name in COUNTS}

    def _in_topic(self) -> int:
        registry = RegistryClient(self.owner.settings.registry, self.owner.settings.identity)
        kafka = Kafka.of(self.owner.settings, registry)
        count = sum(1 for _ in read_back(kafka, f"{self.owner.client_id}.log", self._catalogue.topic(self.code)))
        registry.close()
        return count

    def _adapter(
        self, place: Path, office: Office, side: str, cluster: PostgresCluster, url: str, part: dict[str, Any]
    ) -> Adapter:
        secret, password = place / f"{side}.secret", place / f"{side}.password"
        secret.write_text(office.secret)
        password.write_text(cluster.password)
        address = make_url(url).set(drivername="postgresql")._replace(password=None).render_as_string()
        tables: dict[str, dict[str, Any]] = {
            "adapter": {"name": f"soak-{side}", "resource": self.code, "interval_s": 0.2},
            "identity": {"client_id": office.client_id, "secret_file": str(secret)},
            "registry": {"url": office.registry.url},
            side: {**part, "url": address, "password_file": str(password)},
        }
        known = {name: value for name, value in os.environ.items() if not name.startswith("EXCHANGE_")}
        return Adapter(write_adapter_file(place / f"{side}.toml", tables), known)


COUNTS = ("published", "landed", "lost", "duplicated", "differing", "in_flight", "batches")


def soak(rows: int, kills: int, seed: int) -> tuple[Report, str]:
    """Return what a run came to, and the last words of its adapters."""
    report = Report(rows, seed)
    began = time.monotonic()
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="exchange-soak-")))
        made = Soak(place, stack, report)
        try:
            made.run(kills)
        finally:
            words = made.last_words()
            report.seconds = round(time.monotonic() - began, 1)
    return report, words


def say(text: str) -> None:
    """Show how far it is."""
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)  # noqa: T201 - a command


def _pause(done: bool) -> bool:
    """Leave the databases alone for a moment between two comparisons."""
    if not done:
        time.sleep(2.0)
    return done


def main() -> int:
    """Run it as the environment says; return the exit code."""
    rows = int(os.environ.get("EXCHANGE_SOAK_ROWS", "1000000"))
    kills = int(os.environ.get("EXCHANGE_SOAK_KILLS", "100"))
    seed = int(os.environ.get("EXCHANGE_SOAK_SEED", random.randrange(10**9)))
    say(f"{rows} rows, {kills} kills, seed {seed}")
    report, words = soak(rows, kills, seed)
    told = {**vars(report), "faults": report.faults}
    print(json.dumps(told, indent=2, ensure_ascii=False))  # noqa: T201 - a command
    if report.faults:
        print(words, file=sys.stderr)  # noqa: T201 - a command
    return 1 if report.faults else 0


if __name__ == "__main__":
    sys.exit(main())
