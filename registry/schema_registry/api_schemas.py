"""Schemas by id."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from exchange.text import Text
from registry.schema_registry import store
from registry.schema_registry.errors import NotPermitted, SchemaNotFound
from registry.schema_registry.forms import (
    AVRO,
    Answer,
    Bare,
    Cache,
    Deleted,
    Full,
    Limit,
    Offset,
    Prefix,
    SchemaId,
    Use,
    bound,
)
from registry.schema_registry.models import LONGEST_SUBJECT, SubjectVersion
from registry.schema_registry.problems import MEDIA_TYPE
from registry.schema_registry.wire import CACHE_CONTROL, address_of
from registry.web.access import Authenticated, Registry

router = APIRouter()
MOST_SCHEMAS = 1_000
JSON = "application/json"
KNOWN: dict[int | str, dict[str, Any]] = {304: {"description": "The caller has it already (If-None-Match)."}}
Filter = Annotated[str | None, Query(max_length=LONGEST_SUBJECT, description="only under this subject")]
Form = Annotated[str, Query(alias="format", max_length=20, description="no form but the default is kept")]


@router.get("/schemas/types")
def types(_caller: Authenticated) -> list[str]:
    """Return the types of schemas that are kept."""
    return [AVRO]


@router.get("/schemas", response_model_exclude_none=True)
def schemas(
    registry: Registry,
    _caller: Authenticated,
    prefix: Prefix = "",
    deleted: Deleted = False,
    latest: Annotated[bool, Query(alias="latestOnly")] = False,
    offset: Offset = 0,
    limit: Limit = -1,
) -> list[Full]:
    """Return versions of all subjects, or the latest of each."""
    with registry.database.read() as session:
        rows = store.all_versions(
            session, prefix=prefix, deleted=deleted, latest=latest, offset=offset, limit=bound(limit, MOST_SCHEMAS)
        )
        return [Full.of_version(row) for row in rows]


@router.get("/schemas/ids/{schema_id}", response_model=Bare, response_model_exclude_none=True, responses=KNOWN)
def by_id(
    request: Request,
    registry: Registry,
    _caller: Authenticated,
    cache: Cache,
    schema_id: SchemaId,
    form: Form = "",
) -> Response:
    """Return the schema that a record names; ids are global, whatever the subject."""
    _must_be_plain(form)
    with registry.database.read() as session:
        shown = Bare.of(store.by_id(session, schema_id))
    body = shown.model_dump_json(by_alias=True, exclude_none=True).encode()
    return _keepable(request, cache, body, f'"{schema_id}"', MEDIA_TYPE)


@router.get("/schemas/ids/{schema_id}/schema", responses=KNOWN, response_class=Answer)
def text_by_id(
    request: Request, registry: Registry, _caller: Authenticated, cache: Cache, schema_id: SchemaId, form: Form = ""
) -> Response:
    """Return nothing but the text of a schema."""
    _must_be_plain(form)
    with registry.database.read() as session:
        body = store.by_id(session, schema_id).text.encode()
    return _keepable(request, cache, body, f'"{schema_id}-text"', JSON)


@router.get("/schemas/ids/{schema_id}/subjects")
def subjects_of(
    registry: Registry,
    _caller: Authenticated,
    schema_id: SchemaId,
    subject: Filter = None,
    deleted: Deleted = False,
    offset: Offset = 0,
    limit: Limit = -1,
) -> list[str]:
    """Return the subjects that use a schema."""
    rows = _uses(registry, schema_id, subject, deleted, 0, -1)
    names = list(dict.fromkeys(row.subject for row in rows))
    return names[offset : offset + bound(limit, store.MOST_LISTED)]


@router.get("/schemas/ids/{schema_id}/versions")
def versions_of(
    registry: Registry,
    _caller: Authenticated,
    schema_id: SchemaId,
    subject: Filter = None,
    deleted: Deleted = False,
    offset: Offset = 0,
    limit: Limit = -1,
) -> list[Use]:
    """Return the versions of subjects that a schema is."""
    rows = _uses(registry, schema_id, subject, deleted, offset, limit)
    return [Use(subject=row.subject, version=row.version) for row in rows]


def _uses(
    registry: Registry, schema_id: int, subject: str | None, deleted: bool, offset: int, limit: int
) -> Sequence[SubjectVersion]:
    with registry.database.read() as session:
        store.by_id(session, schema_id)
        rows = store.uses(
            session,
            schema_id,
            deleted=deleted,
            offset=offset,
            limit=bound(limit, store.MOST_LISTED),
            subject=subject,
        )
        if not rows and not offset and limit:
            raise SchemaNotFound(reason=f"id {schema_id}")
        return rows


def _keepable(request: Request, cache: Cache, body: bytes, etag: str, media_type: str) -> Response:
    cache.admit(request.headers.get("authorization", "").encode("latin-1"))
    cache.keep(address_of(request.scope), body, etag, media_type)
    headers = {"ETag": etag, "Cache-Control": CACHE_CONTROL}
    if request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type=media_type)


def _must_be_plain(form: str) -> None:
    if form not in {"", "default"}:
        raise NotPermitted(
            field="format", reason=Text("schemas are told in their default format only", "仅支持默认格式")
        )
