"""A published resource changes only so that nobody who reads it notices; a refusal names the items."""

from __future__ import annotations

from dataclasses import replace

import pytest

from exchange.items import Item, ItemType
from registry.catalogue.compatibility import check
from registry.errors import Incompatible

ID = Item("id", "编号", ItemType.TEXT, length=20, primary_key=True)
NAME = Item("name", "姓名", ItemType.TEXT, length=50)
AGE = Item("age", "年龄", ItemType.NUMBER, length=3)
AMOUNT = Item("amount", "金额", ItemType.NUMBER, length=18, scale=2)
BORN = Item("born", "出生日期", ItemType.DATE)
OLD = (ID, NAME, AGE, AMOUNT, BORN)


def refused(new: tuple[Item, ...], *old: tuple[Item, ...]) -> tuple[str, ...]:
    try:
        check("r", new, old or (OLD,))
    except Incompatible as exc:
        return exc.items
    return ()


def with_item(item: Item) -> tuple[Item, ...]:
    return tuple(item if old.name == item.name else old for old in OLD)


@pytest.mark.parametrize(
    "new",
    [
        OLD,
        (*OLD, Item("note", "备注", ItemType.MEMO)),
        OLD[:-1],
        (ID, AMOUNT, NAME, BORN, AGE),
        with_item(replace(NAME, label="名称", length=80, sensitivity=4)),
    ],
)
def test_harmless_changes_are_allowed(new: tuple[Item, ...]) -> None:
    assert refused(new) == ()


@pytest.mark.parametrize(
    ("new", "items"),
    [
        ((*OLD, Item("must", "必填", ItemType.TEXT, length=5, required=True)), ("must",)),
        (with_item(replace(NAME, required=True)), ("name",)),
        (with_item(replace(NAME, type=ItemType.BINARY, length=None)), ("name",)),
        (with_item(replace(BORN, type=ItemType.INTEGER)), ("born",)),
        (with_item(replace(BORN, type=ItemType.INSTANT)), ("born",)),
        (with_item(replace(AMOUNT, scale=3)), ("amount",)),
        (with_item(replace(AGE, type=ItemType.INSTANT, length=None)), ("age",)),
        (with_item(replace(NAME, primary_key=True)), ("name",)),
        ((NAME, AGE, AMOUNT, BORN), ("id",)),
        ((*with_item(replace(AGE, type=ItemType.LOGICAL, length=None))[:-1], replace(BORN, required=True)),
         ("age", "born")),
    ],
)  # fmt: skip
def test_a_breaking_change_names_its_items(new: tuple[Item, ...], items: tuple[str, ...]) -> None:
    assert refused(new) == items
    with pytest.raises(Incompatible, match=items[0]):
        check("r", new, [OLD])


def test_all_versions_count_and_not_only_the_last() -> None:
    first = (ID, Item("x", "甲", ItemType.TEXT, length=5))
    second = (ID,)
    third = (ID, Item("x", "甲", ItemType.INTEGER))
    assert refused(third, second) == ()
    assert refused(third, first, second) == ("x",)


def test_the_order_of_a_primary_key_is_part_of_it() -> None:
    a, b = replace(ID, name="a"), replace(ID, name="b")
    assert refused((b, a), (a, b)) == ("b", "a")
