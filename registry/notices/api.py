"""Notices and webhooks over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field, StringConstraints
from sqlalchemy import select

from registry.notices import service
from registry.notices.models import Notice, Webhook
from registry.web.access import Party, Registry
from registry.web.forms import ClientId, Cursor, Form, Limit, Page, page

router = APIRouter(prefix="/api/v1", tags=["notices"])
Url = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=r"^[\x21-\x7e]+$")]


class WebhookForm(Form):
    """Where a system's notices are sent: https, or a loopback address that the configuration allows."""

    url: Annotated[Url, Field(examples=["https://notices.example.gov.cn/exchange"])]


class WebhookOut(BaseModel):
    """A webhook, and how it fares; ``last_error`` null: the last call was answered well."""

    client_id: str
    url: str
    attempts: int
    next_attempt_at: datetime
    last_error: str | None

    @staticmethod
    def of(row: Webhook) -> WebhookOut:
        """Return the answer for a row."""
        return WebhookOut(**{name: getattr(row, name) for name in WebhookOut.model_fields})


class WebhookSet(WebhookOut):
    """A webhook with its secret, which is told this once."""

    secret: str


class NoticeOut(BaseModel):
    """A notice: ``subject`` is like ``grant/17``; ``facts`` are what changed."""

    id: int
    kind: Annotated[str, Field(examples=["grant.revoked"])]
    subject: Annotated[str, Field(examples=["grant/17"])]
    client_id: str | None
    facts: dict[str, Any]
    created_at: datetime
    published_at: datetime | None
    delivered_at: datetime | None

    @staticmethod
    def of(row: Notice) -> NoticeOut:
        """Return the answer for a row."""
        return NoticeOut(**{name: getattr(row, name) for name in NoticeOut.model_fields})


@router.get("/notices")
def notices(
    registry: Registry,
    caller: Party,
    kind: Annotated[str | None, Query(max_length=40)] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[NoticeOut]:
    """List what the calling system, or the caller's department, was told."""
    statement = select(Notice).where(service.visible(caller))
    if kind is not None:
        statement = statement.where(Notice.kind == kind)
    with registry.database.read() as session:
        return page(session, statement, Notice.id, NoticeOut.of, limit=limit, cursor=cursor)


@router.get("/systems/{client_id}/webhook")
def webhook(registry: Registry, caller: Party, client_id: ClientId) -> WebhookOut:
    """Return where a system's notices are sent, and how that fares."""
    with registry.database.read() as session:
        return WebhookOut.of(service.webhook_of(session, caller, client_id))


@router.put("/systems/{client_id}/webhook")
def set_webhook(registry: Registry, caller: Party, client_id: ClientId, form: WebhookForm) -> WebhookSet:
    """Have a system's notices sent to a URL from now on; the secret that signs them is new, and told this once."""
    with registry.database.write() as session:
        row = service.set_webhook(session, registry.clock, caller, client_id, form.url, registry.webhook_networks)
        return WebhookSet(**WebhookOut.of(row).model_dump(), secret=registry.courier.secret(row))


@router.delete("/systems/{client_id}/webhook", status_code=204)
def remove_webhook(registry: Registry, caller: Party, client_id: ClientId) -> None:
    """Send a system's notices nowhere any more."""
    with registry.database.write() as session:
        service.remove_webhook(session, registry.clock, caller, client_id)
