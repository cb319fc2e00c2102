"""Every source and every destination that there is, behind one face, for the conformance suite."""

from __future__ import annotations

import csv
import os
import secrets
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import URL, Engine, NullPool, create_engine, make_url, text

from adapters.summary import Summary
from exchange.demo.runs import write_adapter_file
from tests.integration.adapters.runs import once
from tests.support.catalogue import Catalogue, Office

Person = tuple[str | None, str | None, str | None]  # name, born, amount: all as text
People = Mapping[str, Person]

# MariaDB has no text as key; its columns here are those that people have there, and the collation that it comes with
PEOPLE_TABLE = (
    "CREATE TABLE people (id text PRIMARY KEY, name text, born text, amount text)",
    "CREATE TABLE people (id varchar(20) PRIMARY KEY, name text, born text, amount text) CHARSET utf8mb4 ENGINE InnoDB",
)
EXTRA = "phone"  # the item that a later version of the resource adds


@dataclass(frozen=True)
class World:
    """One resource of its own, its owner, and a system that was granted it."""

    catalogue: Catalogue
    owner: Office
    reader: Office
    code: str
    grant: int
    directory: Path


class Server(Protocol):
    """A database server that can go away and come back."""

    def start(self) -> None: ...

    def stop(self) -> None: ...


class Vanishing:
    """A file or folder that is taken away and brought back, as a share is that was not mounted for a while."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._away = path.with_name(f"{path.name}.away")

    def start(self) -> None:
        self._away.rename(self._path)

    def stop(self) -> None:
        self._path.rename(self._away)


class Place(ABC):
    """A source or a destination as the test sees it.

    ``cluster``: what is behind it and can go away; ``listens``: the adapter is the server, and has a port for itself.
    """

    cluster: Server | None = None
    listens = False

    def close(self) -> None:  # noqa: B027 - most have nothing to close
        """Leave nothing running."""

    @abstractmethod
    def part(self) -> Mapping[str, Any]:
        """The keys of ``[source]`` or ``[sink]``."""


class Origin(Place):
    """A source; ``follows``: after a first pass it shows changes only, so that nothing is found unchanged.

    ``bad_lines``: the lines of the two records of the suite that are wrong, where a source has lines.
    """

    follows = False
    bad_lines: tuple[int, int] | tuple[None, None] = (None, None)

    @abstractmethod
    def put(self, people: People, phones: Mapping[str, str] | None = None) -> None:
        """Make the source hold exactly these."""

    def once(self, file: Path, *, allow_deletes: bool = False) -> Summary:
        """Have an adapter make one pass over them."""
        return once(file, allow_deletes=allow_deletes)


class Target(Place):
    """A destination; ``engine``: the test's own way into what holds its position and receipts."""

    engine: Engine

    @abstractmethod
    def rows(self, columns: str = "name, born, amount") -> dict[str, tuple[str | None, ...]]:
        """What has landed, as text."""


class CsvOrigin(Origin):
    bad_lines = (6, 31)

    def __init__(self, directory: Path) -> None:
        self.path = directory / "people.csv"
        self.cluster = Vanishing(self.path)

    def part(self) -> Mapping[str, Any]:
        return {"kind": "csv", "path": str(self.path), "encoding": "gb18030"}

    def put(self, people: People, phones: Mapping[str, str] | None = None) -> None:
        new = self.path.with_suffix(".new")
        with new.open("w", encoding="gb18030", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["id", "name", "born", "amount", *([] if phones is None else [EXTRA])])
            for key, values in people.items():
                more = [] if phones is None else [phones.get(key, "")]
                writer.writerow([key, *[value or "" for value in values], *more])
        new.replace(self.path)


