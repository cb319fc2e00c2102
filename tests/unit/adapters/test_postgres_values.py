"""A batch that is made column by column is what its rows are one by one, whatever stands in them."""

from __future__ import annotations

from datetime import UTC
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from adapters.postgres_values import (
    DATE,
    INT4,
    NUMERIC,
    TEXT_OID,
    TIMESTAMPTZ,
    TYPMOD_HEADER,
    VARCHAR,
    ColumnKind,
    RowReader,
)
from exchange.errors import BadRecord
from exchange.items import Check, Item, ItemType, Row
from tests.bench.persons import persons

ITEMS = (
    Item("id", "公民身份号码", ItemType.TEXT, length=18, primary_key=True, check=Check.CITIZEN_ID),
    Item("org", "统一社会信用代码", ItemType.TEXT, length=18, check=Check.USCC),
    Item("name", "姓名", ItemType.TEXT, length=4, required=True),
    Item("born", "出生日期", ItemType.DATE),
    Item("amount", "金额", ItemType.NUMBER, length=6, scale=2),
    Item("count", "次数", ItemType.INTEGER),
    Item("changed", "更新时间", ItemType.INSTANT),
)
KINDS = (
    ColumnKind(VARCHAR, TYPMOD_HEADER + 18),
    ColumnKind(VARCHAR, TYPMOD_HEADER + 20),
    ColumnKind(TEXT_OID, -1),
    ColumnKind(DATE, -1),
    ColumnKind(NUMERIC, -1),
    ColumnKind(INT4, -1),
    ColumnKind(TIMESTAMPTZ, -1),
)
RIGHT = [str(row[0]) for row in persons(5)]
WRONG = [RIGHT[0][:-1] + ("0" if RIGHT[0][-1] != "0" else "1"), RIGHT[0][:17], "１" * 18, "x" * 18]

ids = st.one_of(st.sampled_from(RIGHT), st.sampled_from([*RIGHT, *WRONG, ""]), st.none())
ROWS = st.tuples(
    ids,
    st.one_of(st.none(), st.sampled_from(["91350100M000100Y43", "91350100M000100Y44", "", "9135"])),
    st.sampled_from(["张三", "一二三四", "一二三四五", "", None]),
    st.sampled_from(["2001-02-03", "0001-01-01", None, "infinity", "0044-03-15 BC"]),
    st.sampled_from(["1.50", "9999.99", "10000", "0.001", "NaN", None]),
    st.sampled_from(["1", "-5", None]),
    st.sampled_from(["2024-01-31 08:30:00+00", "2024-01-31 08:30:00.123456+00", "infinity", None]),
)


def reader() -> RowReader:
    return RowReader("t", ITEMS, [item.name for item in ITEMS], KINDS, UTC)


@given(st.lists(ROWS, min_size=1, max_size=8))
def test_a_batch_is_what_its_rows_are_one_by_one(texts: list[tuple[str | None, ...]]) -> None:
    rows: list[Row] = []
    faults: list[tuple[str, str]] = []
    for fields in texts:
        try:
            rows.append(reader().row(fields))
        except BadRecord as exc:
            faults.append((exc.item, exc.rule))
    made, rejects = reader().rows(texts)
    assert (made, [(reject.column, reject.rule) for reject in rejects]) == (rows, faults)
    assert reader().batch(copied(texts))[0] == rows, "as COPY writes it"


def copied(texts: list[tuple[str | None, ...]]) -> bytes:
    """The rows as COPY … TO STDOUT writes them."""
    return "".join("\t".join("\\N" if text is None else text for text in row) + "\n" for row in texts).encode()


def test_a_wrong_check_character_is_found_among_right_ones() -> None:
    good: list[Any] = [None, "张三", "2001-02-03", None, None, None]
    rows, rejects = reader().rows([(RIGHT[0], *good), (WRONG[0], *good), (RIGHT[1], *good)])
    assert [row[0] for row in rows] == RIGHT[:2]
    assert [reject.rule for reject in rejects] == ["check_citizen_id"]
