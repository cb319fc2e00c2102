"""The catalogue over HTTP."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from sqlalchemy import or_, select

from exchange.items import Check, Item, ItemType
from registry.access.caller import Caller
from registry.catalogue import service
from registry.catalogue.domain import Lifecycle, SharingType, UpdateCycle
from registry.catalogue.models import Resource
from registry.catalogue.service import Entry
from registry.enforcement.acls import Scope
from registry.sharing.service import active_grant
from registry.web.access import Authenticated, Registry
from registry.web.forms import ClientId, Cursor, Form, Limit, Name, Page, Prose, Sentence, page

router = APIRouter(prefix="/api/v1/resources", tags=["catalogue"])
MOST_ITEMS = 500
Slug = Annotated[str, Field(max_length=64)]


class ItemForm(Form):
    """An item (信息项) of a resource."""

    name: Annotated[str, Field(max_length=63)]
    label: Name
    type: ItemType
    length: int | None = None
    scale: int = 0
    required: bool = False
    primary_key: bool = False
    sensitivity: int = 1
    check: Check | None = None

    def item(self) -> Item:
        """Return the item."""
        return Item(**self.model_dump())


Items = Annotated[list[ItemForm], Field(min_length=1, max_length=MOST_ITEMS)]


class ResourceForm(Form):
    """A resource to register as a draft of the source system's department."""

    code: Annotated[str, Field(max_length=64, examples=["307440000/000001"])]
    name: Name
    summary: Prose
    source_system: ClientId
    sharing_type: SharingType
    sharing_condition: Sentence | None = None
    update_cycle: UpdateCycle
    partitions: Annotated[int, Field(ge=1, le=64)] = 1
    items: Items

    def entry(self) -> Entry:
        """Return the entry."""
        fields = {name: getattr(self, name) for name in type(self).model_fields if name != "items"}
        return Entry(**fields, items=tuple(form.item() for form in self.items))


class ItemsForm(Form):
    """The items of the next version."""

    items: Items


class ResourceOut(BaseModel):
    """A resource; ``resource`` is its slug."""

    resource: str
    code: str
    name: str
    summary: str
    department_id: int
    source_system: str
    sharing_type: int
    sharing_condition: str | None
    update_cycle: str
    partitions: int
    topic: str
    lifecycle: str
    version: int
    created_at: datetime
    published_at: datetime | None

    @staticmethod
    def of(row: Resource) -> ResourceOut:
        """Return the answer for a row."""
        fields = {name: getattr(row, name) for name in ResourceOut.model_fields if hasattr(row, name)}
        return ResourceOut(**{**fields, "resource": row.slug})


class ResourceDetail(ResourceOut):
    """A resource with the items of its present version."""

    items: list[dict[str, Any]]


class Moved(ResourceOut):
    """A resource after publication or withdrawal; ``enforced`` false: the broker is away and follows by itself."""

    enforced: bool


class VersionOut(BaseModel):
    """A version of a resource."""

    version: int
    schema_id: int
    items: list[dict[str, Any]]
    created_at: datetime


class ContractOut(BaseModel):
    """What an adapter is told: see exchange.contract.Contract."""

    resource: str
    name: str
    version: int
    topic: str
    rejects_topic: str
    schema_id: int
    schema_: Annotated[dict[str, Any], Field(serialization_alias="schema")]
    items: list[dict[str, Any]]
    may_read: bool
    may_write: bool


@router.post("", status_code=201)
def add(registry: Registry, caller: Authenticated, form: ResourceForm) -> ResourceOut:
    """Register a draft; the department's administrator does this."""
    with registry.database.write() as session:
        row = service.add(session, registry.clock, caller, registry.settings.node.division, form.entry())
        return ResourceOut.of(row)


@router.get("")
def resources(
    registry: Registry,
    caller: Authenticated,
    lifecycle: Annotated[Lifecycle | None, Query()] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[ResourceOut]:
    """List the catalogue; drafts are shown to their own department."""
    statement = select(Resource)
    if not caller.sees_everything:
        own = Resource.department_id == caller.department_id
        statement = statement.where(or_(Resource.lifecycle != Lifecycle.DRAFT.value, own))
    if lifecycle is not None:
        statement = statement.where(Resource.lifecycle == lifecycle.value)
    with registry.database.read() as session:
        return page(session, statement, Resource.slug, ResourceOut.of, limit=limit, cursor=cursor)


@router.get("/{resource}")
def resource(registry: Registry, caller: Authenticated, resource: Slug) -> ResourceDetail:
    """Return a resource with its items."""
    with registry.database.read() as session:
        row = service.resource_of(session, caller, resource)
        version = service.version_of(session, row, row.version)
        return ResourceDetail(**ResourceOut.of(row).model_dump(), items=version.items)


@router.get("/{resource}/versions")
def versions(registry: Registry, caller: Authenticated, resource: Slug) -> list[VersionOut]:
    """Return all versions of a resource, oldest first."""
    with registry.database.read() as session:
        row = service.resource_of(session, caller, resource)
        return [VersionOut.model_validate(v, from_attributes=True) for v in service.versions_of(session, row)]


@router.put("/{resource}/items")
def change_items(registry: Registry, caller: Authenticated, resource: Slug, form: ItemsForm) -> ResourceOut:
    """Make a new version; a change that would break subscribers of a published resource is refused."""
    with registry.database.write() as session:
        items = [item.item() for item in form.items]
        return ResourceOut.of(service.change_items(session, registry.clock, caller, resource, items))


@router.post("/{resource}/publish")
def publish(registry: Registry, caller: Authenticated, resource: Slug) -> Moved:
    """Publish a draft: its topics are made, and its source system may write."""
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


def _move(registry: Registry, caller: Caller, resource: str, to: Lifecycle) -> Moved:
    with registry.database.write() as session:
        shown = ResourceOut.of(service.move(session, registry.clock, caller, resource, to))
    return Moved(**shown.model_dump(), enforced=registry.enforcer.enforce(Scope(topic=shown.topic)))
