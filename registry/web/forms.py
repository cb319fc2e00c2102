"""What bodies and lists have in common: bounded texts, and pages that continue after the last thing seen."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Path, Query
from pydantic import BaseModel, ConfigDict, StringConstraints
from sqlalchemy import Select
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
) -> Page[Out]:
    """Return the part of ``statement`` after ``cursor``, in the order of ``column``, which is unique."""
    if cursor is not None:
        statement = statement.where(column > _open(cursor, column.type.python_type))
    rows = list(session.scalars(statement.order_by(column).limit(limit + 1)))
    more = len(rows) > limit
    rows = rows[:limit]
    return Page(items=[show(row) for row in rows], next=_seal(getattr(rows[-1], column.key)) if more else None)


def _seal(key: str | int) -> str:
    return base64.urlsafe_b64encode(json.dumps(key).encode()).decode()


def _open(cursor: str, kind: type) -> str | int:
    try:
        key = json.loads(base64.urlsafe_b64decode(cursor))
    except ValueError as exc:
        raise _unknown() from exc
    if type(key) is not kind or not isinstance(key, str | int):
        raise _unknown()
    return key


def _unknown() -> Invalid:
    return Invalid(field="cursor", reason=Text("not a cursor of this list", "不是该列表的游标"))
