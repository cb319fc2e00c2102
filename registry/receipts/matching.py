"""Reconciliation goes on by itself: what is new is matched, and each difference kept until it is closed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from exchange.metrics import Metrics
from exchange.receipts import MODULUS, Side
from registry.audit.service import note
from registry.certificates.days import mark
from registry.clock import Clock
from registry.database import Database
from registry.enforcement.acls import COMPACTION_LAG_MS
from registry.receipts.differences import Held, Kind, Owner, kinds, owner
from registry.receipts.domain import Period, Totals, of_batch
from registry.receipts.evidence import (
    Evidence,
    Key,
    Known,
    News,
    Place,
    chunks,
    evidence,
    granted,
    news,
    places,
)
from registry.receipts.handling import day_of_difference
from registry.receipts.models import Difference, ReceiptRow
from registry.receipts.witness import Witness

TOGETHER = 2000  # batches that are looked at together
SETTLES = frozenset({Kind.LOST, Kind.UNMATCHED})  # what a later receipt can put right


@dataclass(slots=True)
class Stream:
    """How far one resource at one subscriber is matched: all receipts up to ``read``, but for the batches that wait."""

    read: int = 0
    landing: str | None = None
    landings: set[str] = field(default_factory=set)
    started: int = 0  # milliseconds: when the landing began
    waiting: set[str] = field(default_factory=set)

    def follow(self, began: Mapping[str | None, int]) -> bool:
        """Begin again with each new landing: what an older one had, the destination has not; whether there was one."""
        new = [(landing, at) for landing, at in began.items() if landing is not None and landing not in self.landings]
        for landing, at in new:
            self.landings.add(landing)
            self.landing, self.started, self.read, self.waiting = landing, at, 0, set()
        return bool(new)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one batch by the two sides' words."""

    batch: str
    at: int
    totals: Totals
    published: Held | None
    landed: Held


@dataclass(frozen=True)
class Round:
    """What one round has to look at: receipts up to ``newest``; ``ends``: when each stream's grant ended, or None."""

    here: dict[str, Place]
    ends: dict[Key, datetime | None]
    news: News
    newest: int


