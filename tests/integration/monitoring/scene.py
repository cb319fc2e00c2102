"""A node, a source, a sink, and a Prometheus that finds them as docs/monitoring.md says, only quicker."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml
from sqlalchemy import inspect

from exchange.contract import slug
from exchange.demo.runs import AdapterRun
from exchange.node.ports import free_ports
from exchange.node.postgres import temporary_cluster
from tests.integration.adapters.places import CsvOrigin, SqlTarget, World, people, write_file
from tests.integration.adapters.postgres_places import PostgresOrigin
from tests.support.catalogue import Catalogue
from tests.support.node import BRIEF, RunningNode, running_node
from tests.support.prometheus import ROOT, Prometheus, prometheus
from tests.support.wait import wait_until

RULES = ROOT / "deploy/prometheus/rules"
MONITOR = "440000-jk-prometheus"
REGISTRY = {
    "EXCHANGE_METRICS_MONITORS": MONITOR,
    "EXCHANGE_METRICS_REFRESH_S": "1",
    "EXCHANGE_METRICS_SLOW_REFRESH_S": "2",
    "EXCHANGE_METRICS_SILENT_S": "25",
    "EXCHANGE_RECONCILIATION_INTERVAL_S": "1",
    "EXCHANGE_REGISTRY_RECEIPT_GRACE_S": "2",
    "EXCHANGE_ENFORCER_INTERVAL_S": "2",
    "EXCHANGE_AUDIT_HEAD_INTERVAL_S": "1",
}
# What a test does not wait for: in the shipped expressions only windows are shorter, and bounds nearer.
WINDOWS = {"15m": "15s", "5m": "15s", "1h": "30s", "10m": "10s"}
BOUNDS = {
    "ExchangeLagHigh": ("> 300", "> 4"),
    "ExchangeReconciliationStale": ("> 300", "> 8"),
    "ExchangeEnforcementStale": ("> 300", "> 8"),
    "ExchangeManyRejects": ("> 0.05 *", "> 0.0 *"),
    "ExchangeReplicationSlotGrowing": ("> 1073741824", f"> {64 * 2**20}"),
    "ExchangeSigningKeyOld": ("> 180 * 86400", "> 45"),
}
QUALITY = {"quality.amount": {"minimum": 1000, "action": "warn"}}
WINDOW = re.compile(r"(?<=[\[ ])(\d+[mh])\b")


def rules(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((RULES / name).read_text(encoding="utf-8"))
    return found


def quick(name: str) -> dict[str, Any]:
    """The rules of a file, quicker: what must have lasted for minutes has lasted after a second."""
    found = rules(name)
    for group in found["groups"]:
        group["interval"] = "1s"
        for rule in group["rules"]:
            if "for" in rule:
                rule["for"] = "1s"
            far, near = BOUNDS.get(rule.get("alert", ""), ("", ""))
            assert far in rule["expr"], f"{rule['alert']} has another bound now"
            rule["expr"] = WINDOW.sub(lambda found: WINDOWS[found[0]], rule["expr"].replace(far, near))
    return found


@dataclass
class Scene:
    """Everything that runs; ``adapters`` by name: a source of CSV, a sink, and a source with a replication slot.

    ``certificate``: the one that the registry trusts.
    """

    node: RunningNode
    world: World
    origin: CsvOrigin
    target: SqlTarget
    captured: PostgresOrigin
    certificate: Path
    files: Mapping[str, Path]
    environment: dict[str, str]
    prometheus: Prometheus
    adapters: dict[str, AdapterRun] = field(default_factory=dict)

    def run(self, name: str) -> None:
        self.adapters[name] = AdapterRun(self.files[name], self.environment)

    def kill(self, name: str) -> None:
        """Without a good-bye."""
        process = self.adapters[name]._process
        process.kill()
        process.wait()

    def registry_says(self, statement: str, *values: Any) -> None:
        """Change the registry's own database, as no user can."""
        with closing(sqlite3.connect(self.node.layout.registry / "registry.db", timeout=20)) as database, database:
            database.execute(statement, values)

    @property
    def offered(self) -> int:
        """How many rows the CSV file has."""
        return len(self.origin.path.read_bytes().splitlines()) - 1

    @property
    def landed(self) -> int:
        """How many rows the destination has."""
        return len(self.target.rows()) if inspect(self.target.engine).has_table("people") else 0

    def fires(self, alert: str) -> None:
        wait_until(lambda: alert in self.prometheus.firing(), 90, f"{alert} fires")

    def clears(self, alert: str) -> None:
        wait_until(lambda: alert not in self.prometheus.firing(), 120, f"{alert} clears")

    @property
    def slug(self) -> str:
        return slug(self.world.code)


