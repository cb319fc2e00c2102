"""The audit over HTTP, to read only, and for auditors only."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime, BaseModel, Field
from sqlalchemy import Select, select

from exchange.errors import NotConnected
from exchange.text import Text
from registry.audit.keeper import head_of
from registry.audit.models import AuditEntry, AuditHead
from registry.audit.service import note
from registry.audit.signing import Head
from registry.errors import BrokerRefused, Conflict, NotFound
from registry.runtime import Runtime
from registry.web.access import Auditor, Registry
from registry.web.forms import NO_NUL, Cursor, Limit, Number, Page, Sort, page

router = APIRouter(prefix="/api/v1/audit", tags=["audit"])
MOST_LINES = 10_000
LINES = "application/x-ndjson"
Word = Annotated[str | None, Query(max_length=200, pattern=NO_NUL)]
Since = Annotated[AwareDatetime | None, Query(description="from this instant on", examples=["2026-02-14T00:00:00Z"])]
Until = Annotated[AwareDatetime | None, Query(description="before this instant", examples=["2026-02-15T00:00:00Z"])]


class EntryOut(BaseModel):
    """An entry of the audit; ``previous`` and ``hash`` chain it."""

    number: Annotated[int, Field(examples=[4711])]
    at: datetime
    actor: Annotated[str, Field(examples=["mz-admin"])]
    action: Annotated[str, Field(examples=["request.approve"])]
    target: Annotated[str, Field(examples=["request/17"])]
    facts: Annotated[dict[str, Any], Field(examples=[{"resource": "307440000-000001"}])]
    previous: Annotated[
        str, Field(examples=["sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"])
    ]
    hash: Annotated[str, Field(examples=["sha256:60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752"])]

    @staticmethod
    def of(row: AuditEntry) -> EntryOut:
        """Return the answer for a row."""
        return EntryOut.model_validate(row.value().as_json())


class HeadOut(BaseModel):
    """A signed head: Ed25519 over the canonical JSON of at, hash, node and number, by the key ``kid``."""

    node: Annotated[str, Field(examples=["440000"])]
    number: Annotated[int, Field(examples=[4711])]
    hash: str
    at: str
    kid: str
    signature: str

    @staticmethod
    def of(head: Head) -> HeadOut:
        """Return the answer for a head."""
        return HeadOut.model_validate(head.as_json())


class Witness(BaseModel):
    """What the bus has: ``head`` null is none yet, or, when ``unavailable`` says why, that it cannot be asked now."""

    head: HeadOut | None
    unavailable: Annotated[str | None, Field(examples=["broker_unavailable"])]


class KeysOut(BaseModel):
    """The public keys that sign heads: PEM by id."""

    keys: dict[str, str]


@router.get("/entries")
def entries(
    registry: Registry,
    _caller: Auditor,
    actor: Word = None,
    action: Word = None,
    target: Word = None,
    since: Since = None,
    until: Until = None,
    sort: Sort = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[EntryOut]:
    """List entries, oldest first or `sort=-number`; `action` and `target` may end with `*`."""
    statement = _filtered(actor, action, target, since, until)
    sortable = {"number": AuditEntry.number}
    with registry.database.read() as session:
        return page(
            session,
            statement,
            AuditEntry.number,
            EntryOut.of,
            limit=limit,
            cursor=cursor,
            sort=sort,
            sortable=sortable,
        )


@router.get("/entries/{number}")
def entry(registry: Registry, _caller: Auditor, number: Number) -> EntryOut:
    """Return one entry."""
    with registry.database.read() as session:
        row = session.get(AuditEntry, number)
        if row is None:
            raise NotFound(kind=Text("audit entry", "审计记录"), name=number)
        return EntryOut.of(row)


@router.get("/export", response_class=StreamingResponse, responses={200: {"content": {LINES: {}}}})
def export(
    registry: Registry,
    _caller: Auditor,
    after: Annotated[int, Query(ge=0, le=2**63 - 1, description="the last number that is there already")] = 0,
    until: Annotated[int, Query(ge=1, le=2**63 - 1, description="the last number wanted")] = 2**63 - 1,
    limit: Annotated[int, Query(ge=1, le=MOST_LINES, description="lines at once")] = MOST_LINES,
) -> StreamingResponse:
    """Return entries as JSON lines, in their order; with a signed head they are verified without the registry."""
    return StreamingResponse(_lines(registry, after, until, limit), media_type=LINES)


@router.get("/heads")
def heads(registry: Registry, _caller: Auditor, limit: Limit = 100, cursor: Cursor = None) -> Page[HeadOut]:
    """List the signed heads, oldest first."""
    node = registry.settings.node.division
    with registry.database.read() as session:
        return page(
            session,
            select(AuditHead),
            AuditHead.number,
            lambda row: HeadOut.of(head_of(row, node)),
            limit=limit,
            cursor=cursor,
        )


@router.post("/heads", status_code=201)
def sign(registry: Registry, caller: Auditor) -> HeadOut:
    """Sign the chain as it is now; that it was asked for is its last entry."""
    with registry.database.write() as session:
        note(session, registry.clock, actor=caller.name, action="audit.sign", target="audit")
    head = registry.audit.keeper.sign()
    if head is None:
        raise Conflict(reason=Text("there is no entry yet", "尚无审计记录"))
    return HeadOut.of(head)


@router.get("/heads/published")
def published(registry: Registry, _caller: Auditor) -> Witness:
    """Return the head that the bus has: a witness outside of the registry's database."""
    try:
        head = registry.audit.topic.newest(registry.settings.node.division)
    except (NotConnected, BrokerRefused) as exc:
        return Witness(head=None, unavailable=exc.code)
    return Witness(head=HeadOut.of(head) if head else None, unavailable=None)


@router.get("/keys")
def keys(registry: Registry, _caller: Auditor) -> KeysOut:
    """Return the public keys of the heads; an auditor keeps a copy elsewhere."""
    return KeysOut(keys=registry.audit.signer.public_keys())


def _filtered(
    actor: str | None, action: str | None, target: str | None, since: datetime | None, until: datetime | None
) -> Select[AuditEntry]:
    statement = select(AuditEntry)
    if actor is not None:
        statement = statement.where(AuditEntry.actor == actor)
    for column, word in ((AuditEntry.action, action), (AuditEntry.target, target)):
        if word is not None and word.endswith("*"):
            statement = statement.where(column.startswith(word.removesuffix("*"), autoescape=True))
        elif word is not None:
            statement = statement.where(column == word)
    if since is not None:
        statement = statement.where(AuditEntry.at >= since)
    if until is not None:
        statement = statement.where(AuditEntry.at < until)
    return statement


def _lines(registry: Runtime, after: int, until: int, limit: int) -> Iterator[bytes]:
    wanted = (
        select(AuditEntry)
        .where(AuditEntry.number > after, AuditEntry.number <= until)
        .order_by(AuditEntry.number)
        .limit(limit)
    )
    with registry.database.read() as session:
        for row in session.scalars(wanted.execution_options(yield_per=1000)):
            yield json.dumps(row.value().as_json(), ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
