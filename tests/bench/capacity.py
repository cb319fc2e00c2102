"""What one record costs: CPU of adapter, broker and registry, bytes at the broker; see docs/capacity.md."""

from __future__ import annotations

import os
import resource
import tempfile
from collections.abc import Callable
from pathlib import Path

from exchange.node.kafka import broker_part
from exchange.node.ports import free_ports
from exchange.node.postgres import temporary_cluster
from exchange.node.registry import registry_part
from tests.bench.book import ROUNDS, Bench
from tests.bench.movement import ROWS, Stage
from tests.support.catalogue import Catalogue
from tests.support.node import RunningNode, running_node

TICKS = os.sysconf("SC_CLK_TCK")
MICRO = 1e6


def run(bench: Bench) -> None:
    """Publish and land persons, and add up what was spent; the start of each adapter's process is in it."""
    with (
        tempfile.TemporaryDirectory(prefix="exchange-bench-") as place,
        temporary_cluster(free_ports(1)[0]) as cluster,
        running_node(Path(place) / "var") as node,
    ):
        stage = Stage(Catalogue(node), cluster, Path(place))
        before = topic_bytes(node)
        published = Spent.on(node, lambda: [stage.publish() for _ in range(ROUNDS)])
        size = topic_bytes(node) - before
        landed = Spent.on(node, stage.land)
        rows = ROWS * ROUNDS
        bench.add("capacity.topic_bytes", size / rows, "bytes/record")
        bench.add("capacity.source_cpu", published.adapter_s / rows * MICRO, "µs/record")
        bench.add("capacity.broker_cpu_in", published.broker_s / rows * MICRO, "µs/record")
        bench.add("capacity.sink_cpu", landed.adapter_s / ROWS * MICRO, "µs/record")
        bench.add("capacity.broker_cpu_out", landed.broker_s / ROWS * MICRO, "µs/record")
        bench.add(
            "capacity.registry_cpu", (published.registry_s + landed.registry_s) / (rows + ROWS) * MICRO, "µs/record"
        )


class Spent:
    """CPU seconds of a piece of work, by who spent them."""

    def __init__(self, node: RunningNode) -> None:
        self._node = node
        self.adapter_s, self.broker_s, self.registry_s = 0.0, 0.0, 0.0

    @staticmethod
    def on(node: RunningNode, work: Callable[[], object]) -> Spent:
        """Return what a piece of work took."""
        spent = Spent(node)
        before = spent._now()
        work()
        spent.adapter_s, spent.broker_s, spent.registry_s = (b - a for a, b in zip(before, spent._now(), strict=True))
        return spent

    def _now(self) -> tuple[float, float, float]:
        children = resource.getrusage(resource.RUSAGE_CHILDREN)  # those that have ended: the adapters
        layout = self._node.layout
        parts = (broker_part(layout).pid(), registry_part(layout).pid())
        broker, registry = (_cpu_s(pid) for pid in parts)
        return children.ru_utime + children.ru_stime, broker, registry


def topic_bytes(node: RunningNode) -> int:
    """Return the size of all topics of resources, without those of receipts and of Kafka itself."""
    division = node.settings.node.division
    folders = node.layout.kafka.glob(f"{division}.*")
    return sum(file.stat().st_size for folder in folders for file in folder.glob("*.log"))


def _cpu_s(pid: int | None) -> float:
    assert pid is not None
    words = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / TICKS