class SqlPlace(Place):
    """A table ``people``; ``engine`` is the test's own way in."""

    def __init__(self, url: str, directory: Path, cluster: Server | None = None) -> None:
        known = make_url(url)
        way_in = known.set(drivername="mysql+pymysql") if known.drivername == "mysql" else known
        self._directory = directory
        # no connection outlives a stop of the server
        self.engine: Engine = create_engine(way_in, poolclass=NullPool)
        self.cluster = cluster
        self._keys: dict[str, Any] = {"kind": "sql", "table": "people"}
        if known.password is not None:
            secret = directory / f"{known.username}.secret"
            secret.write_text(str(known.password), encoding="utf-8")
            self._keys["password_file"] = str(secret)
            known = URL.create(known.drivername, known.username, None, known.host, known.port, known.database)
        self._keys["url"] = known.render_as_string()

    def part(self) -> Mapping[str, Any]:
        return self._keys

    def sibling(self, user: str, password: str) -> SqlPlace:
        """The same table, by another login."""
        url = self.engine.url.set(username=user, password=password)
        return SqlPlace(url.render_as_string(hide_password=False), self._directory, self.cluster)


@contextmanager
def login_of_a_reader(place: SqlPlace) -> Iterator[SqlPlace]:
    """A login that may only read ``people``, and no more than that."""
    user, password = f"reader{secrets.token_hex(4)}", secrets.token_hex(12)
    mysql = place.engine.dialect.name == "mysql"
    make = f"CREATE USER {user} IDENTIFIED BY '{password}'" if mysql else f"CREATE USER {user} PASSWORD '{password}'"
    with place.engine.begin() as connection:
        connection.execute(text(make))
        connection.execute(text(f"GRANT SELECT ON people TO {user}"))
    try:
        yield place.sibling(user, password)
    finally:
        with place.engine.begin() as connection:
            if not mysql:
                connection.execute(text(f"DROP OWNED BY {user}"))
            connection.execute(text(f"DROP USER {user}"))


class SqlOrigin(SqlPlace, Origin):
    def __init__(self, url: str, directory: Path, cluster: Server | None = None) -> None:
        super().__init__(url, directory, cluster)
        with self.engine.begin() as connection:
            connection.execute(text(PEOPLE_TABLE[self.engine.dialect.name == "mysql"]))

    def put(self, people: People, phones: Mapping[str, str] | None = None) -> None:
        with self.engine.begin() as connection:
            connection.execute(text("DELETE FROM people"))
            if phones is not None:
                connection.execute(text(f"ALTER TABLE people ADD COLUMN {EXTRA} text"))
            for key, (name, born, amount) in people.items():
                values = {"id": key, "name": name, "born": born, "amount": amount}
                connection.execute(
                    text("INSERT INTO people (id, name, born, amount) VALUES (:id, :name, :born, :amount)"), values
                )
                if phones is not None:
                    connection.execute(
                        text(f"UPDATE people SET {EXTRA} = :p WHERE id = :id"), {"p": phones.get(key), "id": key}
                    )


class SqlTarget(SqlPlace, Target):
    def rows(self, columns: str = "name, born, amount") -> dict[str, tuple[str | None, ...]]:
        """What has landed, as text; empty while there is no table."""
        with self.engine.connect() as connection:
            found = connection.execute(text(f"SELECT id, {columns} FROM people"))
            return {row[0]: tuple(None if v is None else str(v) for v in row[1:]) for row in found}


def people(count: int, start: int = 0) -> dict[str, Person]:
    cents = Decimal("0.01")
    return {f"k{n:06d}": (f"居民{n}", "2001-02-03", str(n * cents)) for n in range(start, count)}


def write_file(world: World, side: str, place: Place, **more: Mapping[str, Any]) -> Path:
    """An adapter file of the owner (source) or of the reader (sink)."""
    office = world.owner if side == "source" else world.reader
    secret = world.directory / f"{office.client_id}.secret"
    handle = os.open(secret, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(office.secret)
    tables: dict[str, dict[str, Any]] = {
        "identity": {"client_id": office.client_id, "secret_file": str(secret)},
        "registry": {"url": office.registry.url},
        "adapter": {"name": f"people-{side}", "resource": world.code, "interval_s": 0.1},
        side: dict(place.part()),
    }
    for group, keys in more.items():
        tables.setdefault(group, {}).update(keys)
    return write_adapter_file(world.directory / f"{side}.toml", tables)
