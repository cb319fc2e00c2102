"""Reconciliation goes on by itself: what is new is matched, and each difference kept until it is closed."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from exchange.metrics import Metrics
from exchange.receipts import MODULUS, Side
from registry.audit.service import note
from registry.catalogue.models import Resource
from registry.certificates.days import mark
from registry.clock import Clock
from registry.database import Database
from registry.enforcement.acls import COMPACTION_LAG_MS
from registry.receipts.differences import Held, Kind, Owner, kinds, owner
from registry.receipts.domain import Batch, Fragment, Period, Totals, of_batch
from registry.receipts.handling import day_of_difference
from registry.receipts.models import Difference, ReceiptRow
from registry.receipts.witness import Witness
from registry.sharing.models import Grant

AT_ONCE = 500  # batches in one question to the database
SETTLES = frozenset({Kind.LOST, Kind.UNMATCHED})  # what a later receipt can put right


@dataclass(slots=True)
class Stream:
    """How far one resource at one subscriber is matched: all receipts up to ``read``, but for the batches that wait."""

    read: int = 0
    landing: str | None = None
    landings: set[str] = field(default_factory=set)
    started: int = 0  # milliseconds: when the landing began
    waiting: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one batch by the two sides' words."""

    batch: str
    at: int
    totals: Totals
    published: Held | None
    landed: Held


