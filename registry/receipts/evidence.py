"""What the database knows of many streams, asked for at once: by batches, never stream by stream."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy import ColumnElement, Select, select
from sqlalchemy.orm import Session

from exchange.receipts import Side
from registry.catalogue.models import Resource
from registry.receipts.differences import Kind
from registry.receipts.domain import Batch, Fragment
from registry.receipts.models import Difference, ReceiptRow
from registry.sharing.models import Grant

AT_ONCE = 500  # names in one question to the database

Question = Callable[[Sequence[str]], Select[*tuple[Any, ...]]]
Key = tuple[str, str]  # a stream: the resource's slug, and the subscriber's client_id


@dataclass(frozen=True, slots=True)
class Place:
    """A resource, as far as receipts are concerned: nobody but its source speaks for it, and of no other topic."""

    slug: str
    topic: str
    source: str


@dataclass(frozen=True, slots=True)
class Landed:
    """A new receipt of a landing."""

    batch: str
    landing: str | None
    at: int


@dataclass
class News:
    """New receipts: the batches of each resource, and the landings of each stream, in the order in which they came."""

    published: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    landed: dict[Key, list[Landed]] = field(default_factory=lambda: defaultdict(list))


@dataclass(frozen=True, slots=True)
class Known:
    """A difference as it stands."""

    open: bool
    records: int


@dataclass
class Evidence:
    """All about some batches; ``landed`` and ``first_at`` by stream, landing and batch."""

    published: dict[tuple[str, str], Batch] = field(default_factory=dict)
    landed: dict[tuple[Key, str | None, str], list[Fragment]] = field(default_factory=lambda: defaultdict(list))
    first_at: dict[tuple[Key, str | None, str], int] = field(default_factory=dict)
    differences: dict[Key, dict[tuple[str, Kind], Known]] = field(default_factory=lambda: defaultdict(dict))


def places(session: Session, slugs: Iterable[str]) -> dict[str, Place]:
    """Return the resources that there are."""
    rows = _asked(session, slugs, lambda names: select(Resource).where(Resource.slug.in_(names)))
    return {row.slug: Place(row.slug, row.topic, row.source_system) for (row,) in rows}


def granted(session: Session, slugs: Iterable[str]) -> dict[Key, datetime | None]:
    """Return each stream that was ever granted, with the end of its newest grant; None while that lasts."""

    def asked(names: Sequence[str]) -> Select[*tuple[Any, ...]]:
        return select(Grant.slug, Grant.client_id, Grant.ended_at).where(Grant.slug.in_(names)).order_by(Grant.id)

    return {(slug, client_id): ended for slug, client_id, ended in _asked(session, slugs, asked)}


def news(session: Session, here: dict[str, Place], after: int, newest: int) -> News:
    """Return the receipts numbered after ``after`` up to ``newest`` of these resources."""
    found = News()
    rows = session.execute(
        select(*_COLUMNS).where(ReceiptRow.number > after, ReceiptRow.number <= newest).order_by(ReceiptRow.number)
    )
    for row in rows:
        place = here.get(row.resource)
        if place is None or place.topic != row.topic:
            continue
        if row.side == Side.LANDED.value:
            found.landed[row.resource, row.client_id].append(Landed(row.batch, row.landing, row.at))
        elif row.client_id == place.source:
            found.published[row.resource].append(row.batch)
    return found


def evidence(session: Session, here: dict[str, Place], batches: Iterable[str], newest: int) -> Evidence:
    """Return all that is known of these batches, by receipts up to ``newest``."""
    found, names = Evidence(), sorted(set(batches))

    def receipts(some: Sequence[str]) -> Select[*tuple[Any, ...]]:
        return select(*_COLUMNS).where(ReceiptRow.batch.in_(some), ReceiptRow.number <= newest)

    for row in _asked(session, names, receipts):
        place = here.get(row.resource)
        if place is not None and place.topic == row.topic:
            _sort(found, place, row)
    told = (Difference.slug, Difference.client_id, Difference.batch, Difference.kind)
    state = (Difference.closed_at, Difference.records)
    for slug, client_id, batch, kind, closed_at, records in _asked(
        session, names, lambda some: select(*told, *state).where(Difference.batch.in_(some))
    ):
        found.differences[slug, client_id][batch, Kind(kind)] = Known(closed_at is None, records)
    return found


def _sort(found: Evidence, place: Place, row: Any) -> None:
    if row.side == Side.PUBLISHED.value:
        if row.client_id == place.source:
            batch = Batch(row.batch, row.count_, int(row.digest, 16), row.at)
            found.published[place.slug, row.batch] = batch
        return
    part = ((row.resource, row.client_id), row.landing, row.batch)
    found.first_at[part] = min(row.at, found.first_at.get(part, row.at))
    found.landed[part].append(
        Fragment(
            batch=row.batch,
            count=row.count_,
            digest=int(row.digest, 16),
            partition=row.partition or 0,
            first_offset=row.first_offset or 0,
            last_offset=row.last_offset or 0,
        )
    )


_COLUMNS: tuple[ColumnElement[Any] | Any, ...] = (
    ReceiptRow.resource,
    ReceiptRow.topic,
    ReceiptRow.side,
    ReceiptRow.client_id,
    ReceiptRow.batch,
    ReceiptRow.count.label("count_"),
    ReceiptRow.digest,
    ReceiptRow.at,
    ReceiptRow.partition,
    ReceiptRow.first_offset,
    ReceiptRow.last_offset,
    ReceiptRow.landing,
)


def _asked(
    session: Session, names: Iterable[str], question: Callable[[Sequence[str]], Select[*tuple[Any, ...]]]
) -> Iterator[Any]:
    for some in chunks(names):
        yield from session.execute(question(some))


def chunks(names: Iterable[str]) -> Iterator[list[str]]:
    """Yield the names in lists of at most ``AT_ONCE``."""
    rest = iter(names)
    while chunk := list(islice(rest, AT_ONCE)):
        yield chunk
