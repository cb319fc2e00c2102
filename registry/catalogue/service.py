"""Registering resources, changing their items, publishing and withdrawing them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from exchange.avro import record_schema
from exchange.contract import Contract, slug
from exchange.items import Item
from exchange.text import Text
from registry.access.caller import Caller
from registry.audit.service import note
from registry.catalogue import compatibility, directory, search
from registry.catalogue.domain import (
    Lifecycle,
    SharingType,
    UpdateCycle,
    check_code,
    check_step,
    rejects_topic,
    topic_of,
)
from registry.catalogue.entry import DETAILS, Entry, checked
from registry.catalogue.models import Resource, ResourceVersion
from registry.catalogue.resource_code import parse
from registry.clock import Clock
from registry.errors import Conflict, Invalid, NotFound, WrongState
from registry.organisation.service import system_of
from registry.schema_registry import store as schemas

KIND = Text("resource", "信息资源")
HIDDEN = frozenset({Lifecycle.DRAFT.value, Lifecycle.SUBMITTED.value})  # from other departments
ACTIONS = {
    Lifecycle.DRAFT: "return",
    Lifecycle.SUBMITTED: "submit",
    Lifecycle.PUBLISHED: "publish",
    Lifecycle.WITHDRAWN: "withdraw",
}


def add(session: Session, clock: Clock, caller: Caller, division: str, entry: Entry) -> Resource:
    """Register a draft of the source system's department. Errors: Invalid, Forbidden, NotFound, Conflict."""
    entry = checked(entry)
    source = system_of(session, entry.source_system)
    caller.must_decide(source.department_id)
    code = check_code(entry.code) if entry.code else directory.next_code(session, _class_of(entry))
    if session.get(Resource, slug(code)) is not None:
        raise Conflict(reason=Text(f"{code} is registered already", f"{code} 已登记"))
    resource = Resource(
        slug=slug(code),
        code=code,
        classification=parse(code).classification,
        department_id=source.department_id,
        department=source.department,
        partitions=entry.partitions,
        topic=topic_of(division, code),
        lifecycle=Lifecycle.DRAFT.value,
        level=entry.level,
        version=0,
        created_at=clock(),
        **entry.details(),
    )
    session.add(resource)
    session.flush()
    _add_version(session, clock, resource, entry)
    _note(session, clock, caller, "add", resource)
    return resource


def change_items(session: Session, clock: Clock, caller: Caller, name: str, items: Sequence[Item]) -> Resource:
    """Make a new version; of a published resource only a compatible one. Errors: Incompatible, Invalid, Forbidden."""
    return change(session, clock, caller, name, {"items": tuple(items)})


def change(session: Session, clock: Clock, caller: Caller, name: str, changes: Mapping[str, Any]) -> Resource:
    """Make a new version with other items or details; the same ones make none.

    Of a published resource the items have to stay compatible, and its source system stays.
    Errors: Incompatible, Invalid, Forbidden, NotFound, WrongState.
    """
    resource = resource_of(session, caller, name)
    caller.must_decide(resource.department_id)
    if resource.lifecycle == Lifecycle.WITHDRAWN:
        raise WrongState(thing=KIND, state=resource.lifecycle, needed="draft, published")
    before = entry_of(session, resource)
    entry = before.described(changes)
    if entry == before:
        return resource
    if entry.source_system != before.source_system:
        _may_move(session, resource, entry.source_system)
    if resource.lifecycle == Lifecycle.PUBLISHED:
        old = [version_items(row) for row in versions_of(session, resource) if row.version >= first_published(resource)]
        compatibility.check(resource.slug, entry.items, old)
        resource.changed_at = clock()
    for field, value in entry.details().items():
        setattr(resource, field, value)
    resource.level = entry.level
    _add_version(session, clock, resource, entry)
    _note(session, clock, caller, "change", resource, version=resource.version)
    return resource


def submit(session: Session, clock: Clock, caller: Caller, name: str) -> Resource:
    """Hand a draft to the department's administrator. Errors: WrongState, Forbidden, NotFound."""
    resource = resource_of(session, caller, name)
    caller.must_decide(resource.department_id)
    return _step(session, clock, caller, resource, Lifecycle.SUBMITTED)


def send_back(session: Session, clock: Clock, caller: Caller, name: str, reason: str) -> Resource:
    """Make a submitted resource a draft again, with the reason. Errors: WrongState, Forbidden, NotFound."""
    resource = owned(session, caller, name)
    return _step(session, clock, caller, resource, Lifecycle.DRAFT, reason)


