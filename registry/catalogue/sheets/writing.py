"""Writes tables as XLSX and CSV; no cell is ever a formula to the program that opens the file."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

from exchange.items import Item
from exchange.text import Lang, Text
from registry.catalogue import codes
from registry.catalogue.forms import ResourceOut
from registry.catalogue.sheets.columns import COLUMNS, ITEM, RESOURCE, SHEET, Column
from registry.catalogue.sheets.reading import FORMULA_STARTS, Format

MEDIA = {
    Format.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    Format.CSV: "text/csv; charset=utf-8",
}
YES, NO = Text("yes", "是"), Text("no", "否")
Rows = Iterable[Sequence[object]]


def write(title: Text, header: Sequence[Text], rows: Rows, form: Format, lang: Lang) -> bytes:
    """Return a table as a file."""
    named = [text.format(lang) for text in header]
    if form is Format.CSV:
        return _csv(named, rows)
    return _xlsx(title.format(lang), named, rows)


def catalogue(resources: Iterable[tuple[ResourceOut, Sequence[Item]]], form: Format, lang: Lang) -> bytes:
    """Return resources with their items in the table that can be taken in again."""
    rows = (row for resource, items in resources for row in _rows(resource, items, lang))
    return write(SHEET, [column.label for column in COLUMNS], rows, form, lang)


def _rows(resource: ResourceOut, items: Sequence[Item], lang: Lang) -> Rows:
    own = resource.model_dump(mode="json")
    first = [_word(column, own.get(column.field), lang) for column in RESOURCE]
    for item in items:
        fields = item.as_json()
        yield [*first, *(_word(column, fields.get(column.field), lang) for column in ITEM)]


def _word(column: Column, value: Any, lang: Lang) -> object:
    if value is None:
        return ""
    if column.table is not None:
        return codes.table(column.table).label_of(value, lang)
    if column.field == "lifecycle":
        return codes.table("lifecycle").label_of(value, lang)
    if isinstance(value, bool):
        return (YES if value else NO).format(lang)
    return ", ".join(value) if isinstance(value, list) else value


def _xlsx(title: str, header: Sequence[str], rows: Rows) -> bytes:
    book = Workbook(write_only=True)
    sheet = book.create_sheet(title)
    sheet.freeze_panes = "A2"
    sheet.append(list(header))
    for row in rows:
        cells = []
        for value in row:
            plain = ILLEGAL_CHARACTERS_RE.sub("", value) if isinstance(value, str) else value
            cell = WriteOnlyCell(sheet, plain if isinstance(plain, str | int | float) else str(plain))
            if isinstance(plain, str):
                cell.data_type = "s"  # openpyxl would make a formula of a text that begins with =
            cells.append(cell)
        sheet.append(cells)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _csv(header: Sequence[str], rows: Rows) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(header)
    writer.writerows([_harmless(value) for value in row] for row in rows)
    return out.getvalue().encode("utf-8-sig")  # with its mark, so that a spreadsheet does not guess another encoding


def _harmless(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA_STARTS) else value
