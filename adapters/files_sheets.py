"""Records of workbooks: XLSX by openpyxl, XLS by xlrd; formulas are never computed, their stored values are read."""

from __future__ import annotations

import re
import struct
import zipfile
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import zip_longest
from typing import IO, Any, Literal
from xml.etree.ElementTree import ParseError

import xlrd
from defusedxml.common import DefusedXmlException
from openpyxl import Workbook, load_workbook
from openpyxl.utils.cell import get_column_letter, range_boundaries
from openpyxl.utils.exceptions import InvalidFileException
from xlrd.biffh import XLRDError
from xlrd.compdoc import CompDocError

from adapters.files_rows import FileFault, Found, Lost, Wanted, place_columns
from exchange.text import Text

EXACT_DIGITS = 15  # of a number in a spreadsheet; the rest is zeros
MOST_SHARED_BYTES = 256 << 20  # of texts that cells share: openpyxl keeps them all
MOST_XLS_BYTES = 256 << 20  # xlrd keeps the whole sheet; the format ends at 65,536 rows
MOST_MERGED = 100_000
CHUNK = 1 << 20
EMPTY_TEXTS = frozenset({"s", "str", "inlineStr"})  # the type of a formula whose stored value is an empty text
FORMULA = re.compile(rb"<(?:\w+:)?f[\s/>]")
MERGED = re.compile(rb"<(?:\w+:)?mergeCell\s[^>]*?ref=[\"']([A-Z0-9:]{2,30})[\"']")
LONGEST_TAG = 200

# openpyxl and xlrd raise whatever a part's nonsense leads them to; each was seen with a broken or hostile file.
BROKEN = (
    AssertionError,
    AttributeError,
    DefusedXmlException,
    EOFError,
    IndexError,
    InvalidFileException,
    KeyError,
    NotImplementedError,
    OverflowError,
    ParseError,
    TypeError,
    UnicodeDecodeError,
    ValueError,
    struct.error,
    XLRDError,
    CompDocError,
    zipfile.BadZipFile,
)

Cells = tuple[int, list[Any], dict[int, Text]]  # row number, values, and what is wrong with a value


class Merged:
    """The rows that merged cells touch; only the first cell of a merged range has a value."""

    def __init__(self, ranges: Iterable[tuple[int, int, str]]) -> None:
        """``ranges``: first row, last row (both from 1) and the range's name."""
        self._ranges = sorted(ranges)
        if len(self._ranges) > MOST_MERGED:
            raise FileFault("merged", Text("too many merged cells", "合并单元格过多"))
        reach = 0
        self._reach = [reach := max(reach, last) for _, last, _ in self._ranges]
        self._starts = [first for first, _, _ in self._ranges]

    def at(self, row: int) -> str | None:
        """Return the name of a range that touches ``row``."""
        at = bisect_right(self._starts, row) - 1
        while at >= 0 and self._reach[at] >= row:
            if self._ranges[at][1] >= row:
                return self._ranges[at][2]
            at -= 1
        return None


def xlsx(file: IO[bytes], wanted: Wanted) -> Iterator[Found | Lost]:
    """Yield the records of one sheet of an XLSX workbook. Errors: FileFault."""
    with _faults():
        book = _load(file, values=True)
        name = _sheet_name(book.sheetnames, wanted)
        sheet = book[name]
        formulas, merged = _look(file, getattr(sheet, "_worksheet_path", ""))
        second = _load(file, values=False)[name] if formulas else None
    yield from _records(_xlsx_rows(sheet, second), merged, wanted)


