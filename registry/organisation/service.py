"""Departments and systems: registering and changing them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from exchange.text import Text
from registry.access import secrets
from registry.access.caller import Caller
from registry.access.public_keys import read_key
from registry.audit.service import note
from registry.clock import Clock
from registry.errors import Conflict, Invalid, NotFound
from registry.organisation.domain import Role, check_client_id, check_uscc
from registry.organisation.models import Department, Division, Node, System
from registry.organisation.reach import tended

SYSTEM = Text("system", "业务系统")
DEPARTMENT = Text("department", "部门")


def add_department(
    session: Session, clock: Clock, caller: Caller, *, uscc: str, name: str, division: str, node: str | None = None
) -> Department:
    """Register a department in the caller's subtree. Errors: Forbidden, Invalid, NotFound (division), Conflict."""
    caller.must_administer(division)
    check_uscc(uscc)
    place = session.get(Division, division)
    if place is None:
        raise NotFound(kind=Text("division", "行政区划"), name=division)
    if place.valid_to is not None:
        raise Conflict(reason=Text(f"division {division} has ended", f"行政区划 {division} 已撤销"))
    must_be_free(session.scalar(select(Department).where(Department.uscc == uscc)), uscc)
    _must_be_node(session, node)
    department = Department(uscc=uscc, name=name, division=division, node=node)
    session.add(department)
    session.flush()
    facts = {"uscc": uscc, "name": name, "division": division, "node": node}
    note(session, clock, actor=caller.name, action="department.create", target=_target(department), facts=facts)
    return department


def change_department(
    session: Session, clock: Clock, caller: Caller, department_id: int, changes: Mapping[str, str | None]
) -> Department:
    """Change name or node of a department. Errors: Forbidden, NotFound, Invalid, Conflict (dissolved)."""
    department = active_department(session, department_id)
    caller.must_administer(department.division)
    if "name" in changes:
        if not changes["name"]:
            raise Invalid(field="name", reason=Text("cannot be empty", "不能为空"))
        department.name = changes["name"]
    if "node" in changes:
        _must_be_node(session, changes["node"])
        department.node = changes["node"]
    session.flush()
    note(session, clock, actor=caller.name, action="department.change", target=_target(department), facts=changes)
    return department


def add_system(
    session: Session, clock: Clock, caller: Caller, *, client_id: str, department_id: int, name: str
) -> tuple[System, str]:
    """Register a system; return it and its secret, which is told this once. Errors: Invalid, NotFound, Conflict."""
    check_client_id(client_id)
    department = active_department(session, department_id)
    caller.must_administer(department.division)
    must_be_free(session.get(System, client_id), client_id)
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
    note(
        session,
        clock,
        actor=caller.name,
        action="system.create",
        target=f"system/{client_id}",
        facts={"department": department.id},
    )
    return system, secret


def rename_system(session: Session, clock: Clock, caller: Caller, client_id: str, name: str) -> System:
    """Give a system another name. Errors: NotFound, Forbidden."""
    system = system_of(session, client_id)
    caller.must_administer(system.department.division)
    system.name = name
    session.flush()
    note(session, clock, actor=caller.name, action="system.rename", target=f"system/{client_id}", facts={"name": name})
    return system


def renew_secret(session: Session, clock: Clock, caller: Caller, client_id: str) -> str:
    """Give a system a new secret, told this once; the old one, or its key, ends. Errors: NotFound, Forbidden."""
    system = _provable(session, caller, client_id)
    secret = secrets.new_secret()
    system.secret_sha256, system.public_key = secrets.digest(secret), None
    note(session, clock, actor=caller.name, action="system.secret", target=f"system/{client_id}")
    return secret


def take_key(
    session: Session,
    clock: Clock,
    caller: Caller,
    client_id: str,
    *,
    pem: str | None,
    jwk: Mapping[str, str] | None,
) -> dict[str, Any]:
    """Have a system sign in with its own key, not a secret; return the JWK. Errors: NotFound, Forbidden, Invalid."""
    system = _provable(session, caller, client_id)
    key = read_key(pem=pem, jwk=jwk)
    system.secret_sha256, system.public_key = None, key.jwk
    facts = {"thumbprint": key.thumbprint}
    note(session, clock, actor=caller.name, action="system.key", target=f"system/{client_id}", facts=facts)
    return key.jwk


def set_active(session: Session, clock: Clock, caller: Caller, client_id: str, active: bool) -> System:
    """Switch a system on or off: one that is off gets no token and has no ACL. Errors: NotFound, Forbidden."""
    system = system_of(session, client_id)
    caller.must_administer(system.department.division)
    system.active = active
    action = "system.activate" if active else "system.deactivate"
    note(session, clock, actor=caller.name, action=action, target=f"system/{client_id}")
    return system


def department_of(session: Session, department_id: int) -> Department:
    """Return a department, dissolved or not. Errors: NotFound."""
    department = session.get(Department, department_id)
    if department is None:
        raise NotFound(kind=DEPARTMENT, name=department_id)
    return department


def active_department(session: Session, department_id: int) -> Department:
    """Return a department that was not dissolved. Errors: NotFound, Conflict."""
    department = department_of(session, department_id)
    if department.valid_to is not None:
        reason = Text(
            f"{department.name} was dissolved on {department.valid_to}",
            f"{department.name} 已于 {department.valid_to} 撤销",
        )
        raise Conflict(reason=reason)
    return department


def system_of(session: Session, client_id: str) -> System:
    """Return a system. Errors: NotFound."""
    system = session.get(System, client_id)
    if system is None:
        raise NotFound(kind=SYSTEM, name=client_id)
    return system


def tended_system(session: Session, caller: Caller, client_id: str) -> System:
    """Return a system that the caller may look at. Errors: NotFound."""
    system = session.scalar(select(System).where(System.client_id == client_id, tended(caller, System.department_id)))
    if system is None:
        raise NotFound(kind=SYSTEM, name=client_id)
    return system


def must_be_free(taken: object, name: str) -> None:
    """Raise Conflict when something has that name already."""
    if taken is not None:
        raise Conflict(reason=Text(f"{name} is registered already", f"{name} 已登记"))


def _provable(session: Session, caller: Caller, client_id: str) -> System:
    system = system_of(session, client_id)
    if caller.role is Role.SECURITY_ADMIN:
        caller.must_secure(system.department.division)
    else:
        caller.must_manage(system.department_id)
    return system


def _must_be_node(session: Session, code: str | None) -> None:
    if code is not None and session.get(Node, code) is None:
        raise NotFound(kind=Text("node", "交换节点"), name=code)


def _target(department: Department) -> str:
    return f"department/{department.id}"
