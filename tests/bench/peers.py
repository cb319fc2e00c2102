"""The peers: a Kafka Connect worker with Debezium's connectors, resolved by Maven, on the node's own broker."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from confluent_kafka import Consumer, TopicPartition

from exchange.node.broker_properties import escape
from exchange.node.java import find_jars, find_java
from exchange.node.kafka import LOGGING, broker_password
from exchange.node.layout import checkout
from exchange.node.ports import LOOPBACK, free_ports
from tests.bench.peers_settings import JVM, WORKER
from tests.support.node import RunningNode
from tests.support.wait import wait_until

POM = Path("deploy/bench/pom.xml")
PLUGINS = Path("build/bench/plugins")
# Connect has these itself, and a second copy of a class in a plugin is another class
PROVIDED = "org.apache.kafka,org.slf4j,com.fasterxml.jackson.core"
PATIENCE_S = 900.0
TICKS = os.sysconf("SC_CLK_TCK")


def resolve() -> Path | None:
    """Return the folder of the plugins, from Maven when it was not there yet; None, and a word why, if it cannot be."""
    pom, folder = checkout() / POM, checkout() / PLUGINS
    stamp, wanted = folder / "pom.sha256", hashlib.sha256(pom.read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    options = ["-B", "-q", "-ntp", "--strict-checksums", "-Dstyle.color=never", "-DincludeScope=runtime"]
    target = [f"-DoutputDirectory={folder / 'debezium'}", f"-DexcludeGroupIds={PROVIDED}"]
    maven = shutil.which("mvn")
    if maven is None:
        _say("there is no mvn")
        return None
    command = [maven, *options, "-f", str(pom), "dependency:copy-dependencies", *target]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    except subprocess.TimeoutExpired:
        _say("Maven did not end within 10 minutes")
        return None
    if done.returncode:
        _say("Maven could not resolve deploy/bench/pom.xml")
        return None
    stamp.write_text(wanted)
    return folder


def _say(why: str) -> None:
    print(f"no peer: {why}; the figures have no ratio to it", flush=True)  # noqa: T201 - it is a report


@contextmanager
def connect_worker(node: RunningNode, place: Path, plugins: Path) -> Iterator[Connect]:
    """Yield a worker that is ready for connectors; it logs in at the broker as the broker itself, which may do all."""
    port = free_ports(1)[0]
    place.mkdir(parents=True)
    login = _login(node)
    clients = {
        f"{side}{key}": value for side in ("", "producer.", "consumer.", "admin.") for key, value in login.items()
    }
    facts = WORKER | clients | {
        "bootstrap.servers": f"{LOOPBACK}:{node.settings.node.internal_port}",
        "listeners": f"http://{LOOPBACK}:{port}",
        "plugin.path": str(plugins),
        "offset.storage.file.filename": str(place / "offsets"),
    }  # fmt: skip
    properties = place / "worker.properties"
    properties.touch(0o600)
    properties.write_text("".join(f"{key}={escape(value)}\n" for key, value in facts.items()))
    logging = [f"-Dlog4j2.configurationFile={(checkout() / LOGGING).as_uri()}", f"-Dexchange.logs={place}"]
    command = [find_java(), *JVM, *logging, "-cp", f"{find_jars(None)}/*"]
    with (place / "worker.out").open("wb") as out:
        process = subprocess.Popen(
            [*command, "org.apache.kafka.connect.cli.ConnectStandalone", str(properties)], stdout=out, stderr=out
        )
    try:
        with httpx.Client(base_url=f"http://{LOOPBACK}:{port}", timeout=90, trust_env=False) as client:
            connect = Connect(node, client, process.pid)
            wait_until(connect.ready, 120, "Kafka Connect")
            yield connect
    finally:
        process.terminate()
        process.wait(60)


class Connect:
    """A worker that runs."""

    def __init__(self, node: RunningNode, client: httpx.Client, pid: int) -> None:
        self._node = node
        self._client = client
        self._pid = pid

    def ready(self) -> bool:
        """Return whether the worker answers."""
        try:
            return self._client.get("/connectors").status_code == 200
        except httpx.TransportError:
            return False

    def start(self, name: str, settings: dict[str, str]) -> None:
        """Start a connector."""
        answer = self._client.put(f"/connectors/{name}/config", json={"name": name, **settings})
        assert answer.status_code in {200, 201}, answer.text

    def stop(self, name: str) -> None:
        """Remove a connector."""
        assert self._client.delete(f"/connectors/{name}").status_code == 204

    def check(self, name: str) -> None:
        """Fail with the trace of a task that failed."""
        answer = self._client.get(f"/connectors/{name}/status")
        status: dict[str, Any] = answer.json() if answer.status_code == 200 else {}
        for part in (status.get("connector", {}), *status.get("tasks", [])):
            assert part.get("state") != "FAILED", part.get("trace")

    def cpu_s(self) -> float:
        """Return the CPU seconds of the process so far."""
        fields = Path(f"/proc/{self._pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def peak_mb(self) -> float:
        """Return the most memory that was resident so far."""
        lines = Path(f"/proc/{self._pid}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024

    def await_records(self, name: str, topic: str, count: int) -> None:
        """Wait until the broker has ``count`` records of a topic with one partition."""
        watcher = Consumer(
            {**_login(self._node, "librdkafka"), "group.id": "bench-watch", "log_level": 2}
            | {"bootstrap.servers": f"{LOOPBACK}:{self._node.settings.node.internal_port}"}
        )
        try:
            wait_until(lambda: self._there(watcher, name, topic) >= count, PATIENCE_S, f"{count} records in {topic}")
        finally:
            watcher.close()

    def _there(self, watcher: Consumer, name: str, topic: str) -> int:
        self.check(name)
        if topic not in watcher.list_topics(timeout=10).topics:
            return 0
        found: tuple[int, int] = watcher.get_watermark_offsets(TopicPartition(topic, 0), timeout=10)
        return found[1]


def _login(node: RunningNode, client: str = "java") -> dict[str, str]:
    password = broker_password(node.layout)
    common = {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN"}
    if client != "java":
        return common | {"sasl.username": "broker", "sasl.password": password}
    module = "org.apache.kafka.common.security.plain.PlainLoginModule"
    return common | {"sasl.jaas.config": f'{module} required username="broker" password="{password}";'}
