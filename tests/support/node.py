from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from exchange.node import service
from exchange.node.kafka import ONCE
from exchange.node.layout import Layout
from exchange.node.ports import free_ports
from exchange.node.settings import BrokerGroup, NodeGroup, NodeSettings

BRIEF = (ONCE,)  # a broker that lives for some minutes: half the processor time of its start


@dataclass(frozen=True)
class RunningNode:
    """A real node: broker and registry as processes of their own, on free ports, in a directory of the test."""

    settings: NodeSettings

    @property
    def registry_url(self) -> str:
        return self.settings.registry_url

    @property
    def bootstrap_servers(self) -> str:
        return self.settings.bootstrap_servers

    @property
    def layout(self) -> Layout:
        return Layout.of(self.settings.node.data_dir)

    @property
    def data_dir(self) -> Path:
        return self.layout.data_dir

    @property
    def passwords(self) -> dict[str, str]:
        return self.layout.first_passwords()


def node_settings(
    directory: Path,
    *,
    heap: str = "1g",
    division: str = "440000",
    metrics_port: int = 0,
    jvm_options: Sequence[str] = (),
) -> NodeSettings:
    registry, client, internal, controller = free_ports(4)
    group = NodeGroup(
        data_dir=directory,
        division=division,
        registry_port=registry,
        client_port=client,
        internal_port=internal,
        controller_port=controller,
        metrics_port=metrics_port,
    )
    return NodeSettings(node=group, kafka=BrokerGroup(heap=heap, jvm_options=list(jvm_options)))


@contextmanager
def running_node(
    directory: Path, *, division: str = "440000", metrics_port: int = 0, jvm_options: Sequence[str] = ()
) -> Iterator[RunningNode]:
    """A node of the test's own, to be killed as it likes; stopped afterwards whatever happened.

    ``metrics_port``: where the broker shows its own metrics; 0: nowhere, as most tests do not ask. ``jvm_options``:
    BRIEF where no speed is measured.
    """
    settings = node_settings(directory, division=division, metrics_port=metrics_port, jvm_options=jvm_options)
    try:
        service.up(settings)
        yield RunningNode(settings)
    finally:
        service.down(settings)
