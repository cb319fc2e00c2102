"""Reconciliation over HTTP."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel

from registry.receipts import service
from registry.web.access import Authenticated, Registry

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
