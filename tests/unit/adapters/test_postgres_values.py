"""A batch that is made column by column is what its rows are one by one, whatever stands in them."""

from __future__ import annotations

from datetime import UTC
from typing import Any

import pyarrow
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.postgres_columns import ColumnReader, are_citizen_ids
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
from exchange.avro import record_schema
from exchange.column_encoder import make_row_encoder
from exchange.errors import BadRecord
from exchange.items import Check, Item, ItemType, KeyCodec, Row
from exchange.values import CITIZEN_ID_CHECK, CITIZEN_ID_WEIGHTS, HAS_CHECK_CHARACTER
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
SCHEMA = record_schema("x", ITEMS)
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


def columns() -> ColumnReader:
    found = ColumnReader(SCHEMA, ITEMS, KINDS)
    assert found.readable
    return found


def is_right(fields: tuple[str | None, ...]) -> bool:
    """Whether a row passes, and has nothing that only the reader of rows reads."""
    try:
        reader().row(fields)
    except BadRecord:
        return False
    return fields[1] != ""


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
    quick = columns().rows(copied(texts))
    assert quick is None or (list(quick) == rows and not faults), "by column: all rows, or none"


@given(st.lists(ROWS.filter(is_right), min_size=1, max_size=8))
def test_a_batch_of_right_rows_is_read_by_column(texts: list[tuple[str | None, ...]]) -> None:
    quick = columns().rows(copied(texts))
    assert quick is not None
    rows = [reader().row(fields) for fields in texts]
    assert list(quick) == rows == [quick[at] for at in range(len(rows))] == quick[:]
    assert quick.records() == (list(map(KeyCodec(ITEMS).encode, rows)), make_row_encoder(SCHEMA)(rows))


@pytest.mark.parametrize("escaped", ["a\\tb", "a\\\\b", "\\\\N", "a\\nb"])
def test_escapes_are_left_to_the_reader_of_rows(escaped: str) -> None:
    line = f"{RIGHT[0]}\t\\N\t{escaped}\t\\N\t\\N\t\\N\t\\N\n".encode()
    assert columns().rows(line) is None
    rows, rejects = reader().batch(line)
    assert [len(str(row[2])) for row in rows] == [len(escaped) - 1]
    assert rejects == []


def test_a_first_value_that_begins_with_a_byte_order_mark_keeps_it() -> None:
    items = (Item("id", "编号", ItemType.TEXT, length=9, primary_key=True),)
    kinds = (ColumnKind(TEXT_OID, -1),)
    data = "\ufeffa\nb\n".encode()
    quick = ColumnReader(record_schema("x", items), items, kinds).rows(data)
    rows, _ = RowReader("t", items, ["id"], kinds, UTC).batch(data)
    assert rows == [("\ufeffa",), ("b",)]
    assert quick is None or list(quick) == rows


@given(st.text(st.sampled_from("0123456789Xx１ "), min_size=17, max_size=19) | st.sampled_from([*RIGHT, *WRONG]))
def test_citizen_ids_are_judged_by_column_as_one_by_one(text: str) -> None:
    right = HAS_CHECK_CHARACTER[Check.CITIZEN_ID]
    for texts in ([text], [RIGHT[0], text], [text, RIGHT[1]]):
        array = pyarrow.array(["before", *texts])
        assert are_citizen_ids(array[1:]) == all(map(right, texts))


@given(st.sampled_from(["00000229", "19000229", "20000229", "20010229", "20231301", "20230431", "20231232"]))
def test_birth_dates_are_judged_by_column_as_one_by_one(born: str) -> None:
    digits = f"440100{born}001"
    total = sum(int(digit) * weight for digit, weight in zip(digits, CITIZEN_ID_WEIGHTS, strict=True))
    code = digits + CITIZEN_ID_CHECK[total % 11]
    assert are_citizen_ids(pyarrow.array([code])) == HAS_CHECK_CHARACTER[Check.CITIZEN_ID](code)


def copied(texts: list[tuple[str | None, ...]]) -> bytes:
    """The rows as COPY … TO STDOUT writes them."""
    return "".join("\t".join("\\N" if text is None else text for text in row) + "\n" for row in texts).encode()


def test_a_wrong_check_character_is_found_among_right_ones() -> None:
    good: list[Any] = [None, "张三", "2001-02-03", None, None, None]
    rows, rejects = reader().rows([(RIGHT[0], *good), (WRONG[0], *good), (RIGHT[1], *good)])
    assert [row[0] for row in rows] == RIGHT[:2]
    assert [reject.rule for reject in rejects] == ["check_citizen_id"]
