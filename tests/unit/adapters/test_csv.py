"""Every odd line of a CSV file costs that line, and no other."""

from __future__ import annotations

import csv
import gzip
import io
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.csv_text import Dialect, Fault, Record, RecordReader
from adapters.errors import SourceChanging
from adapters.protocol import Reject
from adapters.source_csv import Config, CsvSource, open_source
from exchange.errors import ConfigError, NotConnected, SourceProblem
from exchange.items import Check, Item, ItemType
from tests.support.adapters import read_all, stream_of

ITEMS = (
    Item("id", "编号", ItemType.TEXT, length=20, primary_key=True),
    Item("name", "名称", ItemType.TEXT, length=50),
    Item("born", "日期", ItemType.DATE),
    Item("uscc", "代码", ItemType.TEXT, length=18, check=Check.USCC),
)
HEADER = "id,name,born,uscc\n"


def source(tmp_path: Path, data: bytes, name: str = "rows.csv", **config: Any) -> CsvSource:
    path = tmp_path / name
    path.write_bytes(data)
    made = open_source(Config(kind="csv", path=path, **config), stream_of(ITEMS, batch_rows=3))
    made.connect()
    return made


def rules(rejects: list[Reject]) -> list[tuple[int | None, str | None, str]]:
    return [(reject.line, reject.column, reject.rule) for reject in rejects]


@pytest.mark.parametrize(
    ("encoding", "bom"), [("utf-8", b""), ("utf-8", b"\xef\xbb\xbf"), ("gbk", b""), ("gb18030", b"")]
)
def test_encodings_and_a_bom_read_the_same(tmp_path: Path, encoding: str, bom: bytes) -> None:
    text = "id,name,born,uscc\r\nk1,禅城区,2024-01-31,\r\n"
    rows, rejects = read_all(source(tmp_path, bom + text.encode(encoding), encoding=encoding))
    assert [row[:2] for row in rows] == [("k1", "禅城区")]
    assert rejects == []


def test_bytes_of_another_encoding_reject_their_line_only(tmp_path: Path) -> None:
    data = HEADER.encode() + "a,好,,\n".encode() + "b,禅城,,\n".encode("gbk") + "c,好,,\n".encode()
    rows, rejects = read_all(source(tmp_path, data))
    assert [row[0] for row in rows] == ["a", "c"]
    assert rules(rejects) == [(3, None, "encoding")]
    assert rejects[0].key == b"b", "the key was readable, so the row is not taken for gone"
    assert "\\xec" in rejects[0].raw
    assert "第 3 行" in rejects[0].reason.zh


@pytest.mark.parametrize(
    ("line", "column", "rule", "key"),
    [
        ("x,name", None, "too_few_columns", b"x"),
        ("x,name,2024-01-31,,more", None, "too_many_columns", b"x"),
        ("x,name,2024-02-30,", "born", "type_D", b"x"),
        ("x,name,31.1.2024,", "born", "type_D", b"x"),
        ("x,name,0000-00-00,", "born", "type_D", b"x"),
        ("x,name,,91440000MA00DEM14H", "uscc", "check_uscc", b"x"),
        ("x,na\x00me,,", "name", "nul", b"x"),
        ('x,"name"s,,', None, "quote", None),
        ('x,"name,,', None, "unclosed_quote", None),
        (f"x,{'长' * 51},,", "name", "length", b"x"),
        (",name,,", "id", "required", None),
    ],
)
def test_a_bad_line_is_rejected_with_its_place(
    tmp_path: Path, line: str, column: str | None, rule: str, key: bytes | None
) -> None:
    rows, rejects = read_all(source(tmp_path, f"{HEADER}a,1,,\n{line}\nb,2,,\n".encode()))
    assert [row[0] for row in rows] == ["a", "b"]
    assert rules(rejects) == [(3, column, rule)]
    assert rejects[0].raw == line
    assert rejects[0].key == key


def test_an_unclosed_quote_does_not_swallow_the_file(tmp_path: Path) -> None:
    good = "".join(f"k{n},name,,\n" for n in range(5000))
    rows, rejects = read_all(source(tmp_path, f'{HEADER}x,"open,,\n{good}'.encode()))
    assert len(rows) == 5000
    assert rules(rejects) == [(2, None, "unclosed_quote")]


def test_quoted_line_ends_keep_the_physical_line_numbers(tmp_path: Path) -> None:
    text = f'{HEADER}a,"two\r\nlines, and ""quotes""",,\nb,1,no date,\n'
    rows, rejects = read_all(source(tmp_path, text.encode()))
    assert rows[0][1] == 'two\r\nlines, and "quotes"'
    assert rules(rejects) == [(4, "born", "type_D")]