def xls(file: IO[bytes], wanted: Wanted) -> Iterator[Found | Lost]:
    """Yield the records of one sheet of an XLS workbook. Errors: FileFault."""
    with _faults():
        data = file.read(MOST_XLS_BYTES + 1)
        if len(data) > MOST_XLS_BYTES:
            raise FileFault("too_big", Text("the workbook is larger than 256 MiB", "工作簿超过 256 MiB"))
        # formatting_info: without it xlrd does not tell merged cells
        book = xlrd.open_workbook(file_contents=data, on_demand=True, formatting_info=True)
        sheet = book.sheet_by_name(_sheet_name(book.sheet_names(), wanted))
        merged = Merged(
            (top + 1, bottom, f"{get_column_letter(left + 1)}{top + 1}:{get_column_letter(right)}{bottom}")
            for top, bottom, left, right in sheet.merged_cells
        )
    yield from _records(_xls_rows(sheet, 1 if book.datemode else 0), merged, wanted)


def _records(rows: Iterator[Cells], merged: Merged, wanted: Wanted) -> Iterator[Found | Lost]:
    with _faults():
        number, header = _header(rows)
    if merged.at(number):
        raise FileFault(
            "merged", Text(f"merged cells in the header: {merged.at(number)}", f"表头含合并单元格：{merged.at(number)}")
        )
    columns = place_columns(["" if value is None else str(value).strip() for value in header], wanted)
    while True:
        with _faults():
            cells = next(rows, None)
        if cells is None:
            return
        number, values, wrong = cells
        if any(value is not None and value != "" for value in values) or wrong:
            yield _record(number, values, wrong, columns, merged.at(number), wanted)


def _record(
    number: int, values: list[Any], wrong: dict[int, Text], columns: Sequence[int], merged: str | None, wanted: Wanted
) -> Found | Lost:
    taken = [values[at] if at < len(values) else None for at in columns]
    raw = "\t".join("" if value is None else str(value) for value in values)
    if merged:
        reason = Text(
            f"the cells {merged} are merged: unmerge them and fill each",
            f"单元格 {merged} 已合并：请取消合并并逐格填写",
        )
        return Lost(number, None, "merged", reason, raw)
    for place, (at, name) in enumerate(zip(columns, wanted.names, strict=True)):
        reason_ = wrong.get(at) or (_rounded(taken[place]) if place in wanted.texts else None)
        if reason_ is not None:
            cell = f"{get_column_letter(at + 1)}{number}"
            readable = None if place in wanted.keys else taken
            said = Text(f"cell {cell}: {reason_.en}", f"单元格 {cell}：{reason_.zh}")
            return Lost(number, name, "cell", said, raw, readable)
    return Found(number, taken)