class Matcher:
    """Matches receipts in rounds. What it knows between rounds is only where to go on: a restart looks at all again."""

    def __init__(self, *, database: Database, clock: Clock, metrics: Metrics, witness: Witness, grace_s: float) -> None:
        """``grace_s``: younger than that, a batch may be on its way."""
        self._database = database
        self._clock = clock
        self._metrics = metrics
        self._witness = witness
        self._grace_ms = int(grace_s * 1000)
        self._streams: dict[tuple[str, str], Stream] = {}
        self._read = 0

    def round(self) -> None:
        """Match what came since the last round, and what waited. Errors: DatabaseUnavailable, Conflict."""
        with self._database.read() as session:
            newest = session.scalar(select(func.max(ReceiptRow.number))) or 0
            touched = self._touched(session, newest)
        for slug, client_id in sorted(touched):
            self._match(slug, client_id, newest)
        self._read = newest
        self._report()

    def _touched(self, session: Session, newest: int) -> set[tuple[str, str]]:
        """Return the streams that have new receipts, or batches that wait."""
        found = {stream for stream, known in self._streams.items() if known.waiting}
        if newest == self._read:
            return found
        fresh = session.execute(
            select(ReceiptRow.resource, ReceiptRow.side, ReceiptRow.client_id)
            .where(ReceiptRow.number > self._read, ReceiptRow.number <= newest)
            .distinct()
        ).all()
        landed = {(slug, client_id) for slug, side, client_id in fresh if side == Side.LANDED.value}
        published = {slug for slug, side, _ in fresh if side == Side.PUBLISHED.value}
        granted = {
            (slug, client_id) for slug, client_id in session.execute(select(Grant.slug, Grant.client_id).distinct())
        }
        return found | (landed & granted) | {(slug, client_id) for slug, client_id in granted if slug in published}

    def _match(self, slug: str, client_id: str, newest: int) -> None:
        stream = self._streams.setdefault((slug, client_id), Stream())
        with self._database.read() as session:
            resource = session.get(Resource, slug)
            if resource is None:
                return
            asked = Question(resource, client_id, newest)
            asked.follow_landing(session, stream)
            if stream.landing is None:
                return  # nothing has landed yet; who does not use a grant has lost nothing
            period = self._period(session, asked, stream)
            verdicts = list(asked.verdicts(session, stream, period))
        self._keep(asked, stream, verdicts)
        stream.read = newest
        stream.waiting = {
            each.batch for each in verdicts if each.totals.in_flight or SETTLES & kinds(each.totals).keys()
        }

    def _period(self, session: Session, asked: Question, stream: Stream) -> Period:
        of_grant = select(Grant.ended_at).where(Grant.slug == asked.resource.slug, Grant.client_id == asked.client_id)
        ended = session.scalar(of_grant.order_by(Grant.id.desc()).limit(1))
        now = _ms(self._clock())
        return Period(
            since=min(stream.started, now) - COMPACTION_LAG_MS,
            until=_ms(ended) if ended else None,
            now=now,
            grace=self._grace_ms,
        )

    def _keep(self, asked: Question, stream: Stream, verdicts: Sequence[Verdict]) -> None:
        """Open what is new, close what has come right."""
        with self._database.read() as session:
            known = asked.differences(session, {each.batch for each in verdicts})
        wrong = [(each, kind, count) for each in verdicts for kind, count in kinds(each.totals).items()]
        fresh = [(each, kind, count) for each, kind, count in wrong if (each.batch, kind) not in known]
        owners = {(each.batch, kind): self._owner(asked, kind, each) for each, kind, _ in fresh}
        still = {(each.batch, kind): count for each, kind, count in wrong}
        right = {place for place, row in known.items() if row.closed_at is None and place not in still}
        grown = {place for place in still if place in known and known[place].records != still[place]}
        if not (fresh or right or grown):
            return
        now = self._clock()
        with self._database.write() as session:
            for each, kind, count in fresh:
                row = _opened(asked, stream, each, kind, count, owners[each.batch, kind], now)
                session.add(row)
                note(session, self._clock, actor="registry", action="difference.open", target=_name(row))
                mark(session, [day_of_difference(row)])
            for place, row in asked.differences(session, {batch for batch, _ in right | grown}).items():
                if place in right:
                    row.closed_at, row.closed_by = now, "registry"
                    row.evidence = f"both receipts agree since {now:%Y-%m-%dT%H:%M:%SZ}"
                    note(session, self._clock, actor="registry", action="difference.close", target=_name(row))
                    mark(session, [day_of_difference(row)])
                elif place in grown:
                    row.records = still[place]
        for each, kind, _ in fresh:
            self._metrics.add(
                "exchange_reconciliation_differences_total", kind=kind.value, owner=owners[each.batch, kind][0].value
            )

    def _owner(self, asked: Question, kind: Kind, verdict: Verdict) -> tuple[Owner, str]:
        at_broker = self._witness.held(asked.resource.topic, verdict.batch, verdict.at)
        found = owner(kind, verdict.published, at_broker, verdict.landed)
        words = {"published": verdict.published, "at the broker": at_broker, "landed": verdict.landed}
        said = ", ".join(f"{who}: {held.count if held else 'unknown'}" for who, held in words.items())
        same = at_broker is not None and verdict.published is not None and at_broker.digest == verdict.published.digest
        return found, f"{said}; digests of publisher and broker {'agree' if same else 'do not agree'}"

    def _report(self) -> None:
        with self._database.read() as session:
            rows = session.execute(
                select(Difference.kind, Difference.owner, func.count())
                .where(Difference.closed_at.is_(None))
                .group_by(Difference.kind, Difference.owner)
            ).all()
        counts = Counter({(kind, who): count for kind, who, count in rows})
        self._metrics.replace(
            "exchange_reconciliation_open",
            [({"kind": k.value, "owner": o.value}, counts[k.value, o.value]) for k in Kind for o in Owner],
        )
        self._metrics.set("exchange_reconciliation_pending", sum(len(s.waiting) for s in self._streams.values()))
        self._metrics.set("exchange_reconciliation_timestamp_seconds", self._clock().timestamp())


