"""Avro's edge cases, each with the verdict that Confluent documents: does the reader read what the writer wrote?"""

from __future__ import annotations

import json
from typing import Any

import pytest

from registry.schema_registry.compatibility import level_faults, reading_faults
from registry.schema_registry.domain import Level
from registry.schema_registry.parsing import Parsed, parse

Json = Any
DATE = {"type": "int", "logicalType": "date"}
MONEY = {"type": "bytes", "logicalType": "decimal", "precision": 18, "scale": 2}
COINS = {"type": "bytes", "logicalType": "decimal", "precision": 18, "scale": 3}


def record(*fields: Json, name: str = "R", **more: Json) -> Json:
    return {"type": "record", "name": name, "fields": list(fields), **more}


def field(kind: Json, name: str = "f", **more: Json) -> Json:
    return {"name": name, "type": kind, **more}


def enum(*symbols: str, **more: Json) -> Json:
    return {"type": "enum", "name": "E", "symbols": list(symbols), **more}


def fixed(size: int, name: str = "F", **more: Json) -> Json:
    return {"type": "fixed", "name": name, "size": size, **more}


def array(kind: Json) -> Json:
    return {"type": "array", "items": kind}


def mapping(kind: Json) -> Json:
    return {"type": "map", "values": kind}


def read(schema: Json) -> Parsed:
    return parse(json.dumps(schema))


NODE = record(field("int", "v"), field(["null", "R"], "next", default=None))
LONG_NODE = record(field("long", "v"), field(["null", "R"], "next", default=None))

# reader, writer, whether the reader reads what the writer wrote
READS: list[tuple[Json, Json, bool]] = [
    # promotions
    *((reader, writer, writer in promoted)
      for reader, promoted in {"int": ("int",), "long": ("int", "long"), "float": ("int", "long", "float"),
                               "double": ("int", "long", "float", "double"), "string": ("string", "bytes"),
                               "bytes": ("bytes", "string"), "boolean": ("boolean",), "null": ("null",)}.items()
      for writer in ("null", "boolean", "int", "long", "float", "double", "bytes", "string")),
    # fields: added, removed, defaults
    (record(field("int"), field("int", "g")), record(field("int")), False),
    (record(field("int"), field("int", "g", default=0)), record(field("int")), True),
    (record(field("int"), field(["null", "int"], "g", default=None)), record(field("int")), True),
    (record(field("int"), field(["null", "int"], "g")), record(field("int")), False),
    (record(field("int")), record(field("int"), field("int", "g")), True),
    (record(field("int", "b"), field("int", "a")), record(field("int", "a"), field("int", "b")), True),
    (record(field("int", doc="new")), record(field("int", doc="old")), True),
    (record(field(enum("A", default="A"))), record(), False),
    (record(field("long")), record(field("int")), True),
    (record(field("int")), record(field("long")), False),
    # aliases
    (record(field("int", "new", aliases=["old"])), record(field("int", "old")), True),
    (record(field("int", "new")), record(field("int", "old")), False),
    (record(field("int"), name="New", aliases=["Old"]), record(field("int"), name="Old"), True),
    (record(field("int"), name="New"), record(field("int"), name="Old"), False),
    (record(field("int"), name="New", namespace="a", aliases=["Old"]),
     record(field("int"), name="Old", namespace="a"), True),
    (record(field("int"), name="a.New", aliases=["Old"]), record(field("int"), name="a.Old"), True),
    (record(field("int"), name="a.New", aliases=["Old"]), record(field("int"), name="b.Old"), False),
    (record(field("int"), name="a.R"), record(field("int"), name="b.R"), True),  # Avro compares the last part only
    # enums
    (enum("A", "B"), enum("A"), True),
    (enum("A"), enum("A", "B"), False),
    (enum("A", default="A"), enum("A", "B"), True),
    (enum("B", "A"), enum("A", "B"), True),
    (enum("A"), {**enum("A"), "name": "G"}, False),
    ("string", enum("A"), False),
    # fixed
    (fixed(16), fixed(16), True),
    (fixed(16), fixed(8), False),
    (fixed(16, "G", aliases=["F"]), fixed(16), True),
    (fixed(16), "bytes", False),
    # unions
    (["null", "string"], "string", True),
    ("string", ["null", "string"], False),
    ("string", ["string"], True),
    (["null", "string", "int"], ["null", "string"], True),
    (["null", "string"], ["null", "string", "int"], False),
    (["null", "long"], ["null", "int"], True),
    (["null", "int"], ["null", "long"], False),
    (["string", "null"], ["null", "string"], True),
    (["null", record(field("int"))], record(field("int")), True),
    (["null", record(field("int"))], record(field("string")), False),
    ("double", ["int", "long", "float"], True),
    # containers
    (array("long"), array("int"), True),
    (array("int"), array("long"), False),
    (array("int"), mapping("int"), False),
    (mapping("double"), mapping("float"), True),
    (mapping("string"), mapping("int"), False),
    (array(record(field("int"), field("int", "g", default=1))), array(record(field("int"))), True),
    (record(field(array(["null", "int"]))), record(field(array("int"))), True),
    # recursion
    (NODE, NODE, True),
    (LONG_NODE, NODE, True),
    (NODE, LONG_NODE, False),
    # logical types: Avro, and so Confluent, looks at the type below; the catalogue's own check is stricter
    (DATE, "int", True),
    ("int", DATE, True),
    ({"type": "long", "logicalType": "timestamp-micros"}, DATE, True),
    (MONEY, COINS, True),
    (MONEY, "string", True),
    (DATE, "string", False),
]  # fmt: skip