def _rounded(value: object) -> Text | None:
    """A spreadsheet keeps 15 digits of a number: an identity number entered as a number has lost its end."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return _ROUNDED if abs(value) >= 10**EXACT_DIGITS else None


def _header(rows: Iterator[Cells]) -> tuple[int, list[Any]]:
    for number, values, wrong in rows:
        if wrong:
            raise FileFault("header", next(iter(wrong.values())))
        if any(value is not None and value != "" for value in values):
            return number, values
    raise FileFault("empty_file", Text("the sheet is empty, not even a header", "工作表为空，没有表头"))


def _xlsx_rows(sheet: Any, formulas: Any | None) -> Iterator[Cells]:
    sheet.reset_dimensions()  # what a workbook says of its own size need not be true
    if formulas is None:
        for number, row in enumerate(sheet.iter_rows(), 1):
            yield number, [cell.value for cell in row], _errors(row)
        return
    formulas.reset_dimensions()
    for number, (row, other) in enumerate(zip_longest(sheet.iter_rows(), formulas.iter_rows(), fillvalue=()), 1):
        wrong = _errors(row)
        for at, (cell, origin) in enumerate(zip(row, other, strict=False)):
            if cell.value is None and origin.value is not None and cell.data_type not in EMPTY_TEXTS:
                wrong[at] = _NOT_COMPUTED
        yield number, [cell.value for cell in row], wrong


def _errors(row: Sequence[Any]) -> dict[int, Text]:
    return {at: _ERROR for at, cell in enumerate(row) if cell.data_type == "e"}


def _xls_rows(sheet: Any, datemode: Literal[0, 1]) -> Iterator[Cells]:
    for at in range(sheet.nrows):
        wrong: dict[int, Text] = {}
        values: list[Any] = []
        for column, (kind, value) in enumerate(zip(sheet.row_types(at), sheet.row_values(at), strict=True)):
            if kind == xlrd.XL_CELL_ERROR:
                wrong[column] = _ERROR
            values.append(_xls_value(kind, value, datemode, wrong, column))
        yield at + 1, values, wrong


def _xls_value(kind: int, value: Any, datemode: Literal[0, 1], wrong: dict[int, Text], column: int) -> Any:
    if kind in {xlrd.XL_CELL_EMPTY, xlrd.XL_CELL_BLANK, xlrd.XL_CELL_ERROR}:
        return None
    if kind == xlrd.XL_CELL_BOOLEAN:
        return bool(value)
    if kind == xlrd.XL_CELL_NUMBER:
        return int(value) if value.is_integer() else value
    if kind == xlrd.XL_CELL_DATE:
        try:
            return xlrd.xldate_as_datetime(value, datemode)
        except (ValueError, OverflowError, xlrd.xldate.XLDateError):
            wrong[column] = _DATE
            return None
    return value


def _load(file: IO[bytes], *, values: bool) -> Workbook:
    file.seek(0)
    return load_workbook(file, read_only=True, data_only=values, keep_links=False)


def _sheet_name(names: Sequence[str], wanted: Wanted) -> str:
    if wanted.sheet is None and names:
        return names[0]
    if wanted.sheet is not None and wanted.sheet in names:
        return wanted.sheet
    known = ", ".join(names)
    raise FileFault(
        "sheet", Text(f"no sheet {wanted.sheet}; there are: {known}", f"没有工作表 {wanted.sheet}；现有：{known}")
    )


def _look(file: IO[bytes], path: str) -> tuple[bool, Merged]:
    """Look through a sheet's XML once: whether it has formulas, and its merged cells (openpyxl does not tell them)."""
    formulas = False
    found: dict[str, tuple[int, int, str]] = {}
    with zipfile.ZipFile(file) as package:
        shared = [info.file_size for info in package.infolist() if info.filename.endswith("sharedStrings.xml")]
        if sum(shared) > MOST_SHARED_BYTES:
            raise FileFault("too_big", Text("more than 256 MiB of texts in the workbook", "工作簿文本超过 256 MiB"))
        with package.open(path.lstrip("/")) as sheet:
            tail = b""
            while data := sheet.read(CHUNK):
                piece = tail + data
                if piece.startswith((b"\xff\xfe", b"\xfe\xff")):
                    raise FileFault("encoding", Text("the sheet's XML is not UTF-8", "工作表 XML 不是 UTF-8 编码"))
                formulas = formulas or FORMULA.search(piece) is not None
                for name in MERGED.findall(piece):
                    text = name.decode()
                    _left, top, _right, bottom = range_boundaries(text)
                    found[text] = (int(top or 1), int(bottom or 1), text)
                tail = piece[-LONGEST_TAG:]
    return formulas, Merged(found.values())


@contextmanager
def _faults() -> Iterator[None]:
    try:
        yield
    except BROKEN as exc:
        raise FileFault("damaged", Text("not a workbook that can be read", "不是可读取的工作簿")) from exc


_NOT_COMPUTED = Text(
    "a formula without a stored value: open the file in a spreadsheet program and save it",
    "公式没有缓存值：请用表格软件打开并保存",
)
_ERROR = Text("an error value, such as #N/A", "单元格为错误值，例如 #N/A")
_DATE = Text("no date that exists", "不是有效日期")
_ROUNDED = Text(
    "a number of more than 15 digits has lost its end: enter it as text", "超过 15 位的数字已丢失末位：请以文本录入"
)
