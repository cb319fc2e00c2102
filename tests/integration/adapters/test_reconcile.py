"""``exchange reconcile`` on the real parts: every database finds the same keys, and repairs no others."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from adapters.config import read_adapter
from adapters.errors import TooManyDeletes
from adapters.history import StateFolder
from adapters.reconcile import Options, reconcile
from adapters.reconcile_repair import AdapterRuns
from adapters.reconcile_table import NotCompared
from adapters.reconcile_words import Kind, Report
from exchange.errors import ConfigError
from exchange.items import Check, Item, ItemType
from exchange.node.postgres import PostgresCluster
from tests.integration.adapters.file_places import FilesTarget
from tests.integration.adapters.places import CsvOrigin, SqlOrigin, SqlPlace, SqlTarget, World, people, write_file
from tests.integration.adapters.runs import background, once, until_idle
from tests.support.wait import wait_until

pytestmark = pytest.mark.long


def compare(*files: Path, **options: Any) -> Report:
    """In this process, which starts quicker; the command has each side in one of its own."""
    return reconcile([read_adapter(file) for file in files], Options(apart=False, **options))


def said(report: Report) -> dict[str, tuple[str, str]]:
    return {found.key.decode(): (found.kind.value, found.owner.value) for found in report.findings}


def run(place: SqlPlace, *statements: str) -> None:
    with place.engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


@pytest.fixture
def lone_origin(tmp_path: Path) -> SqlOrigin:
    return SqlOrigin(f"sqlite:///{tmp_path}/source.db", tmp_path)


def test_a_source_and_the_topic(world: World, lone_origin: SqlOrigin) -> None:
    origin, file = lone_origin, write_file(world, "source", lone_origin)
    origin.put(people(40))
    once(file)
    report = compare(file)
    assert (report.differences, report.rows) == (0, (40, 40))
    run(origin, "DELETE FROM people WHERE id = 'k000003'", "UPDATE people SET name = '改' WHERE id = 'k000004'")
    run(origin, "INSERT INTO people (id, name) VALUES ('new', '新')", "INSERT INTO people (id) VALUES ('bad')")
    report = compare(file, repair=True)
    wanted = {"k000003": "extra", "k000004": "differing", "new": "missing"}
    assert said(report) == {key: (kind, "publisher") for key, kind in wanted.items()}
    assert (report.repaired, report.open, report.held) == (3, 0, 1), "a row that is rejected is not missing"
    assert compare(file).differences == 0
    assert once(file).unchanged == 40, "nothing is left for the adapter"
    assert StateFolder(file.parent / "state", "people-source").history(5)[1]["reason"] == "repaired"


@pytest.mark.parametrize(
    "sql_target",
    ["sqlite", pytest.param("postgres", marks=pytest.mark.long), pytest.param("mariadb", marks=pytest.mark.long)],
    indirect=True,
)
def test_the_topic_and_a_destination(world: World, lone_origin: SqlOrigin, sql_target: SqlTarget) -> None:
    source, sink = write_file(world, "source", lone_origin), write_file(world, "sink", sql_target)
    lone_origin.put(people(40))
    once(source)
    until_idle(sink)
    landed = sql_target.rows()
    run(
        sql_target,
        "DELETE FROM people WHERE id IN ('k000003', 'k000005')",
        "INSERT INTO people VALUES ('x', '手', NULL, 1)",
    )
    run(sql_target, "UPDATE people SET amount = 7 WHERE id = 'k000004'")
    lone_origin.put({**people(40), "k000005": ("新", None, None), "k000040": ("迟", None, None)})
    once(source)
    report = compare(sink, repair=True)
    wanted = {"k000003": ("missing", "subscriber"), "k000004": ("differing", "subscriber"), "x": ("extra", "unknown")}
    assert said(report) == wanted
    assert (report.repaired, report.open, report.waiting) == (3, 0, 2)
    assert sql_target.rows() == {key: row for key, row in landed.items() if key != "k000005"}, "what is due, no more"
    assert until_idle(sink).landed == 2, "the position stayed where it was"
    report = compare(sink)
    assert (report.differences, report.waiting, report.rows) == (0, 0, (41, 41))


@pytest.mark.parametrize("key", ["", '[mapping.id]\nsteps = ["strip", "upper"]\n'])
def test_a_source_behind_a_mapping_is_compared_as_it_publishes(world: World, lone_origin: SqlOrigin, key: str) -> None:
    file = write_file(world, "source", lone_origin)
    rules = (
        '[mapping.amount]\ntable = { "1" = "10.5" }\nunknown = "default"\ndefault = 0\n'
        "[quality.name]\nlength = [2, 9]\n"
    )
    file.write_text(f"{file.read_text(encoding='utf-8')}\n{key}{rules}", encoding="utf-8")
    lone_origin.put({"A1": ("张三", None, "1"), "B2": ("李四", None, "2"), "C3": ("王", None, "1")})
    once(file)
    report = compare(file)
    assert (report.differences, report.held, report.rows) == (0, 1, (3, 2)), "a row that a rule rejects is held back"
    run(lone_origin, "UPDATE people SET amount = '2' WHERE id = 'A1'", "UPDATE people SET amount = '3' WHERE id = 'B2'")
    report = compare(file, repair=True)
    assert (said(report), report.open) == ({"A1": ("differing", "publisher")}, 0), (
        "2 and 3 are one value to the mapping"
    )
    assert once(file).unchanged == 2


EVERY = (
    Item("id", "编号", ItemType.TEXT, length=30, primary_key=True),
    Item("part", "分号", ItemType.INTEGER, primary_key=True),
    Item("code", "身份号码", ItemType.TEXT, length=18, check=Check.CITIZEN_ID),
    Item("amount", "金额", ItemType.NUMBER, length=18, scale=2),
    Item("money", "货币", ItemType.MONEY),
    Item("born", "日期", ItemType.DATE),
    Item("at", "时间", ItemType.INSTANT),
    Item("yes", "逻辑", ItemType.LOGICAL),
    Item("memo", "备注", ItemType.MEMO),
    Item("raw", "通用", ItemType.BINARY),
    Item("share", "双精度", ItemType.DOUBLE),
)
TABLE = (
    "CREATE TABLE people (id varchar(30), part int, code varchar(18), amount numeric, money numeric(20,4), born date,"
    " at timestamptz, yes boolean, memo text, raw bytea, share float8, PRIMARY KEY (id, part))"
)
FILL = (
    "INSERT INTO people SELECT '甲\" ,' || n, n % 7, '11010519491231002X', n + n % 3 / 4.0, n / 8.0,"
    " date '1999-01-01' + n, now() + n * interval '1 second', n % 2 = 0, CASE n % 3 WHEN 0 THEN NULL WHEN 1 THEN ''"
    " ELSE E'\\\\t(\"' || n END,"
    " decode(md5(n::text), 'hex'), n / 3.0::float8 FROM generate_series(1, 1500) n"
)
CHANGES = {
    "code": "'110105194912310038'", "amount": "amount + 0.01", "money": "NULL", "born": "born + 1", "yes": "NOT yes",
    "at": "at + interval '1 microsecond'",
    "memo": "CASE WHEN memo IS NULL THEN '' WHEN memo = '' THEN NULL ELSE '' END",
    "raw": "raw || '\\x00'", "share": "share + 1e-9",
}  # fmt: skip


def test_what_two_databases_sum_up_is_what_the_rows_say(
    world: World, tmp_path: Path, postgres: PostgresCluster, postgres_url: str
) -> None:
    code = world.catalogue.resource(world.owner, EVERY)
    world = World(
        world.catalogue,
        world.owner,
        world.reader,
        code,
        world.catalogue.grant(world.owner, world.reader, code),
        tmp_path,
    )
    origin = SqlPlacePostgres(postgres_url, tmp_path, postgres)
    run(origin, TABLE, FILL)
    other = f"{origin.engine.url.database}_target"
    try:
        target = SqlTarget(postgres.create_database(other), tmp_path, postgres)
        files = write_file(world, "source", origin), write_file(world, "sink", target)
        once(files[0])
        until_idle(files[1])
        report = compare(*files)
        assert (report.differences, report.rows) == (0, (1500, 1500))
        assert report.digest.startswith("postgresql:"), "the databases made the sums"
        chosen = random.Random(6).sample(range(1, 1501), len(CHANGES) + 2)
        for number, (column, value) in zip(chosen, CHANGES.items(), strict=False):
            run(target, f"UPDATE people SET {column} = {value} WHERE id = '甲\" ,{number}'")
        run(target, f"DELETE FROM people WHERE id = '甲\" ,{chosen[-1]}'")
        run(target, f"UPDATE people SET part = part + 1 WHERE id = '甲\" ,{chosen[-2]}'")
        run(target, "UPDATE people SET amount = amount + 0.000 WHERE part = 3")  # the same number
        run(origin, f"UPDATE people SET code = '12' WHERE id = '甲\" ,{_other(chosen)}'")
        found, again = compare(*files), compare(*files, push_down=False)
        assert (found.digest.startswith("postgresql:"), again.digest.startswith("postgresql:")) == (True, False)
        assert said(found) == said(again)
        assert (found.rows, found.held, found.more) == (again.rows, again.held, again.more) == ((1500, 1499), 1, 0)
        assert len(found.findings) == len(CHANGES) + 3
        assert {found.owner.value for found in found.findings} <= {"subscriber", "unknown"}
        assert compare(*files, repair=True).open == 0
        assert compare(*files).differences == 0
    finally:
        target.engine.dispose()
        postgres.drop_database(other)


class SqlPlacePostgres(SqlPlace):
    """A table by the kind ``postgres``, which the test makes."""

    def part(self) -> dict[str, Any]:
        return {**self._keys, "kind": "postgres", "mode": "snapshot"}


def _other(chosen: list[int]) -> int:
    return next(number for number in range(1, 1501) if number not in chosen)


def exchange(*words: str | Path, lang: str = "en") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "exchange.cli.main", "reconcile", *map(str, words)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "EXCHANGE_LANG": lang, "COLUMNS": "200"},
    )


@pytest.mark.long  # each command is a process, with two more inside
def test_the_command_tells_equal_from_different_and_keeps_keys_to_itself(world: World, lone_origin: SqlOrigin) -> None:
    file = write_file(world, "source", lone_origin)
    lone_origin.put(people(3))
    once(file)
    run(lone_origin, "UPDATE people SET name = '改' WHERE id = 'k000001'")
    found = exchange(file, "--json")
    assert found.returncode == 1, found.stderr
    answer = json.loads(found.stdout)
    assert (answer["equal"], answer["kinds"], answer["owners"]) == (
        False,
        {"missing": 0, "extra": 0, "differing": 1},
        {"publisher": 1},
    )
    assert answer["findings"][0]["place"] == "0-1"
    assert "k000001" not in found.stdout + found.stderr
    shown = exchange(file, "--keys", "--repair", lang="zh")
    assert shown.returncode == 0, shown.stderr
    assert "k000001" in shown.stdout
    assert "已修复 1 条" in shown.stdout
    assert exchange(file, "--limit", "0").returncode == 0
    nowhere = exchange(file, file)
    assert (nowhere.returncode, "two files with [source]" in nowhere.stderr) == (2, True)


def test_a_repair_does_not_publish_beside_the_adapter(world: World, tmp_path: Path) -> None:
    origin = CsvOrigin(tmp_path)
    origin.put(people(3))
    file = write_file(world, "source", origin, adapter={"interval_s": 60.0})
    with background(file) as engine:
        wait_until(lambda: engine.summary.published == 3, 30, "the file is published")
        origin.put(people(4))
        with pytest.raises(AdapterRuns):
            compare(file, repair=True)
        state = StateFolder(tmp_path / "state", "people-source")
        state.pause()
        wait_until(lambda: (state.status() or {}).get("state") == "paused", 10, "it holds")
        assert compare(file, repair=True).repaired == 1
        state.resume()
        assert engine.error is None, "it was not fenced"
    assert compare(file).differences == 0


def test_a_repair_that_would_delete_most_of_it_is_refused(world: World, lone_origin: SqlOrigin) -> None:
    file = write_file(world, "source", lone_origin)
    lone_origin.put(people(30))
    once(file)
    run(lone_origin, "DELETE FROM people WHERE id > 'k000005'")
    with pytest.raises(TooManyDeletes):
        compare(file, repair=True)
    assert compare(file).count(Kind.EXTRA) == 24, "nothing was deleted"
    assert compare(file, repair=True, allow_deletes=True).repaired == 24


def test_what_cannot_be_read_back_is_said(world: World, tmp_path: Path, lone_origin: SqlOrigin) -> None:
    with pytest.raises(NotCompared):
        compare(write_file(world, "sink", FilesTarget(tmp_path)))
    source = write_file(world, "source", lone_origin)
    sink = write_file(world, "sink", SqlTarget(f"sqlite:///{tmp_path}/t.db", tmp_path), adapter={"resource": "1/2"})
    with pytest.raises(ConfigError):
        compare(source, sink)
