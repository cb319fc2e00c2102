"""Every format gives the same rows, and every odd file costs itself or one record, and is named."""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from adapters.protocol import Reject
from exchange.items import Item, ItemType
from tests.support.adapters import read_all
from tests.unit.adapters.files import (
    ITEMS,
    Inbox,
    as_avro,
    as_csv,
    as_jsonl,
    as_parquet,
    as_xlsx,
    as_zip,
)

GOOD: list[list[Any]] = [
    ["a", "禅城", "2024-01-31", "12.50"],
    ["b", "越秀", None, "0.01"],
    ["c", None, "2001-02-03", None],
]
ROWS = [
    ("a", "禅城", date(2024, 1, 31), Decimal("12.50")),
    ("b", "越秀", None, Decimal("0.01")),
    ("c", None, date(2001, 2, 3), None),
]
MAKERS: dict[str, Callable[[Any], bytes]] = {
    "csv": as_csv,
    "tsv": lambda records: as_csv(records, "\t"),
    "jsonl": as_jsonl,
    "xlsx": as_xlsx,
    "avro": as_avro,
    "parquet": as_parquet,
}


@pytest.fixture
def inbox(tmp_path: Path) -> Inbox:
    return Inbox(tmp_path)


def rules(rejects: list[Reject]) -> list[tuple[str, int | None, str | None, str]]:
    return [(reject.place, reject.line, reject.column, reject.rule) for reject in rejects]


def only(rejects: list[Reject]) -> Reject:
    assert len(rejects) == 1, rules(rejects)
    return rejects[0]


@pytest.mark.parametrize("packing", ["", ".gz", ".zip"])
@pytest.mark.parametrize("kind", MAKERS)
def test_every_format_in_every_packing_gives_the_same_rows(inbox: Inbox, kind: str, packing: str) -> None:
    data = MAKERS[kind](GOOD)
    packed = {"": lambda: data, ".gz": lambda: gzip.compress(data), ".zip": lambda: as_zip({f"in.{kind}": data})}
    inbox.put(f"people.{kind}{packing}", packed[packing]())
    assert read_all(inbox.source()) == (ROWS, [])


@pytest.mark.parametrize(
    ("encoding", "bom"), [("utf-8", b""), ("utf-8", b"\xef\xbb\xbf"), ("gbk", b""), ("gb18030", b"")]
)
@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_encodings_and_a_bom_read_the_same(inbox: Inbox, kind: str, encoding: str, bom: bytes) -> None:
    inbox.put(f"people.{kind}", bom + MAKERS[kind](GOOD).decode().encode(encoding))
    assert read_all(inbox.source(encoding=encoding)) == (ROWS, [])


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize(
    ("record", "column", "rule"),
    [
        (["x", "name", "0000-00-00", "1"], "born", "type_D"),
        (["x", "name", "2024-01-31", "1.005"], "amount", "range"),
        (["x", "name", "2024-01-31", "123456789.00"], "amount", "range"),
        (["x", "name", "2024-01-31", "1e999999999"], "amount", "range"),
        (["x", "长" * 51, None, "1"], "name", "length"),
        ([None, "name", None, "1"], "id", "required"),
    ],
)
def test_a_bad_record_costs_itself(inbox: Inbox, kind: str, record: list[Any], column: str, rule: str) -> None:
    inbox.put(f"people.{kind}", MAKERS[kind]([GOOD[0], record, GOOD[2]]))
    rows, rejects = read_all(inbox.source())
    assert [row[0] for row in rows] == ["a", "c"]
    reject = only(rejects)
    assert (reject.column, reject.rule, reject.key) == (column, rule, None if record[0] is None else b"x")
    assert reject.line == (3 if kind in {"csv", "tsv", "xlsx"} else 2)