@pytest.mark.parametrize(("reader", "writer", "expected"), READS)
def test_reading(reader: Json, writer: Json, expected: bool) -> None:
    assert (reading_faults(read(reader), read(writer)) == []) is expected


ONE = record(field("int"))
OPTIONAL = record(field("int"), field("int", "g", default=0))
REQUIRED = record(field("int"), field("int", "g"))

# level, versions that are there (oldest first), new version, whether it may follow
FOLLOWS: list[tuple[Level, list[Json], Json, bool]] = [
    (Level.NONE, [ONE], "string", True),
    (Level.BACKWARD, [], REQUIRED, True),
    (Level.BACKWARD, [ONE], OPTIONAL, True),
    (Level.BACKWARD, [ONE], REQUIRED, False),
    (Level.BACKWARD, [REQUIRED], ONE, True),
    (Level.FORWARD, [ONE], REQUIRED, True),
    (Level.FORWARD, [REQUIRED], ONE, False),
    (Level.FORWARD, [OPTIONAL], ONE, True),
    (Level.FULL, [ONE], OPTIONAL, True),
    (Level.FULL, [ONE], REQUIRED, False),
    (Level.FULL, [REQUIRED], ONE, False),
    # v1 without g, v2 g with a default, v3 g without one: goes with v2, not with v1
    (Level.BACKWARD, [ONE, OPTIONAL], REQUIRED, True),
    (Level.BACKWARD_TRANSITIVE, [ONE, OPTIONAL], REQUIRED, False),
    (Level.FORWARD, [REQUIRED, OPTIONAL], ONE, True),
    (Level.FORWARD_TRANSITIVE, [REQUIRED, OPTIONAL], ONE, False),
    (Level.FULL, [REQUIRED, OPTIONAL], ONE, True),
    (Level.FULL_TRANSITIVE, [REQUIRED, OPTIONAL], ONE, False),
    (Level.FULL_TRANSITIVE, [ONE, OPTIONAL], ONE, True),
]


@pytest.mark.parametrize(("level", "old", "new", "expected"), FOLLOWS)
def test_levels(level: Level, old: list[Json], new: Json, expected: bool) -> None:
    assert (level_faults(read(new), [read(schema) for schema in old], level) == []) is expected


def test_a_verdict_says_what_is_wrong_and_where() -> None:
    (fault,) = level_faults(read(REQUIRED), [read(ONE)], Level.BACKWARD)
    assert "READER_FIELD_MISSING_DEFAULT_VALUE" in fault
    assert "fields/1" in fault
