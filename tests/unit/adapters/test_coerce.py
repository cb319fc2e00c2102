from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.coerce import LARGEST_ROW, as_text, coerce, exact, key_of, size_checker, text_reader
from exchange.errors import BadRecord
from exchange.items import Item, ItemType, Value
from exchange.values import check_row, parse

CHINA = ZoneInfo("Asia/Shanghai")


def item(kind: ItemType, **more: Any) -> Item:
    return Item("x", "某项", kind, **more)


@pytest.mark.parametrize(
    ("target", "found", "value"),
    [
        (item(ItemType.TEXT), 12, "12"),
        (item(ItemType.TEXT), UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (item(ItemType.NUMBER, length=10, scale=2), 1.5, Decimal("1.50")),
        (item(ItemType.NUMBER, length=10, scale=2), 2, Decimal("2.00")),
        (item(ItemType.NUMBER, length=10, scale=2), "12.5", Decimal("12.50")),
        (item(ItemType.NUMBER, length=10), Decimal("12.00"), 12),
        (item(ItemType.DATE), datetime(2024, 1, 31), date(2024, 1, 31)),  # noqa: DTZ001 - what drivers give
        (item(ItemType.DATE), "2024-01-31", date(2024, 1, 31)),
        (item(ItemType.INSTANT), datetime(2024, 1, 31, 8), datetime(2024, 1, 31, tzinfo=UTC)),  # noqa: DTZ001
        (item(ItemType.INSTANT), "2024-01-31 08:00:00", datetime(2024, 1, 31, tzinfo=UTC)),
        (item(ItemType.LOGICAL), 1, True),
        (item(ItemType.BINARY), memoryview(b"ab"), b"ab"),
        (item(ItemType.DOUBLE), Decimal("1.5"), 1.5),
        (item(ItemType.INTEGER), 3.0, 3),
        (item(ItemType.DATE), None, None),
    ],
)
def test_what_drivers_give_becomes_the_items_value(target: Item, found: Any, value: Value) -> None:
    made = coerce(target, found, CHINA)
    assert made == value
    assert type(made) is type(value)
    assert str(made) == str(value)


@pytest.mark.parametrize(
    ("target", "found"),
    [
        (item(ItemType.DATE), datetime(2024, 1, 31, 8)),  # noqa: DTZ001 - the time would be lost
        (item(ItemType.DATE), 20240131),
        (item(ItemType.INTEGER), 1.5),
        (item(ItemType.LOGICAL), 2),
        (item(ItemType.TEXT), b"ab"),
        (item(ItemType.NUMBER, length=5), True),
    ],
)
def test_what_would_lose_something_is_rejected(target: Item, found: Any) -> None:
    with pytest.raises(BadRecord):
        coerce(target, found, CHINA)


DIGITS = st.from_regex(r" ?-?[0-9]{0,4}(\.[0-9]{0,5})?(e-?[0-9]{1,3})?_?|NaN|-Infinity|sNaN", fullmatch=True)
DATES = st.from_regex(r" ?[0-9]{4}[-/]?[01][0-9][-/]?[0-3][0-9]([ T/][0-2][0-9]:[0-5][0-9](:00)?(Z|[+-]0[0-9]:00)?)? ?")


@given(
    st.sampled_from(
        [
            item(ItemType.NUMBER, length=5, scale=2), item(ItemType.NUMBER, length=38), item(ItemType.MONEY),
            item(ItemType.NUMBER, length=5), item(ItemType.DATE), item(ItemType.INSTANT),
        ]
    ),
    DIGITS | DATES | st.text(max_size=12),
)  # fmt: skip
def test_what_is_read_at_once_is_what_is_read_thoroughly(target: Item, text: str) -> None:
    read = text_reader(target, CHINA)
    assert told(lambda: read(text)) == told(lambda: exact(target, parse(target, text, CHINA)))


def told(read: Callable[[], Value]) -> tuple[str, ...]:
    """The value with its type, or the rule that is broken."""
    try:
        value = read()
    except BadRecord as exc:
        return (exc.rule,)
    return type(value).__name__, str(value)


@pytest.mark.parametrize("found", [datetime(1, 1, 1), datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-8)))])  # noqa: DTZ001
def test_an_instant_before_the_first_or_after_the_last_year_is_rejected(found: datetime) -> None:
    with pytest.raises(BadRecord):
        coerce(item(ItemType.INSTANT), found, CHINA)


def test_a_key_is_readable_when_other_values_are_not() -> None:
    items = (Item("id", "编号", ItemType.TEXT, length=5, primary_key=True), item(ItemType.DATE))
    assert key_of(items, ("a", None)) == b"a"
    assert key_of(items, (None, None)) is None
    assert key_of(items, ("too long", None)) is None


@pytest.mark.parametrize("found", ["123456789012345678901234567890123456.78", "-0.01", "1" + "0" * 35])
def test_a_decimal_of_38_digits_keeps_each_of_them(found: str) -> None:
    target = item(ItemType.NUMBER, length=38, scale=2)
    made = coerce(target, Decimal(found), CHINA)
    check_row([target], (made,))
    assert made == Decimal(found)


@pytest.mark.parametrize("found", ["1.001", "1." + "0" * 40 + "1", "1" + "0" * 36, "0." + "0" * 300 + "1", "1e37"])
def test_a_decimal_beyond_its_precision_is_rejected_whatever_its_length(found: str) -> None:
    target = item(ItemType.NUMBER, length=38, scale=2)
    with pytest.raises(BadRecord):
        check_row([target], (coerce(target, Decimal(found), CHINA),))


def test_the_size_of_a_row_counts_bytes() -> None:
    check = size_checker([item(ItemType.MEMO), item(ItemType.BINARY), item(ItemType.DATE)])
    assert check is not None
    check(("x" * (LARGEST_ROW - 1000), None, None))
    check((None, None, None))
    for row in (
        ("数" * (LARGEST_ROW // 3), None, None),
        ("x" * LARGEST_ROW, b"", None),
        ("x", b"x" * LARGEST_ROW, None),
    ):
        with pytest.raises(BadRecord, match="bytes"):
            check(row)


def test_rows_that_cannot_be_large_are_not_measured() -> None:
    assert size_checker([item(ItemType.TEXT, length=1000), item(ItemType.NUMBER, length=38)]) is None
    assert size_checker([item(ItemType.TEXT, length=LARGEST_ROW)]) is not None


def test_a_huge_record_is_kept_by_its_beginnings() -> None:
    items = (Item("id", "编号", ItemType.TEXT, length=5), item(ItemType.MEMO), Item("g", "通用", ItemType.BINARY))
    kept = as_text(items, ("a", "数" * 300_000, b"x" * 2000))
    assert len(kept) < 5000
    assert "(300000)" in kept
    assert as_text(items[:2], ("a", "数" * 3000)).count("数") == 3000, "one that is not huge is kept whole"
