"""Every row that passes the checks survives the wire; foreign bytes are refused; keys come back."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime
from decimal import Decimal
from io import BytesIO
from typing import Any

import pyarrow
import pytest
from fastavro import parse_schema, schemaless_reader, schemaless_writer
from hypothesis import given
from hypothesis import strategies as st

from exchange.arrow_changes import ArrowChanges, ChangeReader
from exchange.arrow_rows import ArrowRecords, ArrowRows
from exchange.avro import record_schema
from exchange.codec import BadWire, RecordCodec
from exchange.column_encoder import make_row_encoder
from exchange.contract import Contract
from exchange.decoder import FAULTS, make_decoder
from exchange.encoder import long, make_encoder, small
from exchange.items import Item, ItemType, KeyCodec, Row
from exchange.values import check_row, parse
from tests.support.records import taken

ITEMS = (
    Item("id", "编号", ItemType.TEXT, length=20, primary_key=True),
    Item("part", "序号", ItemType.NUMBER, length=6, primary_key=True),
    Item("born", "日期", ItemType.DATE, primary_key=True),
    Item("amount", "金额", ItemType.MONEY),
    Item("area", "面积", ItemType.NUMBER, length=16, scale=2),
    Item("seen", "时间", ItemType.INSTANT, required=True),
    Item("valid", "有效", ItemType.LOGICAL),
    Item("memo", "备注", ItemType.MEMO),
    Item("photo", "照片", ItemType.BINARY),
    Item("score", "分数", ItemType.DOUBLE),
    Item("size", "数量", ItemType.INTEGER),
)
SCHEMA = record_schema("307440000-000001", ITEMS)


def no_other(schema_id: int) -> dict[str, Any]:
    raise AssertionError(f"schema {schema_id} asked for")


def text(size: int) -> st.SearchStrategy[str]:
    return st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=size)


def decimals(digits: int, scale: int) -> st.SearchStrategy[Decimal]:
    return st.integers(-(10**digits) + 1, 10**digits - 1).map(lambda n: Decimal(n).scaleb(-scale))


ROWS = st.tuples(
    text(20).filter(bool),
    st.integers(-999_999, 999_999),
    st.dates(),
    st.none() | decimals(20, 4),
    st.none() | decimals(16, 2),
    st.datetimes(timezones=st.just(UTC)),
    st.none() | st.booleans(),
    st.none() | text(50),
    st.none() | st.binary(max_size=50),
    st.none() | st.floats(allow_nan=False),
    st.none() | st.integers(-(2**63), 2**63 - 1),
)


@given(ROWS)
def test_rows_survive_the_wire(row: Row) -> None:
    check_row(ITEMS, row)
    codec = RecordCodec(SCHEMA, 7, no_other)
    assert codec.decode(codec.header + codec.encode(row)) == row


@given(ROWS)
def test_keys_come_back(row: Row) -> None:
    keys = KeyCodec(ITEMS)
    assert keys.decode(keys.encode(row), parse) == row[:3]


@given(text(20).filter(bool), text(20).filter(bool))
def test_keys_of_two_parts_never_meet(one: str, other: str) -> None:
    items = (ITEMS[0], Item("b", "乙", ItemType.TEXT, length=40, primary_key=True))
    keys = KeyCodec(items)
    assert (keys.encode((one, other)) == keys.encode((other, one))) == (one == other)


def test_the_header_is_confluents() -> None:
    codec = RecordCodec(SCHEMA, 258, no_other)
    assert codec.header == b"\x00\x00\x00\x01\x02"


@given(st.binary(max_size=60))
def test_foreign_bytes_are_refused_or_read_but_never_break(data: bytes) -> None:
    codec = RecordCodec(SCHEMA, 7, no_other)
    for value in (data, codec.header + data):
        if value[:5] != codec.header and value[:1] == b"\x00" and len(value) >= 5:
            continue  # another schema's id: the registry would be asked
        try:
            row = codec.decode(value)
        except BadWire:
            continue
        assert len(row) == len(ITEMS)


def test_an_older_version_is_read_with_its_own_schema() -> None:
    older = ITEMS[:6]
    old = RecordCodec(record_schema("307440000-000001", older), 1, no_other)
    row: Row = ("k", 1, date(2024, 1, 1), None, None, datetime(2024, 1, 1, tzinfo=UTC))
    schemas = {1: record_schema("307440000-000001", older)}
    new = RecordCodec(SCHEMA, 2, schemas.__getitem__)
    assert new.decode(old.header + old.encode(row)) == (*row, None, None, None, None, None)


def test_a_truncated_record_is_refused() -> None:
    codec = RecordCodec(SCHEMA, 7, no_other)
    row: Row = ("k", 1, date(2024, 1, 1), None, None, datetime(2024, 1, 1, tzinfo=UTC), *[None] * 5)
    whole = codec.header + codec.encode(row)
    with pytest.raises(BadWire):
        codec.decode(whole[:-1])
    with pytest.raises(BadWire):
        codec.decode(whole + b"\x00")


@given(ROWS)
def test_the_generated_encoder_writes_what_fastavro_writes(row: Row) -> None:
    out = BytesIO()
    schemaless_writer(out, parse_schema(SCHEMA), dict(zip([item.name for item in ITEMS], row, strict=True)))
    assert make_encoder(SCHEMA)(row) == out.getvalue()
    assert make_row_encoder(SCHEMA)([row, row]) == [out.getvalue()] * 2


@given(st.lists(ROWS, min_size=1, max_size=5))
def test_columns_are_written_as_their_rows_are(rows: list[Row]) -> None:
    records = ArrowRecords(SCHEMA, ITEMS)
    columns = [pyarrow.array(values, kind) for values, kind in zip(zip(*rows, strict=True), records.types, strict=True)]
    for at in range(len(rows)):
        part = ArrowRows(records, [column[at:] for column in columns])
        assert part.records() == (list(map(KeyCodec(ITEMS).encode, rows[at:])), make_row_encoder(SCHEMA)(rows[at:]))
        assert list(part) == rows[at:]


@given(st.lists(ROWS, min_size=1, max_size=5))
def test_columns_are_read_as_their_rows_are(rows: list[Row]) -> None:
    found = changes_of(SCHEMA, ITEMS, make_row_encoder(SCHEMA)(rows))
    if found is not None:
        assert [row for _, row in found] == rows


@given(st.lists(ROWS, min_size=1, max_size=3), st.integers(0), st.integers(0), st.integers(0, 255))
def test_a_changed_byte_is_read_by_column_as_by_row_or_not_at_all(
    rows: list[Row], which: int, at: int, byte: int
) -> None:
    data = [bytearray(datum) for datum in make_row_encoder(SCHEMA)(rows)]
    broken = data[which % len(data)]
    broken[at % len(broken)] = byte
    found = changes_of(SCHEMA, ITEMS, map(bytes, data))
    if found is not None:
        decode = make_decoder(SCHEMA)
        assert repr([values(row) for _, row in found]) == repr([values(decode(bytes(datum), 0)) for datum in data])


def values(row: Row | None) -> list[Any]:
    assert row is not None
    return [value.isoformat() if isinstance(value, datetime) else value for value in row]


USUAL = st.lists(ROWS.filter(lambda row: all(abs(row[at] or 0) < 10**12 for at in (3, 4))), min_size=1)


@given(USUAL)
def test_usual_rows_are_read_by_column(rows: list[Row]) -> None:
    assert changes_of(SCHEMA, ITEMS, make_row_encoder(SCHEMA)(rows)) is not None


def test_the_last_change_of_a_key_stands() -> None:
    items = (Item("id", "编号", ItemType.TEXT, length=20, primary_key=True), Item("n", "数", ItemType.INTEGER))
    schema = record_schema("x", items)
    data = make_row_encoder(schema)([("a", 1), ("b", 2), ("a", 3), ("c", 4)])
    found = changes_of(schema, items, [data[0], data[1], None, data[2], data[3], None], list("abbacc"))
    assert found is not None
    assert list(found) == [
        (b"a", ("a", 1)),
        (b"b", ("b", 2)),
        (b"b", None),
        (b"a", ("a", 3)),
        (b"c", ("c", 4)),
        (b"c", None),
    ]
    gone, rows = found.latest()
    assert (gone, list(rows)) == ([b"b", b"c"], [("a", 3)])
    assert found[3] == (b"a", ("a", 3))


def changes_of(
    schema: dict[str, Any], items: tuple[Item, ...], data: Iterable[bytes | None], keys: Sequence[str] = ()
) -> ArrowChanges | None:
    contract = Contract("x", "题", 1, "t", "t.rejects", 7, schema, items, may_read=True, may_write=False)
    header = RecordCodec(schema, 7, no_other).header
    values = [None if datum is None else header + datum for datum in data]
    given = [key.encode() for key in keys] if keys else [b"%d" % at for at in range(len(values))]
    return ChangeReader(contract).read(taken(given, values))


def test_long_texts_are_written_by_column_too() -> None:
    items = (Item("id", "编号", ItemType.TEXT, length=20, primary_key=True), Item("memo", "备注", ItemType.MEMO))
    records = ArrowRecords(record_schema("x", items), items)
    rows: list[Row] = [("a", "中" * 5000), ("b", None), ("c", "")]
    columns = [pyarrow.array(values) for values in zip(*rows, strict=True)]
    assert ArrowRows(records, columns).records()[1] == make_row_encoder(record_schema("x", items))(rows)


@given(st.integers(-(2**63), 2**63 - 1))
def test_each_long_is_written_as_fastavro_writes_it(number: int) -> None:
    out = BytesIO()
    schemaless_writer(out, "long", number)
    assert long(number) == small(number) == out.getvalue()


@given(ROWS)
def test_the_generated_decoder_reads_what_fastavro_reads(row: Row) -> None:
    datum = make_encoder(SCHEMA)(row)
    record = schemaless_reader(BytesIO(datum), parse_schema(SCHEMA))
    assert isinstance(record, dict)
    found = make_decoder(SCHEMA)(b"head" + datum, 4)
    assert found == tuple(record.values()) == row
    assert [type(value) for value in found] == [type(value) for value in record.values()]


@given(ROWS, st.integers(0, 10_000), st.integers(0, 255))
def test_a_changed_byte_is_refused_or_read_but_never_breaks(row: Row, at: int, byte: int) -> None:
    datum = bytearray(make_encoder(SCHEMA)(row))
    datum[at % len(datum)] = byte
    for data in (bytes(datum), bytes(datum[:-1])):
        with suppress(*FAULTS):
            assert len(make_decoder(SCHEMA)(data, 0)) == len(ITEMS)
