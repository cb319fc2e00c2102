"""A private MariaDB server on loopback, one a session; what it keeps is thrown away, so it does not sync its disk."""

from __future__ import annotations

import itertools
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

import pymysql
import pytest

from exchange.node.ports import LOOPBACK, free_ports
from tests.support.wait import wait_until

OWNER = "exchange"
PROGRAMS = "/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin"
START_S = 60
# The shared tablespace is full at 32 MB; tables have files of their own unless a test wants a full disk.
SMALL = (
    "--innodb-log-file-size=8M",
    "--innodb-buffer-pool-size=64M",
    "--innodb-data-file-path=ibdata1:12M:autoextend:max:32M",
)
# Latin 1 and MyISAM by default: what the adapter needs, it must ask for.
SETTINGS = (
    "--skip-name-resolve",
    f"--bind-address={LOOPBACK}",
    "--innodb-flush-log-at-trx-commit=2",  # what is committed survives a kill, not a power cut
    "--innodb-flush-method=nosync",
    "--character-set-server=latin1",
    "--default-storage-engine=MyISAM",
    "--sql-mode=",
    "--max-allowed-packet=64M",
    *SMALL,
)


@dataclass
class MariaServer:
    """A server that runs on loopback; ``password`` belongs to its only user with a password."""

    directory: Path
    port: int
    password: str = field(repr=False)
    _process: subprocess.Popen[bytes] | None = None

    def url(self, database: str) -> str:
        return f"mysql://{OWNER}:{self.password}@{LOOPBACK}:{self.port}/{database}"

    def run(self, *statements: str) -> None:
        with self._connected() as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            connection.commit()

    def start(self) -> None:
        with (self.directory / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    _program("mariadbd"),
                    "--no-defaults",
                    f"--user={_user()}",
                    f"--datadir={self.directory}/data",
                    f"--socket={self.directory}/s",
                    f"--pid-file={self.directory}/pid",
                    f"--port={self.port}",
                    f"--init-file={self.directory}/init.sql",
                    *SETTINGS,
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        wait_until(self._answers, START_S, "an answer of MariaDB")

    def stop(self) -> None:
        """Stop it at once, as a crash would; connections are cut."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.directory / "server.log").read_text(encoding="utf-8")
        try:
            self._connected().close()
        except pymysql.Error:
            return False
        return True

    def _connected(self) -> pymysql.Connection[pymysql.cursors.Cursor]:
        return pymysql.connect(host=LOOPBACK, port=self.port, user=OWNER, password=self.password, connect_timeout=5)


@contextmanager
def temporary_server() -> Iterator[MariaServer]:
    directory = Path(tempfile.mkdtemp(prefix="exchange-maria-"))
    server = MariaServer(directory, free_ports(1)[0], secrets.token_urlsafe(24))
    init = directory / "init.sql"
    init.touch(0o600)
    grant = f"GRANT ALL ON *.* TO {OWNER}@'%' IDENTIFIED BY '{server.password}' WITH GRANT OPTION;"
    init.write_text(f"{grant}\n", encoding="utf-8")
    try:
        _install(directory)
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(directory, ignore_errors=True)


def _install(directory: Path) -> None:
    subprocess.run(
        [
            _program("mariadb-install-db"),
            "--no-defaults",
            f"--user={_user()}",
            f"--datadir={directory}/data",
            "--auth-root-authentication-method=socket",
            "--skip-test-db",
            "--skip-name-resolve",
            *SMALL,
        ],
        check=True,
        capture_output=True,
        timeout=START_S,
    )


def _program(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:{PROGRAMS}")
    assert found, f"{name} is missing; run `make setup`"
    return found


def _user() -> str:
    return pwd.getpwuid(os.geteuid()).pw_name


numbers = itertools.count(1)


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaServer]:
    with temporary_server() as server:
        yield server


@pytest.fixture
def mariadb_url(mariadb: MariaServer) -> Iterator[str]:
    """The SQLAlchemy URL of a database that is fresh for this test."""
    name = f"test_{next(numbers)}"
    mariadb.run(f"CREATE DATABASE {name}")
    yield mariadb.url(name)
    mariadb.run(f"DROP DATABASE {name}")