@pytest.mark.parametrize("kind", MAKERS)
def test_a_ten_megabyte_value_is_a_record_too_long(inbox: Inbox, kind: str) -> None:
    if kind == "xlsx":
        pytest.skip("a cell has at most 32,767 characters")
    items = (*ITEMS[:1], Item("name", "名称", ItemType.MEMO), *ITEMS[2:])
    inbox.put(f"people.{kind}", MAKERS[kind]([GOOD[0], ["x", "x" * 10_000_000, None, None], GOOD[2]]))
    rows, rejects = read_all(inbox.source(items=items))
    assert [row[0] for row in rows] == ["a", "c"]
    assert only(rejects).rule == "too_long"
    assert len(only(rejects).raw) <= 16_000


@pytest.mark.parametrize("kind", MAKERS)
def test_an_empty_file_is_named_and_so_is_a_cut_one(inbox: Inbox, kind: str) -> None:
    name = f"people.{kind}"
    inbox.put(name, b"")
    assert rules(read_all(inbox.source())[1]) == [(name, None, None, "empty_file")]
    inbox.put(f"{name}.gz", gzip.compress(MAKERS[kind](GOOD))[:-9])
    assert (read_all(inbox.source())[0], rules(read_all(inbox.source())[1])) == (
        [],
        [(f"{name}.gz", None, None, "damaged")],
    )


@pytest.mark.parametrize("kind", ["xlsx", "xls", "avro", "parquet"])
@pytest.mark.parametrize("damage", ["cut", "nonsense", "flipped"])
def test_a_damaged_file_is_named(inbox: Inbox, kind: str, damage: str) -> None:
    whole = MAKERS[kind](GOOD) if kind in MAKERS else (Path(__file__).parent / "data/people.xls").read_bytes()
    damaged = {
        "cut": whole[: len(whole) // 2],
        "nonsense": b"\x00\xffnonsense" * 100,
        "flipped": whole[:40] + bytes(255 - byte for byte in whole[40:]),
    }
    inbox.put(f"people.{kind}", damaged[damage])
    reject = only(read_all(inbox.source())[1])
    assert (reject.place, reject.rule) == (f"people.{kind}", "damaged")
    assert reject.reason.zh
    assert reject.key is None, "so nothing is taken for deleted"


@pytest.mark.parametrize("kind", MAKERS)
def test_a_column_that_vanished_is_named_with_those_that_are_there(inbox: Inbox, kind: str) -> None:
    inbox.put(f"people.{kind}", MAKERS[kind](GOOD))
    rows, rejects = read_all(inbox.source(items=(*ITEMS, Item("phone", "电话", ItemType.TEXT, length=20))))
    assert rows == []
    assert {reject.rule for reject in rejects} == {"missing_column"}
    assert "phone" in rejects[0].reason.zh or rejects[0].column == "phone"
    assert len(rejects) == (3 if kind == "jsonl" else 1), "each line of JSON has its own keys"


def test_json_keys_may_be_left_out_by_choice(inbox: Inbox) -> None:
    inbox.put("people.jsonl", b'{"id": "a"}\n')
    assert read_all(inbox.source(absent="null"))[0] == [("a", None, None, None)]


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        (b"{", "json"),
        (b"[1]", "json"),
        (b'{"id": "x", "name": NaN, "born": null, "amount": 1}', "json"),
        (b"[" * 100_000, "json"),
        (b'{"id": "x", "name": {"a": 1}, "born": null, "amount": 1}', "type_C"),
        (b'{"id": "x", "name": null, "born": null, "amount": 1e999999999}', "range"),
        ('{"id": "越秀"}'.encode("gbk"), "encoding"),
    ],
)
def test_a_bad_line_of_json_costs_itself(inbox: Inbox, line: bytes, rule: str) -> None:
    inbox.put("people.jsonl", as_jsonl(GOOD[:1]) + line + b"\n" + as_jsonl(GOOD[1:]))
    rows, rejects = read_all(inbox.source())
    assert ([row[0] for row in rows], only(rejects).rule, only(rejects).line) == (["a", "b", "c"], rule, 2)