@contextmanager
def scene(directory: Path, environment: dict[str, str], certificate: Path) -> Iterator[Scene]:
    (metrics, cluster_port, *adapter_ports) = free_ports(5)
    with (
        temporary_cluster(cluster_port) as cluster,
        running_node(directory / "var", metrics_port=metrics, jvm_options=BRIEF) as node,
    ):
        catalogue = Catalogue(node)
        owner, reader = catalogue.office("owner"), catalogue.office("reader", "440600")
        code = catalogue.resource(owner)
        world = World(catalogue, owner, reader, code, catalogue.grant(owner, reader, code), directory)
        department = catalogue.root.get(f"systems/{owner.client_id}")["department_id"]
        watching = catalogue.root.add_system(MONITOR, department, "监控")
        secret = directory / "prometheus.secret"
        secret.write_text(watching, encoding="utf-8")
        origin = CsvOrigin(directory)
        origin.put(people(20))
        target = SqlTarget(cluster.create_database("target"), directory, cluster)
        captured = PostgresOrigin(cluster.create_database("captured"), directory, cluster, "capture")
        captured.put(people(20))
        ports = dict(zip(("source", "sink", "captured"), adapter_ports, strict=True))
        files = {
            "source": write_file(world, "source", origin, metrics={"port": ports["source"]}, **QUALITY),
            "sink": write_file(world, "sink", target, metrics={"port": ports["sink"]}, limits={"batch_rows": 5}),
            "captured": _captured(world, captured, ports["captured"]),
        }
        with prometheus(directory, _config(directory, node, secret)) as found:
            made = Scene(node, world, origin, target, captured, certificate, files, environment, found)
            for name in files:
                made.run(name)
            try:
                yield made
            finally:
                for adapter in made.adapters.values():
                    adapter.stop()


def _captured(world: World, origin: PostgresOrigin, port: int) -> Path:
    """The file of a second source, of a resource of its own."""
    directory = world.directory / "captured"
    directory.mkdir()
    other = replace(world, code=world.catalogue.resource(world.owner), directory=directory)
    return write_file(other, "source", origin, adapter={"name": "captured"}, metrics={"port": port})


def _config(directory: Path, node: RunningNode, secret: Path) -> dict[str, Any]:
    """The configuration that is shipped, with this node's addresses."""
    text = (ROOT / "deploy/prometheus/prometheus.yml").read_text(encoding="utf-8")
    config: dict[str, Any] = yaml.safe_load(re.sub(r"127\.0\.0\.1:8440", node.registry_url.split("//")[1], text))
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    del config["alerting"]  # no Alertmanager here
    jobs = {job["job_name"]: job for job in config["scrape_configs"]}
    jobs["exchange-kafka"]["static_configs"][0]["targets"] = [f"127.0.0.1:{node.settings.node.metrics_port}"]
    discovery = jobs["exchange-adapter"]["http_sd_configs"][0]
    discovery["refresh_interval"] = "1s"
    discovery["oauth2"]["client_secret_file"] = str(secret)
    for name in ("recording.yml", "alerts.yml"):
        (directory / name).write_text(yaml.safe_dump(quick(name), allow_unicode=True), encoding="utf-8")
    config["rule_files"] = [str(directory / name) for name in ("recording.yml", "alerts.yml")]
    return config
