"""一数一源: finds the resources of other departments that hold the same items."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from sqlalchemy import func, select
from sqlalchemy.orm import Session, aliased

from exchange.text import Lang, Text
from registry.catalogue.domain import Lifecycle
from registry.catalogue.models import Resource, ResourceLabel
from registry.catalogue.words import normal

SAME_ITEMS = 0.8  # share of the labels of both that is common to both
ALIKE_ITEMS, ALIKE_NAME = 0.5, 0.8
FEWEST = 3  # labels: with fewer, everything is alike
MOST = 5  # clashes that are told

CLASH = Text(
    "{percent}% of the items are those of {resource} “{name}” of {department}: use that resource, or say why not",
    "{percent}% 的信息项与{department}的 {resource}“{name}”相同：请直接使用该资源，或说明理由（一数一源）",
)


@dataclass(frozen=True, slots=True)
class Clash:
    """Another department's resource with the same items; ``similarity`` 0 to 1 (Jaccard, of the labels)."""

    resource: str
    name: str
    department: str
    similarity: float

    def line(self, lang: Lang | None = None) -> str:
        """Return the warning."""
        percent = round(self.similarity * 100)
        return CLASH.format(lang, percent=percent, resource=self.resource, name=self.name, department=self.department)


def clashes(session: Session, resource: Resource) -> list[Clash]:
    """Return the resources of other departments that hold what ``resource`` holds, the most alike first."""
    mine = session.scalars(select(ResourceLabel.label).where(ResourceLabel.slug == resource.slug)).all()
    if len(mine) < FEWEST:
        return []
    found = [clash for row in _candidates(session, resource, mine) if (clash := _judge(resource, len(mine), *row))]
    return sorted(found, key=lambda clash: -clash.similarity)[:MOST]


def _candidates(session: Session, resource: Resource, mine: Sequence[str]) -> Sequence[tuple[Resource, int, int]]:
    """Return other departments' resources with at least half of the labels: (resource, common, all of its labels)."""
    theirs = aliased(ResourceLabel)
    common = func.count()
    shared = (
        select(ResourceLabel.slug, common.label("common"))
        .where(ResourceLabel.label.in_(mine), ResourceLabel.slug != resource.slug)
        .group_by(ResourceLabel.slug)
        .having(common >= ALIKE_ITEMS * len(mine))
        .subquery()
    )
    size = select(func.count()).where(theirs.slug == Resource.slug).scalar_subquery()
    wanted = (
        select(Resource, shared.c.common, size)
        .join(shared, shared.c.slug == Resource.slug)
        .where(
            Resource.department_id != resource.department_id,
            Resource.lifecycle == Lifecycle.PUBLISHED.value,  # drafts are their department's own
        )
        .order_by(shared.c.common.desc(), Resource.slug)
        .limit(10 * MOST)
    )
    return [(row[0], row[1], row[2]) for row in session.execute(wanted)]


def _judge(resource: Resource, mine: int, other: Resource, common: int, theirs: int) -> Clash | None:
    similarity = common / (mine + theirs - common)
    alike = SequenceMatcher(None, normal(resource.name), normal(other.name)).ratio() >= ALIKE_NAME
    if similarity < (ALIKE_ITEMS if alike else SAME_ITEMS):
        return None
    return Clash(other.slug, other.name, other.department.name, round(similarity, 3))
