"""Departments over HTTP, their mergers and splits, and the other parts of this area."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field, StringConstraints
from sqlalchemy import select

from exchange.text import Text
from registry.errors import Forbidden, NotFound
from registry.organisation import api_places, api_systems, api_users, reform, service
from registry.organisation.fields import DivisionCode, Id, NodeCode
from registry.organisation.models import Department
from registry.organisation.reach import in_reach
from registry.web.access import Authenticated, Registry, SystemAdmin
from registry.web.forms import ClientId, Cursor, Form, Limit, LongName, Number, Page, page

router = APIRouter()
departments_router = APIRouter(prefix="/api/v1", tags=["organisation"])


class DepartmentForm(Form):
    """A department to register."""

    uscc: Annotated[str, StringConstraints(min_length=18, max_length=18), Field(examples=["11440604000000003W"])]
    name: LongName
    division: DivisionCode
    node: NodeCode | None = Field(default=None, description="the node that it exchanges on; none: this one")


class DepartmentPatch(Form):
    """What changes about a department; what is left out stays."""

    name: LongName | None = None
    node: NodeCode | None = None


class MergeForm(Form):
    """The department that takes everything over."""

    into: Id
    on: date | None = Field(default=None, description="the last day of the merged one; none: today")


class PartForm(Form):
    """What one department takes over: systems, and with each the resources that it is the source of."""

    department_id: Id
    systems: Annotated[list[ClientId], Field(min_length=1, max_length=500)]


class SplitForm(Form):
    """Who takes what over."""

    parts: Annotated[list[PartForm], Field(min_length=1, max_length=50)]


class DepartmentOut(BaseModel):
    """A department; one that was dissolved has its last day in ``valid_to``, and its successor."""

    id: int
    uscc: str
    name: str
    division: str
    node: str | None
    valid_to: date | None
    successor_id: int | None

    @staticmethod
    def of(row: Department) -> DepartmentOut:
        """Return the answer for a row."""
        return DepartmentOut.model_validate(row, from_attributes=True)


class MovedOut(BaseModel):
    """What went from one department to another: numbers of systems, resources, and rows of everything else."""

    department_id: int
    systems: int
    resources: int
    others: int


class ReformOut(BaseModel):
    """A department after a merger or split, and what went where."""

    department: DepartmentOut
    moved: list[MovedOut]


@departments_router.post("/departments", status_code=201)
def add_department(registry: Registry, caller: SystemAdmin, form: DepartmentForm) -> DepartmentOut:
    """Register a department in a division of the caller's."""
    with registry.database.write() as session:
        row = service.add_department(session, registry.clock, caller, **form.model_dump())
        return DepartmentOut.of(row)


@departments_router.get("/departments")
def departments(
    registry: Registry,
    caller: Authenticated,
    division: Annotated[DivisionCode | None, Query()] = None,
    dissolved: Annotated[bool | None, Query(description="only dissolved ones, or only others")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[DepartmentOut]:
    """List departments; to an administrator who is delegated to a division those of its subtree."""
    statement = select(Department)
    if caller.governs:
        statement = statement.where(in_reach(caller, Department.division))
    if division is not None:
        statement = statement.where(Department.division == division)
    if dissolved is not None:
        statement = statement.where(Department.valid_to.is_not(None) if dissolved else Department.valid_to.is_(None))
    with registry.database.read() as session:
        return page(session, statement, Department.id, DepartmentOut.of, limit=limit, cursor=cursor)


@departments_router.get("/departments/{department_id}")
def department(registry: Registry, caller: Authenticated, department_id: Number) -> DepartmentOut:
    """Return a department."""
    with registry.database.read() as session:
        row = service.department_of(session, department_id)
        if caller.governs and not caller.within(row.division):
            raise NotFound(kind=service.DEPARTMENT, name=department_id)
        return DepartmentOut.of(row)


@departments_router.patch("/departments/{department_id}")
def change_department(
    registry: Registry, caller: SystemAdmin, department_id: Number, form: DepartmentPatch
) -> DepartmentOut:
    """Change name or node of a department."""
    changes = form.model_dump(exclude_unset=True)
    with registry.database.write() as session:
        return DepartmentOut.of(service.change_department(session, registry.clock, caller, department_id, changes))


@departments_router.post("/departments/{department_id}/merge")
def merge(registry: Registry, caller: SystemAdmin, department_id: Number, form: MergeForm) -> ReformOut:
    """Merge a department into another (机构改革): systems, resources, requests and grants go over, no ACL changes.

    The merged department is kept, with its last day; its accounts cannot sign in any more.
    """
    with registry.database.write() as session:
        done = reform.merge(session, registry.clock, caller, department_id, form.into, form.on)
        return _reformed(done)


@departments_router.post("/departments/{department_id}/split")
def split(registry: Registry, caller: SystemAdmin, department_id: Number, form: SplitForm) -> ReformOut:
    """Give parts of a department to others (机构改革): each system takes its resources along, no ACL changes.

    What is not named stays; to dissolve the department as well, merge the rest.
    """
    parts = [reform.Part(part.department_id, tuple(part.systems)) for part in form.parts]
    with registry.database.write() as session:
        return _reformed(reform.split(session, registry.clock, caller, department_id, parts))


def must_be_system(caller: Authenticated) -> str:
    """Return the client_id of the system that calls. Errors: Forbidden."""
    if caller.client_id is None:
        raise Forbidden(reason=Text("a system asks this about itself", "仅业务系统可查询自身"))
    return caller.client_id


def _reformed(done: reform.Reform) -> ReformOut:
    moved = [MovedOut.model_validate(part, from_attributes=True) for part in done.moved]
    return ReformOut(department=DepartmentOut.of(done.department), moved=moved)


for part in (departments_router, api_places.router, api_systems.router, api_users.router):
    router.include_router(part)
