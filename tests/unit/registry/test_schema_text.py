"""Which texts are schemas, and which of them are the same schema."""

from __future__ import annotations

import json
from typing import Any

import pytest

from exchange.text import Text
from registry.schema_registry.domain import fingerprint, layout, normalised
from registry.schema_registry.errors import InvalidSchema
from registry.schema_registry.parsing import parse

R: dict[str, Any] = {"type": "record", "name": "R", "fields": [{"name": "f", "type": "int"}]}


def with_field(kind: object, **more: object) -> str:
    return json.dumps({**R, "fields": [{"name": "f", "type": kind, **more}]})


ENUM = {"type": "enum", "name": "E", "symbols": ["A", "B"]}


@pytest.mark.parametrize(
    "text",
    [
        '"string"',
        "[]",
        '{"type": "string"}',
        '{"type": {"type": "string"}}',
        '{"type": {"type": "array", "items": "int"}}',
        json.dumps({**R, "more": {"any": ["thing"]}}),
        with_field("int", default=1),
        with_field(["null", "int"], default=None),
        with_field(["null", "int"], default=1),
        with_field(ENUM, default="A"),
        with_field({"type": "array", "items": ENUM}, default=["A", "B"]),
        with_field({"type": "map", "values": "double"}, default={"a": 1}),
        with_field({"type": "record", "name": "I", "fields": [{"name": "x", "type": "int", "default": 1}]}, default={}),
        with_field({"type": "fixed", "name": "F", "size": 2}, default="ab"),
        with_field("float", default=1),
    ],
)
def test_valid(text: str) -> None:
    assert parse(text).avro is not None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "string",
        '"nothing"',
        "1",
        "null",
        "NaN",
        "{}",
        '{"type": "record"}',
        '{"type": "record", "name": 5, "fields": []}',
        '{"type": "record", "name": "R", "fields": {}}',
        '{"type": "record", "name": "R", "fields": [1]}',
        '{"type": "record", "name": "R", "fields": [{"name": "f"}]}',
        '{"type": "record", "name": "a-b", "fields": []}',
        '{"type": "record", "name": "R", "fields": [{"name": "f", "type": "Unknown"}]}',
        '{"type": "record", "name": "R", "aliases": {"a": 1}, "fields": [{"name": "f", "type": ["int", "int"]}]}',
        '{"type": "error", "name": "R", "fields": []}',
        '{"type": "enum", "name": "E", "symbols": ["A", "A"]}',
        '{"type": "enum", "name": "E", "symbols": [1]}',
        '{"type": "fixed", "name": "F", "size": "x"}',
        '{"type": {"a": {"b": 1}}}',
        '{"type": [{"type": {"a": 1}, "x": 2}]}',
        '"\ud800"',
        "[" * 5000 + "]" * 5000,
        '{"type": "array", "items": ' * 80 + '"int"' + "}" * 80,
        '"' + "a" * 500_001 + '"',
        with_field("int", default="x"),
        with_field("int", default=2**31),
        with_field("int", default=True),
        with_field("string", default=None),
        with_field(["null", "int"], default="x"),
        with_field(ENUM, default="C"),
        with_field({"type": "array", "items": "int"}, default=["x"]),
        with_field({"type": "fixed", "name": "F", "size": 2}, default="a"),
    ],
)
def test_invalid(text: str) -> None:
    with pytest.raises(InvalidSchema) as refused:
        parse(text)
    reason = refused.value.facts["reason"]
    assert isinstance(reason, Text | str)
    assert len(str(reason)) < 1000


def test_a_reference_brings_its_types() -> None:
    with pytest.raises(InvalidSchema):
        parse(with_field("a.Address"))
    address = '{"type": "record", "name": "Address", "namespace": "a", "fields": []}'
    assert parse(with_field("a.Address"), (address,)).normal["fields"][0]["type"] == "a.Address"


SAME = '{"type": "record", "name": "R", "fields": [{"name": "f", "type": "int"}]}'


@pytest.mark.parametrize(
    ("other", "same"),
    [
        ('{ "name":"R",  "fields":[{"type":"int","name":"f"}],"type":"record"}', True),
        ('{"type": "record", "name": "R", "fields": [{"name": "f", "type": {"type": "int"}}]}', True),
        ('{"type": "record", "name": "R", "fields": [{"name": "f", "type": "int", "doc": "x"}]}', False),
        ('{"type": "record", "name": "a.R", "fields": [{"name": "f", "type": "int"}]}', False),
    ],
)
def test_blanks_and_order_make_no_other_schema(other: str, same: bool) -> None:
    assert (fingerprint(json.loads(other)) == fingerprint(json.loads(SAME))) is same


def test_normalising_names_in_full_and_orders() -> None:
    loose = {"fields": [{"type": "Y", "name": "f", "doc": "d"}], "namespace": "a", "name": "X", "type": "record",
             "aliases": ["Old"]}  # fmt: skip
    full = {"type": "record", "name": "a.X", "aliases": ["a.Old"], "fields": [{"type": "a.Y", "name": "f", "doc": "d"}]}
    assert json.dumps(normalised(loose)) == json.dumps(full)
    assert normalised(normalised(loose)) == full
    assert layout(full) == {"type": "record", "name": "a.X", "fields": [{"name": "f", "type": "a.Y"}]}


def test_what_bytes_depend_on_is_layout() -> None:
    money = {"type": "bytes", "logicalType": "decimal", "precision": 18, "scale": 2}
    kept = normalised({**R, "fields": [{"name": "f", "type": ["null", money], "default": None, "doc": "金额"}]})
    assert layout(kept)["fields"] == [{"name": "f", "type": ["null", money], "default": None}]
