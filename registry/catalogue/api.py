"""Resources over HTTP: registering, changing, publishing, finding."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from sqlalchemy.orm import Session

from exchange.text import Lang
from registry.access.caller import Caller
from registry.audit.reads import note_read
from registry.catalogue import clash, diff, search, service
from registry.catalogue.domain import Freshness, Lifecycle, SharingType, Shown
from registry.catalogue.forms import (
    ChangeOut,
    ClashOut,
    ClassCode,
    ContractOut,
    DiffOut,
    ItemsForm,
    Moved,
    Registered,
    ResourceDetail,
    ResourceForm,
    ResourceOut,
    ResourcePatch,
    ReturnForm,
    Slug,
    VersionOut,
)
from registry.catalogue.models import Resource, ResourceVersion
from registry.enforcement.acls import Scope
from registry.sharing.grants import end_with_resource
from registry.sharing.service import active_grant
from registry.web.access import Authenticated, Registry
from registry.web.forms import NO_NUL, Cursor, Limit, Page, Sort
from registry.web.problems import request_lang

router = APIRouter(prefix="/api/v1/resources", tags=["catalogue"])
Language = Annotated[Lang, Depends(request_lang)]
VersionNumber = Annotated[int | None, Query(ge=1, le=2**31)]


def query(
    q: Annotated[
        str | None,
        Query(max_length=200, pattern=NO_NUL, description="words that all have to be found", examples=["人口 户籍"]),
    ] = None,
    tier: Annotated[search.Tier | None, Query(description="tier of the department")] = None,
    division: Annotated[
        str | None, Query(pattern=r"^\d{6,12}$", description="the division and all below it", examples=["440600"])
    ] = None,
    department: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None,
    classification: Annotated[ClassCode | None, Query(description="the class and all below it")] = None,
    sharing_type: Annotated[SharingType | None, Query()] = None,
    level: Annotated[int | None, Query(ge=1, le=4, description="highest sensitivity")] = None,
    lifecycle: Annotated[Shown | None, Query()] = None,
    freshness: Annotated[Freshness | None, Query(description="data against the update cycle")] = None,
    is_open: Annotated[bool | None, Query(alias="open", description="open to the public")] = None,
    quality_below: Annotated[float | None, Query(ge=0, le=1, description="quality less than this share")] = None,
    kept_below: Annotated[float | None, Query(ge=0, le=1, description="freshness kept less than this share")] = None,
    sort: Sort = None,
) -> search.Query:
    """Return what is looked for."""
    return search.Query(
        q=q,
        tier=tier,
        division=division,
        department_id=department,
        classification=classification,
        sharing_type=sharing_type,
        level=level,
        lifecycle=lifecycle,
        freshness=freshness,
        open=is_open,
        quality_below=quality_below,
        kept_below=kept_below,
        sort=sort,
    )


Wanted = Annotated[search.Query, Depends(query)]


@router.post("", status_code=201)
def add(registry: Registry, caller: Authenticated, lang: Language, form: ResourceForm) -> Registered:
    """Register a draft; the department's administrator or data owner does this."""
    with registry.database.write() as session:
        row = service.add(session, registry.clock, caller, registry.settings.node.division, form.entry())
        return _registered(registry, session, row, lang)


@router.get("")
def resources(
    registry: Registry, caller: Authenticated, wanted: Wanted, limit: Limit = 100, cursor: Cursor = None
) -> Page[ResourceOut]:
    """Search the catalogue; drafts are shown to their own department."""
    now = registry.clock()
    with registry.database.read() as session:
        found = search.statement(session, caller, wanted, now)
        rows, following = search.part(session, found, wanted.sort, limit=limit, cursor=cursor)
        return Page(items=[ResourceOut.of(row, now) for row in rows], next=following)


@router.get("/{resource}")
def resource(registry: Registry, caller: Authenticated, resource: Slug) -> ResourceDetail:
    """Return a resource with its items."""
    with registry.database.read() as session:
        row = service.resource_of(session, caller, resource)
        version = service.version_of(session, row, row.version)
        shown = ResourceDetail(**ResourceOut.fields_of(row, registry.clock()), items=version.items)
    note_read(registry, caller, shown.resource, shown.items)
    return shown


@router.patch("/{resource}")
def change(
    registry: Registry, caller: Authenticated, lang: Language, resource: Slug, form: ResourcePatch
) -> Registered:
    """Make a new version with other details or items; a change that would break subscribers is refused."""
    with registry.database.write() as session:
        row = service.change(session, registry.clock, caller, resource, form.changes())
        return _registered(registry, session, row, lang)


@router.delete("/{resource}", status_code=204)
def remove(registry: Registry, caller: Authenticated, resource: Slug) -> None:
    """Delete a draft that was never published; what was published is withdrawn instead."""
    with registry.database.write() as session:
        service.remove(session, registry.clock, caller, resource)


