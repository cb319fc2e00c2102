"""Reads XLSX and CSV that strangers send: bounded in every direction, formulas and macros never evaluated."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from xml.etree.ElementTree import ParseError

from defusedxml.common import DefusedXmlException
from openpyxl import load_workbook
from openpyxl.utils.exceptions import InvalidFileException

from exchange.text import Text
from registry.catalogue.sheets.columns import letter
from registry.errors import Invalid, TooLarge

MOST_BYTES = 16 << 20  # of the file as it is sent
MOST_UNPACKED = 64 << 20  # of an XLSX when unpacked
MOST_RATIO = 200  # unpacked over packed: an honest sheet has 10 to 30
MOST_PARTS = 200
MOST_ROWS, MOST_COLUMNS = 50_000, 100
LONGEST_CELL = 5_000
MOST_FAULTS = 1_000  # that are told
CSV_SHEET = "CSV"
FORMULA = Text("a formula is not read: put its value", "不读取公式，请粘贴为数值")
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


class Format(StrEnum):
    """How a table is written."""

    XLSX = "xlsx"
    CSV = "csv"


@dataclass(frozen=True, slots=True)
class Fault:
    """A faulty cell; ``row`` counts from 1, ``column`` is a spreadsheet's letter."""

    sheet: str
    row: int
    column: str
    header: str
    reason: Text


@dataclass(frozen=True, slots=True)
class Line:
    """A row: its number and the text of its cells; ``formulas``: positions of cells that hold a formula."""

    number: int
    cells: tuple[str, ...]
    formulas: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Table:
    """A sheet: its name, its header, and its rows that are not empty."""

    sheet: str
    header: tuple[str, ...]
    lines: tuple[Line, ...]

    def fault(self, row: int, position: int, reason: Text) -> Fault:
        """Return a fault of a cell."""
        header = self.header[position] if position < len(self.header) else ""
        return Fault(self.sheet, row, letter(position), header, reason)


def read(data: bytes, form: Format) -> Table:
    """Return the table in a file. Errors: Invalid (no such file), TooLarge."""
    if len(data) > MOST_BYTES:
        raise TooLarge(limit=MOST_BYTES)
    return _xlsx(data) if form is Format.XLSX else _table(CSV_SHEET, _csv(data))


def _table(sheet: str, lines: Iterator[Line]) -> Table:
    header = next(lines, None)
    if header is None:
        raise _wrong(Text("there is no header", "缺少表头"))
    rest = [line for line in lines if any(line.cells) or line.formulas]
    return Table(sheet, header.cells, tuple(rest))


def _xlsx(data: bytes) -> Table:
    _check_package(data)
    try:
        book = load_workbook(io.BytesIO(data), read_only=True, data_only=False, keep_links=False)
        try:
            sheet = book.worksheets[0]
            return _table(str(sheet.title), _lines(sheet.iter_rows(max_row=MOST_ROWS + 2, max_col=MOST_COLUMNS + 1)))
        finally:
            book.close()
    except _BROKEN as exc:
        raise _wrong(Text("not a workbook that can be read", "不是可读取的工作簿")) from exc


# openpyxl raises whatever a part's nonsense leads it to; each of these was seen with a broken or hostile file.
_BROKEN = (
    AttributeError,
    DefusedXmlException,
    IndexError,
    InvalidFileException,
    KeyError,
    OverflowError,
    ParseError,
    TypeError,
    ValueError,
    zipfile.BadZipFile,
    NotImplementedError,
    EOFError,
)


def _check_package(data: bytes) -> None:
    """Refuse a package that unpacks to more than a sheet needs; zipfile itself never unpacks more than it says."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as package:
            parts = package.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as exc:
        raise _wrong(Text("not a workbook (XLSX)", "不是 XLSX 工作簿")) from exc
    unpacked = sum(part.file_size for part in parts)
    if len(parts) > MOST_PARTS or unpacked > MOST_UNPACKED:
        raise TooLarge(limit=MOST_UNPACKED)
    if any(part.file_size > MOST_RATIO * max(part.compress_size, 1) and part.file_size > MOST_BYTES for part in parts):
        raise _wrong(Text("it is packed as no workbook is", "压缩方式异常"))


def _lines(rows: Iterable[Iterable[object]]) -> Iterator[Line]:
    for number, row in enumerate(rows, 1):
        if number > MOST_ROWS + 1:
            raise _too_many()
        cells = list(row)
        texts = tuple(_text(getattr(cell, "value", None)) for cell in cells)
        if len(texts) > MOST_COLUMNS and texts[MOST_COLUMNS]:
            raise _wrong(Text(f"more than {MOST_COLUMNS} columns", f"超过 {MOST_COLUMNS} 列"))
        formulas = frozenset(place for place, cell in enumerate(cells) if getattr(cell, "data_type", None) == "f")
        yield Line(number, texts[:MOST_COLUMNS], formulas)


def _csv(data: bytes) -> Iterator[Line]:
    reader = csv.reader(io.StringIO(_decoded(data), newline=""), strict=True)
    count = 0
    try:
        for row in reader:
            count += 1
            if count > MOST_ROWS + 1:
                raise _too_many()
            if len(row) > MOST_COLUMNS:
                raise _wrong(Text(f"more than {MOST_COLUMNS} columns", f"超过 {MOST_COLUMNS} 列"))
            yield Line(count, tuple(_unescaped(_text(cell)) for cell in row))
    except csv.Error as exc:
        raise _wrong(Text(f"row {count + 1} is no CSV", f"第 {count + 1} 行不是有效的 CSV")) from exc


def _decoded(data: bytes) -> str:
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise _wrong(Text("neither UTF-8 nor GB18030", "编码既不是 UTF-8 也不是 GB18030"))


def _unescaped(text: str) -> str:
    """A text that a spreadsheet would take for a formula is written with an apostrophe before it."""
    return text[1:] if text.startswith("'") and text[1:].startswith(FORMULA_STARTS) else text


def _text(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case float() if value.is_integer():
            return str(int(value))
        case datetime() | date():
            return value.isoformat()
        case _:
            return str(value).replace("\x00", "").strip()[: LONGEST_CELL + 1]


def _too_many() -> Invalid:
    return _wrong(Text(f"more than {MOST_ROWS} rows", f"超过 {MOST_ROWS} 行"))


def _wrong(reason: Text) -> Invalid:
    return Invalid(field="file", reason=reason)
