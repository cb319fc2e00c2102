"""Registering resources, changing their items, publishing and withdrawing them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from exchange.avro import record_schema
from exchange.contract import Contract, slug
from exchange.items import Item
from exchange.text import Text
from registry.access.caller import Caller
from registry.catalogue import compatibility, schemas
from registry.catalogue.domain import (
    Lifecycle,
    SharingType,
    UpdateCycle,
    check_code,
    check_items,
    check_sharing,
    check_step,
    rejects_topic,
    topic_of,
)
from registry.catalogue.models import Resource, ResourceVersion
from registry.clock import Clock
from registry.errors import Conflict, Invalid, NotFound, WrongState
from registry.organisation.service import system_of

KIND = Text("resource", "信息资源")


@dataclass(frozen=True, slots=True)
class Entry:
    """A catalogue entry as its department describes it."""

    code: str
    name: str
    summary: str
    source_system: str
    sharing_type: SharingType
    sharing_condition: str | None
    update_cycle: UpdateCycle
    partitions: int
    items: tuple[Item, ...]


def add(session: Session, clock: Clock, caller: Caller, division: str, entry: Entry) -> Resource:
    """Register a draft in the caller's department. Errors: Invalid, Forbidden, NotFound (source), Conflict."""
    check_code(entry.code)
    check_sharing(entry.sharing_type, entry.sharing_condition)
    check_items(entry.items)
    source = system_of(session, entry.source_system)
    caller.must_manage(source.department_id)
    if session.get(Resource, slug(entry.code)) is not None:
        raise Conflict(reason=Text(f"{entry.code} is registered already", f"{entry.code} 已登记"))
    resource = Resource(
        slug=slug(entry.code),
        code=entry.code,
        name=entry.name,
        summary=entry.summary,
        department_id=source.department_id,
        department=source.department,
        source_system=source.client_id,
        sharing_type=int(entry.sharing_type),
        sharing_condition=entry.sharing_condition,
        update_cycle=entry.update_cycle.value,
        partitions=entry.partitions,
        topic=topic_of(division, entry.code),
        lifecycle=Lifecycle.DRAFT.value,
        version=0,
        created_at=clock(),
    )
    session.add(resource)
    session.flush()
    _add_version(session, clock, resource, entry.items)
    return resource


def change_items(session: Session, clock: Clock, caller: Caller, name: str, items: Sequence[Item]) -> Resource:
    """Make a new version; of a published resource only a compatible one. Errors: Incompatible, Invalid, Forbidden."""
    resource = owned(session, caller, name)
    if resource.lifecycle == Lifecycle.WITHDRAWN:
        raise WrongState(thing=KIND, state=resource.lifecycle, needed="draft, published")
    check_items(items)
    if tuple(items) == version_items(version_of(session, resource, resource.version)):
        return resource
    if resource.lifecycle == Lifecycle.PUBLISHED:
        old = [version_items(row) for row in versions_of(session, resource) if row.version >= first_published(resource)]
        compatibility.check(resource.slug, items, old)
    _add_version(session, clock, resource, items)
    return resource


def move(session: Session, clock: Clock, caller: Caller, name: str, to: Lifecycle) -> Resource:
    """Publish or withdraw a resource. Errors: WrongState, Forbidden, NotFound."""
    resource = owned(session, caller, name)
    check_step(Lifecycle(resource.lifecycle), to)
    resource.lifecycle = to.value
    if to is Lifecycle.PUBLISHED:
        resource.published_at = clock()
        resource.published_version = resource.version
    return resource


def resource_of(session: Session, caller: Caller, name: str) -> Resource:
    """Return a resource, by slug, that the caller may see: drafts are their department's own. Errors: NotFound."""
    resource = session.get(Resource, slug(name))
    if resource is None or (resource.lifecycle == Lifecycle.DRAFT and not caller.belongs_to(resource.department_id)):
        raise NotFound(kind=KIND, name=name)
    return resource


def owned(session: Session, caller: Caller, name: str) -> Resource:
    """Return a resource that the caller administers. Errors: NotFound, Forbidden."""
    resource = resource_of(session, caller, name)
    caller.must_manage(resource.department_id)
    return resource


def published(session: Session, caller: Caller, name: str) -> Resource:
    """Return a published resource. Errors: NotFound, WrongState."""
    resource = resource_of(session, caller, name)
    if resource.lifecycle != Lifecycle.PUBLISHED:
        raise WrongState(thing=KIND, state=resource.lifecycle, needed=Lifecycle.PUBLISHED.value)
    return resource


def contract(session: Session, resource: Resource, *, may_read: bool, may_write: bool) -> Contract:
    """Return what an adapter is told about a resource."""
    version = version_of(session, resource, resource.version)
    return Contract(
        resource=resource.slug,
        name=resource.name,
        version=resource.version,
        topic=resource.topic,
        rejects_topic=rejects_topic(resource.topic),
        schema_id=version.schema_id,
        schema=json.loads(version.schema.text),
        items=version_items(version),
        may_read=may_read,
        may_write=may_write,
    )


def versions_of(session: Session, resource: Resource) -> Sequence[ResourceVersion]:
    """Return all versions of a resource, oldest first."""
    wanted = select(ResourceVersion).where(ResourceVersion.slug == resource.slug).order_by(ResourceVersion.version)
    return session.scalars(wanted).all()


def version_of(session: Session, resource: Resource, number: int) -> ResourceVersion:
    """Return one version of a resource. Errors: NotFound."""
    row = session.get(ResourceVersion, (resource.slug, number))
    if row is None:
        raise NotFound(kind=Text("version", "版本"), name=number)
    return row


def version_items(version: ResourceVersion) -> tuple[Item, ...]:
    """Return the items of a version."""
    return tuple(Item.from_json(item) for item in version.items)


def first_published(resource: Resource) -> int:
    """Return the first version that records may have been written with."""
    return resource.published_version or resource.version


def read_items(data: Sequence[dict[str, Any]]) -> tuple[Item, ...]:
    """Return the items in a request. Errors: Invalid."""
    try:
        return tuple(Item.from_json(item) for item in data)
    except (TypeError, ValueError, KeyError) as exc:
        raise Invalid(field="items", reason=str(exc)) from exc


def _add_version(session: Session, clock: Clock, resource: Resource, items: Sequence[Item]) -> None:
    schema = schemas.register(session, clock, schemas.subject_of(resource.topic), record_schema(resource.slug, items))
    resource.version += 1
    session.add(
        ResourceVersion(
            slug=resource.slug,
            version=resource.version,
            items=[item.as_json() for item in items],
            schema_id=schema.id,
            schema=schema,
            created_at=clock(),
        )
    )
    session.flush()
