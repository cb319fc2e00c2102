"""Divisions, departments, systems and users over HTTP."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, StringConstraints
from sqlalchemy import select

from exchange.text import Text
from registry.enforcement.acls import Scope
from registry.errors import Forbidden
from registry.organisation import service
from registry.organisation.domain import Role
from registry.organisation.models import Department, Division, System, User
from registry.web.access import Authenticated, Registry, SystemAdmin
from registry.web.forms import ClientId, Cursor, Form, Limit, LongName, Number, Page, page

router = APIRouter(prefix="/api/v1", tags=["organisation"])
DivisionCode = Annotated[str, StringConstraints(pattern=r"^\d{6}$")]
UserName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{1,62}$")]
Password = Annotated[str, StringConstraints(min_length=12, max_length=256)]


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


class DepartmentForm(Form):
    """A department to register."""

    uscc: Annotated[str, StringConstraints(min_length=18, max_length=18)]
    name: LongName
    division: DivisionCode


class DepartmentOut(BaseModel):
    """A department."""

    id: int
    uscc: str
    name: str
    division: str

    @staticmethod
    def of(row: Department) -> DepartmentOut:
        """Return the answer for a row."""
        return DepartmentOut.model_validate(row, from_attributes=True)


class SystemForm(Form):
    """A system to register; ``department_id`` is its department."""

    client_id: ClientId
    department_id: int
    name: LongName


class SystemOut(BaseModel):
    """A system; ``department_id`` is its department."""

    client_id: str
    department_id: int
    name: str
    active: bool
    created_at: datetime

    @staticmethod
    def of(row: System) -> SystemOut:
        """Return the answer for a row."""
        return SystemOut(
            client_id=row.client_id,
            department_id=row.department_id,
            name=row.name,
            active=row.active,
            created_at=row.created_at,
        )


class NewSystem(SystemOut):
    """A system that was just registered, with its secret, which is told this once."""

    secret: str
    enforced: bool


class NewSecret(BaseModel):
    """A system's new secret, which is told this once."""

    secret: str


class Switched(BaseModel):
    """A system that was switched on or off; ``enforced`` false: the broker is away and follows by itself."""

    client_id: str
    active: bool
    enforced: bool


class UserForm(Form):
    """A user to register; ``department_id`` is given for a department_admin only."""

    name: UserName
    password: Password
    role: Role
    department_id: int | None = None


class UserOut(BaseModel):
    """A user."""

    name: str
    role: str
    department_id: int | None
    active: bool

    @staticmethod
    def of(row: User) -> UserOut:
        """Return the answer for a row."""
        return UserOut(name=row.name, role=row.role, department_id=row.department_id, active=row.active)


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


@router.post("/departments", status_code=201)
def add_department(registry: Registry, _caller: SystemAdmin, form: DepartmentForm) -> DepartmentOut:
    """Register a department."""
    with registry.database.write() as session:
        row = service.add_department(session, uscc=form.uscc, name=form.name, division=form.division)
        return DepartmentOut.of(row)


@router.get("/departments")
def departments(
    registry: Registry, _caller: Authenticated, limit: Limit = 100, cursor: Cursor = None
) -> Page[DepartmentOut]:
    """List departments."""
    with registry.database.read() as session:
        return page(session, select(Department), Department.id, DepartmentOut.of, limit=limit, cursor=cursor)


@router.get("/departments/{department_id}")
def department(registry: Registry, _caller: Authenticated, department_id: Number) -> DepartmentOut:
    """Return a department."""
    with registry.database.read() as session:
        return DepartmentOut.of(service.department_of(session, department_id))


@router.post("/systems", status_code=201)
def add_system(registry: Registry, _caller: SystemAdmin, form: SystemForm) -> NewSystem:
    """Register a system; the answer is the only time that its secret is told."""
    with registry.database.write() as session:
        row, secret = service.add_system(
            session, registry.clock, client_id=form.client_id, department_id=form.department_id, name=form.name
        )
        shown = SystemOut.of(row)
    enforced = registry.enforcer.enforce(Scope(client_id=form.client_id))
    return NewSystem(**shown.model_dump(), secret=secret, enforced=enforced)


@router.get("/systems")
def systems(registry: Registry, caller: Authenticated, limit: Limit = 100, cursor: Cursor = None) -> Page[SystemOut]:
    """List the systems of the caller's department, for a system administrator all."""
    statement = select(System)
    if not caller.sees_everything:
        statement = statement.where(System.department_id == caller.department_id)
    with registry.database.read() as session:
        return page(session, statement, System.client_id, SystemOut.of, limit=limit, cursor=cursor)


@router.post("/systems/{client_id}/secret")
def renew_secret(registry: Registry, _caller: SystemAdmin, client_id: str) -> NewSecret:
    """Give a system a new secret; the old one ends at once."""
    with registry.database.write() as session:
        return NewSecret(secret=service.renew_secret(session, client_id))


@router.post("/systems/{client_id}/activate")
def activate(registry: Registry, _caller: SystemAdmin, client_id: str) -> Switched:
    """Switch a system on: it gets tokens and its ACLs again."""
    return _switch(registry, client_id, active=True)


@router.post("/systems/{client_id}/deactivate")
def deactivate(registry: Registry, _caller: SystemAdmin, client_id: str) -> Switched:
    """Switch a system off: no token any more, and all its ACLs are removed."""
    return _switch(registry, client_id, active=False)


@router.post("/users", status_code=201)
def add_user(registry: Registry, _caller: SystemAdmin, form: UserForm) -> UserOut:
    """Register a user."""
    with registry.database.write() as session:
        row = service.add_user(
            session,
            registry.clock,
            name=form.name,
            password=form.password,
            role=form.role,
            department_id=form.department_id,
        )
        return UserOut.of(row)


@router.get("/users")
def users(registry: Registry, _caller: SystemAdmin, limit: Limit = 100, cursor: Cursor = None) -> Page[UserOut]:
    """List users."""
    with registry.database.read() as session:
        return page(session, select(User), User.name, UserOut.of, limit=limit, cursor=cursor)


def must_be_system(caller: Authenticated) -> str:
    """Return the client_id of the system that calls. Errors: Forbidden."""
    if caller.client_id is None:
        raise Forbidden(reason=Text("a system asks this about itself", "仅业务系统可查询自身"))
    return caller.client_id


def _switch(registry: Registry, client_id: str, *, active: bool) -> Switched:
    with registry.database.write() as session:
        service.set_active(session, client_id, active)
    return Switched(client_id=client_id, active=active, enforced=registry.enforcer.enforce(Scope(client_id=client_id)))
