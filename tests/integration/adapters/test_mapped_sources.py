"""One mapping and one set of rules over every kind of source: the same rows, keys, deletes and rejects."""

from __future__ import annotations

import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from exchange.items import Row
from tests.integration.adapters.places import Origin, Person, Place, SqlOrigin, World, write_file
from tests.integration.adapters.runs import once, topic_rows

MAPPING = """
[mapping.id]
steps = ["strip", "upper"]

[mapping.born]
date = ["%Y%m%d", "%Y-%m-%d"]
empty = ["0000-00-00"]

[mapping.amount]
table = { "1" = "10.5", "2" = "20" }
unknown = "default"
default = 0

[quality.name]
length = [2, 10]
"""

PEOPLE: dict[str, Person] = {
    "a1": ("张三", "20010203", "1"),
    "b2": ("李四", "0000-00-00", "2"),
    "c3": ("王", "2001-02-03", "7"),
    "d4": ("赵六", "2001-02-03", "7"),
}
BORN = datetime.date(2001, 2, 3)
LANDED: dict[str, Row | None] = {
    "A1": ("A1", "张三", BORN, Decimal("10.50")),
    "B2": ("B2", "李四", None, Decimal("20.00")),
    "D4": ("D4", "赵六", BORN, Decimal("0.00")),
}


class Captured(SqlOrigin):
    """The same table, followed by its write-ahead log."""

    def part(self) -> dict[str, Any]:
        return {**super().part(), "kind": "postgres", "create": True}


def mapped(world: World, place: Place) -> Path:
    file = write_file(world, "source", place)
    file.write_text(file.read_text(encoding="utf-8") + MAPPING, encoding="utf-8")
    return file


@pytest.fixture
def captured(postgres_url: str, tmp_path: Path) -> Captured:
    return Captured(postgres_url, tmp_path)


def moves(world: World, origin: Origin) -> None:
    file = mapped(world, origin)
    origin.put(PEOPLE)
    first = once(file)
    assert (first.published, first.rejected, first.rules) == (3, 1, {"length": 1})
    assert first.quality == {"name/length/reject": 1}
    assert topic_rows(world, 3, "first") == LANDED
    left = {key: PEOPLE[key] for key in ("a1", "c3", "d4")}
    origin.put(left | {"d4": ("赵七", None, None)})
    second = once(file)
    assert second.deleted == 1
    after = topic_rows(world, 3 + second.published + second.deleted, "second")
    assert after == {**LANDED, "B2": None, "D4": ("D4", "赵七", None, Decimal("0.00"))}


@pytest.mark.parametrize("origin", ["files", "postgres", "mariadb"], indirect=True)
def test_a_mapping_is_the_same_over_files_and_databases(world: World, origin: Origin) -> None:
    moves(world, origin)


def test_a_mapping_is_the_same_over_change_capture(world: World, captured: Captured) -> None:
    moves(world, captured)