@router.get("/{resource}/versions")
def versions(registry: Registry, caller: Authenticated, resource: Slug) -> list[VersionOut]:
    """Return all versions of a resource, oldest first."""
    with registry.database.read() as session:
        row = service.resource_of(session, caller, resource)
        shown = [VersionOut.model_validate(v, from_attributes=True) for v in service.versions_of(session, row)]
    note_read(registry, caller, row.slug, [item for version in shown for item in version.items])
    return shown


@router.get("/{resource}/diff")
def differences(
    registry: Registry,
    caller: Authenticated,
    lang: Language,
    resource: Slug,
    before: VersionNumber = None,
    after: VersionNumber = None,
) -> DiffOut:
    """Return what differs between two versions; by default between the present one and the one before it."""
    with registry.database.read() as session:
        row = service.resource_of(session, caller, resource)
        new = service.version_of(session, row, after or row.version)
        old = service.version_of(session, row, before or max(1, new.version - 1))
        found = diff.differences(_sides(old), _sides(new))
    note_read(registry, caller, row.slug, [*old.items, *new.items])
    changes = [ChangeOut.of(each, lang) for each in found]
    return DiffOut(resource=row.slug, before=old.version, after=new.version, changes=changes)


@router.get("/{resource}/clashes")
def clashes(registry: Registry, caller: Authenticated, lang: Language, resource: Slug) -> list[ClashOut]:
    """Return the resources of other departments that hold the same items (一数一源)."""
    with registry.database.read() as session:
        row = service.resource_of(session, caller, resource)
        return [ClashOut.of(found, lang) for found in clash.clashes(session, row)]


@router.put("/{resource}/items")
def change_items(
    registry: Registry, caller: Authenticated, lang: Language, resource: Slug, form: ItemsForm
) -> Registered:
    """Make a new version; a change that would break subscribers of a published resource is refused."""
    with registry.database.write() as session:
        items = [item.item() for item in form.items]
        row = service.change_items(session, registry.clock, caller, resource, items)
        return _registered(registry, session, row, lang)


@router.post("/{resource}/submit")
def submit(registry: Registry, caller: Authenticated, resource: Slug) -> ResourceOut:
    """Hand a draft to the department's administrator, who publishes it or sends it back."""
    with registry.database.write() as session:
        return ResourceOut.of(service.submit(session, registry.clock, caller, resource), registry.clock())


@router.post("/{resource}/return")
def send_back(registry: Registry, caller: Authenticated, resource: Slug, form: ReturnForm) -> ResourceOut:
    """Make a submitted resource a draft again, with the reason."""
    with registry.database.write() as session:
        row = service.send_back(session, registry.clock, caller, resource, form.reason)
        return ResourceOut.of(row, registry.clock())


@router.post("/{resource}/publish")
def publish(registry: Registry, caller: Authenticated, resource: Slug) -> Moved:
    """Publish a draft, what was submitted, or a change: topics are made, and the source system may write."""
    return _move(registry, caller, resource, Lifecycle.PUBLISHED)


@router.post("/{resource}/withdraw")
def withdraw(registry: Registry, caller: Authenticated, resource: Slug) -> Moved:
    """Withdraw a published resource: nobody reads or writes it any more; the topic stays."""
    return _move(registry, caller, resource, Lifecycle.WITHDRAWN)


@router.get("/{resource}/contract", response_model_by_alias=True)
def contract(registry: Registry, caller: Authenticated, resource: Slug) -> ContractOut:
    """Return what the calling system has to know to publish or land the resource."""
    with registry.database.read() as session:
        row = service.published(session, caller, resource)
        writes = caller.client_id == row.source_system
        granted = caller.client_id is not None and active_grant(session, caller.client_id, row.slug) is not None
        told = service.contract(session, row, may_read=writes or granted, may_write=writes)
    fields = {name: value for name, value in asdict(told).items() if name not in {"schema", "items"}}
    return ContractOut(**fields, schema_=told.schema, items=[item.as_json() for item in told.items])


def _registered(registry: Registry, session: Session, row: Resource, lang: Lang) -> Registered:
    warnings = [ClashOut.of(found, lang) for found in clash.clashes(session, row)]
    return Registered(**ResourceOut.fields_of(row, registry.clock()), warnings=warnings)


def _sides(version: ResourceVersion) -> tuple[dict[str, object], list[dict[str, object]]]:
    return version.details, version.items


def _move(registry: Registry, caller: Caller, resource: str, to: Lifecycle) -> Moved:
    with registry.database.write() as session:
        row = service.move(session, registry.clock, caller, resource, to)
        if to is Lifecycle.WITHDRAWN:
            end_with_resource(session, registry.clock, row.slug)
        shown = ResourceOut.fields_of(row, registry.clock())
    return Moved(**shown, enforced=registry.enforcer.enforce(Scope(topic=shown["topic"])))
