"""Grants and authorities over HTTP; an answer that ends a grant tells whether the broker has followed."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi import Path as InPath
from sqlalchemy import select

from registry.enforcement.acls import Scope
from registry.organisation.api import DepartmentOut, must_be_system
from registry.organisation.service import system_of
from registry.runtime import Runtime
from registry.sharing import grants as service
from registry.sharing.domain import GrantState
from registry.sharing.forms import AuthorityForm, AuthorityOut, Changed, GrantOut, ReasonForm, Self
from registry.sharing.models import Authority, Grant
from registry.sharing.parties import dismiss_authority, grant_of, name_authority, named_authority, visible
from registry.web.access import Party, Registry
from registry.web.forms import Cursor, Limit, Number, Page, page

router = APIRouter(prefix="/api/v1", tags=["sharing"])
Division = Annotated[str, InPath(pattern=r"^\d{6,12}$", description="a division's code")]


@router.get("/grants")
def grants(
    registry: Registry,
    caller: Party,
    state: Annotated[GrantState | None, Query()] = None,
    resource: Annotated[str | None, Query(max_length=64)] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[GrantOut]:
    """List the grants that the caller's department gives or has, or is in charge of."""
    statement = select(Grant)
    for column, value in ((Grant.state, state), (Grant.slug, resource)):
        if value is not None:
            statement = statement.where(column == value)
    with registry.database.read() as session:
        statement = statement.where(visible(session, caller, Grant))
        return page(session, statement, Grant.id, GrantOut.of, limit=limit, cursor=cursor)


@router.get("/grants/{grant_id}")
def grant(registry: Registry, caller: Party, grant_id: Number) -> GrantOut:
    """Return a grant."""
    with registry.database.read() as session:
        return GrantOut.of(grant_of(session, caller, grant_id))


@router.post("/grants/{grant_id}/suspend")
def suspend(registry: Registry, caller: Party, grant_id: Number, form: ReasonForm) -> Changed:
    """Suspend a grant, with a reason: nothing is delivered until it is resumed."""
    with registry.database.write() as session:
        shown = GrantOut.of(service.suspend(session, registry.clock, caller, grant_id, form.reason))
    return _followed(registry, shown)


@router.post("/grants/{grant_id}/resume")
def resume(registry: Registry, caller: Party, grant_id: Number) -> Changed:
    """Make a suspended grant active again."""
    with registry.database.write() as session:
        shown = GrantOut.of(service.resume(session, registry.clock, caller, grant_id))
    return _followed(registry, shown)


@router.post("/grants/{grant_id}/revoke")
def revoke(registry: Registry, caller: Party, grant_id: Number, form: ReasonForm) -> Changed:
    """Revoke a grant: when `enforced` is true, nothing published after this answer is delivered under it."""
    with registry.database.write() as session:
        shown = GrantOut.of(service.revoke(session, registry.clock, caller, grant_id, form.reason))
    return _followed(registry, shown)


@router.get("/systems/self")
def myself(registry: Registry, caller: Party) -> Self:
    """Return the calling system and its active grants."""
    client_id = must_be_system(caller)
    with registry.database.read() as session:
        system = system_of(session, client_id)
        active = select(Grant).where(Grant.client_id == client_id, Grant.state == GrantState.ACTIVE.value)
        return Self(
            client_id=client_id,
            name=system.name,
            department=DepartmentOut.of(system.department),
            grants=[GrantOut.of(row) for row in session.scalars(active.order_by(Grant.id))],
        )


@router.get("/authorities")
def authorities(registry: Registry, _caller: Party, limit: Limit = 100, cursor: Cursor = None) -> Page[AuthorityOut]:
    """List the departments in charge of divisions."""
    with registry.database.read() as session:
        return page(session, select(Authority), Authority.division, AuthorityOut.of, limit=limit, cursor=cursor)


@router.get("/authorities/{division}")
def authority(registry: Registry, _caller: Party, division: Division) -> AuthorityOut:
    """Return the department that is in charge of a division."""
    with registry.database.read() as session:
        return AuthorityOut.of(named_authority(session, division))


@router.put("/authorities/{division}")
def name(registry: Registry, caller: Party, division: Division, form: AuthorityForm) -> AuthorityOut:
    """Put a department in charge of a division: it reviews, decides what is overdue, and settles disputes."""
    with registry.database.write() as session:
        return AuthorityOut.of(name_authority(session, registry.clock, caller, division, form.department_id))


@router.delete("/authorities/{division}", status_code=204)
def dismiss(registry: Registry, caller: Party, division: Division) -> None:
    """Leave a division to the authority above it."""
    with registry.database.write() as session:
        dismiss_authority(session, registry.clock, caller, division)


def _followed(registry: Runtime, shown: GrantOut) -> Changed:
    registry.metrics.add("exchange_decisions_total", decision=shown.state)
    enforced = registry.enforcer.enforce(Scope(shown.client_id, shown.topic))
    return Changed(**shown.model_dump(), enforced=enforced)
