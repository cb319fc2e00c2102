"""An adapter that runs and ends leaves its counts in a file, which node_exporter shows to Prometheus."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families

from exchange.node.ports import free_ports
from tests.integration.adapters.places import CsvOrigin, World, people, write_file
from tests.support.catalogue import Catalogue
from tests.support.node import RunningNode
from tests.support.prometheus import program
from tests.support.wait import wait_until


def test_what_a_finished_adapter_counted_is_scraped_from_its_file(node: RunningNode, tmp_path: Path) -> None:
    catalogue = Catalogue(node)
    owner = catalogue.office("owner")
    world = World(catalogue, owner, owner, catalogue.resource(owner), 0, tmp_path)
    origin, shown = CsvOrigin(tmp_path), tmp_path / "shown/people.prom"
    origin.put(people(7))
    file = write_file(world, "source", origin, metrics={"textfile": str(shown)})
    argv = [sys.executable, "-m", "exchange.cli.main", "adapter", "run", str(file), "--once"]
    subprocess.run(argv, check=True, capture_output=True, timeout=60)
    text = shown.read_text(encoding="utf-8")
    checked = subprocess.run(
        [program("promtool"), "check", "metrics"], input=text, capture_output=True, text=True, check=False, timeout=20
    )
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")
    assert [path.name for path in shown.parent.iterdir()] == [shown.name], "no draft is left"
    with node_exporter(shown.parent) as url:
        page = httpx.get(url, trust_env=False).text
    found = {
        (sample.name, sample.labels.get("adapter")): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }
    assert found["node_textfile_scrape_error", None] == 0
    assert found["exchange_published_records_total", "people-source"] == 7
    assert found["exchange_build_info", None] == 1


@contextmanager
def node_exporter(folder: Path) -> Iterator[str]:
    """Debian's node_exporter with nothing but the textfile collector; where it answers."""
    (port,) = free_ports(1)
    argv = [
        program("prometheus-node-exporter"), "--collector.disable-defaults", "--collector.textfile",
        f"--collector.textfile.directory={folder}", f"--web.listen-address=127.0.0.1:{port}",
    ]  # fmt: skip
    process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}/metrics"
    try:
        wait_until(lambda: _answers(url), 30, "node_exporter answers")
        yield url
    finally:
        process.terminate()
        process.wait(20)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False).is_success
    except httpx.HTTPError:
        return False
