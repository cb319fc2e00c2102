"""``[mapping.<item>]`` of an adapter file: how a source's columns become the text of an item.

The order is fixed: columns, ``empty``, joined or the first that is there, ``steps``, ``table``, ``date``, ``default``.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Literal, Self

from pydantic import ConfigDict, Field, model_validator

from adapters.mapping_steps import Step, compiled
from exchange.config import Group
from exchange.errors import BadRecord, ConfigError
from exchange.items import Item, ItemType
from exchange.text import Text

Texts = Sequence[str | None]
MakeText = Callable[[Texts], str | None]

CHINESE_DATE = "%Y年%m月%d日"
ADJACENT = re.compile(r"%[A-Za-z]%[A-Za-z]")  # no separator: only full widths are unambiguous
MOST_CODES = 1_000_000
MOST_DATES = 50_000


class Mapped(Group):
    """Where the values of one item come from, and what is done to them on the way."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, populate_by_name=True)

    columns: tuple[str, ...] | str | None = Field(
        default=None,
        alias="from",
        description="column or columns of the source; left out: the item's own",
        examples=["CUN_DM"],
    )
    constant: str | int | float | bool | None = Field(
        default=None, description="the same value in every row; no column is read", examples=["民政局"]
    )
    join: str | None = Field(
        default=None,
        description="several columns: put together with this between; left out: the first that is not empty",
        examples=["-"],
    )
    empty: tuple[str, ...] = Field(
        default=(), description="texts that mean: no value", examples=['["0000-00-00", "NULL", "无"]']
    )
    steps: tuple[Step, ...] = Field(
        default=(),
        description="strip, squeeze, upper, lower, halfwidth, nfc, digits, or tables replace, substring, pad,"
        " prefix, suffix; in this order",
        examples=['["strip", { replace = ["-", ""] }]'],
    )
    table: dict[str, str] | None = Field(
        default=None, description="code table: code = value", examples=['{ "1" = "男", "2" = "女" }']
    )
    table_file: Path | None = Field(
        default=None,
        description="code table as a CSV file, UTF-8: a header, then code and value",
        examples=["sex.csv"],
    )
    unknown: Literal["reject", "keep", "default"] = Field(
        default="reject", description="a code that is not in the table: reject the row, keep it, or take the default"
    )
    date: tuple[str, ...] | str | None = Field(
        default=None,
        description="how dates are written, one or several forms; 年月日 is %Y年%m月%d日",
        examples=["%Y%m%d"],
    )
    default: str | int | float | bool | None = Field(
        default=None, description="value where there is none", examples=["0"]
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.table is not None and self.table_file is not None:
            raise ValueError("either table or table_file")
        if self.constant is not None and self.columns is not None:
            raise ValueError("either constant or from")
        if self.unknown == "default" and self.default is None:
            raise ValueError('unknown = "default" needs default')
        return self

    def read_from(self, own: str) -> tuple[str, ...]:
        """Return the columns that are read; ``own`` is the item's column where none is named."""
        if self.constant is not None:
            return ()
        if self.columns is None:
            return (own,)
        return (self.columns,) if isinstance(self.columns, str) else self.columns


def text_maker(item: Item, mapped: Mapped, file: Path) -> MakeText:
    """Return what makes the text of ``item`` of its columns' texts. Errors: ConfigError; of the maker: BadRecord."""
    if mapped.constant is not None:
        fixed = _plain(mapped.constant)
        return lambda _texts: fixed
    combine = _combiner(mapped)
    stages = [*_steps(mapped), *_tables(item, mapped, file), *_dates(item, mapped)]
    default = None if mapped.default is None else _plain(mapped.default)

    def make(texts: Texts) -> str | None:
        text = combine(texts)
        for stage in stages:
            if not text:
                break
            text = stage(text)
        return text or default

    return make


def read_table(path: Path, file: Path, key: str) -> dict[str, str]:
    """Return a code table: the first two columns of a CSV file in UTF-8, after its header. Errors: ConfigError."""
    found = file.parent / path
    try:
        with found.open(encoding="utf-8-sig", newline="") as lines:
            rows = csv.reader(lines, strict=True)
            next(rows, None)
            table = {row[0]: row[1] if len(row) > 1 else row[0] for row in rows if row}
    except (OSError, UnicodeDecodeError, csv.Error) as exc:
        raise ConfigError(
            file=file, key=key, expected=_TABLE_FILE, found=f"{found}: {type(exc).__name__}", example=f'{key} = "a.csv"'
        ) from exc
    if not table or len(table) > MOST_CODES:
        raise ConfigError(
            file=file, key=key, expected=_TABLE_FILE, found=f"{len(table)} codes", example="code,value\\n1,男"
        )
    return table


def _combiner(mapped: Mapped) -> MakeText:
    empty, between = frozenset(mapped.empty), mapped.join

    def there(texts: Texts) -> list[str]:
        return [text for text in texts if text and text not in empty]

    if between is None:
        return lambda texts: next(iter(there(texts)), None)
    return lambda texts: between.join(there(texts)) or None


def _steps(mapped: Mapped) -> list[Callable[[str], str | None]]:
    return [compiled(mapped.steps)] if mapped.steps else []


def _tables(item: Item, mapped: Mapped, file: Path) -> list[Callable[[str], str | None]]:
    table: Mapping[str, str] | None = mapped.table
    if mapped.table_file is not None:
        table = read_table(mapped.table_file, file, f"mapping.{item.name}.table_file")
    if table is None:
        return []
    known = table
    if mapped.unknown == "keep":
        return [lambda text: known.get(text, text)]
    if mapped.unknown == "default":
        return [known.get]

    def translate(text: str) -> str:
        found = known.get(text)
        if found is None:
            raise BadRecord(item.name, "code_table", _UNKNOWN)
        return found

    return [translate]


def _dates(item: Item, mapped: Mapped) -> list[Callable[[str], str | None]]:
    if mapped.date is None:
        return []
    given = (mapped.date,) if isinstance(mapped.date, str) else mapped.date
    forms = [CHINESE_DATE if form == "年月日" else form for form in given]
    instant = item.type is ItemType.INSTANT

    @lru_cache(maxsize=MOST_DATES)  # strptime is slow, and dates come again
    def iso(text: str) -> str:
        for form in forms:
            try:
                moment = datetime.strptime(text, form)  # noqa: DTZ007 - its zone is the source's, given when it is parsed
            except ValueError:
                continue
            if not ADJACENT.search(form) or moment.strftime(form) == text:
                return moment.isoformat() if instant else moment.date().isoformat()
        shown = " | ".join(forms)
        raise BadRecord(
            item.name, "date_form", Text(f"a date is expected, written as {shown}", f"应为日期，格式为 {shown}")
        )

    return [iso]


def _plain(value: str | float | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


_UNKNOWN = Text("the code is not in the code table", "代码不在代码表中")
_TABLE_FILE = Text("a CSV file in UTF-8: a header, then code and value", "UTF-8 的 CSV 文件：首行表头，其后为代码与值")
