"""A second broker in the cluster of an embedded one: what a province has, and a single machine's node has not."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from exchange.node.java import find_jars, find_java
from exchange.node.kafka import ONCE
from exchange.node.layout import Layout
from exchange.node.part import Part
from exchange.node.ports import LOOPBACK, free_ports
from exchange.node.secrets import write_private
from exchange.node.settings import NodeSettings, bracketed
from exchange.text import Text
from tests.support.relay import Relay

FIRST, SECOND = 1, 2  # their ids


@dataclass(frozen=True)
class SecondBroker:
    """A process of its own, broker only: the first one stays the controller."""

    part: Part
    argv: list[str]
    directory: Path
    controller: Relay
    """Between it and the first one, which is the controller: held, it hears of nothing new."""

    def start(self) -> None:
        self.part.start(self.argv, {}, directory=self.directory)

    def stop(self) -> None:
        self.part.stop()


@contextmanager
def second_broker(settings: NodeSettings, layout: Layout) -> Iterator[SecondBroker]:
    """Start a broker that joins; it is there when the controller counts it, which this does not wait for."""
    storage = layout.data_dir / "kafka-2"
    properties = layout.secrets / "server-2.properties"
    relay = Relay(settings.node.controller_port)
    write_private(properties, _properties(settings, layout, storage, relay.port))
    jvm = [find_java(), "-Xmx512m", ONCE, f"-Dexchange.logs={layout.logs}",
           f"-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={layout.jwks_url}",
           "-cp", f"{find_jars(settings.kafka.home)}/*"]  # fmt: skip
    formatting = ["kafka.tools.StorageTool", "format", "-t", _cluster(layout), "-c", str(properties)]
    subprocess.run([*jvm, *formatting], check=True, capture_output=True, timeout=60)
    log = layout.logs / "kafka-2.out"
    part = Part(Text("The second broker", "第二个消息服务"), layout.run / "kafka-2.pid", (log,), 30)
    broker = SecondBroker(part, [*jvm, "kafka.Kafka", str(properties)], layout.data_dir, relay)
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()
        relay.close()


def _properties(settings: NodeSettings, layout: Layout, storage: Path, controller: int) -> str:
    """The first broker's settings, log-ins and authorizer included, in another place."""
    client, internal = free_ports(2)
    listeners = f"CLIENT://{bracketed(settings.node.host)}:{client},INTERNAL://{LOOPBACK}:{internal}"
    other = {
        "process.roles": "broker",
        "node.id": str(SECOND),
        "controller.quorum.voters": f"{FIRST}@{LOOPBACK}:{controller}",
        "listeners": listeners,
        "advertised.listeners": listeners,
        "log.dirs": str(storage),
    }
    text = (layout.secrets / "server.properties").read_text(encoding="utf-8")
    for key, value in other.items():
        text = re.sub(rf"^{re.escape(key)}=.*$", f"{key}={value}", text, flags=re.MULTILINE)
    return text


def _cluster(layout: Layout) -> str:
    text = (layout.kafka / "meta.properties").read_text(encoding="utf-8")
    found = re.search(r"^cluster\.id=(.+)$", text, re.MULTILINE)
    assert found, text
    return found[1]
