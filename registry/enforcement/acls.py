"""The ACLs and topics that the broker has to have: pure functions of what the database says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase

from exchange.contract import notices_topic, receipts_topic
from exchange.transaction import LARGEST_MESSAGE
from registry.catalogue.domain import rejects_topic

DAY_MS = 86_400_000
COMPACTION_LAG_MS = 7 * DAY_MS
RETENTION_MS = 30 * DAY_MS
ANY_HOST = "*"
AUDIT_TOPIC = "_exchange.audit.head"  # no ACL is about it: only super users read and write it


class Kind(StrEnum):
    """Kinds of things at the broker that an ACL is about; others exist, and are drift."""

    TOPIC = "TOPIC"
    GROUP = "GROUP"
    TRANSACTIONAL_ID = "TRANSACTIONAL_ID"


class Operation(StrEnum):
    """Operations that the registry allows; others exist, and are drift. READ and WRITE imply DESCRIBE."""

    READ = "READ"
    WRITE = "WRITE"


@dataclass(frozen=True, slots=True, order=True)
class Acl:
    """One ACL, by Kafka's own words; ``principal`` is like ``User:<client_id>``."""

    kind: str
    name: str
    pattern: str
    principal: str
    operation: str
    host: str = ANY_HOST
    permission: str = "ALLOW"

    @property
    def opens_reading(self) -> bool:
        """Whether removing it takes the reading of a topic away."""
        return self.kind == Kind.TOPIC and self.permission == "ALLOW" and self.operation in {"READ", "ALL"}

    @property
    def speakable(self) -> bool:
        """Whether the client has words for it: a newer broker knows more kinds and operations, only reported then."""
        return "UNKNOWN" not in {self.kind, self.pattern, self.operation, self.permission}

    def covers(self, topic: str) -> bool:
        """Whether it is about that topic."""
        if self.kind != Kind.TOPIC:
            return False
        if self.pattern == "PREFIXED":
            return topic.startswith(self.name)
        return self.name in {"*", topic}


@dataclass(frozen=True, slots=True)
class Flow:
    """A published resource: its topic, and the one system that writes it."""

    topic: str
    source: str
    partitions: int = 1


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the database says: active systems, published resources, active grants as (client_id, topic)."""

    systems: frozenset[str]
    flows: tuple[Flow, ...]
    grants: frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Scope:
    """The part of the broker that one decision touches; None means all of them."""

    client_id: str | None = None
    topic: str | None = None

    def holds(self, acl: Acl) -> bool:
        """Whether an ACL is in the scope."""
        mine = self.client_id is None or acl.principal == principal(self.client_id)
        return mine and (self.topic is None or (acl.pattern == "LITERAL" and acl.name in self.topics))

    @property
    def topics(self) -> tuple[str, ...]:
        """The names of the topics in the scope; empty when it is not about one resource."""
        return (self.topic, rejects_topic(self.topic)) if self.topic else ()


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """A topic that has to be there, with the settings that are held."""

    name: str
    partitions: int
    config: Mapping[str, str] = field(hash=False)


EVERYTHING = Scope()
COMPACTED = {
    "cleanup.policy": "compact",
    "min.compaction.lag.ms": str(COMPACTION_LAG_MS),
    "max.message.bytes": str(LARGEST_MESSAGE),
}
KEPT = {"cleanup.policy": "delete", "retention.ms": str(RETENTION_MS)}


def principal(client_id: str) -> str:
    """Return the principal of a system."""
    return f"User:{client_id}"


def desired_acls(snapshot: Snapshot) -> frozenset[Acl]:
    """Return exactly the ACLs that the snapshot allows; see docs/architecture.md, "Names at the broker"."""
    acls: set[Acl] = set()
    for client_id in snapshot.systems:
        acls |= _own(client_id)
    for flow in snapshot.flows:
        if flow.source in snapshot.systems:
            acls |= _both(flow.topic, flow.source) | _both(rejects_topic(flow.topic), flow.source)
    flowing = {flow.topic for flow in snapshot.flows}
    for client_id, topic in snapshot.grants:
        if client_id in snapshot.systems and topic in flowing:
            acls |= granted_acls(client_id, topic)
    return frozenset(acls)


def granted_acls(client_id: str, topic: str) -> frozenset[Acl]:
    """Return what an active grant opens."""
    return frozenset({_topic(topic, client_id, Operation.READ)})


def desired_topics(snapshot: Snapshot) -> dict[str, TopicSpec]:
    """Return the topics that have to be there, by name; others may be there too."""
    specs = [TopicSpec(AUDIT_TOPIC, 1, COMPACTED)]
    specs += [TopicSpec(receipts_topic(client_id), 1, KEPT) for client_id in snapshot.systems]
    specs += [TopicSpec(notices_topic(client_id), 1, COMPACTED) for client_id in snapshot.systems]
    for flow in snapshot.flows:
        specs += [
            TopicSpec(flow.topic, flow.partitions, COMPACTED),
            TopicSpec(rejects_topic(flow.topic), 1, KEPT),
        ]
    return {spec.name: spec for spec in specs}


@dataclass(frozen=True, slots=True)
class Policy:
    """What happens to ACLs that are not desired: ``preserved`` principals are left alone, unknown ones perhaps."""

    remove_unknown: bool = True
    preserved: tuple[str, ...] = ()

    def preserves(self, acl: Acl) -> bool:
        """Whether an undesired ACL is none of the registry's business."""
        return any(fnmatchcase(acl.principal, pattern) for pattern in self.preserved)

    def removes(self, acl: Acl, known: frozenset[str]) -> bool:
        """Whether an undesired ACL is removed; ``known``: the principals of all registered systems."""
        if self.preserves(acl) or not acl.speakable:
            return False
        return self.remove_unknown or acl.principal in known


@dataclass(frozen=True, slots=True)
class Difference:
    """What has to change at the broker, and what is only reported."""

    add: frozenset[Acl]
    remove: frozenset[Acl]
    report: frozenset[Acl]


def difference(
    actual: frozenset[Acl], desired: frozenset[Acl], policy: Policy, known: frozenset[str] = frozenset()
) -> Difference:
    """Return what makes ``actual`` equal to ``desired`` under ``policy``."""
    extra = actual - desired
    remove = frozenset(acl for acl in extra if policy.removes(acl, known))
    report = frozenset(acl for acl in extra - remove if not policy.preserves(acl))
    return Difference(desired - actual, remove, report)


def _own(client_id: str) -> frozenset[Acl]:
    prefix, who = f"{client_id}.", principal(client_id)
    return _both(receipts_topic(client_id), client_id) | {
        _topic(notices_topic(client_id), client_id, Operation.READ),
        Acl(Kind.GROUP, prefix, "PREFIXED", who, Operation.READ),
        Acl(Kind.TRANSACTIONAL_ID, prefix, "PREFIXED", who, Operation.WRITE),
    }


def _both(topic: str, client_id: str) -> frozenset[Acl]:
    return frozenset(_topic(topic, client_id, operation) for operation in Operation)


def _topic(topic: str, client_id: str, operation: Operation) -> Acl:
    return Acl(Kind.TOPIC, topic, "LITERAL", principal(client_id), operation)


def undo(done: Difference, desired_now: frozenset[Acl]) -> Difference:
    """Return what takes back those steps of ``done`` that a decision made meanwhile has made wrong."""
    return Difference(done.remove & desired_now, done.add - desired_now, frozenset())