def test_a_line_without_end_is_bounded(tmp_path: Path) -> None:
    rows, rejects = read_all(source(tmp_path, f"{HEADER}{'x' * (5 * 2**20)}\na,1,,\n".encode()))
    assert [row[0] for row in rows] == ["a"]
    assert rules(rejects) == [(2, None, "too_long")]
    assert len(rejects[0].raw) <= 4000


def test_no_newline_at_the_end_and_blank_lines(tmp_path: Path) -> None:
    rows, rejects = read_all(source(tmp_path, f"{HEADER}\r\na,1,,\n\nb,2,,".encode()))
    assert ([row[0] for row in rows], rejects) == (["a", "b"], [])


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"id,name,born\n", "column uscc is missing; the header has: id, name, born"),
        (b"id,id,name,born,uscc\n", "column id is there 2 times"),
        (b'"id,name\n', "header"),
    ],
)
def test_a_file_that_cannot_be_used_says_why(tmp_path: Path, data: bytes, words: str) -> None:
    with pytest.raises(SourceProblem) as caught:
        source(tmp_path, data)
    assert words in caught.value.message("en")


def test_a_bom_against_the_declared_encoding_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceProblem, match="BOM"):
        source(tmp_path, b"\xef\xbb\xbf" + HEADER.encode(), encoding="gbk")


def test_gzip_and_a_torn_gzip(tmp_path: Path) -> None:
    packed = gzip.compress(f"{HEADER}a,1,,\n".encode())
    assert len(read_all(source(tmp_path, packed, "rows.csv.gz"))[0]) == 1
    torn = tmp_path / "torn.csv.gz"
    torn.write_bytes(gzip.compress(HEADER.encode() + os.urandom(1000).hex().encode())[:-300])
    with pytest.raises(SourceProblem, match="gzip"):
        read_all(open_source(Config(kind="csv", path=torn), stream_of(ITEMS)))


def test_a_file_that_changes_while_it_is_read_is_no_whole_pass(tmp_path: Path) -> None:
    lines = "".join(f"k{n},1,,\n" for n in range(10))
    made = source(tmp_path, f"{HEADER}{lines}".encode())
    reading = made.read(None)
    next(reading)
    with (tmp_path / "rows.csv").open("ab") as file:
        file.write(b"late,1,,\n")
    with pytest.raises(SourceChanging):
        list(reading)
    assert made.changed()
    read_all(made)
    assert not made.changed()
    (tmp_path / "rows.csv").unlink()
    with pytest.raises(NotConnected):
        made.changed()


def test_a_file_that_never_was_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(SourceProblem):
        open_source(Config(kind="csv", path=tmp_path / "no.csv"), stream_of(ITEMS)).connect()


@pytest.mark.parametrize("wrong", [{"delimiter": "，"}, {"delimiter": '"'}, {"quote": "\n"}, {"zone": "Mars/Base"}])
def test_settings_that_no_type_can_say(tmp_path: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        Config(kind="csv", path=tmp_path / "rows.csv", **wrong).verify("adapter.toml", "source")


@given(st.lists(st.text(st.characters(blacklist_characters="\n\r", codec="utf-8"), min_size=1).filter(str.strip)))
def test_rows_and_rejects_are_the_lines_that_came_in(lines: list[str]) -> None:
    data = ("a,b,c\n" + "".join(f"{line}\n" for line in lines)).encode()
    reader = RecordReader(io.BytesIO(data), "utf-8", Dialect())
    found = iter(reader)
    assert next(found) == Record(1, ["a", "b", "c"], "a,b,c")
    reader.width = 3
    covered: list[str] = []
    for record in found:
        covered += record.raw.split("\n")
    assert covered == [line[:4000] for line in lines]


@given(st.binary(max_size=300), st.sampled_from(["utf-8", "gbk", "gb18030"]))
def test_no_bytes_break_the_reader(data: bytes, encoding: str) -> None:
    reader = RecordReader(io.BytesIO(data), encoding, Dialect())
    reader.width = 2
    last = 0
    for found in reader:
        assert found.line > last
        last = found.line
        assert isinstance(found, Fault) or len(found.fields) == 2


@given(st.lists(st.lists(st.text(st.characters(codec="utf-8", blacklist_characters="\x00")), min_size=2, max_size=2)))
def test_what_pythons_csv_writes_is_read_back(rows: list[list[str]]) -> None:
    out = io.StringIO(newline="")
    csv.writer(out, quoting=csv.QUOTE_ALL).writerows(rows)
    reader = RecordReader(io.BytesIO(out.getvalue().encode()), "utf-8", Dialect())
    reader.width = 2
    assert [found.fields for found in reader] == rows
