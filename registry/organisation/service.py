"""Registering departments, systems and users."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from exchange.text import Text
from registry.access import secrets
from registry.clock import Clock
from registry.errors import Conflict, NotFound
from registry.organisation.domain import Role, check_client_id, check_uscc, check_user
from registry.organisation.models import Department, Division, System, User


def add_department(session: Session, *, uscc: str, name: str, division: str) -> Department:
    """Register a department. Errors: Invalid, NotFound (division), Conflict."""
    check_uscc(uscc)
    if session.get(Division, division) is None:
        raise NotFound(kind=Text("division", "行政区划"), name=division)
    _free(session.scalar(select(Department).where(Department.uscc == uscc)), uscc)
    department = Department(uscc=uscc, name=name, division=division)
    session.add(department)
    session.flush()
    return department


def add_system(session: Session, clock: Clock, *, client_id: str, department_id: int, name: str) -> tuple[System, str]:
    """Register a system; return it and its secret, which is told this once. Errors: Invalid, NotFound, Conflict."""
    check_client_id(client_id)
    department = department_of(session, department_id)
    _free(session.get(System, client_id), client_id)
    secret = secrets.new_secret()
    system = System(
        client_id=client_id,
        department_id=department.id,
        department=department,
        name=name,
        active=True,
        secret_sha256=secrets.digest(secret),
        created_at=clock(),
    )
    session.add(system)
    session.flush()
    return system, secret


def renew_secret(session: Session, client_id: str) -> str:
    """Give a system a new secret, which is told this once; the old one ends. Errors: NotFound."""
    secret = secrets.new_secret()
    system_of(session, client_id).secret_sha256 = secrets.digest(secret)
    return secret


def set_active(session: Session, client_id: str, active: bool) -> System:
    """Switch a system on or off: one that is off gets no token and has no ACL. Errors: NotFound."""
    system = system_of(session, client_id)
    system.active = active
    return system


def add_user(
    session: Session, clock: Clock, *, name: str, password: str, role: Role, department_id: int | None
) -> User:
    """Register a user. Errors: Invalid, NotFound (department), Conflict."""
    check_user(role, department_id)
    if department_id is not None:
        department_of(session, department_id)
    _free(session.get(User, name), name)
    user = User(
        name=name,
        role=role.value,
        department_id=department_id,
        active=True,
        password_hash=secrets.hash_password(password),
        created_at=clock(),
    )
    session.add(user)
    session.flush()
    return user


def department_of(session: Session, department_id: int) -> Department:
    """Return a department. Errors: NotFound."""
    department = session.get(Department, department_id)
    if department is None:
        raise NotFound(kind=Text("department", "部门"), name=department_id)
    return department


def system_of(session: Session, client_id: str) -> System:
    """Return a system. Errors: NotFound."""
    system = session.get(System, client_id)
    if system is None:
        raise NotFound(kind=Text("system", "业务系统"), name=client_id)
    return system


def _free(taken: object, name: str) -> None:
    if taken is not None:
        raise Conflict(reason=Text(f"{name} is registered already", f"{name} 已登记"))
