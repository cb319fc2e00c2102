"""A flow of marked records through real processes: lines join by ids, and no log holds a value or a secret."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.adapters.places import CsvOrigin, Person, SqlTarget, World, write_file
from tests.support.collector import Collector, attributes, collector
from tests.support.node import RunningNode

MARK = "马克标记"
GOOD: dict[str, Person] = {f"{n}{MARK}": (f"{MARK}甲{n}", "2001-02-03", "1.50") for n in range(5)}
BAD: dict[str, Person] = {
    f"x{MARK}": (f"{MARK}乙", f"{MARK}-13-45", "1"),
    f"y{MARK}": (f"{MARK}丙", "2001-02-03", MARK),
}


@pytest.fixture
def spans() -> Iterator[Collector]:
    with collector() as found:
        yield found


def run(file: Path, *words: str) -> tuple[int, list[dict[str, Any]], str]:
    """Run an adapter; return its exit code, its lines and all that it wrote."""
    done = subprocess.run(
        [sys.executable, "-m", "exchange.cli.main", "adapter", "run", str(file), "--json", *words],
        env={**os.environ, "LANG": "en"},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    lines = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
    return done.returncode, lines, done.stdout + done.stderr


def test_ids_join_the_lines_and_no_log_holds_a_value(
    node: RunningNode, world: World, spans: Collector, tmp_path: Path
) -> None:
    origin, target = CsvOrigin(tmp_path), SqlTarget(f"sqlite:///{tmp_path}/target.db", tmp_path)
    origin.put(GOOD | BAD)
    more = {"log": {"format": "json"}, "tracing": {"endpoint": spans.url}}
    source, sink = write_file(world, "source", origin, **more), write_file(world, "sink", target, **more)

    code, sent, written = run(source, "--once")
    assert code == 0, written
    code, landed, more_written = run(sink, "--until-idle", "2")
    assert code == 0, more_written
    assert len(target.rows()) == len(GOOD)

    batches = {line["batch"] for line in sent if "published" in line["message"]}
    assert batches
    assert batches == {line["batch"] for line in landed if "landed" in line["message"]}
    assert {span.trace_id.hex() for span in spans.named("publish")} == batches
    assert {span.trace_id.hex() for span in spans.named("land")} == batches
    assert sum(attributes(span)["exchange.records"] for span in spans.named("land")) == len(GOOD)

    with closing(sqlite3.connect(tmp_path / "target.db")) as database:  # the destination refuses every row from now on
        database.execute("CREATE TRIGGER no BEFORE INSERT ON people BEGIN SELECT RAISE(ABORT, 'refused'); END")
        database.commit()
    origin.put({f"z{MARK}": (f"{MARK}丁", "2001-02-03", "1")} | GOOD)
    run(source, "--once")
    code, _, refused = run(sink, "--until-idle", "2")
    assert code != 0
    assert "refused" in refused

    suspend(node, world)
    registry = (node.layout.logs / "registry.log").read_text(encoding="utf-8")
    joined = [line for line in registry.splitlines() if "request_id=suspension-of-a-grant" in line]
    assert any(f"enforced {world.reader.client_id}" in line for line in joined), joined
    assert any("POST /api/v1/grants/{grant_id}/suspend 200" in line for line in joined)

    everything = {path.name: path.read_bytes().decode(errors="replace") for path in node.layout.logs.iterdir()}
    everything |= {"source": written, "sink": more_written, "failing sink": refused}
    everything |= {"spans": b"".join(spans.bodies).decode(errors="replace")}
    words = [
        MARK,
        world.owner.secret,
        world.reader.secret,
        *(office.login[1] for office in (world.owner, world.reader)),
    ]
    assert [(name, word) for name, text in everything.items() for word in words if word in text] == []


def suspend(node: RunningNode, world: World) -> None:
    token = world.owner.admin._http._bearer()
    headers = {"Authorization": f"Bearer {token}", "X-Request-ID": "suspension-of-a-grant"}
    url = f"{node.registry_url}/api/v1/grants/{world.grant}/suspend"
    answer = httpx.post(url, headers=headers, json={"reason": MARK})
    assert answer.status_code == 200, answer.text
    assert answer.json()["enforced"] is True
