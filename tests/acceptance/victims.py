"""What the soak kills with -9, whole processes and their children, and how each is started again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import psycopg
from psycopg import sql

from exchange.node import service
from exchange.node.kafka import broker_part
from exchange.node.postgres import PostgresCluster
from tests.support.node import RunningNode
from tests.support.wait import wait_until

GONE_S = 30.0
STOP_S = 60.0


class Victim(Protocol):
    """Something that is killed, and comes back as an operator's supervisor would bring it back."""

    name: str

    def start(self) -> None: ...

    def kill(self) -> None: ...


class Adapter:
    """``exchange adapter run FILE`` as a process; ``ended``: exit codes of lives that ended without a kill."""

    def __init__(self, file: Path, environment: Mapping[str, str]) -> None:
        self.name = f"adapter {file.stem}"
        self.ended: list[int] = []
        self._file = file
        self._environment = dict(environment)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._file.with_suffix(".log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "exchange.cli.main", "adapter", "run", str(self._file)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, env=self._environment,
            )  # fmt: skip

    def kill(self) -> None:
        process = self._running()
        code = process.poll()
        if code is not None:
            self.ended.append(code)
            return
        process.kill()
        process.wait()

    def stop(self) -> int:
        """End it gently; return its exit code."""
        process = self._running()
        if process.poll() is not None:
            self.ended.append(process.returncode)
        process.send_signal(signal.SIGTERM)
        return process.wait(STOP_S)

    def end(self) -> None:
        """Leave nothing running, whatever happened."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def last_words(self) -> str:
        """The end of its log."""
        return self._file.with_suffix(".log").read_text(encoding="utf-8", errors="replace")[-2000:]

    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "start comes first"
        return self._process


class Database:
    """A whole PostgreSQL server: its first process and all that it has started."""

    def __init__(self, name: str, cluster: PostgresCluster) -> None:
        self.name = name
        self._cluster = cluster

    def make_durable(self, database: str) -> None:
        """Have what is committed outlive a kill; clusters of tests do not, as they are quicker so."""
        address = self._cluster.url(database).replace("+psycopg", "")
        with psycopg.connect(address, autocommit=True) as connection:
            for setting in ("synchronous_commit", "full_page_writes"):
                connection.execute(sql.SQL("ALTER SYSTEM SET {} = on").format(sql.Identifier(setting)))
            connection.execute("SELECT pg_reload_conf()")

    def start(self) -> None:
        self._cluster.start()

    def kill(self) -> None:
        """The first process is halted before: it must not start another one meanwhile, which would keep the data."""
        pid_file = self._cluster.directory / "data" / "postmaster.pid"
        first = int(pid_file.read_text().split()[0])
        os.kill(first, signal.SIGSTOP)
        pids = [first, *_children(first)]
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not any(map(_lives, pids)), GONE_S, f"the end of {self.name}")
        pid_file.unlink()  # where no init collects what has ended (a container), its number seems to be in use


class Broker:
    """The node's Kafka broker; the registry goes on."""

    name = "broker"

    def __init__(self, node: RunningNode) -> None:
        self._node = node

    def start(self) -> None:
        service.up(self._node.settings)

    def kill(self) -> None:
        broker = broker_part(self._node.layout)
        pid = broker.pid()
        assert pid is not None, "the broker runs"
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: broker.state() == "died", GONE_S, "the end of the broker, and of all its threads")


def _children(parent: int) -> list[int]:
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            after_name = status.read_text(errors="replace").rpartition(")")[2].split()
            if int(after_name[1]) == parent:
                found.append(int(status.parent.name))
    return found


def _lives(pid: int) -> bool:
    """Whether it runs; one that ended and was not collected by its parent does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False
