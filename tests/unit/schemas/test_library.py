"""The base libraries that ship: each is a resource as it stands."""

from __future__ import annotations

import json

import avro.schema
import pytest

from exchange.avro import record_schema
from exchange.items import Item, ItemType, Mask, problems
from schemas.library import libraries

MASKED_FROM = 3  # 较敏感: opened to the public after masking only


def items_of(code: str) -> list[Item]:
    return [Item.from_json(item) for item in libraries()[code].items]


def test_the_six_libraries_ship() -> None:
    assert list(libraries()) == ["fr", "hg", "rk", "sc", "xy", "zr"]


@pytest.mark.parametrize("code", libraries())
def test_each_library_has_an_avro_schema(code: str) -> None:
    items = items_of(code)
    assert problems(items) == []
    schema = record_schema(code, items)
    avro.schema.parse(json.dumps(schema))
    assert [field["name"] for field in schema["fields"]] == [item.name for item in items]
    common = ["source_dept", "region_code", "op_time", "op_type", "batch_id", "is_valid"]
    assert [item.name for item in items][-6:] == common
    assert libraries()[code].timestamp_column in common


@pytest.mark.parametrize("code", libraries())
def test_what_is_highly_sensitive_has_a_mask(code: str) -> None:
    assert [item.name for item in items_of(code) if item.sensitivity > MASKED_FROM and item.mask is None] == []


def test_the_population_is_as_the_standard_has_it() -> None:
    by_name = {item.name: item for item in items_of("rk")}
    key = by_name["gmsfhm"]
    assert (key.type, key.length, key.primary_key, key.sensitivity, key.mask) == (
        ItemType.TEXT,
        18,
        True,
        4,
        Mask.ID_NUMBER,
    )
    assert {name: item.mask for name, item in by_name.items() if item.mask} == {
        "gmsfhm": Mask.ID_NUMBER, "xm": Mask.NAME, "csrq": Mask.YEAR, "hjdz": Mask.ADDRESS, "jzdz": Mask.ADDRESS,
        "lxdh": Mask.PHONE,
    }  # fmt: skip
    price = {item.name: item for item in items_of("zr")}["jd"]
    assert price.digits == (10, 7)


def test_an_item_without_the_later_fields_reads_as_before() -> None:
    old = {"name": "a", "label": "甲", "type": "C", "length": 3, "scale": 0, "required": False, "primary_key": True}
    item = Item.from_json({**old, "sensitivity": 1, "check": None})
    assert item.as_json() == {**old, "sensitivity": 1, "check": None}, "and is written as older readers know it"
    assert Item.from_json({**item.as_json(), "mask": "N", "sharing_type": 3}).as_json()["mask"] == "N"
