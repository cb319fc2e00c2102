"""Requests and grants over HTTP; an answer that opens or ends a grant tells whether the broker has followed."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel, Field
from sqlalchemy import select

from registry.enforcement.acls import Scope
from registry.organisation.api import DepartmentOut, must_be_system
from registry.organisation.service import system_of
from registry.sharing import service
from registry.sharing.domain import GrantState, RequestState
from registry.sharing.models import Grant, Request
from registry.web.access import Authenticated, Registry
from registry.web.forms import ClientId, Cursor, Form, Limit, Number, Page, Prose, page

router = APIRouter(prefix="/api/v1", tags=["sharing"])


class RequestForm(Form):
    """A request for a system of the caller's own department."""

    resource: Annotated[str, Field(max_length=64)]
    client_id: ClientId
    purpose: Prose
    legal_basis: Prose
    reason: Prose | None = None
    until: AwareDatetime | None = None


class ReasonForm(Form):
    """Why."""

    reason: Prose


class GrantOut(BaseModel):
    """A grant."""

    id: int
    request: int
    resource: str
    topic: str
    client_id: str
    state: str
    until: datetime | None
    created_at: datetime
    ended_at: datetime | None
    end_reason: str | None

    @staticmethod
    def of(row: Grant) -> GrantOut:
        """Return the answer for a row."""
        fields = {
            name: getattr(row, name) for name in GrantOut.model_fields if name not in {"request", "resource", "topic"}
        }
        return GrantOut(**fields, request=row.request_id, resource=row.slug, topic=row.resource.topic)


class RequestOut(BaseModel):
    """A request and its answer; ``reason`` is why it was answered so, ``note`` what the asker added."""

    id: int
    resource: str
    client_id: str
    purpose: str
    legal_basis: str
    note: str | None
    until: datetime | None
    state: str
    reason: str | None
    created_at: datetime
    answered_at: datetime | None

    @staticmethod
    def of(row: Request) -> RequestOut:
        """Return the answer for a row."""
        own = {"resource": row.slug, "note": row.reason, "reason": row.answer}
        fields = {name: getattr(row, name) for name in RequestOut.model_fields if name not in own}
        return RequestOut(**fields, **own)


class Decided(RequestOut):
    """A request after a decision; ``enforced`` false: the broker is away, and it follows by itself."""

    grant: GrantOut | None
    enforced: bool


class Ended(GrantOut):
    """A grant after its end; ``enforced`` false: the broker is away, and it follows by itself."""

    enforced: bool


class Self(BaseModel):
    """The calling system, and what it may read now."""

    client_id: str
    name: str
    department: DepartmentOut
    grants: list[GrantOut]


@router.post("/requests", status_code=201)
def ask(registry: Registry, caller: Authenticated, form: RequestForm) -> Decided:
    """Ask for a resource: type 1 is granted at once, type 3 refused at once, type 2 waits for its owner."""
    with registry.database.write() as session:
        request, grant = service.ask(session, registry.clock, caller, service.Wish(**form.model_dump()))
        shown = RequestOut.of(request), GrantOut.of(grant) if grant else None
    return _decided(registry, *shown)


@router.get("/requests")
def requests(
    registry: Registry,
    caller: Authenticated,
    state: Annotated[RequestState | None, Query()] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[RequestOut]:
    """List the requests that the caller's department makes or decides."""
    statement = select(Request).where(service.visible(caller, Request))
    if state is not None:
        statement = statement.where(Request.state == state.value)
    with registry.database.read() as session:
        return page(session, statement, Request.id, RequestOut.of, limit=limit, cursor=cursor)


@router.get("/requests/{request_id}")
def request(registry: Registry, caller: Authenticated, request_id: Number) -> RequestOut:
    """Return a request."""
    with registry.database.read() as session:
        return RequestOut.of(service.request_of(session, caller, request_id))


@router.post("/requests/{request_id}/approve")
def approve(registry: Registry, caller: Authenticated, request_id: Number) -> Decided:
    """Approve a waiting request; the grant is an ACL at the broker when `enforced` is true."""
    with registry.database.write() as session:
        request, grant = service.approve(session, registry.clock, caller, request_id)
        shown = RequestOut.of(request), GrantOut.of(grant) if grant else None
    return _decided(registry, *shown)


@router.post("/requests/{request_id}/refuse")
def refuse(registry: Registry, caller: Authenticated, request_id: Number, form: ReasonForm) -> Decided:
    """Refuse a waiting request, with its reason."""
    with registry.database.write() as session:
        shown = RequestOut.of(service.refuse(session, registry.clock, caller, request_id, form.reason))
    return _decided(registry, shown, None)


@router.get("/grants")
def grants(
    registry: Registry,
    caller: Authenticated,
    state: Annotated[GrantState | None, Query()] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[GrantOut]:
    """List the grants that the caller's department gives or has."""
    statement = select(Grant).where(service.visible(caller, Grant))
    if state is not None:
        statement = statement.where(Grant.state == state.value)
    with registry.database.read() as session:
        return page(session, statement, Grant.id, GrantOut.of, limit=limit, cursor=cursor)


@router.get("/grants/{grant_id}")
def grant(registry: Registry, caller: Authenticated, grant_id: Number) -> GrantOut:
    """Return a grant."""
    with registry.database.read() as session:
        return GrantOut.of(service.grant_of(session, caller, grant_id))


@router.post("/grants/{grant_id}/revoke")
def revoke(registry: Registry, caller: Authenticated, grant_id: Number, form: ReasonForm) -> Ended:
    """Revoke a grant: when `enforced` is true, nothing published after this answer is delivered under it."""
    with registry.database.write() as session:
        shown = GrantOut.of(service.revoke(session, registry.clock, caller, grant_id, form.reason))
    registry.metrics.add("exchange_decisions_total", decision=shown.state)
    return Ended(**shown.model_dump(), enforced=_follow(registry, shown))


@router.get("/systems/self")
def myself(registry: Registry, caller: Authenticated) -> Self:
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


def _decided(registry: Registry, request: RequestOut, grant: GrantOut | None) -> Decided:
    registry.metrics.add("exchange_decisions_total", decision=request.state)
    enforced = grant is None or _follow(registry, grant)
    return Decided(**request.model_dump(), grant=grant, enforced=enforced)


def _follow(registry: Registry, grant: GrantOut) -> bool:
    return registry.enforcer.enforce(Scope(grant.client_id, grant.topic))
