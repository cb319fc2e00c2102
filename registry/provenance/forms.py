"""What provenance answers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from pydantic import BaseModel, Field

from registry.provenance.domain import Gap, Place, View
from registry.provenance.service import Receiver, Source, Trail


class NodeOut(BaseModel):
    """A node on the way; the first is the record's home, the last one this node."""

    division: Annotated[str, Field(examples=["440000"])]
    name: str


class PlaceOut(BaseModel):
    """A record in the topic; ``schema_version`` of the resource is in the trail."""

    partition: int
    offset: int
    written_at: datetime
    deleted: bool

    @staticmethod
    def of(place: Place) -> PlaceOut:
        """Return the answer for a place."""
        return PlaceOut(
            partition=place.partition, offset=place.offset, written_at=_instant(place.at), deleted=place.deleted
        )


class SourceOut(BaseModel):
    """Who published the batch, by the receipt; ``signed``: by a key of that system."""

    client_id: str
    department: str | None
    division: str | None
    adapter: str
    published_at: datetime
    records: int
    receipt: str
    signed: bool

    @staticmethod
    def of(source: Source) -> SourceOut:
        """Return the answer for a source."""
        row, system = source.receipt, source.system
        return SourceOut(
            client_id=row.client_id,
            department=system.department.name if system else None,
            division=system.department.division if system else None,
            adapter=row.adapter,
            published_at=_instant(row.at),
            records=row.count,
            receipt=row.id,
            signed=row.signature is not None,
        )


class ReceiverOut(BaseModel):
    """One landing at one system, and the grant under which it came; ``records``: of the batch, by its receipts."""

    client_id: str
    department: str
    division: str
    node: str | None
    adapter: str
    landing: str | None
    landed_at: datetime
    records: int
    receipt: str
    signed: bool
    grant_id: int | None
    request_id: int | None
    grant_state: str | None
    granted_at: datetime | None
    ended_at: datetime | None

    @staticmethod
    def of(receiver: Receiver) -> ReceiverOut:
        """Return the answer for a receiver."""
        system, grant, first = receiver.system, receiver.grant, receiver.receipts[0]
        return ReceiverOut(
            client_id=system.client_id,
            department=system.department.name,
            division=system.department.division,
            node=system.department.node,
            adapter=first.adapter,
            landing=first.landing,
            landed_at=_instant(first.at),
            records=sum(row.count for row in receiver.receipts),
            receipt=first.id,
            signed=all(row.signature is not None for row in receiver.receipts),
            grant_id=grant.id if grant else None,
            request_id=grant.request_id if grant else None,
            grant_state=grant.state if grant else None,
            granted_at=grant.created_at if grant else None,
            ended_at=grant.ended_at if grant else None,
        )


class TrailOut(BaseModel):
    """One record (``record``) or one batch: its source, its receivers, and who has a grant and has not landed it.

    ``schema_version``: the resource's version whose schema the record has; null for a delete.
    """

    batch: str | None
    record: PlaceOut | None
    schema_id: int | None
    schema_version: int | None
    source: SourceOut | None
    receivers: list[ReceiverOut]
    waiting: list[str]
    gaps: list[Gap]

    @staticmethod
    def of(trail: Trail) -> TrailOut:
        """Return the answer for a trail."""
        return TrailOut(
            batch=trail.batch,
            record=PlaceOut.of(trail.place) if trail.place else None,
            schema_id=trail.schema_id,
            schema_version=trail.version,
            source=SourceOut.of(trail.source) if trail.source else None,
            receivers=[ReceiverOut.of(each) for each in trail.receivers],
            waiting=trail.waiting,
            gaps=sorted(trail.gaps),
        )


class ProvenanceOut(BaseModel):
    """Where a record or batch came from and went, the newest first; ``gaps``: what cannot be known (any more)."""

    resource: str
    name: str
    topic: str
    view: View
    path: list[NodeOut]
    trails: list[TrailOut]
    gaps: list[Gap]


def _instant(at: int) -> datetime:
    """Return an instant from milliseconds; who said something beyond all time is told the last one there is."""
    try:
        return datetime.fromtimestamp(at / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return datetime.max.replace(tzinfo=UTC)
