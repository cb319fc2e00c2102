"""Divisions and nodes over HTTP."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field, StringConstraints
from sqlalchemy import select

from registry.organisation import places
from registry.organisation.fields import DivisionCode, DivisionPath, NodeCode, NodePath
from registry.organisation.models import Division, Node
from registry.web.access import Authenticated, Registry, SystemAdmin
from registry.web.forms import NO_NUL, Cursor, Form, Limit, Page, page

router = APIRouter(prefix="/api/v1", tags=["organisation"])
PlaceName = Annotated[
    str,
    StringConstraints(min_length=1, max_length=200, strip_whitespace=True, pattern=NO_NUL),
    Field(examples=["禅城区"]),
]
Level = Annotated[str, StringConstraints(pattern=r"^[a-z_]{1,20}$"), Field(examples=["county"])]


class DivisionForm(Form):
    """A division to create below ``parent``; ``level`` is a word for its tier."""

    code: DivisionCode
    name: PlaceName
    parent: DivisionCode | None = None
    level: Level
    valid_from: date | None = None


class RenameForm(Form):
    """A new name, from a day on."""

    name: PlaceName
    on: date | None = Field(default=None, description="its first day; none: today", examples=["2026-01-01"])


class EndForm(Form):
    """The last day."""

    on: date | None = Field(default=None, description="the last day; none: today", examples=["2025-12-31"])


class DivisionOut(BaseModel):
    """A division."""

    code: str
    name: str
    parent: str | None
    level: str
    valid_from: date | None
    valid_to: date | None

    @staticmethod
    def of(row: Division) -> DivisionOut:
        """Return the answer for a row."""
        return DivisionOut.model_validate(row, from_attributes=True)


class FormerNameOut(BaseModel):
    """A name that a division had, and its last day."""

    name: str
    valid_to: date


class DivisionDetail(DivisionOut):
    """A division with the names that it had."""

    former_names: list[FormerNameOut]


class NodeForm(Form):
    """Another exchange node to register."""

    code: NodeCode
    name: PlaceName
    division: DivisionCode
    parent: NodeCode | None = None


class NodePatch(Form):
    """What changes about a node; what is left out stays."""

    name: PlaceName | None = None
    division: DivisionCode | None = None
    parent: NodeCode | None = None


class NodeOut(BaseModel):
    """Another exchange node."""

    code: str
    name: str
    division: str
    parent: str | None
    created_at: datetime

    @staticmethod
    def of(row: Node) -> NodeOut:
        """Return the answer for a row."""
        return NodeOut.model_validate(row, from_attributes=True)


@router.get("/divisions")
def divisions(
    registry: Registry,
    _caller: Authenticated,
    parent: Annotated[DivisionCode | None, Query()] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[DivisionOut]:
    """List divisions, all or those right below ``parent``."""
    statement = select(Division) if parent is None else select(Division).where(Division.parent == parent)
    with registry.database.read() as session:
        return page(session, statement, Division.code, DivisionOut.of, limit=limit, cursor=cursor)


@router.get("/divisions/{code}")
def division(registry: Registry, _caller: Authenticated, code: DivisionPath) -> DivisionDetail:
    """Return a division with the names that it had."""
    with registry.database.read() as session:
        shown = DivisionOut.of(places.division_of(session, code))
        names = [FormerNameOut(name=row.name, valid_to=row.valid_to) for row in places.former_names(session, code)]
        return DivisionDetail(**shown.model_dump(), former_names=names)


@router.post("/divisions", status_code=201)
def add_division(registry: Registry, caller: SystemAdmin, form: DivisionForm) -> DivisionOut:
    """Create a division below another one of the caller's; a system administrator of that division does it."""
    with registry.database.write() as session:
        row = places.add_division(session, registry.clock, caller, places.NewDivision(**form.model_dump()))
        return DivisionOut.of(row)


@router.post("/divisions/{code}/rename")
def rename_division(registry: Registry, caller: SystemAdmin, code: DivisionPath, form: RenameForm) -> DivisionOut:
    """Give a division a new name; the one before is kept with its last day."""
    with registry.database.write() as session:
        return DivisionOut.of(places.rename_division(session, registry.clock, caller, code, form.name, form.on))


@router.post("/divisions/{code}/end")
def end_division(registry: Registry, caller: SystemAdmin, code: DivisionPath, form: EndForm) -> DivisionOut:
    """End a division that holds no division and no department any more; its row is kept with its last day."""
    with registry.database.write() as session:
        return DivisionOut.of(places.end_division(session, registry.clock, caller, code, form.on))


@router.get("/nodes")
def nodes(registry: Registry, _caller: Authenticated, limit: Limit = 100, cursor: Cursor = None) -> Page[NodeOut]:
    """List the other nodes."""
    with registry.database.read() as session:
        return page(session, select(Node), Node.code, NodeOut.of, limit=limit, cursor=cursor)


@router.get("/nodes/{code}")
def node(registry: Registry, _caller: Authenticated, code: NodePath) -> NodeOut:
    """Return another node."""
    with registry.database.read() as session:
        return NodeOut.of(places.node_of(session, code))


@router.post("/nodes", status_code=201)
def add_node(registry: Registry, caller: SystemAdmin, form: NodeForm) -> NodeOut:
    """Register another node, in a division of the caller's."""
    with registry.database.write() as session:
        return NodeOut.of(places.add_node(session, registry.clock, caller, places.NewNode(**form.model_dump())))


@router.patch("/nodes/{code}")
def change_node(registry: Registry, caller: SystemAdmin, code: NodePath, form: NodePatch) -> NodeOut:
    """Change name, division or parent of another node."""
    changes = form.model_dump(exclude_unset=True)
    with registry.database.write() as session:
        return NodeOut.of(places.change_node(session, registry.clock, caller, code, changes))
