"""Reconciliation over HTTP."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from registry.receipts import handling, service
from registry.receipts.differences import Kind, Owner
from registry.receipts.models import Difference
from registry.web.access import Authenticated, Registry
from registry.web.forms import Cursor, Form, Limit, Number, Page, Prose, page

router = APIRouter(prefix="/api/v1", tags=["reconciliation"])


class ReconciliationOut(BaseModel):
    """Records by what became of them, for one resource and one subscriber: see registry.receipts.domain.Totals."""

    resource: str
    client_id: str
    landing: str | None
    batches: int
    published: int
    landed: int
    lost: int
    duplicated: int
    differing: int
    in_flight: int
    cut_off: int
    unmatched: int


class DifferenceOut(BaseModel):
    """A difference; ``owner`` has to answer for it, ``reason`` says by which facts, ``evidence`` what closed it."""

    id: int
    resource: Annotated[str, Field(validation_alias="slug")]
    client_id: str
    batch: str
    landing: str | None
    kind: Kind
    owner: Owner
    reason: str
    records: int
    published_at: datetime | None
    opened_at: datetime
    closed_at: datetime | None
    closed_by: str | None
    evidence: str | None

    model_config = ConfigDict(from_attributes=True)


class ClosingForm(Form):
    """Why a person closes a difference."""

    evidence: Annotated[Prose, Field(examples=["re-published on 2026-11-20, batch 5f0c…"])]


@router.get("/differences")
def differences(
    registry: Registry,
    caller: Authenticated,
    open: Annotated[bool | None, Query(description="only open, or only closed ones")] = None,  # noqa: A002 - the API's word
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[DifferenceOut]:
    """List the differences of the caller's resources and grants."""
    statement = handling.visible(caller)
    if open is not None:
        statement = statement.where(Difference.closed_at.is_(None) if open else Difference.closed_at.is_not(None))
    with registry.database.read() as session:
        return page(session, statement, Difference.id, DifferenceOut.model_validate, limit=limit, cursor=cursor)


@router.get("/differences/{difference_id}")
def difference(registry: Registry, caller: Authenticated, difference_id: Number) -> DifferenceOut:
    """Return one difference to either side of it."""
    with registry.database.read() as session:
        return DifferenceOut.model_validate(handling.difference_of(session, caller, difference_id))


@router.post("/differences/{difference_id}/close")
def close(registry: Registry, caller: Authenticated, difference_id: Number, form: ClosingForm) -> DifferenceOut:
    """Close a difference by hand: the side that has to answer for it does, and says why."""
    with registry.database.write() as session:
        row = handling.close(session, registry.clock, caller, difference_id, form.evidence)
        return DifferenceOut.model_validate(row)


@router.get("/reconciliation")
def reconciliation(
    registry: Registry,
    caller: Authenticated,
    resource: Annotated[str, Query(max_length=64)],
    client_id: Annotated[str, Query(max_length=63)],
) -> ReconciliationOut:
    """Compare what was published with what the newest landing of the subscriber holds."""
    grace_s = registry.settings.registry.receipt_grace_s
    with registry.database.read() as session:
        found = service.of_subscriber(session, caller, resource, client_id, registry.clock(), grace_s)
    return ReconciliationOut(resource=resource, client_id=client_id, landing=found.landing, **asdict(found.totals))
