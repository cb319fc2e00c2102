"""What metrics and receipts cost of the throughput: the same adapters with them and without them, turn by turn.

Without: no receipt is made, stored or sent, no digest of a batch is summed, and nothing is counted. That is a patch of
this benchmark; the product has no such switch.
"""

from __future__ import annotations

import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from statistics import median
from types import TracebackType
from typing import Any
from unittest.mock import patch

from adapters import engine_sink
from adapters.config import read_adapter
from adapters.engine import Run, RunOptions
from adapters.launch import run_adapter
from exchange.demo.runs import write_adapter_file
from exchange.metric_names import OF_ADAPTER
from exchange.metrics import Metrics, NullMetrics
from exchange.node.ports import free_ports
from exchange.node.postgres import PostgresCluster, temporary_cluster
from exchange.prometheus import PrometheusMetrics
from exchange.publisher import Batch
from tests.bench.book import Bench
from tests.bench.persons import ITEMS, write_csv
from tests.support.catalogue import Catalogue, Office
from tests.support.node import running_node

ROWS = 300_000  # enough that logging in, once a pass, is no part of the throughput
ROUNDS = 3
IDLE_S = 1.0


def run(bench: Bench) -> None:
    """Add rows/s with everything on, beside rows/s without; and the processor time, which other work disturbs less."""
    with (
        tempfile.TemporaryDirectory(prefix="exchange-bench-") as place,
        temporary_cluster(free_ports(1)[0]) as cluster,
        running_node(Path(place) / "var") as node,
    ):
        stage = Stage(Catalogue(node), cluster, Path(place))
        for name, measure in (("publish", stage.publish), ("land", stage.land)):
            pairs = [(measure(bare=False), measure(bare=True)) for _ in range(ROUNDS)]
            wall, bare_wall = (median(each[side][0] for each in pairs) for side in (0, 1))
            cpu, bare_cpu = (median(each[side][1] for each in pairs) for side in (0, 1))
            peer = "without metrics and receipts"
            bench.add(f"metrics.cost, {name}", ROWS / wall, "rows/s", peer, ROWS / bare_wall)
            bench.add(f"metrics.cost_cpu, {name}", cpu, "s", peer, bare_cpu)


class Stage:
    """One node, one database, one file of persons; a resource of its own for each pass that publishes."""

    def __init__(self, catalogue: Catalogue, cluster: PostgresCluster, place: Path) -> None:
        self._catalogue = catalogue
        self._cluster = cluster
        self._place = place
        self._owner = catalogue.office("cost-out")
        self._reader = catalogue.office("cost-in", "440600")
        self._granted: str | None = None
        self._file = place / "persons.csv"
        write_csv(self._file, ROWS)

    def publish(self, *, bare: bool) -> tuple[float, float]:
        """Publish the file once; return seconds on the wall and of the processor."""
        code = self._catalogue.resource(self._owner, ITEMS)
        wall, cpu, count = self._timed(self._owner, code, {"source": {"kind": "csv", "path": str(self._file)}}, bare)
        assert count == ROWS
        if not bare:
            self._last = code
        return wall, cpu

    def land(self, *, bare: bool) -> tuple[float, float]:
        """Land the file once, into a new database; return seconds on the wall and of the processor."""
        if self._granted is None:
            self._catalogue.grant(self._owner, self._reader, self._last)
            self._granted = self._last
        name = f"cost_{uuid.uuid4().hex[:8]}"
        self._cluster.create_database(name)
        secret = self._place / "db.secret"
        secret.write_text(self._cluster.password)
        url = self._cluster.url(name).replace(f":{self._cluster.password}@", "@")
        sink = {"kind": "sql", "url": url, "table": "persons", "password_file": str(secret)}
        wall, cpu, count = self._timed(self._reader, self._granted, {"sink": sink}, bare)
        assert count == ROWS
        return wall - IDLE_S, cpu

    def _timed(self, office: Office, code: str, tables: dict[str, Any], bare: bool) -> tuple[float, float, int]:
        secret = self._place / f"{office.client_id}.secret"
        secret.write_text(office.secret)
        file = write_adapter_file(
            self._place / f"{uuid.uuid4().hex}.toml",
            {
                "adapter": {"name": f"cost-{uuid.uuid4().hex[:6]}", "resource": code, "interval_s": 0},
                "identity": {"client_id": office.client_id, "secret_file": str(secret)},
                "registry": {"url": office.registry.url},
                **tables,
            },
        )
        metrics: Metrics = NullMetrics() if bare else PrometheusMetrics(OF_ADAPTER)
        source = "source" in tables
        options = RunOptions(once=source, until_idle_s=None if source else IDLE_S)
        made = Run(read_adapter(file), options, metrics)
        with without_accounting() if bare else nullcontext():
            cpu = time.process_time()
            summary = run_adapter(made)
            return summary.seconds, time.process_time() - cpu, summary.published + summary.landed


class BareBatch(Batch):
    """A batch that sums no digest, and leaves no receipt."""

    def put_all(self, keys: Any, data: Any) -> None:
        """Send, and count only so that the batch is known to hold something."""
        header = self._wire_header
        self._producer.send_all(self._contract.topic, keys, [header + datum for datum in data], self._headers)
        self.count += len(data)

    def put_encoded(self, key: bytes, datum: bytes) -> None:
        """Send, and count only so that the batch is known to hold something."""
        self._producer.send(self._contract.topic, key, self._wire_header + datum, self._headers)
        self.count += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._producer.abort()
            return
        self._producer.commit(self._position)


@contextmanager
def without_accounting() -> Iterator[None]:
    """Let publishers make bare batches, and sinks no receipts."""
    with ExitStack() as patches:
        patches.enter_context(patch("exchange.publisher.Batch", BareBatch))
        patches.enter_context(patch("exchange.subscriber.record_digest", lambda *_: 0))
        patches.enter_context(patch.object(engine_sink, "landed_receipts", lambda *_: []))
        yield
