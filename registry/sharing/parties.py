"""Who takes part in a request or grant: the asker, the provider, and the authority of the provider's tier."""

from __future__ import annotations

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import Session

from exchange.text import Text
from registry.access.caller import Caller
from registry.audit.service import note
from registry.catalogue.models import Resource
from registry.clock import Clock
from registry.errors import NotFound
from registry.organisation.domain import Role
from registry.organisation.models import Department, Division, System
from registry.organisation.service import department_of, system_of
from registry.sharing.models import Authority, Grant, Request

DECIDERS = frozenset({Role.DEPARTMENT_ADMIN, Role.DATA_OWNER})


def decider(caller: Caller) -> int | None:
    """Return the department that decides through the caller; None for one who decides for none."""
    return caller.department_id if caller.role in DECIDERS else None


def authority_of(session: Session, department: Department) -> int | None:
    """Return the department in charge of ``department``'s tier: nobody is in charge of themselves.

    It is that of the division, or else of the nearest division above it.
    """
    code: str | None = department.division
    while code is not None:
        found = session.get(Authority, code)
        if found is not None and found.department_id != department.id:
            return found.department_id
        division = session.get(Division, code)
        code = division.parent if division is not None else None
    return None


def name_authority(session: Session, clock: Clock, caller: Caller, division: str, department_id: int) -> Authority:
    """Put a department in charge of a division. Errors: NotFound, Forbidden."""
    caller.must_administer(division)
    if session.get(Division, division) is None:
        raise NotFound(kind=Text("division", "行政区划"), name=division)
    department = department_of(session, department_id)
    named = session.get(Authority, division) or Authority(division=division)
    named.department_id, named.department, named.named_at = department.id, department, clock()
    session.add(named)
    facts = {"department": department_id}
    note(session, clock, actor=caller.name, action="authority.name", target=f"division/{division}", facts=facts)
    return named


def named_authority(session: Session, division: str) -> Authority:
    """Return who is in charge of a division itself. Errors: NotFound."""
    named = session.get(Authority, division)
    if named is None:
        raise NotFound(kind=Text("authority", "主管部门"), name=division)
    return named


def dismiss_authority(session: Session, clock: Clock, caller: Caller, division: str) -> None:
    """Leave a division to the authority above it. Errors: NotFound, Forbidden."""
    caller.must_administer(division)
    session.delete(named_authority(session, division))
    note(session, clock, actor=caller.name, action="authority.dismiss", target=f"division/{division}")


def request_of(session: Session, caller: Caller, request_id: int) -> Request:
    """Return a request that the caller is a party to. Errors: NotFound."""
    request = session.get(Request, request_id)
    if request is None or not (_party(caller, request) or _in_charge(session, caller, request.resource)):
        raise NotFound(kind=Text("request", "申请"), name=request_id)
    return request


def grant_of(session: Session, caller: Caller, grant_id: int) -> Grant:
    """Return a grant that the caller is a party to. Errors: NotFound."""
    grant = session.get(Grant, grant_id)
    if grant is None or not (_party(caller, grant) or _in_charge(session, caller, grant.resource)):
        raise NotFound(kind=Text("grant", "授权"), name=grant_id)
    return grant


def visible(session: Session, caller: Caller, table: type[Request | Grant]) -> ColumnElement[bool]:
    """Return the condition for the rows that the caller is a party to, or in charge of."""
    if caller.sees_everything:
        return table.id > 0
    departments = _departments(caller)
    systems = select(System.client_id).join(Department).where(departments)
    resources = select(Resource.slug).join(Department).where(or_(departments, *_charges(session, caller)))
    return or_(table.client_id.in_(systems), table.slug.in_(resources))


def source_of(session: Session, resource: Resource) -> System:
    """Return the system that a resource comes from. Errors: NotFound."""
    return system_of(session, resource.source_system)


def _departments(caller: Caller) -> ColumnElement[bool]:
    if caller.role is Role.SYSTEM_ADMIN:
        return Department.division.in_(sorted(caller.subtree))
    if caller.governs or caller.department_id is None:
        return Department.id.is_(None)
    return Department.id == caller.department_id


def _charges(session: Session, caller: Caller) -> list[ColumnElement[bool]]:
    """Return the conditions for the departments that the caller's department is in charge of."""
    if decider(caller) is None:
        return []
    named = {row.division: row.department_id for row in session.scalars(select(Authority))}
    if caller.department_id not in named.values():
        return []
    parents: dict[str, str | None] = dict(session.execute(select(Division.code, Division.parent)).all())
    own: list[str] = []
    beneath: list[ColumnElement[bool]] = []
    for code in parents:
        chain = _chain(code, parents, named)
        if chain[:1] == [caller.department_id]:
            own.append(code)
        elif chain[1:2] == [caller.department_id]:  # of the first one itself, which is not in charge of itself
            beneath.append(and_(Department.division == code, Department.id == chain[0]))
    return [and_(Department.division.in_(own), Department.id != caller.department_id), *beneath]


def _chain(code: str | None, parents: dict[str, str | None], named: dict[str, int]) -> list[int]:
    found: list[int] = []
    while code is not None:
        if code in named and named[code] not in found:
            found.append(named[code])
        code = parents.get(code)
    return found


def _party(caller: Caller, row: Request | Grant) -> bool:
    sides = (row.system.department, row.resource.department)
    return any(caller.sees(department.id, department.division) for department in sides)


def _in_charge(session: Session, caller: Caller, resource: Resource) -> bool:
    department = decider(caller)
    return department is not None and department == authority_of(session, resource.department)
