"""What a catalogue entry must be: its code, its sharing type, its life. Pure values and decisions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import IntEnum, StrEnum

from exchange.contract import slug
from exchange.items import Item, problems
from exchange.text import Text
from registry.errors import Invalid, WrongState

CODE = re.compile(r"[1-3]\d{5,20}/\d{6}")


class SharingType(IntEnum):
    """共享类型 of the catalogue guide."""

    UNCONDITIONAL = 1
    CONDITIONAL = 2
    NOT_SHARED = 3


class Lifecycle(StrEnum):
    """A resource's life: only a published one has a topic and ACLs."""

    DRAFT = "draft"
    PUBLISHED = "published"
    WITHDRAWN = "withdrawn"


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


NEXT: dict[Lifecycle, frozenset[Lifecycle]] = {
    Lifecycle.DRAFT: frozenset({Lifecycle.PUBLISHED}),
    Lifecycle.PUBLISHED: frozenset({Lifecycle.WITHDRAWN}),
    Lifecycle.WITHDRAWN: frozenset(),
}


def check_code(code: str) -> str:
    """Return ``code`` if it is a resource's. Errors: Invalid."""
    if not CODE.fullmatch(code):
        raise Invalid(
            field="code",
            reason=Text(
                "class, item, category and detail digits, `/`, six digits; e.g. 307440000/000001",
                "应为类、项、目、细目数字加“/”与六位顺序码，例如 307440000/000001",
            ),
        )
    return code


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