@dataclass(frozen=True)
class Question:
    """One resource at one subscriber, as the database knows it up to receipt number ``newest``."""

    resource: Resource
    client_id: str
    newest: int

    def follow_landing(self, session: Session, stream: Stream) -> None:
        """Begin again where the destination did: what an older landing had, it has not."""
        rows = session.execute(
            select(ReceiptRow.landing, func.min(ReceiptRow.at))
            .where(*self._landed(stream.read))
            .group_by(ReceiptRow.landing)
            .order_by(func.min(ReceiptRow.number))
        ).all()
        for landing, at in rows:
            if landing is not None and landing not in stream.landings:
                stream.landings.add(landing)
                stream.landing, stream.started, stream.read, stream.waiting = landing, at, 0, set()

    def verdicts(self, session: Session, stream: Stream, period: Period) -> Iterator[Verdict]:
        """Yield what became of each batch that is new or waits."""
        fresh = set(session.scalars(select(ReceiptRow.batch).where(*self._published(stream.read))))
        moved = select(ReceiptRow.batch).where(*self._landed(stream.read), ReceiptRow.landing == stream.landing)
        for names in _chunks(sorted(fresh | set(session.scalars(moved)) | stream.waiting)):
            published = self._batches(session, names)
            fragments, ages = self._fragments(session, names, stream.landing)
            for name in names:
                yield _verdict(name, published.get(name), fragments[name], ages.get(name, 0), period)

    def differences(self, session: Session, batches: AbstractSet[str]) -> dict[tuple[str, Kind], Difference]:
        """Return what is known of these batches."""
        found: dict[tuple[str, Kind], Difference] = {}
        for names in _chunks(sorted(batches)):
            rows = session.scalars(
                select(Difference).where(
                    Difference.slug == self.resource.slug,
                    Difference.client_id == self.client_id,
                    Difference.batch.in_(names),
                )
            )
            found.update({(row.batch, Kind(row.kind)): row for row in rows})
        return found

    def _batches(self, session: Session, names: Sequence[str]) -> dict[str, Batch]:
        rows = session.execute(
            select(ReceiptRow.batch, ReceiptRow.count, ReceiptRow.digest, ReceiptRow.at).where(
                *self._published(0), ReceiptRow.batch.in_(names)
            )
        )
        return {batch: Batch(batch, count, int(digest, 16), at) for batch, count, digest, at in rows}

    def _fragments(
        self, session: Session, names: Sequence[str], landing: str | None
    ) -> tuple[Mapping[str, list[Fragment]], Mapping[str, int]]:
        """Return the fragments of each batch, and when the first of them landed."""
        rows = session.scalars(
            select(ReceiptRow).where(*self._landed(0), ReceiptRow.landing == landing, ReceiptRow.batch.in_(names))
        )
        found: dict[str, list[Fragment]] = defaultdict(list)
        ages: dict[str, int] = {}
        for row in rows:
            ages[row.batch] = min(row.at, ages.get(row.batch, row.at))
            found[row.batch].append(
                Fragment(
                    batch=row.batch,
                    count=row.count,
                    digest=int(row.digest, 16),
                    partition=row.partition or 0,
                    first_offset=row.first_offset or 0,
                    last_offset=row.last_offset or 0,
                )
            )
        return found, ages

    def _published(self, after: int) -> tuple[ColumnElement[bool], ...]:
        """Nobody else speaks for the source."""
        return (*self._side(Side.PUBLISHED, after), ReceiptRow.client_id == self.resource.source_system)

    def _landed(self, after: int) -> tuple[ColumnElement[bool], ...]:
        return (*self._side(Side.LANDED, after), ReceiptRow.client_id == self.client_id)

    def _side(self, side: Side, after: int) -> tuple[ColumnElement[bool], ...]:
        return (
            ReceiptRow.resource == self.resource.slug,
            ReceiptRow.side == side.value,
            ReceiptRow.topic == self.resource.topic,
            ReceiptRow.number > after,
            ReceiptRow.number <= self.newest,
        )


def _verdict(name: str, batch: Batch | None, parts: list[Fragment], first_at: int, period: Period) -> Verdict:
    landed = Held(sum(part.count for part in parts), sum(part.digest for part in parts) % MODULUS)
    if batch is not None:
        totals = of_batch(batch, parts, period)
        return Verdict(name, batch.at, totals, Held(batch.count, batch.digest), landed)
    young = first_at >= period.now - period.grace  # the publication's receipt may be on its way
    totals = Totals(in_flight=landed.count) if young else Totals(unmatched=len(parts))
    return Verdict(name, first_at, totals, None, landed)


def _opened(
    asked: Question, stream: Stream, verdict: Verdict, kind: Kind, count: int, said: tuple[Owner, str], now: datetime
) -> Difference:
    return Difference(
        slug=asked.resource.slug,
        client_id=asked.client_id,
        batch=verdict.batch,
        landing=stream.landing,
        kind=kind.value,
        owner=said[0].value,
        reason=said[1],
        records=count,
        published_at=datetime.fromtimestamp(verdict.at / 1000, UTC) if verdict.published else None,
        opened_at=now,
    )


def _name(row: Difference) -> str:
    return f"difference/{row.slug}/{row.client_id}/{row.batch}/{row.kind}"


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)


def _chunks(names: Iterable[str]) -> Iterator[list[str]]:
    rest = iter(names)
    while chunk := list(islice(rest, AT_ONCE)):
        yield chunk
