"""From the rows of a table to the resources that they describe, with a fault for every cell that is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from exchange.text import Text
from registry.catalogue import codes
from registry.catalogue.forms import ResourceForm
from registry.catalogue.sheets.columns import COLUMNS, NEEDED, NEEDED_OF_ITEM, Column, column_of
from registry.catalogue.sheets.reading import FORMULA, Fault, Line, Table
from registry.errors import Invalid

YES = {"yes", "true", "1", "y", "是"}
NO = {"no", "false", "0", "n", "否"}
SEPARATORS = str.maketrans("，、；;\n", ",,,,,")


@dataclass
class Draft:
    """A resource of the table: its fields, its items, and the rows that they stand in."""

    row: int
    values: dict[str, Any] = field(default_factory=dict)
    items: list[dict[str, Any]] = field(default_factory=list)
    item_rows: list[int] = field(default_factory=list)
    faulty: bool = False

    def row_of(self, item: int | None) -> int:
        """Return the row of an item, or the resource's first."""
        return self.row if item is None or item >= len(self.item_rows) else self.item_rows[item]


class Sorter:
    """Sorts a table's rows into drafts, and collects the faults."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.faults: list[Fault] = []
        self.columns = [column_of(header) for header in table.header]
        self.places = {(column.of_item, column.field): at for at, column in enumerate(self.columns) if column}

    def drafts(self) -> list[Draft]:
        """Return the drafts in the order of the table. Errors: Invalid (the header)."""
        self._check_header()
        found: list[Draft] = []
        for line in self.table.lines:
            values, item = self._values(line, of_item=False), self._values(line, of_item=True)
            if not found or self._begins(found[-1], values):
                found.append(Draft(line.number, values))
            else:
                self._continue(found[-1], line, values)
            if item:
                found[-1].items.append(item)
                found[-1].item_rows.append(line.number)
        wrong = {fault.row for fault in self.faults}
        for draft in found:
            draft.faulty = bool(wrong & {draft.row, *draft.item_rows})
        return found

    def form(self, draft: Draft) -> ResourceForm | None:
        """Return the draft as the API takes it; None when a cell is wrong."""
        if draft.faulty:
            return None
        try:
            return ResourceForm.model_validate({**draft.values, "items": draft.items})
        except ValidationError as exc:
            for error in exc.errors():
                self._form_fault(draft, error)
            return None

    def refused(self, draft: Draft, name: str, reason: Text) -> None:
        """Add a fault that the catalogue found: of a field, or of the resource as a whole."""
        at = self.places.get((False, name), self.places.get((False, "name"), 0))
        self.faults.append(self.table.fault(draft.row, at, reason))

    def _check_header(self) -> None:
        labels = {(column.of_item, column.field): column.label for column in COLUMNS}
        needed = [(False, name) for name in NEEDED] + [(True, name) for name in NEEDED_OF_ITEM]
        missing = [labels[key] for key in needed if key not in self.places]
        if missing:
            en, zh = ", ".join(label.en for label in missing), "、".join(label.zh for label in missing)
            raise Invalid(field="file", reason=Text(f"columns are missing: {en}", f"缺少列：{zh}"))
        named = [(column.of_item, column.field) for column in self.columns if column]
        twice = [labels[key] for key in dict.fromkeys(named) if named.count(key) > 1]
        if twice:
            raise Invalid(field="file", reason=Text(f"a column twice: {twice[0].en}", f"列重复：{twice[0].zh}"))

    def _begins(self, last: Draft, values: dict[str, Any]) -> bool:
        """A row with another code or name begins a resource; a blank cell means the same as above."""
        return any(name in values and values[name] != last.values.get(name) for name in ("code", "name"))

    def _continue(self, draft: Draft, line: Line, values: dict[str, Any]) -> None:
        for name, value in values.items():
            if draft.values.get(name) != value:
                reason = Text("differs from the resource's first row", "与该资源首行不一致")
                self.faults.append(self.table.fault(line.number, self.places[False, name], reason))

    def _values(self, line: Line, *, of_item: bool) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for at, column in enumerate(self.columns):
            if column is None or column.of_item is not of_item or column.kind == "told":
                continue
            if at in line.formulas:
                self.faults.append(self.table.fault(line.number, at, FORMULA))
            elif at < len(line.cells) and line.cells[at]:
                try:
                    found[column.field] = _value(column, line.cells[at])
                except Invalid as exc:
                    self.faults.append(self.table.fault(line.number, at, _reason(exc)))
        return found

    def _form_fault(self, draft: Draft, error: ErrorDetails) -> None:
        loc = error["loc"]
        item = loc[1] if len(loc) > 1 and loc[0] == "items" and isinstance(loc[1], int) else None
        name = str(loc[2]) if item is not None and len(loc) > 2 else str(loc[0]) if loc else "name"  # noqa: PLR2004
        key = (item is not None or name == "items", "name" if name == "items" else name)
        at = self.places.get(key, self.places[False, "name"])
        self.faults.append(self.table.fault(draft.row_of(item), at, _worded(error)))


def _value(column: Column, text: str) -> Any:
    if column.table is not None:
        return _code(column.table, text)
    match column.kind:
        case "yes":
            return _yes(text)
        case "number":
            return _number(text)
        case "list":
            return [part.strip() for part in text.translate(SEPARATORS).split(",") if part.strip()]
        case _:
            return text


def _code(table: str, text: str) -> str | int:
    # Both `1` and `1 无条件共享` are written.
    found = codes.table(table).find(text) or codes.table(table).find(text.split(maxsplit=1)[0])
    if found is None:
        choices = "、".join(code.label.zh for code in codes.table(table).codes[:12])
        english = ", ".join(code.label.en for code in codes.table(table).codes[:12])
        raise Invalid(field=table, reason=Text(f"one of: {english}", f"应为：{choices}"))
    return int(found.code) if found.code.isdigit() else found.code


def _yes(text: str) -> bool:
    word = text.lower()
    if word not in YES | NO:
        raise Invalid(field="yes", reason=Text("yes or no", "应为“是”或“否”"))
    return word in YES


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):  # noqa: PLR2004 (fits every bound below)
        raise Invalid(field="number", reason=Text("a whole number", "应为整数"))
    return int(text)


def _reason(exc: Invalid) -> Text:
    reason = exc.facts["reason"]
    return reason if isinstance(reason, Text) else Text(str(reason), str(reason))


WORDS = {
    "missing": Text("is required", "必填"),
    "string_too_short": Text("is required", "必填"),
    "too_short": Text("is required", "必填"),
    "string_too_long": Text("at most {max_length} characters", "最多 {max_length} 个字符"),
    "too_long": Text("at most {max_length}", "最多 {max_length} 个"),
    "string_pattern_mismatch": Text("has not the right form", "格式不正确"),
    "enum": Text("one of: {expected}", "应为以下之一：{expected}"),
    "greater_than_equal": Text("at least {ge}", "不小于 {ge}"),
    "less_than_equal": Text("at most {le}", "不大于 {le}"),
}


def _worded(error: ErrorDetails) -> Text:
    words = WORDS.get(error["type"])
    if words is None:
        return Text(error["msg"], f"不正确：{error['msg']}")
    facts: dict[str, object] = dict(error.get("ctx", {}))
    return Text(words.format("en", **facts), words.format("zh", **facts))


def tell(faults: Sequence[Fault]) -> list[Fault]:
    """Return the faults in the order of the table."""
    return sorted(faults, key=lambda fault: (fault.row, len(fault.column), fault.column))