def test_json_numbers_keep_their_digits(inbox: Inbox) -> None:
    inbox.put("people.jsonl", b'{"id": 7, "name": "n", "born": null, "amount": 1234567.10}\n')
    assert read_all(inbox.source())[0] == [("7", "n", None, Decimal("1234567.10"))]


def test_a_csv_whose_quotes_never_close_loses_one_line(inbox: Inbox) -> None:
    inbox.put("people.csv", b'id,name,born,amount\nx,"open,,\n' + b"".join(b"k%d,n,,\n" % n for n in range(3000)))
    rows, rejects = read_all(inbox.source(batch_rows=1000))
    assert (len(rows), rules(rejects)) == (3000, [("people.csv", 2, None, "unclosed_quote")])


def test_the_wrong_encoding_is_told_line_by_line(inbox: Inbox) -> None:
    inbox.put("people.csv", as_csv(GOOD).decode().encode("gbk"))
    rows, rejects = read_all(inbox.source())
    assert ([row[0] for row in rows], [r.rule for r in rejects]) == (["c"], ["encoding", "encoding"])
    inbox.put("utf16.csv", as_csv(GOOD).decode().encode("utf-16"))
    assert "UTF-16" in only(read_all(inbox.source())[1]).reason.en


def test_a_formula_gives_its_stored_value_and_without_one_its_cell_is_named(inbox: Inbox) -> None:
    data = as_xlsx([["a", "=1+1", None, 1], ["b", "n", None, 2]])
    inbox.put("people.xlsx", data)
    rows, rejects = read_all(inbox.source())
    assert [row[0] for row in rows] == ["b"]
    assert (only(rejects).line, only(rejects).column, only(rejects).key) == (2, "name", b"a")
    assert "cell B2" in only(rejects).reason.en
    inbox.put("stored.xlsx", with_stored_values(data, b"<f>1+1</f><v />", b"<f>1+1</f><v>2</v>"))
    assert [row[:2] for row in read_all(inbox.source())[0]] == [("a", "2"), ("b", "n")]


def with_stored_values(data: bytes, old: bytes, new: bytes) -> bytes:
    changed: dict[str, bytes] = {}
    with zipfile.ZipFile(io.BytesIO(data)) as package:
        for name in package.namelist():
            content = package.read(name)
            if name.endswith("sheet1.xml"):
                assert old in content
                content = content.replace(old, new)
            changed[name] = content
    return as_zip(changed)


def test_merged_cells_cost_the_rows_that_they_touch(inbox: Inbox) -> None:
    records = [[f"k{n}", "n", None, n] for n in range(6)]
    inbox.put("people.xlsx", as_xlsx(records, lambda sheet: sheet.merge_cells("B4:B5")))
    rows, rejects = read_all(inbox.source())
    assert [row[0] for row in rows] == ["k0", "k1", "k4", "k5"]
    assert [(r.line, r.rule, r.key) for r in rejects] == [(4, "merged", None), (5, "merged", None)]
    assert "B4:B5" in rejects[0].reason.zh
    inbox.put("header.xlsx", as_xlsx(records, lambda sheet: sheet.merge_cells("A1:B1")))
    assert only(read_all(inbox.source())[1]).rule == "merged"


def test_cells_of_excel_become_values_or_are_named(inbox: Inbox) -> None:
    def change(sheet: Any) -> None:
        sheet["C2"] = date(2024, 1, 31)
        sheet["D3"] = "#N/A"
        sheet["D3"].data_type = "e"

    records: list[list[Any]] = [
        ["a", "n", None, 12.5],
        ["b", "n", None, None],
        [440103, "n", None, 0.1],
        [123456789012345678, "n", None, 1],
    ]
    inbox.put("people.xlsx", as_xlsx(records, change))
    rows, rejects = read_all(inbox.source())
    assert rows == [("a", "n", date(2024, 1, 31), Decimal("12.50")), ("440103", "n", None, Decimal("0.10"))]
    assert [(r.line, r.column, r.rule, r.key) for r in rejects] == [
        (3, "amount", "cell", b"b"),
        (5, "id", "cell", None),
    ]


