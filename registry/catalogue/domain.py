"""What a catalogue entry must be: its code, its sharing type, its life. Pure values and decisions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum

from exchange.contract import slug
from exchange.items import Item, problems
from exchange.text import Text
from registry.catalogue import resource_code
from registry.errors import Invalid, WrongState


class SharingType(IntEnum):
    """共享类型 of the catalogue guide."""

    UNCONDITIONAL = 1
    CONDITIONAL = 2
    NOT_SHARED = 3


class Lifecycle(StrEnum):
    """A resource's life: only a published one has a topic and ACLs."""

    DRAFT = "draft"
    SUBMITTED = "submitted"
    PUBLISHED = "published"
    WITHDRAWN = "withdrawn"


class Shown(StrEnum):
    """The life as the catalogue shows it: a published resource is ``changed`` until its change is published too."""

    DRAFT = "draft"
    SUBMITTED = "submitted"
    PUBLISHED = "published"
    CHANGED = "changed"
    WITHDRAWN = "withdrawn"


class Freshness(StrEnum):
    """Whether data came within the promised cycle."""

    FRESH = "fresh"
    STALE = "stale"
    NEVER = "never"
    UNBOUND = "unbound"


class UpdateCycle(StrEnum):
    """更新周期 of the catalogue guide."""

    REAL_TIME = "realtime"
    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"
    QUARTERLY = "quarterly"
    HALF_YEARLY = "half_yearly"
    YEARLY = "yearly"
    IRREGULAR = "irregular"
    OTHER = "other"


# Published follows published: the publication of a change.
NEXT: dict[Lifecycle, frozenset[Lifecycle]] = {
    Lifecycle.DRAFT: frozenset({Lifecycle.SUBMITTED, Lifecycle.PUBLISHED}),
    Lifecycle.SUBMITTED: frozenset({Lifecycle.DRAFT, Lifecycle.PUBLISHED}),
    Lifecycle.PUBLISHED: frozenset({Lifecycle.PUBLISHED, Lifecycle.WITHDRAWN}),
    Lifecycle.WITHDRAWN: frozenset(),
}

# How old the newest data may be; a cycle that is not here promises nothing. A day more than the cycle's longest.
OLDEST: dict[UpdateCycle, timedelta] = {
    UpdateCycle.REAL_TIME: timedelta(days=1),
    UpdateCycle.DAILY: timedelta(days=2),
    UpdateCycle.WEEKLY: timedelta(days=8),
    UpdateCycle.MONTHLY: timedelta(days=32),
    UpdateCycle.QUARTERLY: timedelta(days=93),
    UpdateCycle.HALF_YEARLY: timedelta(days=185),
    UpdateCycle.YEARLY: timedelta(days=367),
}


def check_code(code: str) -> str:
    """Return ``code`` if it is a resource's. Errors: Invalid."""
    resource_code.parse(code)
    return code


def shown(lifecycle: Lifecycle, changed_at: datetime | None) -> Shown:
    """Return the life as the catalogue shows it."""
    if lifecycle is Lifecycle.PUBLISHED and changed_at is not None:
        return Shown.CHANGED
    return Shown(lifecycle.value)


def freshness(cycle: UpdateCycle, last_data_at: datetime | None, now: datetime) -> Freshness:
    """Return whether the newest data is as young as the cycle promises."""
    if last_data_at is None:
        return Freshness.NEVER
    oldest = OLDEST.get(cycle)
    if oldest is None:
        return Freshness.UNBOUND
    return Freshness.FRESH if now - last_data_at <= oldest else Freshness.STALE


def check_sharing(sharing_type: SharingType, condition: str | None) -> None:
    """Raise Invalid when a conditional or refused resource does not say its condition or legal basis."""
    if sharing_type is not SharingType.UNCONDITIONAL and not condition:
        raise Invalid(
            field="sharing_condition",
            reason=Text(
                "types 2 and 3 need the condition, or the legal basis of not sharing",
                "共享类型 2、3 必须填写共享条件或不予共享的依据",
            ),
        )


def check_items(items: Sequence[Item]) -> None:
    """Raise Invalid with each fault of the items."""
    found = problems(items)
    if found:
        raise Invalid(field="items", reason="; ".join(found))


def check_step(now: Lifecycle, then: Lifecycle) -> None:
    """Raise WrongState unless a resource may go from ``now`` to ``then``."""
    if then not in NEXT[now]:
        needed = ", ".join(state for state, after in NEXT.items() if then in after) or "-"
        raise WrongState(thing=Text("the resource", "信息资源"), state=now.value, needed=needed)


def topic_of(division: str, code: str) -> str:
    """Return the topic of a resource at the node of ``division``."""
    return f"{division}.{slug(code)}"


def rejects_topic(topic: str) -> str:
    """Return the dead-letter topic beside a resource's topic."""
    return f"{topic}.rejects"
