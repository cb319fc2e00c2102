"""A registry process without a broker, and what loads it: plain sockets, so that the load costs little."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
from stdnum.cn import uscc

from exchange.node.ports import free_ports
from tests.support.wait import wait_until

CONNECTIONS = 8
SECONDS = 4.0
WARM_UP_S = 1.0
PATIENCE_S = 30.0
HEAD_END = b"\r\n\r\n"


@dataclass(frozen=True)
class LoneRegistry:
    """The process: where it answers, and the passwords of its first users."""

    port: int
    directory: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def token(self, form: dict[str, str]) -> str:
        answer = httpx.post(f"{self.url}/oauth2/token", data=form, timeout=PATIENCE_S).raise_for_status()
        return str(answer.json()["access_token"])

    def first_user(self, name: str) -> str:
        password = (self.directory / f"{name}.password").read_text(encoding="utf-8").strip()
        return self.token({"grant_type": "password", "username": name, "password": password})

    def call(self, method: str, path: str, token: str, body: Any = None) -> Any:
        headers = {"Authorization": f"Bearer {token}"}
        answer = httpx.request(method, self.url + path, json=body, headers=headers, timeout=PATIENCE_S)
        return answer.raise_for_status().json()

    def system(self, number: int, root: str) -> dict[str, str]:
        """Register a department with one system; return the form that asks for its token; ``root``: an admin's."""
        digits = f"11440000{number:09d}"
        described = {"uscc": digits + uscc.calc_check_digit(digits + "0"), "name": f"{number}", "division": "440000"}
        department = self.call("POST", "/api/v1/departments", root, described)["id"]
        client_id = f"440000-bench-{number}"
        made = {"client_id": client_id, "department_id": department, "name": "bench"}
        secret = self.call("POST", "/api/v1/systems", root, made)["secret"]
        return {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret}


@contextmanager
def lone_registry(prepare: Callable[[Path], None] = lambda _: None) -> Iterator[LoneRegistry]:
    """A registry on SQLite, its limits switched off: the load comes from one account.

    ``prepare`` is given the data directory before the registry starts.
    """
    with tempfile.TemporaryDirectory(prefix="exchange-bench-") as place:
        registry = LoneRegistry(free_ports(1)[0], Path(place))
        prepare(registry.directory)
        environment = {
            **os.environ,
            "EXCHANGE_REGISTRY_PORT": str(registry.port),
            "EXCHANGE_REGISTRY_DATA_DIR": place,
            "EXCHANGE_ACCOUNTS_CHANGE_FIRST": "false",
            "EXCHANGE_LIMITS_REQUESTS_PER_S": "0",
            "EXCHANGE_LIMITS_TOKENS_PER_S": "0",
            "EXCHANGE_BROKER_BOOTSTRAP_SERVERS": f"127.0.0.1:{free_ports(1)[0]}",
        }
        with (Path(place) / "registry.log").open("w") as log:
            process = subprocess.Popen([sys.executable, "-m", "registry", "serve"], env=environment, stderr=log)
            try:
                wait_until(lambda: _alive(registry.url), 60, "the registry answers")
                yield registry
            finally:
                process.terminate()
                process.wait(30)


def _alive(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz").is_success
    except httpx.HTTPError:
        return False


def request(method: str, path: str, token: str | None = None, body: bytes = b"", kind: str = "") -> bytes:
    """Return the bytes of a request."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(body)}"]
    lines += [f"Authorization: Bearer {token}"] if token else []
    lines += [f"Content-Type: {kind}"] if kind else []
    return "\r\n".join(lines).encode() + HEAD_END + body


def form_request(path: str, form: dict[str, str]) -> bytes:
    """Return the bytes of a form that is posted."""
    return request("POST", path, None, urlencode(form).encode(), "application/x-www-form-urlencoded")


def rate(port: int, next_request: Callable[[], bytes], connections: int = CONNECTIONS) -> float:
    """Return how many requests a second are answered with 200, over connections that each wait for its answer."""
    counts, stop, counting = [0] * connections, threading.Event(), threading.Event()
    failed: list[bytes] = []

    def load(number: int) -> None:
        with socket.create_connection(("127.0.0.1", port)) as link:
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while not stop.is_set():
                link.sendall(next_request())
                head = _answer(link)
                if not head.startswith(b"HTTP/1.1 200"):
                    failed.append(head)
                    return
                counts[number] += counting.is_set()

    threads = [threading.Thread(target=load, args=(number,)) for number in range(connections)]
    for thread in threads:
        thread.start()
    time.sleep(WARM_UP_S)
    counting.set()
    start = time.perf_counter()
    time.sleep(SECONDS)
    total, spent = sum(counts), time.perf_counter() - start
    stop.set()
    for thread in threads:
        thread.join()
    assert not failed, failed[0]
    return total / spent


def _answer(link: socket.socket) -> bytes:
    received = link.recv(65536)
    while HEAD_END not in received:
        received += link.recv(65536)
    head, _, body = received.partition(HEAD_END)
    length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
    while len(body) < length:
        body += link.recv(65536)
    return head
