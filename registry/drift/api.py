"""Drift over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel

from registry.catalogue.models import Resource
from registry.drift import service
from registry.drift.service import Kind, Limits
from registry.running.models import RunningAdapter
from registry.runtime import Runtime
from registry.sharing.models import Grant
from registry.web.access import Authenticated, Registry
from registry.web.forms import Cursor, Limit, Page, page

router = APIRouter(prefix="/api/v1/drift", tags=["drift"])


class DriftOut(BaseModel):
    """Something that does not fit: ``since`` is when the entry was published, the adapter told, or the grant opened.

    ``client_id``: the source of an entry or of its columns, the holder of a grant.
    """

    kind: Kind
    resource: str
    name: str
    department: str
    client_id: str
    since: datetime | None
    grant: int | None = None
    columns: list[str] | None = None


@router.get("")
def drift(
    registry: Registry,
    caller: Authenticated,
    kind: Annotated[Kind, Query(description="entries without data, columns without an entry, grants without use")],
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[DriftOut]:
    """List where catalogue and data do not fit, in one's own department or in those that one administers."""
    limits = _limits(registry)
    with registry.database.read() as session:
        match kind:
            case Kind.ZOMBIE:
                wanted = service.zombies(limits, caller)
                return page(session, wanted, Resource.slug, _zombie, limit=limit, cursor=cursor)
            case Kind.UNDECLARED:
                told = service.undeclared(caller)

                def named(row: RunningAdapter) -> DriftOut:
                    return _undeclared(row, session.get_one(Resource, row.resource))

                return page(session, told, RunningAdapter.id, named, limit=limit, cursor=cursor)
            case Kind.UNUSED:
                idle = service.unused(limits, caller)
                return page(session, idle, Grant.id, _unused, limit=limit, cursor=cursor)


def _limits(registry: Runtime) -> Limits:
    return Limits.of(registry.settings.evaluation, registry.clock())


def _zombie(row: Resource) -> DriftOut:
    return DriftOut(
        kind=Kind.ZOMBIE,
        resource=row.slug,
        name=row.name,
        department=row.department.name,
        client_id=row.source_system,
        since=row.published_at,
    )


def _undeclared(row: RunningAdapter, resource: Resource) -> DriftOut:
    return DriftOut(
        kind=Kind.UNDECLARED,
        resource=resource.slug,
        name=resource.name,
        department=resource.department.name,
        client_id=row.client_id,
        since=row.seen_at,
        columns=row.undeclared,
    )


def _unused(row: Grant) -> DriftOut:
    return DriftOut(
        kind=Kind.UNUSED,
        resource=row.slug,
        name=row.resource.name,
        department=row.system.department.name,
        client_id=row.client_id,
        since=row.created_at,
        grant=row.id,
    )
