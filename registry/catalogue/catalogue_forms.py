"""Bodies and answers of the catalogue as a whole."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from exchange.text import Lang
from registry.catalogue.codes import CodeTable
from registry.catalogue.forms import ClashOut
from registry.catalogue.lists import ListKind
from registry.catalogue.models import Classification
from registry.catalogue.sheets.taking import Report
from registry.web.forms import Form, Name


class CodeOut(BaseModel):
    """A code; ``of``: the code of another table that it belongs to."""

    code: str
    en: str
    zh: str
    of: str | None


class CodeTableOut(BaseModel):
    """A code table (代码表)."""

    name: str
    en: str
    zh: str
    codes: list[CodeOut]

    @staticmethod
    def of(table: CodeTable) -> CodeTableOut:
        """Return the answer for a table."""
        rows = [CodeOut(code=each.code, en=each.label.en, zh=each.label.zh, of=each.of) for each in table.codes]
        return CodeTableOut(name=table.name, en=table.label.en, zh=table.label.zh, codes=rows)


class ClassificationForm(Form):
    """What a class is called."""

    en: Name
    zh: Name


class ClassificationOut(BaseModel):
    """A class of the directory tree (信息资源分类)."""

    code: str
    parent: str | None
    en: str
    zh: str

    @staticmethod
    def of(row: Classification) -> ClassificationOut:
        """Return the answer for a row."""
        return ClassificationOut.model_validate(row, from_attributes=True)


class ListOut(BaseModel):
    """A part of one of the three lists: its columns, and its rows by column; ``next`` continues it."""

    kind: ListKind
    title: str
    columns: dict[str, str]
    items: list[dict[str, Any]]
    next: str | None


class FaultOut(BaseModel):
    """A faulty cell; ``row`` counts from 1, the header's included."""

    sheet: str
    row: int
    column: str
    header: str
    reason: str


class ImportOut(BaseModel):
    """What became of a file; ``applied`` false: nothing was kept. ``faults`` are the first 1,000 of ``fault_count``."""

    applied: bool
    added: list[str]
    changed: list[str]
    unchanged: list[str]
    refused: int
    fault_count: int
    faults: list[FaultOut]
    warnings: list[ClashOut]

    @staticmethod
    def of(report: Report, lang: Lang) -> ImportOut:
        """Return the report in a language."""
        faults = [
            FaultOut(
                sheet=fault.sheet,
                row=fault.row,
                column=fault.column,
                header=fault.header,
                reason=fault.reason.format(lang),
            )
            for fault in report.faults
        ]
        return ImportOut(
            applied=report.applied,
            added=report.added,
            changed=report.changed,
            unchanged=report.unchanged,
            refused=report.refused,
            fault_count=report.fault_count,
            faults=faults,
            warnings=[ClashOut.of(found, lang) for _, found in report.clashes],
        )
