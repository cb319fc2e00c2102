"""Accounts of people: who they are, and what they may do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, false, or_, select, true
from sqlalchemy.orm import Session

from exchange.text import Text
from registry.access import secrets
from registry.access.caller import Caller
from registry.audit.service import note
from registry.clock import Clock
from registry.errors import Conflict, Forbidden, NotFound
from registry.organisation.domain import STAFF, THREE_DUTIES, Role, check_user
from registry.organisation.models import Department, Division, FormerPassword, User
from registry.organisation.reach import below
from registry.organisation.service import active_department, must_be_free

USER = Text("user", "用户")


@dataclass(frozen=True, slots=True)
class NewUser:
    """An account as it is registered; ``must_change``: its password has to be changed at the first sign-in."""

    name: str
    password: str
    role: Role
    department_id: int | None = None
    division: str | None = None
    email: str | None = None
    subject: str | None = None
    must_change: bool = False


def add_user(session: Session, clock: Clock, wanted: NewUser, by: str) -> User:
    """Register an account; the caller's right was checked. Errors: Invalid, NotFound (place), Conflict."""
    check_user(wanted.role, wanted.department_id, wanted.division)
    department = None if wanted.department_id is None else active_department(session, wanted.department_id)
    _must_be_division(session, wanted.division)
    must_be_free(session.get(User, wanted.name), wanted.name)
    _must_be_one_person(session, wanted.name, {"email": wanted.email, "subject": wanted.subject})
    now = clock()
    user = User(
        name=wanted.name,
        role=wanted.role.value,
        duty=wanted.role.value if wanted.role in THREE_DUTIES else None,
        department_id=wanted.department_id,
        department=department,
        division=wanted.division,
        active=True,
        email=wanted.email,
        subject=wanted.subject,
        password_hash=secrets.hash_password(wanted.password),
        password_at=now,
        must_change=wanted.must_change,
        failures=0,
        created_at=now,
    )
    session.add(user)
    session.flush()
    facts = {"role": user.role, "department": user.department_id, "division": user.division}
    note(session, clock, actor=by, action="user.create", target=f"user/{user.name}", facts=facts)
    return user


def register(session: Session, clock: Clock, caller: Caller, wanted: NewUser) -> User:
    """Register an account as the caller may. Errors: Forbidden, and those of add_user."""
    check_user(wanted.role, wanted.department_id, wanted.division)
    if caller.role is Role.SECURITY_ADMIN:
        _must_hold(session, caller, wanted.role, wanted.department_id, wanted.division)
    else:
        _must_be_staff(caller, wanted.role, wanted.department_id)
    return add_user(session, clock, wanted, caller.name)


def change(session: Session, clock: Clock, caller: Caller, name: str, changes: Mapping[str, Any]) -> User:
    """Change another's role, place or identity. Errors: NotFound, Forbidden, Invalid, Conflict (a second duty)."""
    user = _another(session, caller, name)
    role = Role(changes.get("role") or user.role)
    department_id = changes.get("department_id", user.department_id)
    division = changes.get("division", user.division)
    check_user(role, department_id, division)
    _must_hold(session, caller, role, department_id, division)
    _must_stay_separate(user, role)
    _must_be_one_person(session, name, changes)
    _must_be_division(session, division)
    user.role, user.department_id, user.division = role.value, department_id, division
    user.department = None if department_id is None else active_department(session, department_id)
    if role in THREE_DUTIES:
        user.duty = role.value
    for field in ("email", "subject"):
        if field in changes:
            setattr(user, field, changes[field])
    facts = {"fields": sorted(changes), "role": role.value, "department": department_id, "division": division}
    note(session, clock, actor=caller.name, action="user.change", target=f"user/{name}", facts=facts)
    session.flush()
    return user


def reset_password(
    session: Session, clock: Clock, caller: Caller, name: str, password: str, *, must_change: bool
) -> User:
    """Give another's account a password and end its lock. Errors: NotFound, Forbidden."""
    user = _another(session, caller, name)
    session.add(FormerPassword(user=name, password_hash=user.password_hash))
    user.password_hash, user.password_at = secrets.hash_password(password), clock()
    user.must_change, user.failures, user.locked_until = must_change, 0, None
    note(session, clock, actor=caller.name, action="user.reset_password", target=f"user/{name}")
    session.flush()
    return user


def set_active(session: Session, clock: Clock, caller: Caller, name: str, *, active: bool) -> User:
    """Switch another's account on or off. Errors: NotFound, Forbidden."""
    user = _another(session, caller, name)
    user.active = active
    action = "user.activate" if active else "user.deactivate"
    note(session, clock, actor=caller.name, action=action, target=f"user/{name}")
    session.flush()
    return user


def user_of(session: Session, caller: Caller, name: str) -> User:
    """Return an account that the caller keeps. Errors: NotFound."""
    user = session.scalar(select(User).where(User.name == name, visible(caller)))
    if user is None:
        raise NotFound(kind=USER, name=name)
    return user


def visible(caller: Caller) -> ColumnElement[bool]:
    """Return the condition for the accounts that the caller may look at."""
    if caller.role is Role.DEPARTMENT_ADMIN:
        return User.department_id == caller.department_id
    if caller.role is not Role.SECURITY_ADMIN:
        return and_(User.name == caller.name, false() if caller.client_id else true())
    if caller.division is None:
        return true()
    subtree = below(caller.division)
    here = select(Department.id).where(Department.division.in_(subtree))
    return or_(User.division.in_(subtree), User.department_id.in_(here))


def _another(session: Session, caller: Caller, name: str) -> User:
    user = user_of(session, caller, name)
    if user.name == caller.name:
        raise Forbidden(reason=Text("nobody changes the own account so", "不得变更本人账号"))
    if caller.role is not Role.SECURITY_ADMIN:
        _must_be_staff(caller, Role(user.role), user.department_id)
    return user


def _must_be_staff(caller: Caller, role: Role, department_id: int | None) -> None:
    if department_id is None or role not in STAFF:
        caller.must_secure()
    else:
        caller.must_manage(department_id)


def _must_hold(session: Session, caller: Caller, role: Role, department_id: int | None, division: str | None) -> None:
    """Raise Forbidden unless what an account is to reach lies within the security administrator's own reach."""
    if department_id is not None:
        caller.must_secure(active_department(session, department_id).division)
    else:
        assert role in THREE_DUTIES
        caller.must_secure(division, whole=division is None)


def _must_stay_separate(user: User, role: Role) -> None:
    if role in THREE_DUTIES and user.duty not in {None, role.value}:
        raise Conflict(
            reason=Text(
                f"{user.name} is or was {user.duty}: the three duties stay with different accounts",
                f"{user.name} 现任或曾任 {user.duty}：三员须由不同账号担任",
            )
        )


def _must_be_one_person(session: Session, name: str, identity: Mapping[str, Any]) -> None:
    for column in (User.email, User.subject):
        value = identity.get(column.key)
        if value and session.scalar(select(User.name).where(column == value, User.name != name)) is not None:
            raise Conflict(
                reason=Text(f"that {column.key} has another account", "该身份已绑定其他账号")
            )  # one person, one account: so nobody holds two of the three


def _must_be_division(session: Session, code: str | None) -> None:
    if code is not None and session.get(Division, code) is None:
        raise NotFound(kind=Text("division", "行政区划"), name=code)
