"""A node, a source, a sink, and a Prometheus that finds them as docs/monitoring.md says, only quicker."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from exchange.contract import slug
from exchange.demo.runs import AdapterRun
from exchange.node.ports import free_ports
from tests.integration.adapters.places import CsvOrigin, SqlTarget, World, people, write_file
from tests.support.catalogue import Catalogue
from tests.support.node import RunningNode, running_node
from tests.support.prometheus import ROOT, Prometheus, prometheus

RULES = ROOT / "deploy/prometheus/rules"
MONITOR = "440000-jk-prometheus"
REGISTRY = {
    "EXCHANGE_METRICS_MONITORS": MONITOR,
    "EXCHANGE_METRICS_REFRESH_S": "1",
    "EXCHANGE_METRICS_SILENT_S": "25",
    "EXCHANGE_RECONCILIATION_INTERVAL_S": "1",
    "EXCHANGE_REGISTRY_RECEIPT_GRACE_S": "2",
    "EXCHANGE_ENFORCER_INTERVAL_S": "2",
}
# What a test does not wait for: the same rules with shorter windows and lower bounds.
QUICKER = {
    "[15m]": "[15s]", "[5m]": "[15s]", "[1h]": "[30s]", "> 300": "> 4", "> 0.05 *": "> 0.0 *",
    "exchange_replication_slot_bytes > 1073741824": "exchange_replication_slot_bytes > 1",
}  # fmt: skip


def rules(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((RULES / name).read_text(encoding="utf-8"))
    return found


def quick(name: str) -> dict[str, Any]:
    """The rules of a file, quicker: nothing waits, and what was minutes is seconds."""
    found = rules(name)
    for group in found["groups"]:
        group["interval"] = "1s"
        for rule in group["rules"]:
            rule.pop("for", None)
            for slow, fast in QUICKER.items():
                rule["expr"] = rule["expr"].replace(slow, fast)
    return found


@dataclass
class Scene:
    """Everything that runs; ``adapters`` by side."""

    node: RunningNode
    world: World
    origin: CsvOrigin
    target: SqlTarget
    files: Mapping[str, Path]
    environment: dict[str, str]
    prometheus: Prometheus
    adapters: dict[str, AdapterRun] = field(default_factory=dict)

    def run(self, side: str) -> None:
        self.adapters[side] = AdapterRun(self.files[side], self.environment)

    def kill(self, side: str) -> None:
        """Without a good-bye."""
        process = self.adapters[side]._process
        process.kill()
        process.wait()

    def registry_says(self, statement: str, *values: Any) -> None:
        """Change the registry's own database, as no user can."""
        with closing(sqlite3.connect(self.node.layout.registry / "registry.db", timeout=20)) as database, database:
            database.execute(statement, values)

    @property
    def slug(self) -> str:
        return slug(self.world.code)


@contextmanager
def scene(directory: Path, environment: dict[str, str]) -> Iterator[Scene]:
    with running_node(directory / "var") as node:
        catalogue = Catalogue(node)
        owner, reader = catalogue.office("owner"), catalogue.office("reader", "440600")
        code = catalogue.resource(owner)
        world = World(catalogue, owner, reader, code, catalogue.grant(owner, reader, code), directory)
        department = catalogue.root.get(f"systems/{owner.client_id}")["department_id"]
        watching = catalogue.root.add_system(MONITOR, department, "监控")
        secret = directory / "prometheus.secret"
        secret.write_text(watching, encoding="utf-8")
        origin, target = CsvOrigin(directory), SqlTarget(f"sqlite:///{directory}/target.db", directory)
        origin.put(people(20))
        ports = dict(zip(("source", "sink"), free_ports(2), strict=True))
        files = {
            "source": write_file(world, "source", origin, metrics={"port": ports["source"]}),
            "sink": write_file(world, "sink", target, metrics={"port": ports["sink"]}, limits={"batch_rows": 5}),
        }
        with prometheus(directory, _config(directory, node, secret)) as found:
            made = Scene(node, world, origin, target, files, environment, found)
            for side in files:
                made.run(side)
            try:
                yield made
            finally:
                for adapter in made.adapters.values():
                    adapter.stop()


def _config(directory: Path, node: RunningNode, secret: Path) -> dict[str, Any]:
    """The configuration that is shipped, with this node's addresses."""
    text = (ROOT / "deploy/prometheus/prometheus.yml").read_text(encoding="utf-8")
    config: dict[str, Any] = yaml.safe_load(re.sub(r"127\.0\.0\.1:8440", node.registry_url.split("//")[1], text))
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    del config["alerting"]  # no Alertmanager here
    discovery = config["scrape_configs"][1]["http_sd_configs"][0]
    discovery["refresh_interval"] = "1s"
    discovery["oauth2"]["client_secret_file"] = str(secret)
    for name in ("recording.yml", "alerts.yml"):
        (directory / name).write_text(yaml.safe_dump(quick(name), allow_unicode=True), encoding="utf-8")
    config["rule_files"] = [str(directory / name) for name in ("recording.yml", "alerts.yml")]
    return config
