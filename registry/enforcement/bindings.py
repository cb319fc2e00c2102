"""Our ACLs as confluent-kafka's bindings and filters, and back."""

from __future__ import annotations

from typing import Any

# confluent_kafka.admin exports these too, but without telling type checkers.
from confluent_kafka.admin._acl import AclBinding, AclBindingFilter, AclOperation, AclPermissionType
from confluent_kafka.admin._resource import ResourcePatternType, ResourceType

from registry.enforcement.acls import Acl

_KAFKA_NAMES = {"BROKER": "CLUSTER"}  # librdkafka calls the cluster a broker
_CLIENT_NAMES = {kafka: client for client, kafka in _KAFKA_NAMES.items()}


def binding(acl: Acl) -> AclBinding:
    """Return the binding to create."""
    return AclBinding(*_parts(acl))


def binding_filter(acl: Acl) -> AclBindingFilter:
    """Return the filter that fits exactly this ACL."""
    return AclBindingFilter(*_parts(acl))


def any_filter(
    kind: ResourceType, name: str | None, pattern: ResourcePatternType, principal: str | None
) -> AclBindingFilter:
    """Return a filter on resource and principal, where None fits all; host and operation are not asked."""
    anything: Any = None  # the client takes None where its annotations say str
    return AclBindingFilter(
        kind,
        name or anything,
        pattern,
        principal or anything,
        anything,
        AclOperation.ANY,
        AclPermissionType.ANY,
    )


def acl_of(found: AclBinding) -> Acl:
    """Return the ACL that the broker told."""
    kind = _word(found.restype)
    return Acl(
        kind=_KAFKA_NAMES.get(kind, kind),
        name=found.name,
        pattern=_word(found.resource_pattern_type),
        principal=found.principal,
        operation=_word(found.operation),
        host=found.host,
        permission=_word(found.permission_type),
    )


def _parts(acl: Acl) -> tuple[ResourceType, str, ResourcePatternType, str, str, AclOperation, AclPermissionType]:
    return (
        ResourceType[_CLIENT_NAMES.get(acl.kind, acl.kind)],
        acl.name,
        ResourcePatternType[acl.pattern],
        acl.principal,
        acl.host,
        AclOperation[acl.operation],
        AclPermissionType[acl.permission],
    )


def _word(value: Any) -> str:
    return str(value.name)
