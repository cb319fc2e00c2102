"""Codes, tables, words, differences and freshness as pure values."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest

from registry.catalogue import codes, diff, resource_code
from registry.catalogue.domain import (
    OLDEST,
    Freshness,
    Lifecycle,
    Shown,
    UpdateCycle,
    check_step,
    freshness,
    shown,
)
from registry.catalogue.entry import DETAILS
from registry.catalogue.sheets.columns import COLUMNS, column_of, letter
from registry.catalogue.words import label_key, label_keys, terms_of, words_of
from registry.errors import Invalid, WrongState

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def test_a_code_is_read_by_the_table() -> None:
    code = resource_code.parse("307019440604/000001")
    assert code.parts == {"class": "3", "item": "07", "category": "019", "detail": "440604"}
    assert (code.classification, code.sequence, str(code)) == ("307019440604", 1, "307019440604/000001")
    assert resource_code.parse("101000/000001").parts["detail"] == ""
    assert resource_code.write(resource_code.filled("101"), 7) == "101000/000007"


@pytest.mark.parametrize(
    "wrong",
    ["407440/000001", "3074/000001", "307440000", "307440000/1", "307440000/0000001", "３07440/000001", "a", ""],
)
def test_what_is_no_code_is_refused(wrong: str) -> None:
    with pytest.raises(Invalid):
        resource_code.parse(wrong)


def test_a_full_class_is_said() -> None:
    assert resource_code.write("307000", 999_999) == "307000/999999"
    with pytest.raises(Invalid, match=r"used up|用尽"):
        resource_code.write("307000", 1_000_000)


def test_every_code_is_named_in_both_languages() -> None:
    for table in codes.tables().values():
        assert len({code.code for code in table.codes}) == len(table.codes) > 1
        for text in (table.label, *(code.label for code in table.codes)):
            assert text.en, table.name
            assert text.zh, table.name
    assert {code.code for code in codes.table("update_cycle").codes} == {cycle.value for cycle in UpdateCycle}
    assert {code.code for code in codes.table("lifecycle").codes} == {state.value for state in Shown}
    assert {code.code for code in codes.table("freshness").codes} == {each.value for each in Freshness}
    kinds = {code.code for code in codes.table("format_kind").codes}
    assert {code.of for code in codes.table("format_type").codes} <= kinds | {None}


def test_a_code_is_found_by_its_label() -> None:
    table = codes.table("sharing_type")
    assert [found.code for word in ("2", "有条件共享", "Conditional ") if (found := table.find(word))] == ["2"] * 3
    assert codes.check("format_type", "mysql", of="database") == "mysql"
    assert codes.check("format_type", "other", of="image") == "other", "what belongs to none belongs to all"
    with pytest.raises(Invalid):
        codes.check("format_type", "mysql", of="image")


def test_freshness_by_cycle() -> None:
    for cycle in UpdateCycle:
        assert freshness(cycle, None, NOW) is Freshness.NEVER
    assert freshness(UpdateCycle.IRREGULAR, NOW, NOW) is Freshness.UNBOUND
    for cycle, oldest in OLDEST.items():
        assert freshness(cycle, NOW - oldest, NOW) is Freshness.FRESH
        assert freshness(cycle, NOW - oldest - timedelta(seconds=1), NOW) is Freshness.STALE


def test_the_life_of_a_resource() -> None:
    life = [Lifecycle.DRAFT, Lifecycle.SUBMITTED, Lifecycle.PUBLISHED, Lifecycle.PUBLISHED, Lifecycle.WITHDRAWN]
    for now, then in itertools.pairwise(life):
        check_step(now, then)
    check_step(Lifecycle.SUBMITTED, Lifecycle.DRAFT)
    check_step(Lifecycle.DRAFT, Lifecycle.PUBLISHED)
    for then in Lifecycle:
        with pytest.raises(WrongState):
            check_step(Lifecycle.WITHDRAWN, then)
    with pytest.raises(WrongState):
        check_step(Lifecycle.PUBLISHED, Lifecycle.DRAFT)
    assert shown(Lifecycle.PUBLISHED, NOW) is Shown.CHANGED
    assert shown(Lifecycle.PUBLISHED, None) is Shown.PUBLISHED
    assert shown(Lifecycle.DRAFT, None) is Shown.DRAFT


def test_words_and_labels_have_one_form() -> None:
    assert words_of(["ＡＢＣ", None, "人口"]) == "abc\n人口"
    assert terms_of(" 人口　户籍\x00 人口 ") == ["人口", "户籍"]
    assert label_key("身份证号（必填）") != label_key("身份证号")
    assert label_key(" 身份证号 ") == label_key("公民身份号码") == "公民身份号码"
    assert label_key("更新时间") is None
    assert label_keys(["姓名", "人员姓名", "备注"]) == {"姓名"}


def test_all_details_are_compared_and_written() -> None:
    assert set(DETAILS) == set(diff.NAMES), "a new detail needs its name"
    assert set(DETAILS) <= {column.field for column in COLUMNS if not column.of_item}, "and its column"


def test_equal_versions_have_no_difference() -> None:
    side = ({"name": "甲"}, [{"name": "a", "label": "甲", "type": "C"}])
    assert diff.differences(side, side) == []


def test_columns_are_found_by_either_header() -> None:
    for column in COLUMNS:
        assert column_of(f" {column.label.zh}* ") is column
        assert column_of(column.label.en.upper()) is column
    assert (letter(0), letter(25), letter(26), letter(701), letter(702)) == ("A", "Z", "AA", "ZZ", "AAA")
