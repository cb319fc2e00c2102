"""Finding resources: full text by trigrams (SQLite FTS5, PostgreSQL pg_trgm), filters, order, and pages."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, column, delete, func, insert, literal, or_, select, table
from sqlalchemy.orm import Session

from exchange.items import Item
from exchange.text import Text
from registry.access.caller import Caller
from registry.catalogue.domain import OLDEST, Freshness, Lifecycle, SharingType, Shown
from registry.catalogue.models import Resource, ResourceLabel, ResourceWords
from registry.catalogue.words import SHORTEST_TRIGRAM, label_keys, terms_of, texts_of, words_of
from registry.errors import Invalid
from registry.organisation.models import Department, Division
from registry.organisation.reach import below, seen

NEVER = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
FTS = table("resource_search", column("rowid"), column("resource_search"))


class Tier(StrEnum):
    """The tier of a resource's department."""

    PROVINCE = "province"
    CITY = "city"
    COUNTY = "county"


DATED = frozenset({"published_at", "last_data_at"})
MEASURED = frozenset({"quality", "kept"})
SORTABLE = ("code", "name", "published_at", "last_data_at", "quality", "kept")
UNMEASURED = 2.0  # after every share


@dataclass(frozen=True, slots=True)
class Query:
    """What is looked for; None is anything. ``division``: it and all below it; ``level``: highest sensitivity.

    ``sort``: a word of SORTABLE, `-` before it: falling; equals are in the order of their codes.
    """

    q: str | None = None
    tier: Tier | None = None
    division: str | None = None
    department_id: int | None = None
    classification: str | None = None
    sharing_type: SharingType | None = None
    level: int | None = None
    lifecycle: Shown | None = None
    freshness: Freshness | None = None
    open: bool | None = None
    quality_below: float | None = None
    kept_below: float | None = None
    sort: str | None = None


def statement(session: Session, caller: Caller, query: Query, now: datetime) -> Select[Resource]:
    """Return the selection of what the caller may see of what is looked for, without order."""
    wanted = select(Resource).where(visible(caller), *_filters(query, now))
    for term in terms_of(query.q or ""):
        wanted = wanted.where(_found(session, term))
    return wanted


def visible(caller: Caller) -> ColumnElement[bool]:
    """Return the condition for resources that the caller may see: drafts are their department's own."""
    shown = Resource.lifecycle.not_in([Lifecycle.DRAFT.value, Lifecycle.SUBMITTED.value])
    return or_(shown, seen(caller, Resource.department_id))


def part(
    session: Session, wanted: Select[Resource], sort: str | None, *, limit: int, cursor: str | None
) -> tuple[list[Resource], str | None]:
    """Return the part of ``wanted`` after ``cursor``, and the next part's cursor; None at the end. Errors: Invalid."""
    word = sort or "code"
    falling, field = word.startswith("-"), word.removeprefix("-")
    key = _key(field)
    if cursor is not None:
        last, slug = _open(cursor, word, field)
        beyond, after = (key < last, Resource.slug < slug) if falling else (key > last, Resource.slug > slug)
        wanted = wanted.where(or_(beyond, and_(key == last, after)))
    order = (key.desc(), Resource.slug.desc()) if falling else (key.asc(), Resource.slug.asc())
    # Only the slugs are sorted: whole rows are many times as wide.
    slugs = list(session.scalars(wanted.with_only_columns(Resource.slug).order_by(*order).limit(limit + 1)))
    found = {row.slug: row for row in session.scalars(select(Resource).where(Resource.slug.in_(slugs[:limit])))}
    rows = [found[slug] for slug in slugs[:limit]]
    return rows, _seal(rows[-1], word, field) if len(slugs) > limit else None


def index(session: Session, resource: Resource, items: Sequence[Item]) -> None:
    """Make a resource found by what it is now."""
    names = [(item.name, item.label) for item in items]
    details = {"name": resource.name, "summary": resource.summary}
    words = words_of([resource.code, resource.department.name, *texts_of(details, names)])
    row = session.scalar(select(ResourceWords).where(ResourceWords.slug == resource.slug))
    if row is None:
        session.add(ResourceWords(slug=resource.slug, words=words))
    else:
        row.words = words
    session.execute(delete(ResourceLabel).where(ResourceLabel.slug == resource.slug))
    labels = sorted(label_keys(item.label for item in items))
    if labels:
        session.execute(insert(ResourceLabel), [{"label": label, "slug": resource.slug} for label in labels])


def forget(session: Session, slug: str) -> None:
    """Make a resource that is about to go be found no more."""
    for model in (ResourceWords, ResourceLabel):
        session.execute(delete(model).where(model.slug == slug))