def move(session: Session, clock: Clock, caller: Caller, name: str, to: Lifecycle) -> Resource:
    """Publish or withdraw a resource; to publish a published one publishes its change. Errors: as ``submit``."""
    resource = owned(session, caller, name)
    if to is Lifecycle.PUBLISHED and resource.lifecycle == Lifecycle.PUBLISHED and resource.changed_at is None:
        raise WrongState(thing=KIND, state=resource.lifecycle, needed="draft, submitted, changed")
    return _step(session, clock, caller, resource, to)


def remove(session: Session, clock: Clock, caller: Caller, name: str) -> None:
    """Delete a draft that was never published, and its versions. Errors: WrongState, Forbidden."""
    resource = resource_of(session, caller, name)
    caller.must_decide(resource.department_id)
    if resource.lifecycle != Lifecycle.DRAFT or resource.published_at is not None:
        raise WrongState(thing=KIND, state=resource.lifecycle, needed="draft")
    search.forget(session, resource.slug)
    for version in versions_of(session, resource):
        session.delete(version)
    session.flush()
    session.delete(resource)
    _note(session, clock, caller, "remove", resource)


def resource_of(session: Session, caller: Caller, name: str) -> Resource:
    """Return a resource, by slug, that the caller may see: drafts are their department's own. Errors: NotFound."""
    resource = session.get(Resource, slug(name))
    if resource is None or not _seen(caller, resource):
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


def entry_of(session: Session, resource: Resource) -> Entry:
    """Return the entry that a resource is now."""
    details = {name: getattr(resource, name) for name in DETAILS}
    return Entry(
        **details
        | {
            "sharing_type": SharingType(resource.sharing_type),
            "update_cycle": UpdateCycle(resource.update_cycle),
            "related": tuple(resource.related),
            "service_items": tuple(resource.service_items),
        },
        code=resource.code,
        partitions=resource.partitions,
        items=version_items(version_of(session, resource, resource.version)),
    )


def _class_of(entry: Entry) -> str:
    if entry.classification is None:
        raise Invalid(field="code", reason=Text("a code, or a classification to make one in", "应填写代码或所属分类"))
    return entry.classification


def _seen(caller: Caller, resource: Resource) -> bool:
    if resource.lifecycle not in HIDDEN:
        return True
    return caller.sees(resource.department_id, resource.department.division)


def _may_move(session: Session, resource: Resource, source: str) -> None:
    if resource.lifecycle == Lifecycle.PUBLISHED:
        raise Conflict(reason=Text("a published resource keeps its source system", "已发布资源不可更换来源系统"))
    if system_of(session, source).department_id != resource.department_id:
        raise Invalid(field="source_system", reason=Text("is not the department's own", "不属于本部门"))


def _step(
    session: Session, clock: Clock, caller: Caller, resource: Resource, to: Lifecycle, reason: str | None = None
) -> Resource:
    check_step(Lifecycle(resource.lifecycle), to)
    first = resource.lifecycle != Lifecycle.PUBLISHED
    resource.lifecycle = to.value
    resource.note = reason
    if to is Lifecycle.PUBLISHED:
        resource.changed_at = None
        if first:
            resource.published_at = clock()
            resource.published_version = resource.version
            version = version_of(session, resource, resource.version)
            schemas.register(session, clock, schemas.subject_of(resource.topic), json.loads(version.schema.text))
    _note(session, clock, caller, ACTIONS[to], resource, version=resource.version)
    return resource


def _add_version(session: Session, clock: Clock, resource: Resource, entry: Entry) -> None:
    described = record_schema(resource.slug, entry.items)
    if resource.lifecycle in HIDDEN:  # a draft has no subject, which all may read
        schema = schemas.keep(session, clock, described)
    else:
        schema = schemas.register(session, clock, schemas.subject_of(resource.topic), described)
    resource.version += 1
    session.add(
        ResourceVersion(
            slug=resource.slug,
            version=resource.version,
            items=[item.as_json() for item in entry.items],
            details=entry.details(),
            schema_id=schema.id,
            schema=schema,
            created_at=clock(),
        )
    )
    search.index(session, resource, entry.items)
    session.flush()


def _note(session: Session, clock: Clock, caller: Caller, action: str, resource: Resource, **facts: Any) -> None:
    note(
        session, clock, actor=caller.name, action=f"resource.{action}", target=f"resource/{resource.slug}", facts=facts
    )
