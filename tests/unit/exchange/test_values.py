"""What each item type reads, and what it refuses."""

from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum.cn import ric

from exchange.errors import BadRecord
from exchange.items import Check, Item, ItemType, problems
from exchange.values import check_row, check_value, parse


def item(kind: str, **more: object) -> Item:
    return Item(name="x", label="某项", type=ItemType(kind), **more)  # type: ignore[arg-type] # facts of many types


@pytest.mark.parametrize(
    ("kind", "more", "text", "value"),
    [
        ("C", {"length": 4}, "东华门街", "东华门街"),
        ("N", {"length": 6}, "000123", 123),
        ("N", {"length": 10, "scale": 2}, "12.50", Decimal("12.50")),
        ("N", {"length": 20}, "12345678901234567890", Decimal(12345678901234567890)),
        ("Y", {}, "-0.0001", Decimal("-0.0001")),
        ("D", {}, "2024-02-29", date(2024, 2, 29)),
        ("D", {}, "20240229", date(2024, 2, 29)),
        ("D", {}, "2024/02/29", date(2024, 2, 29)),
        ("T", {}, "2024-01-31 08:30:00", datetime(2024, 1, 31, 0, 30, tzinfo=UTC)),
        ("T", {}, "2024-01-31T08:30:00+00:00", datetime(2024, 1, 31, 8, 30, tzinfo=UTC)),
        ("L", {}, "是", True),
        ("L", {}, "0", False),
        ("G", {}, "00ff", b"\x00\xff"),
        ("B", {}, "1e3", 1000.0),
        ("I", {}, "-7", -7),
    ],
)
def test_reads_and_accepts(kind: str, more: dict[str, object], text: str, value: object) -> None:
    it = item(kind, **more)
    found = parse(it, text)
    assert found == value
    assert type(found) is type(value)
    check_row([it], (found,))


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("N", "12a"), ("N", "1_000"), ("N", "１２.５x"), ("Y", "NaN"), ("Y", "Infinity"), ("D", "2023-02-29"),
        ("D", "0000-00-00"), ("D", "2024-1"), ("D", "20241301"), ("T", "yesterday"), ("T", "2024-01-31T25:00"),
        ("T", "0001-01-01T00:00:00"), ("T", "9999-12-31T23:59:59-08:00"),
        ("L", "maybe"), ("G", "zz"), ("B", "1_0"), ("I", "1.5"),
    ],
)  # fmt: skip
def test_refuses_text(kind: str, text: str) -> None:
    with pytest.raises(BadRecord) as caught:
        parse(item(kind), text)
    assert caught.value.item == "x"
    assert text not in str(caught.value), "a value may be personal data: it is not part of the message"


@pytest.mark.parametrize(
    ("it", "value", "rule"),
    [
        (item("C", length=3), "四个汉字", "length"),
        (item("C", length=3), "a\x00", "nul"),
        (item("C", length=3), "\ud800", "unicode"),
        (item("C", length=3), 5, "type_C"),
        (item("C", length=3, primary_key=True), "", "required"),
        (item("C", length=3, required=True), None, "required"),
        (item("N", length=3), 1000, "range"),
        (item("N", length=3), True, "type_N"),
        (item("N", length=5, scale=2), Decimal("1.005"), "range"),
        (item("N", length=5, scale=2), Decimal(1000), "range"),
        (item("I"), 2**63, "range"),
        (item("D"), datetime(2024, 1, 1, tzinfo=UTC), "type_D"),
        (item("T"), datetime(2024, 1, 1), "type_T"),  # noqa: DTZ001 - the missing zone is the point
        (item("L"), 1, "type_L"),
        (item("C", length=18, check=Check.CITIZEN_ID), "440604190101010015", "check_citizen_id"),
        (item("C", length=18, check=Check.CITIZEN_ID), "440300190002290012", "check_citizen_id"),
        (item("C", length=18, check=Check.USCC), "91440000MA00DEM14H", "check_uscc"),
    ],
)
def test_refuses_values(it: Item, value: object, rule: str) -> None:
    with pytest.raises(BadRecord) as caught:
        check_row([it], (value,))  # type: ignore[arg-type] # wrong types are the point
    assert caught.value.rule == rule


KINDS = [
    item("C", length=3), item("C", length=18, check=Check.CITIZEN_ID), item("C", length=17, check=Check.CITIZEN_ID),
    item("C", length=18, check=Check.USCC), item("M"), item("N", length=3), item("N", length=5, scale=2),
    item("N", length=2, scale=2), item("N", length=20), item("Y"), item("I"), item("D"), item("T"), item("L"),
    item("G"), item("B"),
]  # fmt: skip
VALUES: st.SearchStrategy[object] = (
    st.none() | st.booleans() | st.integers() | st.integers(-1100, 1100) | st.floats() | st.binary(max_size=3)
    | st.decimals() | st.decimals(-1100, 1100, places=2) | st.decimals(-1, 1, places=4) | st.dates() | st.datetimes()
    | st.datetimes(timezones=st.just(UTC)) | st.text(max_size=4)
    | st.sampled_from(["44010018991231001X", "440604190101010014", "440604190101010015", "91440000MA00DEM14G"])
)  # fmt: skip


@given(st.sampled_from(KINDS), st.sampled_from([{}, {"required": True}, {"primary_key": True}]), VALUES)
def test_the_quick_question_says_no_more_than_the_thorough_one(
    kind: Item, more: dict[str, bool], value: object
) -> None:
    it = replace(kind, **more)  # type: ignore[arg-type] # facts of one type
    assert rule_of(lambda: check_row([it], (value,))) == rule_of(lambda: check_value(it, value))  # type: ignore[arg-type]


def rule_of(judge: Callable[[], object]) -> str | None:
    """The rule that is broken."""
    try:
        judge()
    except BadRecord as exc:
        return exc.rule
    return None


@pytest.mark.parametrize("number", ["44010018991231001X", "440604190101010014", "441900189901010024"])
def test_synthetic_citizen_ids_pass(number: str) -> None:
    check_row([item("C", length=18, check=Check.CITIZEN_ID)], (number,))


@given(
    st.from_regex(r"[0-9]{6}(18|19|20)[0-9]{2}(0[0-9]|1[0-3])[0-3][0-9]{4}", fullmatch=True),
    st.sampled_from("0123456789Xx"),
)
def test_citizen_ids_are_judged_as_stdnum_judges_them(digits: str, last: str) -> None:
    with suppress(ValueError):
        date(int(digits[6:10]), int(digits[10:12]), int(digits[12:14]))
        for number in (digits + last, digits + ric.calc_check_digit(digits + "0")):
            right = number[-1] == ric.calc_check_digit(number)
            with nullcontext() if right else pytest.raises(BadRecord):
                check_row([item("C", length=18, check=Check.CITIZEN_ID)], (number,))


@pytest.mark.parametrize("code", ["91440000MA00DEM14G", "114401000000000199", "52440604MJ00DEM25Y"])
def test_synthetic_credit_codes_pass(code: str) -> None:
    check_row([item("C", length=18, check=Check.USCC)], (code,))


def test_a_definition_without_a_key_or_with_twins_is_named() -> None:
    twin = Item("a", "甲", ItemType.TEXT, length=5)
    found = problems([twin, twin, Item("B", "乙", ItemType.DOUBLE, primary_key=True)])
    assert [line for line in found if "named twice" in line]
    assert [line for line in found if line.startswith("B: a name is")]
    assert [line for line in found if "cannot be a primary key" in line]
    assert any("no item is the primary key" in line for line in problems([twin]))
