"""What bodies and lists have in common: bounded texts, and pages that continue after the last thing seen."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Path, Query
from pydantic import BaseModel, ConfigDict, StringConstraints
from sqlalchemy import ColumnElement, Select, and_, or_
from sqlalchemy.orm import InstrumentedAttribute, Session

from exchange.text import Text
from registry.errors import Invalid

MOST = 500  # things on a page
Row = TypeVar("Row")
Out = TypeVar("Out", bound=BaseModel)

NO_NUL = r"^[^\x00]*$"
Name = Annotated[str, StringConstraints(min_length=1, max_length=128, strip_whitespace=True, pattern=NO_NUL)]
LongName = Annotated[str, StringConstraints(min_length=1, max_length=256, strip_whitespace=True, pattern=NO_NUL)]
Sentence = Annotated[str, StringConstraints(min_length=1, max_length=500, strip_whitespace=True, pattern=NO_NUL)]
Prose = Annotated[str, StringConstraints(min_length=1, max_length=1000, strip_whitespace=True, pattern=NO_NUL)]
ClientId = Annotated[str, StringConstraints(min_length=1, max_length=63)]
Limit = Annotated[int, Query(ge=1, le=MOST, description="things on the page")]
Cursor = Annotated[str | None, Query(max_length=300, description="`next` of the page before")]
Sort = Annotated[
    str | None,
    Query(
        max_length=64,
        pattern=r"^-?[a-z_]+$",
        description="a field to sort by; `-` before it: falling",
        examples=["-name"],
    ),
]
Number = Annotated[int, Path(ge=1, le=2**63 - 1)]


class Form(BaseModel):
    """A request's body: unknown fields are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Page(BaseModel, Generic[Out]):
    """A part of a list; ``next`` is the cursor of the following part, null at the end."""

    items: list[Out]
    next: str | None


def page(
    session: Session,
    statement: Select[Row],
    column: InstrumentedAttribute[Any],
    show: Callable[[Row], Out],
    *,
    limit: int,
    cursor: str | None,
    sort: str | None = None,
    sortable: Mapping[str, InstrumentedAttribute[Any]] | None = None,
) -> Page[Out]:
    """Return the part of ``statement`` after ``cursor``, in the order of ``column``, which is unique.

    ``sort``: a word of ``sortable`` (whose columns are never null) comes first in the order; ``-`` before it: falling.
    """
    order = _order(column, sort, sortable or {})
    rows, following = _part(session, statement, order, limit, cursor)
    return Page(items=[show(row) for row in rows], next=following)


def part(
    session: Session, statement: Select[Row], column: InstrumentedAttribute[Any], *, limit: int, cursor: str | None
) -> tuple[list[Row], str | None]:
    """Return the rows that ``page`` would show, and the cursor of the following part; None at the end."""
    return _part(session, statement, _order(column, None, {}), limit, cursor)


def _part(
    session: Session, statement: Select[Row], order: _Order, limit: int, cursor: str | None
) -> tuple[list[Row], str | None]:
    if cursor is not None:
        statement = statement.where(order.after(_open(cursor)))
    rows = list(session.scalars(statement.order_by(*order.clauses).limit(limit + 1)))
    more = len(rows) > limit
    rows = rows[:limit]
    return rows, _seal(order.place(rows[-1])) if more else None


@dataclass(frozen=True, slots=True)
class _Order:
    sort: str
    columns: tuple[InstrumentedAttribute[Any], ...]  # the last one is unique
    falling: bool

    @property
    def clauses(self) -> list[ColumnElement[Any]]:
        return [column.desc() if self.falling else column.asc() for column in self.columns]

    def place(self, row: object) -> list[Any]:
        values = [getattr(row, column.key) for column in self.columns]
        return [self.sort, *(value.isoformat() if isinstance(value, datetime) else value for value in values)]

    def after(self, place: list[Any]) -> ColumnElement[bool]:
        if len(place) != len(self.columns) + 1 or place[0] != self.sort:
            raise _unknown()
        values = [_value(column, word) for column, word in zip(self.columns, place[1:], strict=True)]
        beyond = [
            column < value if self.falling else column > value
            for column, value in zip(self.columns, values, strict=True)
        ]
        same = [column == value for column, value in zip(self.columns, values, strict=True)]
        return or_(*(and_(*same[:number], step) for number, step in enumerate(beyond)))


def _order(
    column: InstrumentedAttribute[Any], sort: str | None, sortable: Mapping[str, InstrumentedAttribute[Any]]
) -> _Order:
    if sort is None:
        return _Order("", (column,), falling=False)
    by = sortable.get(sort.removeprefix("-"))
    if by is None:
        known = ", ".join(sortable) or "-"
        raise Invalid(field="sort", reason=Text(f"one of: {known}", f"可用字段：{known}"))
    columns = (column,) if by.key == column.key else (by, column)
    return _Order(sort, columns, falling=sort.startswith("-"))


def _value(column: InstrumentedAttribute[Any], word: object) -> Any:
    kind = column.type.python_type
    if kind is datetime and isinstance(word, str):
        try:
            at = datetime.fromisoformat(word)
        except ValueError as exc:
            raise _unknown() from exc
        if at.tzinfo is None:
            raise _unknown()
        return at
    if type(word) is not kind or (isinstance(word, int) and not -(2**63) <= word < 2**63):
        raise _unknown()
    if isinstance(word, str) and "\x00" in word:
        raise _unknown()
    return word


def _seal(place: list[Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode()


def _open(cursor: str) -> list[Any]:
    try:
        place = json.loads(base64.urlsafe_b64decode(cursor))
    except ValueError as exc:
        raise _unknown() from exc
    if not isinstance(place, list):
        raise _unknown()
    return place


def _unknown() -> Invalid:
    return Invalid(field="cursor", reason=Text("not a cursor of this list", "不是该列表的游标"))
