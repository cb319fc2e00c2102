"""Where the demo plays: a node and a PostgreSQL of its own under ``build/demo``, thrown away before and after."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from exchange.demo.story import Narrator, Outcome, Story
from exchange.node import service
from exchange.node.layout import Layout
from exchange.node.ports import free_ports
from exchange.node.postgres import temporary_cluster
from exchange.node.settings import BrokerGroup, NodeGroup, NodeSettings
from exchange.text import Text


def play(directory: Path, narrator: Narrator) -> Outcome:
    """Tell the story in ``directory``, which is emptied first; return what was measured."""
    with _node(directory, narrator) as settings, temporary_cluster(free_ports(1)[0]) as cluster:
        address = service.up(settings, report=narrator.say)
        story = Story(address, Layout.of(address.data_dir).first_passwords(), cluster, directory)
        try:
            return story.tell(narrator)
        finally:
            story.close()


def write_outcome(outcome: Outcome, path: Path) -> dict[str, Any]:
    """Write the figures as JSON; return them."""
    figures = outcome.as_json()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(figures, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    return figures


@contextmanager
def _node(directory: Path, narrator: Narrator) -> Iterator[NodeSettings]:
    """Yield settings of a node on free ports; a node that an earlier demo left running is stopped first."""
    data_dir = directory / "var"
    registry, client, internal, controller = free_ports(4)
    settings = NodeSettings(
        node=NodeGroup(
            data_dir=data_dir,
            registry_port=registry,
            client_port=client,
            internal_port=internal,
            controller_port=controller,
            metrics_port=0,
        ),
        kafka=BrokerGroup(heap="512m"),
    )
    service.down(settings)
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    directory.chmod(0o700)
    narrator.say(
        Text(
            "An embedded node: Kafka and the registry, SASL on every listener.",
            "启动嵌入式节点：Kafka 与登记中心，全部监听器启用 SASL。",
        )
    )
    try:
        yield settings
    finally:
        service.down(settings)
