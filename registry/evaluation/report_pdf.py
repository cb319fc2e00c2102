"""The report as a document for print: what it says first, charts, then formulas and the whole table."""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from reportlab.graphics.charts.barcharts import HorizontalBarChart
from reportlab.graphics.shapes import Drawing
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4, landscape
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfbase.ttfonts import TTFError, TTFont
from reportlab.platypus import Flowable, Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle

from exchange.errors import ConfigError
from registry.evaluation import report as words
from registry.evaluation.report import Line, Report, percent

SONG = "STSong-Light"  # Adobe's name of a font that a reader of Chinese documents brings: nothing is embedded
# Chinese fonts with TrueType outlines where distributions put them (the package fonts-wqy-microhei and the like).
INSTALLED = (
    Path("/usr/share/fonts/truetype/wqy/wqy-microhei.ttc"),
    Path("/usr/share/fonts/wqy-microhei/wqy-microhei.ttc"),
    Path("/usr/share/fonts/truetype/wqy/wqy-zenhei.ttc"),
    Path("/usr/share/fonts/wqy-zenhei/wqy-zenhei.ttc"),
)
BLUE, LINE, SHADE = colors.HexColor("#2f6fb3"), colors.HexColor("#b8c4d0"), colors.HexColor("#eef3f8")
PAGE, MARGIN = landscape(A4), 15 * mm
WIDTH = PAGE[0] - 2 * MARGIN
SHOWN = 15  # departments in a chart
BAR = 13  # points for one bar
CUT = 22  # characters of a name in a chart


def pdf(report: Report, font_file: Path | None = None) -> bytes:
    """Return the report as PDF, with ``font_file`` embedded, or else a Chinese font that is installed.

    Errors: ConfigError: the font of the configuration cannot be read.
    """
    font = _font(font_file or next((file for file in INSTALLED if file.exists()), None))
    out = io.BytesIO()
    page = SimpleDocTemplate(
        out,
        pagesize=PAGE,
        title=report.title,
        author="exchange",
        leftMargin=MARGIN,
        rightMargin=MARGIN,
        topMargin=MARGIN,
        bottomMargin=MARGIN,
    )

    def foot(canvas: Any, _document: Any) -> None:
        canvas.setFont(font, 8)
        canvas.drawRightString(PAGE[0] - MARGIN, 8 * mm, str(canvas.getPageNumber()))

    page.build(list(_story(report, font)), onFirstPage=foot, onLaterPages=foot)
    return out.getvalue()


def _story(report: Report, font: str) -> list[Flowable]:
    lang = report.lang
    text = ParagraphStyle("text", fontName=font, fontSize=9, leading=13, wordWrap="CJK")
    title = ParagraphStyle("title", parent=text, fontSize=18, leading=26, spaceAfter=4)
    head = ParagraphStyle("head", parent=text, fontSize=12, leading=18, spaceBefore=8, spaceAfter=4, keepWithNext=1)

    def said(words_: str, style: ParagraphStyle = text) -> Paragraph:
        return Paragraph(escape(words_), style)

    story: list[Flowable] = [said(report.title, title), said(report.about), said(words.MEANS.format(lang), head)]
    means = [(each.name, (each.mean or 0.0) * 100, percent(each.mean)) for each in report.measures]
    story.append(_bars(means, font))
    story.append(said(words.METHOD.format(lang), head))
    story.append(_method(report, font, text))
    story += [Spacer(0, 4), said(words.SCORED.format(lang))]
    for name, lines in ((words.BEST, report.judged[:SHOWN]), (words.LOWEST, report.judged[-SHOWN:])):
        if lines:
            story += [said(name.format(lang), head), _bars([_bar(line) for line in lines], font)]
    story += [said(words.TABLE.format(lang), head), _table(report, font, text)]
    return story


def _bar(line: Line) -> tuple[str, float, str]:
    name = line.department if len(line.department) <= CUT else f"{line.department[: CUT - 1]}…"
    return name, line.score or 0.0, f"{line.score:.2f}"


