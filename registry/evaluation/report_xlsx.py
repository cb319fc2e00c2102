"""The report as a spreadsheet: scores, formulas and weights, charts of both."""

from __future__ import annotations

import io
from collections.abc import Sequence

from openpyxl import Workbook
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE, Cell
from openpyxl.chart import BarChart, Reference
from openpyxl.styles import Alignment, Font
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.worksheet import Worksheet

from registry.evaluation import report as words
from registry.evaluation.report import Report

HEAD = 4  # row of the table's header: title, facts and a blank line stand above
SHOWN = 15  # departments in a chart
PERCENT = "0.0%"
WIDE = {1: 8, 2: 40, 3: 12, 4: 9}


def xlsx(report: Report) -> bytes:
    """Return the report as XLSX."""
    book = Workbook()
    table = book.active
    assert isinstance(table, Worksheet)
    table.title = words.TABLE.format(report.lang)
    _scores(table, report)
    method = book.create_sheet(words.METHOD.format(report.lang))
    _method(method, report)
    _charts(method, table, report)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _scores(sheet: Worksheet, report: Report) -> None:
    _top(sheet, report)
    heads = [text.format(report.lang) for text in (words.RANK, words.DEPARTMENT, words.DIVISION, words.SCORE)]
    _row(sheet, HEAD, [*heads, *(measure.name for measure in report.measures)], bold=True)
    for at, line in enumerate(report.lines, HEAD + 1):
        _row(sheet, at, [line.rank, line.department, line.division, line.score, *line.values])
        for column in range(len(heads) + 1, len(heads) + 1 + len(line.values)):
            sheet.cell(at, column).number_format = PERCENT
    for column in range(1, len(heads) + len(report.measures) + 1):
        sheet.column_dimensions[get_column_letter(column)].width = WIDE.get(column, 16)
    sheet.freeze_panes = f"C{HEAD + 1}"
    sheet.auto_filter.ref = f"A{HEAD}:{get_column_letter(len(heads) + len(report.measures))}{HEAD + len(report.lines)}"


def _method(sheet: Worksheet, report: Report) -> None:
    _top(sheet, report)
    heads = (words.INDICATOR, words.WEIGHT, words.MEAN, words.JUDGED, words.FORMULA)
    _row(sheet, HEAD, [text.format(report.lang) for text in heads], bold=True)
    for at, each in enumerate(report.measures, HEAD + 1):
        _row(sheet, at, [each.name, each.weight, each.mean, each.applies_to, each.formula])
        sheet.cell(at, 3).number_format = PERCENT
        sheet.cell(at, 5).alignment = Alignment(wrap_text=True, vertical="top")
    _row(sheet, HEAD + len(report.measures) + 2, [words.SCORED.format(report.lang)])
    for column, width in zip("ABCDE", (24, 9, 11, 14, 90), strict=True):
        sheet.column_dimensions[column].width = width


def _charts(sheet: Worksheet, table: Worksheet, report: Report) -> None:
    below = HEAD + len(report.measures) + 4
    last = HEAD + len(report.measures)
    means = Reference(sheet, min_col=3, min_row=HEAD + 1, max_row=last)
    names = Reference(sheet, min_col=1, min_row=HEAD + 1, max_row=last)
    sheet.add_chart(_bars(words.MEANS.format(report.lang), means, names, 1, PERCENT), f"A{below}")
    judged = len(report.judged)
    if not judged:
        return
    ends = (words.BEST, HEAD + 1), (words.LOWEST, HEAD + 1 + max(0, judged - SHOWN))
    for number, (title, first) in enumerate(ends, 1):
        final = min(first + SHOWN, HEAD + 1 + judged) - 1
        values = Reference(table, min_col=4, min_row=first, max_row=final)
        labels = Reference(table, min_col=2, min_row=first, max_row=final)
        chart = _bars(title.format(report.lang), values, labels, 100, "0")
        sheet.add_chart(chart, f"A{below + number * 20}")


def _bars(title: str, values: Reference, labels: Reference, most: float, form: str) -> BarChart:
    chart = BarChart()
    chart.type, chart.title, chart.legend, chart.style = "bar", title, None, 10
    chart.add_data(values, titles_from_data=False)
    chart.set_categories(labels)
    chart.y_axis.scaling.min, chart.y_axis.scaling.max, chart.y_axis.number_format = 0, most, form
    chart.x_axis.scaling.orientation = "maxMin"  # the first on top
    chart.x_axis.delete = chart.y_axis.delete = False
    chart.height, chart.width = 9, 26
    return chart


def _top(sheet: Worksheet, report: Report) -> None:
    _row(sheet, 1, [report.title], bold=True)
    sheet.cell(1, 1).font = Font(bold=True, size=14)
    _row(sheet, 2, [report.about])


def _row(sheet: Worksheet, at: int, values: Sequence[object], *, bold: bool = False) -> None:
    for column, value in enumerate(values, 1):
        if value is None:
            continue
        cell = sheet.cell(at, column)
        assert isinstance(cell, Cell)
        if isinstance(value, str):
            cell.value = ILLEGAL_CHARACTERS_RE.sub("", value)
            cell.data_type = "s"  # a name that begins with = is no formula
        elif isinstance(value, int | float):
            cell.value = value
        if bold:
            cell.font = Font(bold=True)
