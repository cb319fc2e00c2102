"""A real Prometheus: the one on the PATH, or the one that deploy/setup/prometheus.sh unpacked."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import yaml

from exchange.node.ports import free_ports
from tests.support.wait import wait_until

ROOT = Path(__file__).parents[2]
UNPACKED = ROOT / "build/prometheus/usr/bin"


def program(name: str) -> str:
    """The path of ``prometheus``, ``promtool`` or ``amtool``."""
    found = shutil.which(name) or shutil.which(name, path=str(UNPACKED))
    assert found is not None, f"{name} is missing: run deploy/setup/prometheus.sh"
    return found


def amtool(*words: str | Path) -> subprocess.CompletedProcess[str]:
    argv = [program("amtool"), *map(str, words)]
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)


def promtool(*words: str | Path) -> subprocess.CompletedProcess[str]:
    argv = [program("promtool"), *map(str, words)]
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)


@dataclass(frozen=True)
class Prometheus:
    """One that scrapes."""

    url: str
    client: httpx.Client = field(default_factory=lambda: httpx.Client(trust_env=False, verify=False))

    def get(self, path: str, **params: Any) -> Any:
        answer = self.client.get(f"{self.url}/api/v1/{path}", params=params).json()
        assert answer["status"] == "success", answer
        return answer["data"]

    def query(self, expression: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.get("query", query=expression)["result"]
        return found

    def firing(self) -> set[str]:
        return {a["labels"]["alertname"] for a in self.get("alerts")["alerts"] if a["state"] == "firing"}


@contextmanager
def prometheus(directory: Path, config: dict[str, Any]) -> Iterator[Prometheus]:
    """A Prometheus with this configuration, on a free port of the loopback, its data in ``directory``."""
    (port,) = free_ports(1)
    file = directory / "prometheus.yml"
    file.write_text(yaml.safe_dump(config, allow_unicode=True), encoding="utf-8")
    with (directory / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(
            [
                program("prometheus"),
                f"--config.file={file}",
                f"--storage.tsdb.path={directory / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    made = Prometheus(f"http://127.0.0.1:{port}")
    try:
        wait_until(lambda: _ready(made.url), 30, "Prometheus is ready")
        yield made
    finally:
        process.terminate()
        process.wait(20)


def _ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/-/ready", trust_env=False).is_success
    except httpx.HTTPError:
        return False