def _bars(rows: Sequence[tuple[str, float, str]], font: str) -> Drawing:
    """Return horizontal bars from 0 to 100, the first on top, each with its value as text."""
    height = BAR * len(rows) + 26
    drawing = Drawing(WIDTH, height)
    chart = HorizontalBarChart()
    chart.x, chart.y, chart.width, chart.height = 190, 18, WIDTH - 250, height - 22
    falling = list(reversed(rows))
    chart.data = [[value for _, value, _ in falling]]
    chart.categoryAxis.categoryNames = [name for name, _, _ in falling]
    chart.categoryAxis.labels.fontName, chart.categoryAxis.labels.fontSize = font, 8
    chart.valueAxis.valueMin, chart.valueAxis.valueMax, chart.valueAxis.valueStep = 0, 100, 20
    chart.valueAxis.labels.fontSize, chart.valueAxis.visibleGrid = 7, True
    chart.valueAxis.gridStrokeColor = LINE
    chart.bars[0].fillColor, chart.bars[0].strokeColor = BLUE, None
    chart.barLabelFormat, chart.barLabelArray = "values", [[word for _, _, word in falling]]
    chart.barLabels.nudge, chart.barLabels.fontSize, chart.barLabels.boxAnchor = 4, 8, "w"
    chart.barLabels.fontName = font
    drawing.add(chart)
    return drawing


def _method(report: Report, font: str, text: ParagraphStyle) -> Table:
    heads = (words.INDICATOR, words.WEIGHT, words.MEAN, words.JUDGED, words.FORMULA)
    rows: list[list[Any]] = [[each.format(report.lang) for each in heads]]
    for each in report.measures:
        formula = Paragraph(escape(each.formula), text)
        rows.append([each.name, f"{each.weight:g}", percent(each.mean), each.applies_to, formula])
    widths = [125, 45, 50, 65]
    return Table(rows, [*widths, WIDTH - sum(widths)], style=_style(font), repeatRows=1)


def _table(report: Report, font: str, text: ParagraphStyle) -> Table:
    small = ParagraphStyle("small", parent=text, fontSize=8, leading=10)
    heads = [each.format(report.lang) for each in (words.RANK, words.DEPARTMENT, words.DIVISION, words.SCORE)]
    names = [Paragraph(escape(each.name), small) for each in report.measures]
    rows: list[list[Any]] = [[*heads, *names]]
    for line in report.lines:
        score = words.NOTHING if line.score is None else f"{line.score:.2f}"
        rank = words.NOTHING if line.rank is None else str(line.rank)
        department = Paragraph(escape(line.department), small)
        rows.append([rank, department, line.division, score, *(percent(value) for value in line.values)])
    widths = [36, 210, 55, 48]
    each = (WIDTH - sum(widths)) / len(report.measures)
    return Table(rows, [*widths, *[each] * len(report.measures)], style=_style(font), repeatRows=1)


def _style(font: str) -> TableStyle:
    return TableStyle(
        [
            ("FONT", (0, 0), (-1, -1), font, 8),
            ("BACKGROUND", (0, 0), (-1, 0), SHADE),
            ("LINEBELOW", (0, 0), (-1, -1), 0.4, LINE),
            ("VALIGN", (0, 0), (-1, -1), "MIDDLE"),
            ("TOPPADDING", (0, 0), (-1, -1), 2),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 3),
        ]
    )


@cache
def _font(file: Path | None) -> str:
    """Make a font known and return its name."""
    if file is None:
        pdfmetrics.registerFont(UnicodeCIDFont(SONG))
        return SONG
    name = f"font-{file.stem}"
    try:
        pdfmetrics.registerFont(TTFont(name, str(file)))
    except (OSError, TTFError) as exc:
        raise ConfigError(
            file=file,
            key="evaluation.font_file",
            expected="a TrueType font",
            found=str(exc),
            example="wqy-microhei.ttc",
        ) from exc
    return name
