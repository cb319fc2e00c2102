"""What a certificate says of one grant and day, from the receipts that have arrived."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from itertools import islice
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from exchange.certificate import Sheet, sheet_of
from exchange.receipts import Receipt, Side
from registry.catalogue.models import Resource
from registry.certificates.days import bounds
from registry.enforcement.acls import COMPACTION_LAG_MS
from registry.receipts.domain import Batch, Fragment, Period, reconcile
from registry.receipts.models import Difference, ReceiptRow
from registry.sharing.models import Grant

VERSION = 1
MOST_DIFFERENCES = 100  # that are listed; all are counted
AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Draft:
    """One grant on one day; ``now`` and ``grace`` in milliseconds: younger than that, a batch may be on its way."""

    session: Session
    grant: Grant
    day: date
    now: int
    grace: int

    def said(self) -> dict[str, Any]:
        """Return what the certificate says of the day."""
        resource, published = self.grant.resource, list(self._receipts(Side.PUBLISHED))
        differences, count = self._differences()
        return {
            "version": VERSION,
            "resource": resource.slug,
            "topic": resource.topic,
            "grant": self.grant.id,
            "publisher": resource.source_system,
            "subscriber": self.grant.client_id,
            "day": self.day.isoformat(),
            "published": self._sheet(Side.PUBLISHED, published),
            "landed": self._sheet(Side.LANDED, self._receipts(Side.LANDED)),
            "account": self._account(published),
            "unsigned": self._unsigned(),
            "differences": differences,
            "differences_open": count,
        }

    def _period(self, side: Side) -> tuple[int, int]:
        """What was published before or after the grant is none of its business; landing goes on after its end."""
        since, until = bounds(self.day)
        ended = self.grant.ended_at
        if side is Side.PUBLISHED and ended is not None:
            until = min(until, _ms(ended))
        return max(since, _ms(self.grant.created_at)) if side is Side.LANDED else since, until

    def _sheet(self, side: Side, receipts: Iterable[Receipt]) -> dict[str, Any]:
        since, until = self._period(side)
        sheet: Sheet = sheet_of(receipts, self._author(side), since, until)
        return sheet.as_json()

    def _author(self, side: Side) -> str:
        return self.grant.resource.source_system if side is Side.PUBLISHED else self.grant.client_id

    def _of(self, side: Side) -> tuple[ColumnElement[bool], ...]:
        since, until = self._period(side)
        resource: Resource = self.grant.resource
        return (
            ReceiptRow.resource == resource.slug,
            ReceiptRow.side == side.value,
            ReceiptRow.client_id == self._author(side),
            ReceiptRow.at >= since,
            ReceiptRow.at < until,
            ReceiptRow.topic == resource.topic,
        )

    def _receipts(self, side: Side) -> Iterator[Receipt]:
        rows = self.session.scalars(select(ReceiptRow).where(*self._of(side)).execution_options(yield_per=AT_ONCE))
        return (row.value() for row in rows)

    def _unsigned(self) -> dict[str, int]:
        """How many receipts of each side no key has signed: what they say is held by the broker's ACL alone."""
        counted = {side: select(func.count()).where(*self._of(side), ReceiptRow.signature.is_(None)) for side in Side}
        return {side.value: self.session.scalar(statement) or 0 for side, statement in counted.items()}

    def _account(self, published: Iterable[Receipt]) -> dict[str, int]:
        """What became of the batches that were published on the day, at the subscriber's newest landing."""
        landing, started = self._newest_landing()
        since, until = self._period(Side.PUBLISHED)
        batches = [
            Batch(each.batch, each.count, int(each.digest, 16), each.at)
            for each in published
            if since <= each.at < until
        ]
        ended = self.grant.ended_at
        period = Period(
            since=min(started, self.now) - COMPACTION_LAG_MS,
            until=_ms(ended) if ended else None,
            now=self.now,
            grace=self.grace,
        )
        return asdict(reconcile(batches, self._fragments([each.batch for each in batches], landing), period))

    def _newest_landing(self) -> tuple[str | None, int]:
        newest = self.session.execute(
            select(ReceiptRow.landing, func.min(ReceiptRow.at))
            .where(
                ReceiptRow.resource == self.grant.slug,
                ReceiptRow.side == Side.LANDED.value,
                ReceiptRow.client_id == self.grant.client_id,
            )
            .group_by(ReceiptRow.landing)
            .order_by(func.min(ReceiptRow.number).desc())
            .limit(1)
        ).first()
        return (newest[0], newest[1]) if newest else (None, self.now)

    def _fragments(self, batches: Iterable[str], landing: str | None) -> Iterator[Fragment]:
        rest = iter(batches)
        while names := list(islice(rest, AT_ONCE)):
            rows = self.session.scalars(
                select(ReceiptRow).where(
                    ReceiptRow.batch.in_(names),
                    ReceiptRow.side == Side.LANDED.value,
                    ReceiptRow.resource == self.grant.slug,
                    ReceiptRow.client_id == self.grant.client_id,
                    ReceiptRow.landing.is_not_distinct_from(landing),
                )
            )
            for row in rows:
                yield Fragment(
                    row.batch,
                    row.count,
                    int(row.digest, 16),
                    row.partition or 0,
                    row.first_offset or 0,
                    row.last_offset or 0,
                )

    def _differences(self) -> tuple[list[dict[str, Any]], int]:
        """The open differences about what was published on the day, or found on it when that is not known."""
        begins, ends = (datetime.fromtimestamp(at / 1000, UTC) for at in bounds(self.day))
        at = func.coalesce(Difference.published_at, Difference.opened_at)
        these = (
            Difference.slug == self.grant.slug,
            Difference.client_id == self.grant.client_id,
            Difference.closed_at.is_(None),
            at >= begins,
            at < ends,
        )
        rows = self.session.scalars(select(Difference).where(*these).order_by(Difference.id).limit(MOST_DIFFERENCES))
        listed = [
            {"id": row.id, "batch": row.batch, "kind": row.kind, "owner": row.owner, "records": row.records}
            for row in rows
        ]
        return listed, self.session.scalar(select(func.count()).where(*these)) or 0


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)
