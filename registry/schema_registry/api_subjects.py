"""Subjects and their versions."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from registry.schema_registry import service, store
from registry.schema_registry.forms import (
    Cache,
    Deleted,
    Full,
    Limit,
    Normalize,
    Offset,
    OnlyDeleted,
    Permanent,
    Prefix,
    Registered,
    SchemaForm,
    Subject,
    Version,
    bound,
)
from registry.schema_registry.parsing import parse
from registry.schema_registry.problems import MEDIA_TYPE
from registry.web.access import Authenticated, Registry

router = APIRouter()
ALL_CONTEXTS = ":*:"  # what Confluent's clients write for "no prefix"


@router.get("/contexts")
def contexts(_caller: Authenticated) -> list[str]:
    """Return the contexts: there is the default one only."""
    return ["."]


@router.get("/subjects")
def subjects(
    registry: Registry,
    _caller: Authenticated,
    prefix: Prefix = "",
    deleted: Deleted = False,
    only_deleted: OnlyDeleted = False,
    deleted_only: Annotated[bool, Query(description="deletedOnly as Confluent's Python client spells it")] = False,
    offset: Offset = 0,
    limit: Limit = -1,
) -> list[str]:
    """Return all subjects."""
    with registry.database.read() as session:
        return store.subjects(
            session,
            prefix="" if prefix == ALL_CONTEXTS else prefix,
            deleted=deleted,
            only_deleted=only_deleted or deleted_only,
            offset=offset,
            limit=bound(limit, store.MOST_LISTED),
        )


@router.post("/subjects/{subject}", response_model_exclude_none=True)
def look_up(
    registry: Registry,
    _caller: Authenticated,
    subject: Subject,
    form: SchemaForm,
    normalize: Normalize = False,
    deleted: Deleted = False,
) -> Full:
    """Return the version of a subject that has this schema."""
    given = form.given(normalize=normalize)
    with registry.database.read() as session:
        return Full.of_version(service.look_up(session, subject, given, deleted=deleted))


@router.delete("/subjects/{subject}")
def delete_subject(
    registry: Registry, caller: Authenticated, cache: Cache, subject: Subject, permanent: Permanent = False
) -> list[int]:
    """Delete a subject; the owner of its resource, or a system administrator, does this."""
    with registry.database.write() as session:
        gone = service.delete_subject(session, registry.clock, caller, subject, permanent=permanent)
    cache.forget()
    return gone


@router.get("/subjects/{subject}/versions")
def versions(
    registry: Registry,
    _caller: Authenticated,
    subject: Subject,
    deleted: Deleted = False,
    only_deleted: OnlyDeleted = False,
    deleted_only: Annotated[bool, Query(description="deletedOnly as Confluent's Python client spells it")] = False,
    offset: Offset = 0,
    limit: Limit = -1,
) -> list[int]:
    """Return the versions of a subject."""
    with registry.database.read() as session:
        rows = store.versions(session, subject, deleted=deleted, only_deleted=only_deleted or deleted_only)
    return [row.version for row in rows][offset : offset + bound(limit, store.MOST_LISTED)]


@router.post("/subjects/{subject}/versions")
def register(
    registry: Registry, caller: Authenticated, subject: Subject, form: SchemaForm, normalize: Normalize = False
) -> Registered:
    """Register a schema; the owner of its resource, or a system administrator for other subjects, does this."""
    given = form.given(normalize=normalize)
    if not given.references:
        parse(given.text)  # before the transaction, which keeps other writers waiting
    with registry.database.write() as session:
        return Registered(id=service.register(session, registry.clock, caller, subject, given).schema_id)


@router.get("/subjects/{subject}/versions/{version}", response_model_exclude_none=True)
def version(
    registry: Registry, _caller: Authenticated, subject: Subject, version: Version, deleted: Deleted = False
) -> Full:
    """Return one version of a subject, or `latest`."""
    with registry.database.read() as session:
        return Full.of_version(store.version(session, subject, version, deleted=deleted))


@router.get("/subjects/{subject}/versions/{version}/schema")
def version_text(
    registry: Registry, _caller: Authenticated, subject: Subject, version: Version, deleted: Deleted = False
) -> Response:
    """Return nothing but the text of one version."""
    with registry.database.read() as session:
        return Response(store.version(session, subject, version, deleted=deleted).schema.text, media_type=MEDIA_TYPE)


@router.get("/subjects/{subject}/versions/{version}/referencedby")
def referenced_by(
    registry: Registry,
    _caller: Authenticated,
    subject: Subject,
    version: Version,
    offset: Offset = 0,
    limit: Limit = -1,
) -> list[int]:
    """Return the ids of the schemas that refer to one version."""
    with registry.database.read() as session:
        row = store.version(session, subject, version)
        most = bound(limit, store.MOST_LISTED)
        return store.users_of(session, subject, row.version, offset=offset, limit=most)


@router.delete("/subjects/{subject}/versions/{version}")
def delete_version(
    registry: Registry,
    caller: Authenticated,
    cache: Cache,
    subject: Subject,
    version: Version,
    permanent: Permanent = False,
) -> int:
    """Delete one version; who may register may delete."""
    with registry.database.write() as session:
        gone = service.delete_version(session, registry.clock, caller, subject, version, permanent=permanent)
    cache.forget()
    return gone
