"""A private PostgreSQL cluster for demos and tests: thrown away afterwards, so it does not sync its disk.

PostgreSQL refuses to run as root; then its programs run as the user ``postgres``.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from exchange.node.errors import PostgresFailed, PostgresMissing
from exchange.node.ports import LOOPBACK
from exchange.node.secrets import write_private

OWNER = "exchange"
SERVER_USER = "postgres"
DEBIAN = Path("/usr/lib/postgresql")
PROGRAM_TIMEOUT_S = 120
SETTINGS = """
listen_addresses = '{host}'
port = {port}
unix_socket_directories = ''
fsync = off
synchronous_commit = off
full_page_writes = off
max_connections = 200
max_prepared_transactions = 20
wal_level = logical
max_replication_slots = 40
max_wal_senders = 40
wal_writer_delay = 10ms
"""


@dataclass(frozen=True, slots=True)
class PostgresCluster:
    """A cluster that runs on loopback; ``password`` belongs to its only role."""

    directory: Path
    port: int
    password: str = field(repr=False)

    def url(self, database: str) -> str:
        """Return the SQLAlchemy URL of ``database``, password included: pass it on, do not print it."""
        return f"postgresql+psycopg://{OWNER}:{self.password}@{LOOPBACK}:{self.port}/{database}"

    def create_database(self, name: str, template: str = "template1") -> str:
        """Create the database ``name`` and return its URL."""
        words = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
        self._run(words)
        return self.url(name)

    def drop_database(self, name: str) -> None:
        """Drop the database ``name``, with whoever is connected to it; a follower of its log is given time to go."""
        ended = sql.SQL("SELECT pg_terminate_backend(active_pid, 5000) FROM pg_replication_slots WHERE database = {}")
        self._run(ended.format(sql.Literal(name)))
        self._run(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def start(self) -> None:
        """Start the server and wait until it accepts connections. Errors: PostgresFailed."""
        _program("pg_ctl", "start", "-w", "-D", str(self._data), "-l", str(self.directory / "postgres.log"))

    def stop(self) -> None:
        """Stop the server at once, if it runs; connections are cut."""
        if (self._data / "postmaster.pid").exists():
            _program("pg_ctl", "stop", "-w", "-m", "fast", "-D", str(self._data))

    @property
    def _data(self) -> Path:
        return self.directory / "data"

    def _run(self, words: sql.Composed) -> None:
        with psycopg.connect(
            host=LOOPBACK, port=self.port, user=OWNER, password=self.password, dbname="postgres", autocommit=True
        ) as connection:
            connection.execute(words)


def create_cluster(directory: Path, port: int) -> PostgresCluster:
    """Initialise a cluster in ``directory``, which must be empty and reachable by the server's user; not started yet.

    Errors: PostgresMissing, PostgresFailed.
    """
    cluster = PostgresCluster(directory, port, secrets.token_urlsafe(24))
    password_file = directory / "password"
    write_private(password_file, cluster.password)
    for path in (directory, password_file):
        _hand_over(path)
    login = ("--username", OWNER, "--auth", "scram-sha-256", "--pwfile", str(password_file))
    data = str(directory / "data")
    _program("initdb", "-D", data, *login, "--encoding", "UTF8", "--locale", "C.UTF-8", "--no-sync")
    with (directory / "data" / "postgresql.conf").open("a", encoding="utf-8") as file:
        file.write(SETTINGS.format(host=LOOPBACK, port=port))
    return cluster


@contextmanager
def temporary_cluster(port: int) -> Iterator[PostgresCluster]:
    """Yield a cluster that runs in a temporary directory; afterwards it is stopped and removed."""
    directory = Path(tempfile.mkdtemp(prefix="exchange-pg-"))
    try:
        cluster = create_cluster(directory, port)
        cluster.start()
        try:
            yield cluster
        finally:
            cluster.stop()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def find_programs() -> Path:
    """Return the server programs: POSTGRES_HOME/bin, Debian's newest, or PATH's. Errors: PostgresMissing."""
    home = os.environ.get("POSTGRES_HOME")
    debian = sorted(DEBIAN.glob("*/bin"), key=_release, reverse=True)
    on_path = shutil.which("initdb")
    candidates = [Path(home) / "bin"] if home else [*debian, *([Path(on_path).resolve().parent] if on_path else [])]
    for candidate in candidates:
        if (candidate / "initdb").exists():
            return candidate
    raise PostgresMissing


def _release(programs: Path) -> float:
    return float(programs.parent.name) if programs.parent.name.replace(".", "", 1).isdigit() else 0.0


def _program(name: str, *arguments: str) -> None:
    programs = find_programs()
    # Output goes to a file, not a pipe: the server that pg_ctl leaves behind would keep a pipe open.
    with tempfile.TemporaryFile() as output:
        done = subprocess.run(  # noqa: S603 - our own arguments
            [str(programs / name), *arguments],
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            timeout=PROGRAM_TIMEOUT_S,
            check=False,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
            **_server_user(),
        )
        output.seek(0)
        text = output.read().decode("utf-8", errors="replace").strip()
    if done.returncode:
        raise PostgresFailed(program=name, reason=text.splitlines()[-1] if text else done.returncode)


def _server_user() -> dict[str, Any]:
    if os.geteuid() != 0:
        return {}
    entry = _entry()
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def _hand_over(path: Path) -> None:
    if os.geteuid() == 0:
        os.chown(path, _entry().pw_uid, _entry().pw_gid)


def _entry() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(SERVER_USER)
    except KeyError as exc:
        raise PostgresMissing from exc