def _found(session: Session, term: str) -> ColumnElement[bool]:
    """Return the condition for resources with a term in their words."""
    words = select(ResourceWords.slug)
    if session.get_bind().dialect.name == "sqlite":
        if len(term) >= SHORTEST_TRIGRAM:
            phrase = '"' + term.replace('"', '""') + '"'
            rows = select(FTS.c.rowid).where(FTS.c.resource_search.op("MATCH")(phrase))
            return Resource.slug.in_(words.where(ResourceWords.id.in_(rows)))
        return Resource.slug.in_(words.where(func.instr(ResourceWords.words, term) > 0))
    return Resource.slug.in_(words.where(ResourceWords.words.contains(term, autoescape=True)))


def _filters(query: Query, now: datetime) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if query.tier is not None:
        of_tier = select(Department.id).join(Division, Division.code == Department.division)
        found.append(Resource.department_id.in_(of_tier.where(Division.level == query.tier.value)))
    if query.division is not None:
        inside = select(Department.id).where(Department.division.in_(below(query.division)))
        found.append(Resource.department_id.in_(inside))
    if query.classification is not None:
        found.append(Resource.classification.startswith(query.classification, autoescape=True))
    if query.lifecycle is not None:
        found.append(_lifecycle(query.lifecycle))
    if query.freshness is not None:
        found.append(_freshness(query.freshness, now))
    measured = {Resource.quality: query.quality_below, Resource.kept: query.kept_below}
    found += [measure < most for measure, most in measured.items() if most is not None]
    equal = {
        Resource.department_id: query.department_id,
        Resource.sharing_type: query.sharing_type and int(query.sharing_type),
        Resource.level: query.level,
        Resource.open: query.open,
    }
    return found + [name == value for name, value in equal.items() if value is not None]


def _lifecycle(shown: Shown) -> ColumnElement[bool]:
    match shown:
        case Shown.CHANGED:
            return and_(Resource.lifecycle == Lifecycle.PUBLISHED.value, Resource.changed_at.is_not(None))
        case Shown.PUBLISHED:
            return and_(Resource.lifecycle == Lifecycle.PUBLISHED.value, Resource.changed_at.is_(None))
        case _:
            return Resource.lifecycle == shown.value


def _freshness(freshness: Freshness, now: datetime) -> ColumnElement[bool]:
    bound = [cycle.value for cycle in OLDEST]
    match freshness:
        case Freshness.NEVER:
            return Resource.last_data_at.is_(None)
        case Freshness.UNBOUND:
            return and_(Resource.last_data_at.is_not(None), Resource.update_cycle.not_in(bound))
        case Freshness.FRESH:
            each = [(cycle, Resource.last_data_at >= now - oldest) for cycle, oldest in OLDEST.items()]
        case Freshness.STALE:
            each = [(cycle, Resource.last_data_at < now - oldest) for cycle, oldest in OLDEST.items()]
    return or_(*(and_(Resource.update_cycle == cycle.value, young) for cycle, young in each))


def _key(field: str) -> ColumnElement[Any]:
    match field:
        case "code":
            return Resource.slug.expression
        case "name":
            return Resource.name.expression
        case "published_at":
            return func.coalesce(Resource.published_at, literal(NEVER, Resource.published_at.type))
        case "last_data_at":
            return func.coalesce(Resource.last_data_at, literal(NEVER, Resource.last_data_at.type))
        case "quality" | "kept":
            return func.coalesce(getattr(Resource, field), literal(UNMEASURED, Resource.quality.type))
    known = ", ".join(SORTABLE)
    raise Invalid(field="sort", reason=Text(f"one of: {known}", f"可用字段：{known}"))


def _seal(row: Resource, word: str, field: str) -> str:
    value: Any = row.slug if field == "code" else getattr(row, field)
    if field in DATED:
        value = (value or NEVER).isoformat()
    elif field in MEASURED:
        value = repr(UNMEASURED if value is None else value)
    place = [word, value, row.slug]
    return base64.urlsafe_b64encode(json.dumps(place, ensure_ascii=False).encode()).decode()


def _open(cursor: str, word: str, field: str) -> tuple[Any, str]:
    try:
        of, value, slug = json.loads(base64.urlsafe_b64decode(cursor.encode()))
        last: Any = value
        if field in DATED:
            last = datetime.fromisoformat(value).astimezone(UTC)
        elif field in MEASURED:
            last = float(value)
    except (ValueError, TypeError, OverflowError) as exc:
        raise _foreign() from exc
    if of != word or any(not isinstance(text, str) or "\x00" in text for text in (slug, value)):
        raise _foreign()
    return last, slug


def _foreign() -> Invalid:
    return Invalid(field="cursor", reason=Text("not a cursor of this list", "不是该列表的游标"))
