"""Accounts of people over HTTP: security administrators keep them, a department's administrator its own staff."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from sqlalchemy import select

from registry.organisation import users as service
from registry.organisation.domain import Role
from registry.organisation.fields import DivisionCode, Email, Id, Password, Subject, UserName, UserPath
from registry.organisation.models import User
from registry.web.access import Anyone, Authenticated, Registry, SecurityAdmin
from registry.web.forms import Cursor, Form, Limit, Page, page

router = APIRouter(prefix="/api/v1", tags=["users"])


class UserForm(Form):
    """A user to register.

    ``department_id`` is given for a role in a department; ``division`` delegates one of the three to a subtree.
    """

    name: UserName
    password: Password
    role: Annotated[Role, Field(examples=["department_admin"])]
    department_id: Id | None = None
    division: DivisionCode | None = None
    email: Email | None = Field(default=None, description="as the OIDC provider tells it")
    subject: Subject | None = Field(default=None, description="`sub` at the OIDC provider")


class UserPatch(Form):
    """What changes about an account; what is left out stays."""

    role: Role | None = None
    department_id: Id | None = None
    division: DivisionCode | None = None
    email: Email | None = None
    subject: Subject | None = None


class PasswordForm(Form):
    """A password that the user has to change at the first sign-in."""

    password: Password


class UserOut(BaseModel):
    """An account."""

    name: str
    role: str
    department_id: int | None
    division: str | None
    active: bool
    email: str | None
    subject: str | None
    must_change: bool
    locked_until: datetime | None
    created_at: datetime

    @staticmethod
    def of(row: User) -> UserOut:
        """Return the answer for a row."""
        return UserOut.model_validate(row, from_attributes=True)


class Me(BaseModel):
    """The caller, as the registry knows it; ``client_id`` for a system, ``role`` for a person."""

    name: str
    role: str | None
    client_id: str | None
    department_id: int | None
    division: str | None


@router.get("/me")
def me(caller: Anyone) -> Me:
    """Return who calls."""
    role = caller.role.value if caller.role else None
    return Me(
        name=caller.name,
        role=role,
        client_id=caller.client_id,
        department_id=caller.department_id,
        division=caller.division,
    )


@router.post("/users", status_code=201)
def add_user(registry: Registry, caller: Authenticated, form: UserForm) -> UserOut:
    """Register a user: security administrators any, an administrator of a department its data owners and developers."""
    accounts = registry.settings.accounts
    with registry.database.write() as session:
        wanted = service.NewUser(**form.model_dump(), must_change=accounts.change_first)
        return UserOut.of(service.register(session, registry.clock, caller, wanted))


@router.get("/users")
def users(
    registry: Registry,
    caller: Authenticated,
    role: Annotated[Role | None, Query()] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[UserOut]:
    """List accounts: those of the security administrator's division, or of the administrator's department."""
    statement = select(User).where(service.visible(caller))
    if role is not None:
        statement = statement.where(User.role == role.value)
    with registry.database.read() as session:
        return page(session, statement, User.name, UserOut.of, limit=limit, cursor=cursor)


@router.get("/users/{name}")
def user(registry: Registry, caller: Authenticated, name: UserPath) -> UserOut:
    """Return an account."""
    with registry.database.read() as session:
        return UserOut.of(service.user_of(session, caller, name))


@router.patch("/users/{name}")
def change_user(registry: Registry, caller: SecurityAdmin, name: UserPath, form: UserPatch) -> UserOut:
    """Change role, department, division or identity of another's account.

    An account that has, or had, one of the three roles (三员) never gets another of them.
    """
    changes = form.model_dump(exclude_unset=True)
    with registry.database.write() as session:
        return UserOut.of(service.change(session, registry.clock, caller, name, changes))


@router.post("/users/{name}/password")
def reset_password(registry: Registry, caller: Authenticated, name: UserPath, form: PasswordForm) -> UserOut:
    """Give another's account a password, which has to be changed at the next sign-in; ends a lock."""
    accounts = registry.settings.accounts
    with registry.database.write() as session:
        row = service.reset_password(
            session, registry.clock, caller, name, form.password, must_change=accounts.change_first
        )
        return UserOut.of(row)


@router.post("/users/{name}/activate")
def activate(registry: Registry, caller: Authenticated, name: UserPath) -> UserOut:
    """Switch another's account on."""
    with registry.database.write() as session:
        return UserOut.of(service.set_active(session, registry.clock, caller, name, active=True))


@router.post("/users/{name}/deactivate")
def deactivate(registry: Registry, caller: Authenticated, name: UserPath) -> UserOut:
    """Switch another's account off: its tokens end at once."""
    with registry.database.write() as session:
        return UserOut.of(service.set_active(session, registry.clock, caller, name, active=False))
