"""What it costs the registry to take in and match 10,000 receipts a minute: the processor time of its process.

Ten resources, each granted to ten systems: one receipt of a publication, and ten of landings. A real broker and a real
registry on SQLite, which has a quarter of an hour of receipts behind it already. What it does at rest is told beside.
"""

from __future__ import annotations

import itertools
import os
import sqlite3
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, fields, replace
from pathlib import Path

import httpx

from exchange.contract import receipts_topic, slug
from exchange.node.registry import registry_part
from exchange.receipts import Receipt, Side, hex_digest
from tests.bench.book import Bench
from tests.support.catalogue import Catalogue
from tests.support.node import RunningNode, running_node
from tests.support.superuser import Superuser
from tests.support.wait import wait_until

A_MINUTE = 10_000
RESOURCES = READERS = 10
EACH = 1 + READERS  # receipts of a batch
ROWS = 100  # of a batch; one offset more is the mark of its transaction
HISTORY = 15 * A_MINUTE
SECONDS = 40.0
TICK_S = 0.2


def run(bench: Bench) -> None:
    """Add the share of a core at rest, and at 10,000 receipts a minute."""
    with tempfile.TemporaryDirectory(prefix="exchange-bench-") as place, running_node(Path(place) / "var") as node:
        load = Load(node)
        load.remember(HISTORY)
        load.send(RESOURCES)
        load.settled()
        bench.add("receipts.at_rest", load.share(lambda: time.sleep(SECONDS / 2)) * 100, "% of a core")
        bench.add("receipts.matching", load.share(load.keep_pace) * 100, "% of a core", "the bar", 10)
        load.settled()


class Load:
    """Systems that say what they published and landed, without a record that moves."""

    def __init__(self, node: RunningNode) -> None:
        self._node = node
        catalogue = Catalogue(node)
        readers = [catalogue.office("bench-in", "440600") for _ in range(READERS)]
        owner = catalogue.office("bench-out")
        self._owner, self._readers = owner.client_id, [reader.client_id for reader in readers]
        codes = [catalogue.resource(owner) for _ in range(RESOURCES)]
        for code, reader in itertools.product(codes, readers):
            catalogue.grant(owner, reader, code)
        self._topics = {slug(code): catalogue.topic(code) for code in codes}
        self._offsets = dict.fromkeys(self._topics, 0)
        self._turn = itertools.cycle(self._topics)
        self._producer = Superuser(node).producer()
        self._sent = 0

    def keep_pace(self) -> None:
        """Send 10,000 a minute, for ``SECONDS``."""
        begun, before = time.monotonic(), self._sent
        while (spent := time.monotonic() - begun) < SECONDS:
            self.send(int((spent * A_MINUTE / 60 - (self._sent - before)) / EACH))
            time.sleep(TICK_S)

    def send(self, batches: int) -> None:
        """Send the receipts of so many batches."""
        for receipt in (each for _ in range(batches) for each in self._batch()):
            self._producer.produce(receipts_topic(receipt.client_id), receipt.to_bytes())
            self._producer.poll(0)
            self._sent += 1
        assert self._producer.flush(30) == 0

    def remember(self, count: int) -> None:
        """Put receipts into the registry's database as if they had come."""
        names = [field.name for field in fields(Receipt)]
        marks = ", ".join("?" for _ in (*names, "received_at"))
        columns = ", ".join(f'"{name}"' for name in (*names, "received_at"))
        rows = [
            (*asdict(each).values(), "2026-01-01 00:00:00.000000")
            for _ in range(count // EACH)
            for each in self._batch()
        ]
        with closing(sqlite3.connect(self._node.layout.registry / "registry.db", timeout=30)) as found, found:
            found.executemany(f"INSERT INTO receipts ({columns}) VALUES ({marks})", rows)
            found.execute(  # what came before was counted before: nobody catches up while this is measured
                "INSERT OR REPLACE INTO history_marks (name, number) SELECT 'receipts', max(number) FROM receipts"
            )

    def settled(self) -> None:
        """Wait until all that was sent was taken in and matched, and nothing differs."""
        wait_until(lambda: self._metric("exchange_receipts_total") == self._sent, 120, "all is taken in")
        now = time.time()
        wait_until(lambda: self._metric("exchange_reconciliation_timestamp_seconds") > now, 120, "all is matched")
        assert self._metric("exchange_reconciliation_open") == 0
        assert self._metric("exchange_reconciliation_pending") == 0

    def share(self, work: Callable[[], None]) -> float:
        """Return the share of a core that the registry's process took while ``work`` was done."""
        before, begun = self._cpu(), time.monotonic()
        work()
        return (self._cpu() - before) / (time.monotonic() - begun)

    def _cpu(self) -> float:
        pid = registry_part(self._node.layout).pid()
        words = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")

    def _metric(self, name: str) -> float:
        text = httpx.get(f"{self._node.registry_url}/metrics", timeout=60, trust_env=False).text
        lines = [line for line in text.splitlines() if line.startswith((f"{name}{{", f"{name} "))]
        return sum(float(line.rpartition(" ")[2]) for line in lines)

    def _batch(self) -> Iterator[Receipt]:
        """Yield the receipt of a publication and those of its landings."""
        resource = next(self._turn)
        batch, first = uuid.uuid4().hex, self._offsets[resource]
        self._offsets[resource] += ROWS + 1
        published = Receipt(
            id=batch, side=Side.PUBLISHED, resource=resource, topic=self._topics[resource], client_id=self._owner,
            adapter="bench", batch=batch, count=ROWS, deletes=0, digest=hex_digest(7), schema_id=1,
            at=time.time_ns() // 1_000_000,
        )  # fmt: skip
        yield published
        for reader in self._readers:
            yield replace(
                published, id=f"{batch}-0-{first}", side=Side.LANDED, client_id=reader, partition=0,
                first_offset=first, last_offset=first + ROWS - 1, landing="bench",
            )  # fmt: skip