class Matcher:
    """Matches receipts in rounds. What it knows between rounds is only where to go on: a restart looks at all again."""

    def __init__(self, *, database: Database, clock: Clock, metrics: Metrics, witness: Witness, grace_s: float) -> None:
        """``grace_s``: younger than that, a batch may be on its way."""
        self._database = database
        self._clock = clock
        self._metrics = metrics
        self._witness = witness
        self._grace_ms = int(grace_s * 1000)
        self._streams: dict[Key, Stream] = {}
        self._read = 0

    def round(self) -> None:
        """Match what came since the last round, and what waited. Errors: DatabaseUnavailable, Conflict."""
        with self._database.read() as session:
            newest = session.scalar(select(func.max(ReceiptRow.number))) or 0
            touched = self._touched(session, newest)
            here = places(session, {slug for slug, _ in touched})
            fresh = news(session, here, self._read, newest) if self._read else News()
            asked = Round(here, granted(session, here), fresh, newest)
        together: dict[Key, set[str]] = {}
        for key in sorted(key for key in touched if key[0] in here):
            together[key] = self._batches(key, asked)
            if sum(map(len, together.values())) >= TOGETHER:
                self._match(asked, together)
                together = {}
        self._match(asked, together)
        self._read = newest
        self._report()

    def _touched(self, session: Session, newest: int) -> set[Key]:
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
        known = granted(session, {slug for slug, _, _ in fresh}).keys()
        return found | (landed & known) | {key for key in known if key[0] in published}

    def _batches(self, key: Key, asked: Round) -> set[str]:
        """Return the batches of a stream that are new or wait; a new landing begins again where the destination did."""
        stream = self._streams.setdefault(key, Stream())
        if stream.read:
            landed = asked.news.landed.get(key, [])
            began: dict[str | None, int] = {}
            for each in landed:
                began[each.landing] = min(each.at, began.get(each.landing, each.at))
            if not stream.follow(began):
                moved = {each.batch for each in landed if each.landing == stream.landing}
                return moved | stream.waiting | set(asked.news.published.get(key[0], ()))
        with self._database.read() as session:
            history = History(session, asked.here[key[0]], key[1], asked.newest)
            stream.follow(history.landings())
            return history.batches(stream.landing) if stream.landing is not None else set()

    def _match(self, asked: Round, together: Mapping[Key, AbstractSet[str]]) -> None:
        used = {key: names for key, names in together.items() if self._streams[key].landing is not None}
        with self._database.read() as session:
            found = evidence(session, asked.here, (name for names in used.values() for name in names), asked.newest)
        for key, names in used.items():
            stream = self._streams[key]
            period = self._period(stream, asked.ends.get(key))
            verdicts = [_verdict(name, key, stream.landing, found, period) for name in sorted(names)]
            known = {place: row for place, row in found.differences[key].items() if place[0] in names}
            self._keep(asked.here[key[0]], key, stream, verdicts, known)
            stream.waiting = {
                each.batch for each in verdicts if each.totals.in_flight or SETTLES & kinds(each.totals).keys()
            }
        for key in together:
            self._streams[key].read = asked.newest  # who does not use a grant has lost nothing

    def _period(self, stream: Stream, ended: datetime | None) -> Period:
        now = _ms(self._clock())
        return Period(
            since=min(stream.started, now) - COMPACTION_LAG_MS,
            until=_ms(ended) if ended else None,
            now=now,
            grace=self._grace_ms,
        )

    def _keep(
        self,
        place: Place,
        key: Key,
        stream: Stream,
        verdicts: Sequence[Verdict],
        known: Mapping[tuple[str, Kind], Known],
    ) -> None:
        """Open what is new, close what has come right."""
        wrong = [(each, kind, count) for each in verdicts for kind, count in kinds(each.totals).items()]
        fresh = [(each, kind, count) for each, kind, count in wrong if (each.batch, kind) not in known]
        owners = {(each.batch, kind): self._owner(place.topic, kind, each) for each, kind, _ in fresh}
        still = {(each.batch, kind): count for each, kind, count in wrong}
        right = {name for name, was in known.items() if was.open and name not in still}
        grown = {name for name in still if name in known and known[name].records != still[name]}
        if not (fresh or right or grown):
            return
        now = self._clock()
        with self._database.write() as session:
            for each, kind, count in fresh:
                row = _opened(key, stream, each, kind, count, owners[each.batch, kind], now)
                session.add(row)
                note(session, self._clock, actor="registry", action="difference.open", target=_name(row))
                mark(session, [day_of_difference(row)])
            for name, row in _rows(session, key, {batch for batch, _ in right | grown}).items():
                if name in right:
                    row.closed_at, row.closed_by = now, "registry"
                    row.evidence = f"both receipts agree since {now:%Y-%m-%dT%H:%M:%SZ}"
                    note(session, self._clock, actor="registry", action="difference.close", target=_name(row))
                    mark(session, [day_of_difference(row)])
                elif name in grown:
                    row.records = still[name]
        for each, kind, _ in fresh:
            self._metrics.add(
                "exchange_reconciliation_differences_total", kind=kind.value, owner=owners[each.batch, kind][0].value
            )

    def _owner(self, topic: str, kind: Kind, verdict: Verdict) -> tuple[Owner, str]:
        at_broker = self._witness.held(topic, verdict.batch, verdict.at)
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
class History:
    """All receipts of one stream, for one that was not looked at yet, or that began again."""

    session: Session
    place: Place
    client_id: str
    newest: int

    def landings(self) -> dict[str | None, int]:
        """Return the landings in the order in which they began, each with the time of its first receipt."""
        rows = self.session.execute(
            select(ReceiptRow.landing, func.min(ReceiptRow.at))
            .where(*self._side(Side.LANDED, self.client_id))
            .group_by(ReceiptRow.landing)
            .order_by(func.min(ReceiptRow.number))
        )
        return {row[0]: row[1] for row in rows}

    def batches(self, landing: str | None) -> set[str]:
        """Return the batches that were published, or landed in this landing."""
        published = select(ReceiptRow.batch).where(*self._side(Side.PUBLISHED, self.place.source))
        moved = select(ReceiptRow.batch).where(*self._side(Side.LANDED, self.client_id), ReceiptRow.landing == landing)
        return set(self.session.scalars(published)) | set(self.session.scalars(moved))

    def _side(self, side: Side, client_id: str) -> tuple[ColumnElement[bool], ...]:
        return (
            ReceiptRow.resource == self.place.slug,
            ReceiptRow.side == side.value,
            ReceiptRow.client_id == client_id,
            ReceiptRow.topic == self.place.topic,
            ReceiptRow.number <= self.newest,
        )


def _rows(session: Session, key: Key, batches: AbstractSet[str]) -> dict[tuple[str, Kind], Difference]:
    found: dict[tuple[str, Kind], Difference] = {}
    for names in chunks(sorted(batches)):
        rows = session.scalars(
            select(Difference).where(
                Difference.slug == key[0], Difference.client_id == key[1], Difference.batch.in_(names)
            )
        )
        found.update({(row.batch, Kind(row.kind)): row for row in rows})
    return found


def _verdict(name: str, key: Key, landing: str | None, found: Evidence, period: Period) -> Verdict:
    batch, parts = found.published.get((key[0], name)), found.landed.get((key, landing, name), [])
    landed = Held(sum(part.count for part in parts), sum(part.digest for part in parts) % MODULUS)
    if batch is not None:
        totals = of_batch(batch, parts, period)
        return Verdict(name, batch.at, totals, Held(batch.count, batch.digest), landed)
    first_at = found.first_at.get((key, landing, name), 0)
    young = first_at >= period.now - period.grace  # the publication's receipt may be on its way
    totals = Totals(in_flight=landed.count) if young else Totals(unmatched=len(parts))
    return Verdict(name, first_at, totals, None, landed)


def _opened(
    key: Key, stream: Stream, verdict: Verdict, kind: Kind, count: int, said: tuple[Owner, str], now: datetime
) -> Difference:
    return Difference(
        slug=key[0],
        client_id=key[1],
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
