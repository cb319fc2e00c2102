"""Traces from receipts, grants and the catalogue: what the system knows anyway."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from exchange.contract import slug
from exchange.receipts import Side
from exchange.text import Text
from registry.access.caller import Caller
from registry.catalogue.models import Resource, ResourceVersion
from registry.errors import NotFound
from registry.organisation.models import Division, Node, System
from registry.provenance.domain import Gap, Place, Sides, View, path
from registry.receipts.models import ReceiptRow
from registry.sharing.domain import GrantState
from registry.sharing.models import Grant

MOST_RECEIPTS = 2000


@dataclass(frozen=True, slots=True)
class Source:
    """Who published a batch: its receipt, and its system."""

    receipt: ReceiptRow
    system: System | None


@dataclass(slots=True)
class Receiver:
    """One landing at one system: its receipts for what is traced, the first of them first, and its grant then."""

    system: System
    receipts: list[ReceiptRow]
    grant: Grant | None = None


@dataclass(slots=True)
class Trail:
    """One batch, or one record of it (``place``): where it came from and who landed it."""

    batch: str | None
    place: Place | None
    schema_id: int | None = None
    version: int | None = None
    source: Source | None = None
    receivers: list[Receiver] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    gaps: set[Gap] = field(default_factory=set)


def sides_of(session: Session, caller: Caller, resource: Resource) -> Sides:
    """Return who the caller is to a resource; a system speaks for itself, a person for the department's systems."""
    mine = System.client_id == caller.client_id if caller.client_id else System.department_id == caller.department_id
    rows = session.execute(
        select(Grant.client_id, Grant.state)
        .join(System, System.client_id == Grant.client_id)
        .where(Grant.slug == resource.slug, mine)
    ).all()
    owner = not caller.governs and resource.department_id == caller.department_id
    return Sides(
        owner=owner,
        receivers=frozenset(client_id for client_id, _ in rows),
        active=frozenset(client_id for client_id, state in rows if state == GrantState.ACTIVE.value),
        division=resource.department.division,
    )


def resource_at(session: Session, name: str) -> Resource:
    """Return a resource that the caller was found to see already. Errors: NotFound, when it went meanwhile."""
    resource = session.get(Resource, slug(name))
    if resource is None:
        raise NotFound(kind=Text("resource", "信息资源"), name=name)
    return resource


def trails(
    session: Session, resource: Resource, places: Iterable[Place], batch: str | None, view: View, own: AbstractSet[str]
) -> list[Trail]:
    """Return the trail of each place, or of a batch; a receiver gets what its ``own`` systems landed, and no more."""
    wanted = [Trail(place.batch, place, place.schema_id) for place in places]
    if batch is not None:
        wanted.append(Trail(batch, None))
    for trail in wanted:
        _follow(session, resource, trail, own if view is View.RECEIVER else None)
    return [trail for trail in wanted if view is not View.RECEIVER or trail.receivers]


def _follow(session: Session, resource: Resource, trail: Trail, only: AbstractSet[str] | None) -> None:
    if trail.batch is None:
        trail.gaps.add(Gap.NO_BATCH)
        return
    published = session.scalar(
        select(ReceiptRow)
        .where(*_of(resource, trail.batch, Side.PUBLISHED), ReceiptRow.client_id == resource.source_system)
        .limit(1)
    )
    if published is None:
        trail.gaps.add(Gap.NO_PUBLICATION)
    else:
        trail.source = Source(published, session.get(System, published.client_id))
        trail.schema_id = trail.schema_id or (None if trail.place else published.schema_id)
    if trail.schema_id is not None:
        trail.version = _version(session, resource, trail.schema_id)
    trail.receivers = _receivers(session, resource, trail, only)
    if not trail.receivers:
        trail.gaps.add(Gap.NO_LANDING)
    landed = {each.system.client_id for each in trail.receivers}
    active = select(Grant.client_id).where(Grant.slug == resource.slug, Grant.state == GrantState.ACTIVE.value)
    trail.waiting = sorted(
        client_id
        for client_id in session.scalars(active)
        if client_id not in landed and (only is None or client_id in only)
    )


def _receivers(session: Session, resource: Resource, trail: Trail, only: AbstractSet[str] | None) -> list[Receiver]:
    statement = select(ReceiptRow).where(*_of(resource, trail.batch or "", Side.LANDED)).order_by(ReceiptRow.number)
    if trail.place is not None:
        statement = statement.where(
            ReceiptRow.partition == trail.place.partition,
            ReceiptRow.first_offset <= trail.place.offset,
            ReceiptRow.last_offset >= trail.place.offset,
        )
    if only is not None:
        statement = statement.where(ReceiptRow.client_id.in_(sorted(only)))
    rows = list(session.scalars(statement.limit(MOST_RECEIPTS + 1)))
    if len(rows) > MOST_RECEIPTS:
        trail.gaps.add(Gap.TOO_MANY)
    found: dict[tuple[str, str | None], Receiver] = {}
    for row in rows[:MOST_RECEIPTS]:
        known = found.get((row.client_id, row.landing))
        if known is not None:
            known.receipts.append(row)
            continue
        grant = _grant_then(session, resource, row)
        system = session.get(System, row.client_id)
        if system is not None and grant is not None:  # whoever never had a grant has only said so
            found[row.client_id, row.landing] = Receiver(system, [row], grant)
    return list(found.values())


def _grant_then(session: Session, resource: Resource, receipt: ReceiptRow) -> Grant | None:
    """Return the grant that stood when something landed; the system's first one when its clock is behind."""
    at = datetime.fromtimestamp(min(receipt.at / 1000, receipt.received_at.timestamp()), UTC)
    mine = select(Grant).where(Grant.slug == resource.slug, Grant.client_id == receipt.client_id)
    then = session.scalar(mine.where(Grant.created_at <= at).order_by(Grant.id.desc()).limit(1))
    return then or session.scalar(mine.order_by(Grant.id).limit(1))


def _version(session: Session, resource: Resource, schema_id: int) -> int | None:
    return session.scalar(
        select(ResourceVersion.version)
        .where(ResourceVersion.slug == resource.slug, ResourceVersion.schema_id == schema_id)
        .order_by(ResourceVersion.version.desc())
        .limit(1)
    )


def _of(resource: Resource, batch: str, side: Side) -> tuple[ColumnElement[bool], ...]:
    return (
        ReceiptRow.batch == batch,
        ReceiptRow.side == side.value,
        ReceiptRow.resource == resource.slug,
        ReceiptRow.topic == resource.topic,
    )


def nodes_of(session: Session, topic: str, here: str) -> list[tuple[str, str]]:
    """Return division and name of each node on the way from the topic's home to here."""
    home = topic.split(".", 1)[0]
    divisions = {row.code: row for row in session.scalars(select(Division))} if home != here else {}
    parents = {code: row.parent for code, row in divisions.items()}
    nodes = {row.division: row.name for row in session.scalars(select(Node))}
    return [(code, nodes.get(code, "")) for code in path(home, here, parents, nodes.keys())]
