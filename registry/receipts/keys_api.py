"""Keys that sign receipts, over HTTP: a system tells its own, its department looks on and ends one."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy import select

from registry.organisation.fields import ClientIdPath
from registry.organisation.service import tended_system
from registry.receipts import signatures
from registry.receipts.models import ReceiptKey
from registry.web.access import Authenticated, Registry
from registry.web.forms import Cursor, Form, Limit, Page, page

router = APIRouter(prefix="/api/v1", tags=["reconciliation"])

JWK = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
KidPath = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{43}$", examples=["kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"])]


class ReceiptKeyForm(Form):
    """The public key with which the calling system signs its receipts: Ed25519, as a JWK (RFC 8037)."""

    jwk: Annotated[dict[str, Annotated[str, StringConstraints(max_length=200)]], Field(max_length=20, examples=[JWK])]


class ReceiptKeyOut(BaseModel):
    """A key that signs receipts; ``kid`` is its thumbprint (RFC 7638). It is kept when it has ended."""

    client_id: str
    kid: str
    jwk: Annotated[dict[str, str], Field(examples=[JWK])]
    created_at: datetime
    ended_at: datetime | None
    ended_by: str | None

    model_config = ConfigDict(from_attributes=True)


@router.post("/receipt-keys")
def register(registry: Registry, caller: Authenticated, form: ReceiptKeyForm) -> ReceiptKeyOut:
    """Make the calling system's key known; SDK and adapters do it by themselves at each start."""
    with registry.database.write() as session:
        return ReceiptKeyOut.model_validate(signatures.register(session, registry.clock, caller, form.jwk))


@router.get("/systems/{client_id}/receipt-keys")
def receipt_keys(
    registry: Registry, caller: Authenticated, client_id: ClientIdPath, limit: Limit = 100, cursor: Cursor = None
) -> Page[ReceiptKeyOut]:
    """List the keys that sign a system's receipts, ended ones too."""
    with registry.database.read() as session:
        tended_system(session, caller, client_id)
        statement = select(ReceiptKey).where(ReceiptKey.client_id == client_id)
        return page(session, statement, ReceiptKey.kid, ReceiptKeyOut.model_validate, limit=limit, cursor=cursor)


@router.post("/systems/{client_id}/receipt-keys/{kid}/end")
def end(registry: Registry, caller: Authenticated, client_id: ClientIdPath, kid: KidPath) -> ReceiptKeyOut:
    """End a key, when its file was lost or seen by others: what it signs from now on is refused."""
    with registry.database.write() as session:
        return ReceiptKeyOut.model_validate(signatures.end(session, registry.clock, caller, client_id, kid))
