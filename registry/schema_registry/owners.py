"""Whose a subject is: the catalogue's resource behind it, if there is one, and what the catalogue fixes."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from exchange.text import Text
from registry.access.caller import Caller
from registry.catalogue.models import Resource, ResourceVersion
from registry.schema_registry.domain import VALUE, topic_of
from registry.schema_registry.errors import NotPermitted


def resource_of(session: Session, subject: str) -> Resource | None:
    """Return the resource whose topic a subject describes."""
    topic = topic_of(subject)
    return session.scalar(select(Resource).where(Resource.topic == topic)) if topic else None


def must_write(caller: Caller, resource: Resource | None) -> None:
    """Raise Forbidden unless the caller may write a subject.

    Those of a resource are written by its source system, or by who decides about the department's data; all others by a
    system administrator of the whole node.
    """
    if resource is None:
        caller.must_administer()
    elif caller.client_id != resource.source_system or caller.client_id is None:
        caller.must_decide(resource.department_id)


def derived(resource: Resource | None, subject: str) -> bool:
    """Whether the catalogue derives the subject's schemas from the items of the resource."""
    return resource is not None and subject.endswith(VALUE)


def catalogued_ids(session: Session, resource: Resource) -> set[int]:
    """Return the ids of the schemas of all versions of a resource."""
    return set(session.scalars(select(ResourceVersion.schema_id).where(ResourceVersion.slug == resource.slug)))


def must_not_be_derived(resource: Resource | None, subject: str) -> None:
    """Raise NotPermitted for what the catalogue fixes."""
    if derived(resource, subject):
        raise NotPermitted(
            field="subject",
            reason=Text("the catalogue fixes this subject; change the resource", "该主体由目录管理，请变更信息资源"),
        )
