"""A system that posts batches of 1,000, and one that reads its grant in pages of 1,000, with everything on."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import httpx

from exchange.demo.runs import write_adapter_file
from exchange.node.ports import free_ports
from tests.bench.book import Bench, rounds
from tests.bench.persons import ITEMS, persons
from tests.support.catalogue import Catalogue, Office
from tests.support.node import running_node
from tests.support.wait import wait_until

ROWS, BATCH, CLIENTS = 200_000, 1_000, 8


def run(bench: Bench) -> None:
    """Push persons as JSON until Kafka has them all; then read them back as JSON lines, each page acknowledged."""
    with (
        tempfile.TemporaryDirectory(prefix="exchange-bench-") as place,
        running_node(Path(place) / "var") as node,
    ):
        stage = Stage(Catalogue(node), Path(place))
        pushed, pulled = rounds(stage.push, stage.pull)
        bench.add("http.push", pushed, "records/s")
        bench.add("http.pull", pulled, "records/s")


class Stage:
    """One node; a resource of its own for each round."""

    def __init__(self, catalogue: Catalogue, place: Path) -> None:
        self._catalogue = catalogue
        self._place = place
        self._owner = catalogue.office("bench-out")
        self._reader = catalogue.office("bench-in", "440600")
        self._code = ""
        names = [item.name for item in ITEMS]
        rows = persons(ROWS)
        self._bodies = [
            json.dumps([dict(zip(names, row, strict=True)) for row in islice(rows, BATCH)], ensure_ascii=False).encode()
            for _ in range(ROWS // BATCH)
        ]

    def push(self) -> float:
        """Return records/s from the first post to the last answer; eight posts are under way at a time."""
        self._code = self._catalogue.resource(self._owner, ITEMS)
        ledger = str(self._place / f"{secrets.token_hex(4)}.ledger")
        with self._adapter(self._owner, "source", {"kind": "http_push", "ledger": ledger}) as client:
            wait_until(lambda: _status(client, "PUT", "/batches/ready") == 200, 60, "the endpoint")
            started = time.perf_counter()
            left, lock = list(enumerate(self._bodies)), threading.Lock()

            def post() -> None:
                while True:
                    with lock:
                        if not left:
                            return
                        number, body = left.pop()
                    headers = {"Content-Type": "application/json"}
                    answer = client.put(f"/batches/b{number}", content=body, headers=headers)
                    assert answer.status_code == 200, answer.text
                    assert answer.json()["accepted"] == BATCH

            clients = [threading.Thread(target=post) for _ in range(CLIENTS)]
            for thread in clients:
                thread.start()
            for thread in clients:
                thread.join()
            return ROWS / (time.perf_counter() - started)

    def pull(self) -> float:
        """Return records/s of a reader, from its first request to the acknowledgement of the last record."""
        self._catalogue.grant(self._owner, self._reader, self._code)
        spool = str(self._place / f"{secrets.token_hex(4)}.spool")
        with self._adapter(self._reader, "sink", {"kind": "http_pull", "spool": spool}) as client:
            wait_until(lambda: _status(client, "GET", "/records?limit=1&wait=1") == 200, 60, "the endpoint")
            started = time.perf_counter()
            count, cursor = 0, ""
            while count < ROWS:
                params: dict[str, Any] = {"limit": BATCH, "wait": 10} | ({"cursor": cursor} if cursor else {})
                answer = client.get("/records", params=params)
                count, cursor = count + answer.text.count("\n"), answer.headers["X-Exchange-Cursor"]
            assert client.post("/acknowledge", params={"cursor": cursor}).status_code == 204
            return count / (time.perf_counter() - started)

    @contextmanager
    def _adapter(self, office: Office, side: str, part: dict[str, Any]) -> Iterator[httpx.Client]:
        """A running adapter as its own process, and a client that has its secret."""
        token, port = secrets.token_hex(16), free_ports(1)[0]
        secret, shared = self._place / f"{office.client_id}.secret", self._place / "http.secret"
        secret.write_text(office.secret)
        shared.write_text(token)
        tables: dict[str, dict[str, object]] = {
            "adapter": {"name": f"bench-{secrets.token_hex(3)}", "resource": self._code, "interval_s": 1.0},
            "identity": {"client_id": office.client_id, "secret_file": secret.name},
            "registry": {"url": office.registry.url},
            side: {**part, "port": port, "token_file": shared.name},
        }
        file = write_adapter_file(self._place / "bench.toml", tables)
        env = {name: value for name, value in os.environ.items() if not name.startswith("EXCHANGE_")}
        command = [sys.executable, "-m", "exchange.cli.main", "adapter", "run", str(file), "--json"]
        process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL)
        headers = {"Authorization": f"Bearer {token}"}
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=60) as client:
                yield client
        finally:
            process.terminate()
            process.wait(30)


def _status(client: httpx.Client, method: str, path: str) -> int:
    try:
        return client.request(method, path, json=[] if method == "PUT" else None).status_code
    except httpx.TransportError:
        return 0
