"""Objections over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field, StringConstraints
from sqlalchemy import select

from registry.access.caller import Caller
from registry.objections import domain, service
from registry.objections.domain import State
from registry.objections.models import Objection
from registry.objections.service import Complaint, Decide
from registry.runtime import Runtime
from registry.web.access import Party, Registry
from registry.web.forms import NO_NUL, ClientId, Cursor, Form, Limit, Number, Page, Prose, Sentence, page

router = APIRouter(prefix="/api/v1/objections", tags=["objections"])
Key = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=NO_NUL)]


class ObjectionForm(Form):
    """An objection for a system of the caller's own department; without a key it is to the resource as a whole."""

    resource: Annotated[str, Field(min_length=1, max_length=64, examples=["307440000-000001"])]
    client_id: ClientId
    key: Annotated[Key | None, Field(examples=["440604001001"])] = None
    items: Annotated[Sentence | None, Field(description="which items, in words", examples=["名称"])] = None
    complaint: Annotated[Prose, Field(examples=["名称与现场核实不一致"])]


class FindingForm(Form):
    """What the provider found."""

    founded: bool
    finding: Annotated[Prose, Field(examples=["经核实，名称录入有误"])]


class ResultForm(Form):
    """What was done about it."""

    result: Annotated[Prose, Field(examples=["已更正并重新发布"])]


class ObjectionOut(BaseModel):
    """An objection; ``marked_at``: since when those who use the data know of it; ``overdue``: its next step is late."""

    id: int
    resource: str
    client_id: str
    key: str | None
    items: str | None
    complaint: str
    state: str
    founded: bool | None
    finding: str | None
    result: str | None
    due_at: datetime | None
    overdue: bool
    marked_at: datetime | None
    created_at: datetime
    changed_at: datetime

    @staticmethod
    def of(row: Objection) -> ObjectionOut:
        """Return the answer for a row."""
        fields = {name: getattr(row, name) for name in ObjectionOut.model_fields if name != "resource"}
        return ObjectionOut(**fields, resource=row.slug)


@router.post("", status_code=201)
def object_to(registry: Registry, caller: Party, form: ObjectionForm) -> ObjectionOut:
    """Raise an objection to a record, by its key, or to a resource that the system has received."""
    with registry.database.write() as session:
        complaint = Complaint(**form.model_dump())
        return ObjectionOut.of(service.raise_objection(session, registry.deadlines, caller, complaint))


@router.get("")
def objections(
    registry: Registry,
    caller: Party,
    state: Annotated[State | None, Query()] = None,
    resource: Annotated[str | None, Query(max_length=64)] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[ObjectionOut]:
    """List the objections that the caller's department raised or has to answer."""
    statement = select(Objection).where(service.visible(caller))
    for column, value in ((Objection.state, state), (Objection.slug, resource)):
        if value is not None:
            statement = statement.where(column == value)
    with registry.database.read() as session:
        return page(session, statement, Objection.id, ObjectionOut.of, limit=limit, cursor=cursor)


@router.get("/{objection_id}")
def objection(registry: Registry, caller: Party, objection_id: Number) -> ObjectionOut:
    """Return an objection to one of its two sides."""
    with registry.database.read() as session:
        return ObjectionOut.of(service.objection_of(session, caller, objection_id))


@router.post("/{objection_id}/accept")
def accept(registry: Registry, caller: Party, objection_id: Number) -> ObjectionOut:
    """Take an objection up: the provider of the data does."""
    return _step(registry, caller, objection_id, "accept", domain.accept)


@router.post("/{objection_id}/mark")
def mark(registry: Registry, caller: Party, objection_id: Number) -> ObjectionOut:
    """Mark the data as in doubt: everyone who received them is told."""
    return _step(registry, caller, objection_id, "mark", domain.mark)


@router.post("/{objection_id}/verify")
def verify(registry: Registry, caller: Party, objection_id: Number, form: FindingForm) -> ObjectionOut:
    """Say whether the objection is founded."""

    def decide(now: domain.Objection, sides: domain.Sides, by: int | None) -> domain.Objection:
        return domain.verify(now, sides, by, founded=form.founded, finding=form.finding)

    return _step(registry, caller, objection_id, "verify", decide)


@router.post("/{objection_id}/correct")
def correct(registry: Registry, caller: Party, objection_id: Number, form: ResultForm) -> ObjectionOut:
    """Say that the corrected data are published, and what was corrected."""

    def decide(now: domain.Objection, sides: domain.Sides, by: int | None) -> domain.Objection:
        return domain.correct(now, sides, by, form.result)

    return _step(registry, caller, objection_id, "correct", decide)


@router.post("/{objection_id}/close")
def close(registry: Registry, caller: Party, objection_id: Number) -> ObjectionOut:
    """Close an objection, and with it the mark: either side does, a founded one after its correction."""
    return _step(registry, caller, objection_id, "close", domain.close)


@router.post("/{objection_id}/archive")
def archive(registry: Registry, caller: Party, objection_id: Number) -> ObjectionOut:
    """Archive a closed objection."""
    return _step(registry, caller, objection_id, "archive", domain.archive)


def _step(registry: Runtime, caller: Caller, objection_id: int, name: str, decide: Decide) -> ObjectionOut:
    with registry.database.write() as session:
        return ObjectionOut.of(service.step(session, registry.deadlines, caller, objection_id, name, decide))
