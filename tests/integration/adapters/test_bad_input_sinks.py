"""What happens under a destination: its table changes, its disk fills, a value is large. Nothing is lost."""

from __future__ import annotations

import os
import pwd
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from adapters.coerce import LARGEST_ROW
from adapters.protocol import Landing, Sink
from adapters.sink_files import Config as FilesConfig
from adapters.sink_files import open_sink as open_files
from adapters.sink_http_pull import Config as PullConfig
from adapters.sink_http_pull import open_sink as open_pull
from adapters.sink_webhook import Config as HookConfig
from adapters.sink_webhook import open_sink as open_hook
from exchange.errors import DatabaseUnavailable, SinkProblem
from exchange.items import Row
from exchange.node.postgres import PostgresCluster
from tests.integration.adapters.http_targets import Grant, Hook
from tests.integration.adapters.places import SqlPlace
from tests.integration.adapters.sql_world import ITEMS, TOPIC, land, rows, run, sink, source
from tests.integration.adapters.test_bad_input_sql import files_no_larger_than
from tests.support.adapters import stream_of

pytestmark = pytest.mark.long

GOOD: Row = ("good", None, Decimal("1.50"), "备注")
LARGE: Row = ("large", None, None, "数" * (LARGEST_ROW // 3 - 100))
MANY: list[Row] = [(f"k{n}", None, None, "x" * 1000) for n in range(1000)]


@pytest.fixture(params=["sqlite", "postgres", "mariadb"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> SqlPlace:
    if request.param == "sqlite":
        return SqlPlace(f"sqlite:///{tmp_path}/t.db", tmp_path)
    return SqlPlace(request.getfixturevalue(f"{request.param}_url"), tmp_path)


def landed(place: SqlPlace) -> list[Row]:
    with closing(source(place)) as made:
        return rows(list(made.read(None)))


def test_a_type_that_changes_under_a_sink_lands_nothing(place: SqlPlace) -> None:
    if place.engine.dialect.name == "sqlite":
        pytest.skip("its columns take any type")
    made = sink(place)
    land(made, ("good", None, Decimal("1.50"), "12"))
    alter = "ALTER memo TYPE integer USING memo::integer" if "postgres" in str(place.engine.url) else "MODIFY memo int"
    run(place, f"ALTER TABLE people {alter}")
    with pytest.raises(SinkProblem) as caught:
        land(made, ("lost", None, None, "一百"))
    assert "一百" not in str(caught.value), "values are personal data"
    assert made.positions(TOPIC) == {0: 1}
    with pytest.raises(SinkProblem, match="memo"):
        sink(place)


def test_a_primary_key_that_is_dropped_under_a_sink_is_told_and_lands_nothing_twice(place: SqlPlace) -> None:
    if place.engine.dialect.name == "sqlite":
        pytest.skip("its tables keep their primary key")
    made = sink(place)
    land(made, GOOD)
    made.close()
    drop = "DROP CONSTRAINT people_pkey" if "postgres" in str(place.engine.url) else "DROP PRIMARY KEY"
    run(place, f"ALTER TABLE people {drop}")
    with pytest.raises(SinkProblem, match="primary key"):
        sink(place)
    assert landed(place) == [GOOD]


def test_a_value_as_large_as_the_broker_takes_lands(place: SqlPlace) -> None:
    made = sink(place)
    land(made, LARGE)
    assert landed(place) == [LARGE]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 16 MB, PostgreSQL's own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("only root may make a small disk")
    for path in (folder, *[parent for parent in folder.parents if parent != Path("/")]):
        path.chmod(path.stat().st_mode | 0o011)
    entry = pwd.getpwnam("postgres")
    os.chown(folder, entry.pw_uid, entry.pw_gid)
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_of_postgresql_is_waited_for(
    postgres: PostgresCluster, postgres_url: str, small_disk: Path, tmp_path: Path
) -> None:
    place = SqlPlace(postgres_url, tmp_path, postgres)
    name = str(place.engine.url.database)
    alone = place.engine.execution_options(isolation_level="AUTOCOMMIT")
    with alone.connect() as connection:
        connection.exec_driver_sql(f"CREATE TABLESPACE small_{name} LOCATION '{small_disk}'")
        connection.exec_driver_sql(f"ALTER DATABASE {name} SET default_tablespace = small_{name}")
    made = sink(place)
    land(made, GOOD)
    with pytest.raises(DatabaseUnavailable, match="No space left"):
        land(made, *[(f"k{n}", None, None, os.urandom(8000).hex()) for n in range(3000)])
    assert made.positions(TOPIC) == {0: 1}
    assert landed(place) == [GOOD]
    land(made, ("k1", None, None, "x"))
    assert len(landed(place)) == 2
    made.close()
    run(place, "DROP TABLE people, exchange_destination, exchange_position, exchange_receipt")
    with alone.connect() as connection:
        connection.exec_driver_sql(f"ALTER DATABASE {name} RESET default_tablespace")
        connection.exec_driver_sql(f"DROP TABLESPACE small_{name}")


def webhook(directory: Path) -> tuple[Sink, Callable[[], set[str]], Callable[[], None]]:
    hook = Hook(directory)
    keys: dict[str, Any] = hook.part()
    secret = keys.pop("secret_file")
    made = open_hook(HookConfig.model_validate({**keys, "secret": Path(secret).read_text()}), stream_of(ITEMS))
    return made, lambda: set(hook.records), hook.close


def pulled(directory: Path) -> tuple[Sink, Callable[[], set[str]], Callable[[], None]]:
    grant = Grant(directory)
    keys: dict[str, Any] = grant.part()
    token = keys.pop("token_file")
    made = open_pull(PullConfig.model_validate({**keys, "token": Path(token).read_text()}), stream_of(ITEMS))
    return made, lambda: {record["key"] for record in grant.all(1000)}, grant.close


def filed(directory: Path) -> tuple[Sink, Callable[[], set[str]], Callable[[], None]]:
    folder = directory / "out"
    config = FilesConfig.model_validate({"kind": "files", "folder": folder, "format": "jsonl", "max_rows": 1})

    def found() -> set[str]:
        lines = [line for path in folder.glob("*.jsonl") for line in path.read_text(encoding="utf-8").splitlines()]
        return {line.partition('"id":"')[2].partition('"')[0] for line in lines}

    return open_files(config, stream_of(ITEMS)), found, lambda: None


@pytest.mark.parametrize("make", [webhook, pulled, filed])
def test_without_room_for_its_own_file_a_sink_waits_and_lands_all_of_it_once(tmp_path: Path, make: Any) -> None:
    made, keys, close = make(tmp_path)
    try:
        made.connect()
        write(made, [GOOD])
        used = sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())
        with files_no_larger_than(used + 200_000), pytest.raises(Exception) as caught:  # noqa: PT011 - looked at below
            write(made, MANY)
        assert type(caught.value).__name__ in {"DatabaseUnavailable", "NotConnected"}, str(caught.value)
        made.connect()
        assert made.positions(TOPIC) == {0: 1}, "all or nothing"
        write(made, MANY)
        assert made.positions(TOPIC) == {0: 1 + len(MANY)}
        assert keys() == {"good", *[row[0] for row in MANY]}
    finally:
        made.close()
        close()


@pytest.mark.parametrize("make", [webhook, pulled, filed])
def test_a_large_value_arrives(tmp_path: Path, make: Any) -> None:
    made, keys, close = make(tmp_path)
    try:
        made.connect()
        write(made, [GOOD, LARGE])
        assert keys() == {"good", "large"}
    finally:
        made.close()
        close()


def write(made: Sink, some: list[Row]) -> None:
    at = made.positions(TOPIC).get(0, 0)
    changes: list[tuple[bytes, Row | None]] = [(str(row[0]).encode(), row) for row in some]
    made.write(Landing(TOPIC, changes, {0: (at, at + len(changes))}))
