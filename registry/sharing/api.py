"""Requests over HTTP; an answer that opens a grant tells whether the broker has followed."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from sqlalchemy import select

from registry.enforcement.acls import Scope
from registry.runtime import Runtime
from registry.sharing import service
from registry.sharing.domain import RequestState
from registry.sharing.forms import (
    BatchForm,
    Decided,
    DecidedBatch,
    EditForm,
    ReasonForm,
    RenewForm,
    RequestForm,
    RequestOut,
    ReviewForm,
    Shown,
    shown,
)
from registry.sharing.models import Request
from registry.sharing.parties import request_of, visible
from registry.web.access import Party, Registry
from registry.web.forms import Cursor, Limit, Number, Page, page

router = APIRouter(prefix="/api/v1", tags=["sharing"])


@router.post("/requests", status_code=201)
def ask(registry: Registry, caller: Party, form: RequestForm) -> Decided:
    """Ask for a resource: type 1 is granted at once, type 3 refused at once, type 2 waits for its owner."""
    with registry.database.write() as session:
        answer = shown(service.ask(session, registry.rules, caller, form.client_id, form.resource, form.wish()))
    return _decided(registry, answer)


@router.post("/request-batches", status_code=201)
def ask_for_all(registry: Registry, caller: Party, form: BatchForm) -> DecidedBatch:
    """Ask for several resources at once: all requests come in or none, and each is decided for itself."""
    with registry.database.write() as session:
        asked = service.ask_for_all(session, registry.rules, caller, form.client_id, form.resources, form.wish())
        answers = [shown(decision) for decision in asked]
    decided = [_decided(registry, answer) for answer in answers]
    return DecidedBatch(batch=decided[0].batch or "", requests=decided)


@router.get("/requests")
def requests(
    registry: Registry,
    caller: Party,
    state: Annotated[RequestState | None, Query()] = None,
    batch: Annotated[str | None, Query(max_length=36)] = None,
    resource: Annotated[str | None, Query(max_length=64)] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[RequestOut]:
    """List the requests that the caller's department makes, decides, or is in charge of."""
    statement = select(Request)
    for column, value in ((Request.state, state), (Request.batch, batch), (Request.slug, resource)):
        if value is not None:
            statement = statement.where(column == value)
    with registry.database.read() as session:
        statement = statement.where(visible(session, caller, Request))
        return page(session, statement, Request.id, RequestOut.of, limit=limit, cursor=cursor)


@router.get("/requests/{request_id}")
def request(registry: Registry, caller: Party, request_id: Number) -> RequestOut:
    """Return a request."""
    with registry.database.read() as session:
        return RequestOut.of(request_of(session, caller, request_id))


@router.patch("/requests/{request_id}")
def edit(registry: Registry, caller: Party, request_id: Number, form: EditForm) -> Decided:
    """Change a request that nobody has answered yet; its clock starts again."""
    with registry.database.write() as session:
        answer = shown(service.edit(session, registry.rules, caller, request_id, form.changes()))
    return _decided(registry, answer)


@router.post("/requests/{request_id}/withdraw")
def withdraw(registry: Registry, caller: Party, request_id: Number) -> Decided:
    """Take a request back before it is answered."""
    with registry.database.write() as session:
        answer = RequestOut.of(service.withdraw(session, registry.rules, caller, request_id))
    return _decided(registry, (answer, None))


@router.post("/requests/{request_id}/review")
def review(registry: Registry, caller: Party, request_id: Number, form: ReviewForm) -> Decided:
    """Pass a request on to its provider, or refuse it with a reason: the authority of the provider's tier does."""
    with registry.database.write() as session:
        answer = RequestOut.of(service.review(session, registry.rules, caller, request_id, form.refusal))
    return _decided(registry, (answer, None))


@router.post("/requests/{request_id}/approve")
def approve(registry: Registry, caller: Party, request_id: Number) -> Decided:
    """Approve a waiting request; the grant is an ACL at the broker when `enforced` is true."""
    with registry.database.write() as session:
        answer = shown(service.approve(session, registry.rules, caller, request_id))
    return _decided(registry, answer)


@router.post("/requests/{request_id}/refuse")
def refuse(registry: Registry, caller: Party, request_id: Number, form: ReasonForm) -> Decided:
    """Refuse a waiting request, with its reason."""
    with registry.database.write() as session:
        answer = RequestOut.of(service.refuse(session, registry.rules, caller, request_id, form.reason))
    return _decided(registry, (answer, None))


@router.post("/requests/{request_id}/dispute")
def dispute(registry: Registry, caller: Party, request_id: Number, form: ReasonForm) -> Decided:
    """Bring a refusal before the authority of the provider's tier, which approves or refuses for good."""
    with registry.database.write() as session:
        answer = RequestOut.of(service.dispute(session, registry.rules, caller, request_id, form.reason))
    return _decided(registry, (answer, None))


@router.post("/grants/{grant_id}/renew", status_code=201)
def renew(registry: Registry, caller: Party, grant_id: Number, form: RenewForm) -> Decided:
    """Ask that an active grant ends later; it stays active meanwhile, and is extended when the request is approved."""
    with registry.database.write() as session:
        answer = shown(service.renew(session, registry.rules, caller, grant_id, form.wish()))
    return _decided(registry, answer)


def _decided(registry: Runtime, answer: Shown) -> Decided:
    request, grant = answer
    registry.metrics.add("exchange_decisions_total", decision=request.state)
    enforced = grant is None or registry.enforcer.enforce(Scope(grant.client_id, grant.topic))
    return Decided(**request.model_dump(), grant=grant, enforced=enforced)
