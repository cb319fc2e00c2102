"""Telling: a notice is written in the transaction of the change that it tells of; the courier carries it out."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, false, func, select
from sqlalchemy.orm import Session

from exchange.text import Text
from registry.access.caller import Caller
from registry.audit.service import note
from registry.clock import Clock
from registry.errors import NotFound
from registry.notices.domain import Network, Told, check_url
from registry.notices.models import Notice, Webhook
from registry.organisation.models import System
from registry.organisation.service import system_of

KIND = Text("webhook", "回调地址")


def tell(session: Session, now: datetime, systems: Iterable[System], *, kind: str, subject: str, **facts: Any) -> None:
    """Tell systems, each once, on the bus and by webhook; their departments can read it too."""
    for system in {system.client_id: system for system in systems}.values():
        session.add(_notice(now, system.department_id, system.client_id, kind, subject, facts))


def tell_department(session: Session, now: datetime, department: int, *, kind: str, subject: str, **facts: Any) -> None:
    """Tell the people of a department, who read it at the registry."""
    session.add(_notice(now, department, None, kind, subject, facts))


def told(notice: Notice) -> Told:
    """Return the notice as its reader gets it."""
    return Told(notice.id, notice.kind, notice.subject, notice.created_at, notice.facts)


def visible(caller: Caller) -> ColumnElement[bool]:
    """Return the condition for the notices of the caller: a system's own, or those of a person's department."""
    if caller.client_id is not None:
        return Notice.client_id == caller.client_id
    if caller.governs or caller.department_id is None:
        return false()
    return Notice.department_id == caller.department_id


def set_webhook(
    session: Session, clock: Clock, caller: Caller, client_id: str, url: str, allowed: Sequence[Network]
) -> Webhook:
    """Have a system's notices, from now on, sent to ``url``; the secret is a new one. Errors: Invalid, Forbidden."""
    system = system_of(session, client_id)
    caller.must_manage(system.department_id)
    check_url(url, allowed)
    now = clock()
    webhook = session.get(Webhook, client_id) or Webhook(client_id=client_id, created_at=now)
    webhook.url = url
    webhook.salt = secrets.token_hex(32)
    webhook.since = session.scalar(select(func.max(Notice.id)).where(Notice.client_id == client_id)) or 0
    webhook.attempts = 0
    webhook.next_attempt_at = now
    webhook.last_error = None
    session.add(webhook)
    note(session, clock, actor=caller.name, action="webhook.set", target=f"system/{client_id}")
    return webhook


def webhook_of(session: Session, caller: Caller, client_id: str) -> Webhook:
    """Return a system's webhook to its own department. Errors: NotFound, Forbidden."""
    caller.must_manage(system_of(session, client_id).department_id)
    webhook = session.get(Webhook, client_id)
    if webhook is None:
        raise NotFound(kind=KIND, name=client_id)
    return webhook


def remove_webhook(session: Session, clock: Clock, caller: Caller, client_id: str) -> None:
    """Send a system's notices nowhere any more. Errors: NotFound, Forbidden."""
    session.delete(webhook_of(session, caller, client_id))
    note(session, clock, actor=caller.name, action="webhook.remove", target=f"system/{client_id}")


def unpublished(session: Session, most: int) -> list[Notice]:
    """Return the oldest notices that are not on the bus yet; those of switched-off systems have no topic."""
    active = select(System.client_id).where(System.active)
    wanted = select(Notice).where(Notice.client_id.in_(active), Notice.published_at.is_(None))
    return list(session.scalars(wanted.order_by(Notice.id).limit(most)))


def due_webhooks(session: Session, now: datetime, most: int) -> list[Webhook]:
    """Return the webhooks that have something to send and whose next attempt is due."""
    waiting = select(Notice.id).where(
        Notice.client_id == Webhook.client_id, Notice.delivered_at.is_(None), Notice.id > Webhook.since
    )
    due = select(Webhook).where(Webhook.next_attempt_at <= now, waiting.exists())
    return list(session.scalars(due.order_by(Webhook.next_attempt_at).limit(most)))


def next_for(session: Session, webhook: Webhook, most: int) -> list[Notice]:
    """Return the oldest notices that a webhook has not taken."""
    wanted = select(Notice).where(
        Notice.client_id == webhook.client_id, Notice.delivered_at.is_(None), Notice.id > webhook.since
    )
    return list(session.scalars(wanted.order_by(Notice.id).limit(most)))


def _notice(
    now: datetime, department: int, client_id: str | None, kind: str, subject: str, facts: dict[str, Any]
) -> Notice:
    return Notice(
        department_id=department, client_id=client_id, kind=kind, subject=subject, facts=facts, created_at=now
    )
