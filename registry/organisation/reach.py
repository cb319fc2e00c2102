"""What a caller may look into, as conditions of SQL, so that lists are filtered where they are."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Select, false, select, true
from sqlalchemy.orm import InstrumentedAttribute

from registry.access.caller import Caller
from registry.organisation.domain import Role
from registry.organisation.models import Department, Division


def below(division: str) -> Select[str]:
    """Return the codes of a division and of all below it."""
    tree = select(Division.code).where(Division.code == division).cte("subtree", recursive=True)
    tree = tree.union_all(select(Division.code).join(tree, Division.parent == tree.c.code))
    return select(tree.c.code)


def in_reach(caller: Caller, division: InstrumentedAttribute[str]) -> ColumnElement[bool]:
    """Return the condition for rows of divisions that the caller is delegated to."""
    return true() if caller.division is None else division.in_(below(caller.division))


def seen(caller: Caller, department_id: InstrumentedAttribute[int]) -> ColumnElement[bool]:
    """Return the condition for rows that are a department's own, where the caller sees that department's own.

    A system administrator sees the departments in the own subtree, a department's people and systems their own;
    security administrators and auditors none.
    """
    if not caller.governs:
        return department_id == caller.department_id
    if caller.role is not Role.SYSTEM_ADMIN:
        return false()
    if caller.division is None:
        return true()
    return department_id.in_(select(Department.id).where(Department.division.in_(below(caller.division))))


def tended(caller: Caller, department_id: InstrumentedAttribute[int]) -> ColumnElement[bool]:
    """Return the condition for accounts and systems that the caller may list: ``seen``, and security's own subtree."""
    if caller.role is not Role.SECURITY_ADMIN:
        return seen(caller, department_id)
    if caller.division is None:
        return true()
    return department_id.in_(select(Department.id).where(Department.division.in_(below(caller.division))))