def test_a_sheet_is_found_by_name_and_blank_rows_do_not_count(inbox: Inbox) -> None:
    def change(sheet: Any) -> None:
        sheet.parent.create_sheet("其他", 0)
        sheet.title = "村"
        sheet["A10"] = "z"

    inbox.put("people.xlsx", as_xlsx(GOOD[:1], change))
    rows, rejects = read_all(inbox.source(sheet="村"))
    assert ([row[0] for row in rows], rejects) == (["a", "z"], [])
    assert "村" in only(read_all(inbox.source(sheet="x"))[1]).reason.en
    assert only(read_all(inbox.source())[1]).rule == "empty_file"


def test_old_excel_reads_like_new(inbox: Inbox) -> None:
    inbox.put("people.xls", (Path(__file__).parent / "data/people.xls").read_bytes())
    rows, rejects = read_all(inbox.source())
    assert rows == [("a", "禅城", date(2024, 1, 31), Decimal("12.50")), ("z", "last", None, None)]
    assert [(r.line, r.column, r.rule) for r in rejects] == [
        (3, "born", "type_D"),
        (4, None, "merged"),
        (5, None, "merged"),
        (6, "amount", "cell"),
        (7, "id", "cell"),
    ]


def test_a_bomb_is_not_unpacked(inbox: Inbox) -> None:
    bomb = as_csv([["x", "y" * 3_000_000, None, None]])
    for name, data in {
        "bomb.csv.gz": gzip.compress(bomb),
        "bomb.zip": as_zip({"in.csv": bomb}),
        "bomb.xlsx": as_zip({"xl/worksheets/sheet1.xml": bomb}),
    }.items():
        inbox.put(name, data)
        assert rules(read_all(inbox.source(max_unpacked_mb=1))[1]) == [(name, None, None, "too_big")]


def test_a_zip_that_understates_its_size_is_not_unpacked_either(inbox: Inbox) -> None:
    data = as_zip({"in.csv": b"id,name,born,amount\n" + b"x,1,,\n" * 500_000})
    at = data.rindex(b"PK\x01\x02")
    inbox.put("lies.zip", data[: at + 24] + (100).to_bytes(4, "little") + data[at + 28 :])
    assert only(read_all(inbox.source(max_unpacked_mb=1))[1]).rule in {"damaged", "too_big"}


def test_the_members_of_a_zip_are_read_in_turn_and_named(inbox: Inbox) -> None:
    inbox.put(
        "all.zip",
        as_zip(
            {"一.csv": as_csv(GOOD[:1]), "__MACOSX/x.csv": b"no", ".hid": b"", "二.jsonl": b"{\n" + as_jsonl(GOOD[1:])}
        ),
    )
    rows, rejects = read_all(inbox.source())
    assert ([row[0] for row in rows], rules(rejects)) == (["a", "b", "c"], [("all.zip/二.jsonl", 1, None, "json")])


def test_a_zip_with_a_password_and_a_file_of_no_known_kind_are_named(inbox: Inbox) -> None:
    data = bytearray(as_zip({"in.csv": as_csv(GOOD)}))
    data[6] |= 1
    data[data.rindex(b"PK\x01\x02") + 8] |= 1
    inbox.put("secret.zip", bytes(data))
    assert only(read_all(inbox.source())[1]).rule == "damaged"
    inbox.put("people.docx", b"x")
    assert only(read_all(inbox.source())[1]).rule == "unknown_format"
    assert rules(read_all(inbox.source(format="csv"))[1])[0][3] == "missing_column"
