"""Takes receipts in from the broker: each is stored once, under the system that the topic belongs to."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Message, TopicPartition
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from exchange.contract import receipts_topic
from exchange.errors import ExchangeError
from exchange.metrics import Metrics
from exchange.receipts import Receipt, Side
from registry.access.tokens import SELF
from registry.audit.service import note
from registry.catalogue.freshness import data_came
from registry.certificates.days import Stream, day_of, mark
from registry.clock import Clock
from registry.database import Database
from registry.enforcement.broker import ClientConfig, translated
from registry.receipts import signatures
from registry.receipts.models import ReceiptOffset, ReceiptRow
from registry.receipts.signatures import Signature, judge, keys_of
from registry.workdays import CHINA

log = logging.getLogger(__name__)

PREFIX = receipts_topic("")
PATTERN = "^" + PREFIX.replace(".", r"\.") + ".*"
AT_ONCE = 500
MOST_DAYS = timedelta(days=400)  # a clock that is off by more makes no certificate
WAIT_S = 1.0
REFRESH_MS = 2000  # how soon the topic of a new system is noticed

QUIET = frozenset(
    {
        KafkaError._PARTITION_EOF,  # noqa: SLF001 (confluent-kafka's public names of local errors begin with _)
        KafkaError.UNKNOWN_TOPIC_OR_PART,  # no system is registered yet
    }
)
INT64 = 2**63 - 1
Word = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]
Hex32 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
Count = Annotated[int, Field(ge=0, le=INT64)]


class Slip(BaseModel):
    """A receipt as it must be to be stored: see exchange.receipts.Receipt."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    id: Word
    side: Literal["published", "landed"]
    resource: Annotated[Word, StringConstraints(max_length=64)]
    topic: Word
    client_id: Annotated[Word, StringConstraints(max_length=63)]
    adapter: Word
    batch: Hex32
    count: Count
    deletes: Count
    digest: Hex32
    schema_id: Count
    at: Count
    partition: Count | None = None
    first_offset: Count | None = None
    last_offset: Count | None = None
    landing: Word | None = None
    kid: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{43}$")] | None = None
    signature: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{86}$")] | None = None

    def receipt(self) -> Receipt:
        """Return it as the value that can be verified."""
        return Receipt(**{**self.model_dump(), "side": Side(self.side)})


def read_slip(topic: str, value: bytes | None) -> Slip | Literal["garbage", "refused"]:
    """Return the receipt in a record; ``refused`` when it speaks for another system than the topic's."""
    try:
        slip = Slip.model_validate_json(value or b"")
    except ValidationError:
        return "garbage"
    return slip if receipts_topic(slip.client_id) == topic else "refused"


class Intake:
    """A thread that consumes all topics of receipts; the position is kept in the registry's database."""

    def __init__(
        self,
        *,
        config: ClientConfig,
        database: Database,
        clock: Clock,
        metrics: Metrics,
        signatures_required: bool = False,
    ) -> None:
        """``signatures_required``: a receipt that is not signed is refused."""
        self._required = signatures_required
        self._config: ClientConfig = {
            **config,
            "group.id": f"{SELF}.receipts",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
            "topic.metadata.refresh.interval.ms": REFRESH_MS,
        }
        self._database = database
        self._clock = clock
        self._metrics = metrics
        self._stop = threading.Event()
        self.thread = threading.Thread(target=self._run, name="receipts", daemon=True)

    def start(self) -> None:
        """Begin to consume."""
        self.thread.start()

    def stop(self) -> None:
        """End after the batch that runs."""
        self._stop.set()
        self.thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._consume()
            except ExchangeError as exc:  # a new consumer starts from the position in the database
                log.warning("taking receipts in failed, it is tried again: %s", exc)
                self._stop.wait(WAIT_S)

    def _consume(self) -> None:
        with translated():
            consumer = Consumer(self._config)
            try:
                consumer.subscribe([PATTERN], on_assign=self._assigned)
                while not self._stop.is_set():
                    self._store([message for message in consumer.consume(AT_ONCE, WAIT_S) if _usable(message)])
            finally:
                consumer.close()

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        with self._database.read() as session:
            known = {
                (row.topic, row.partition): row.next_offset for row in session.scalars(select(ReceiptOffset)).all()
            }
        for partition in partitions:
            partition.offset = known.get((partition.topic, partition.partition), OFFSET_BEGINNING)
        consumer.assign(partitions)

    def _store(self, messages: Sequence[Message]) -> None:
        if not messages:
            return
        counts, worth = Counter[str](), Counter[tuple[str, Signature]]()
        days: set[Stream] = set()
        today = self._clock().astimezone(CHINA).date()
        with self._database.write() as session:
            slips = [_slip(message) for message in messages]
            read = [slip for slip in slips if isinstance(slip, Slip)]
            counts.update(slip for slip in slips if isinstance(slip, str))
            keys = keys_of(session, (slip.client_id for slip in read))
            judged = [(slip, judge(slip.receipt(), keys)) for slip in read]
            worth.update((slip.client_id, signature) for slip, signature in judged)
            counting = [each for each in judged if signatures.counts(each[1], required=self._required)]
            stored = _keep(session, counting, self._clock())
            counts.update(slip.side for slip in stored)
            counts.update({"refused": len(judged) - len(counting), "repeated": len(counting) - len(stored)})
            for slip in stored:
                if (day := day_of(slip.at)) and abs(day - today) <= MOST_DAYS:
                    days.add((slip.resource, slip.client_id, day))
            mark(session, days)
            self._tell_refused(session, worth)
            for topic, partition, offset in sorted(_reached(messages)):
                session.merge(ReceiptOffset(topic=topic, partition=partition, next_offset=offset))
        for outcome, count in counts.items():
            self._metrics.add("exchange_receipts_total", count, side=outcome)
        for (_client_id, signature), count in worth.items():
            self._metrics.add("exchange_receipt_signatures_total", count, result=signature.value)

    def _tell_refused(self, session: Session, worth: Mapping[tuple[str, Signature], int]) -> None:
        """Name who sent what is not counted: a wrong signature is somebody's doing, not an accident of the wire."""
        for (client_id, signature), count in sorted(worth.items()):
            if signatures.counts(signature, required=self._required):
                continue
            log.warning("%d receipts of %s refused: signature %s", count, client_id, signature.value)
            facts = {"signature": signature.value, "count": count}
            target = f"system/{client_id}"
            note(session, self._clock, actor="registry", action="receipt.refuse", target=target, facts=facts)


def _usable(message: Message) -> bool:
    error = message.error()
    if error is None:
        return True
    if error.code() not in QUIET:
        log.warning("receipts cannot be read just now: %s", error.name())
    return False


def _slip(message: Message) -> Slip | Literal["garbage", "refused"]:
    topic = message.topic() or ""
    slip = read_slip(topic, message.value())
    if isinstance(slip, str):
        log.warning("receipt %s: %s at offset %s", slip, topic, message.offset())
    return slip


def _keep(session: Session, judged: Sequence[tuple[Slip, Signature]], now: datetime) -> list[Slip]:
    """Store receipts; return those that are new."""
    said: dict[tuple[str, str, str], dict[str, Any]] = {}
    slips: dict[tuple[str, str, str], Slip] = {}
    for slip, signature in judged:
        name = (slip.client_id, slip.side, slip.id)
        if name in slips:
            continue  # said twice
        slips[name] = slip
        said[name] = slip.model_dump() | {"received_at": now}
        if signature is not Signature.SIGNED:  # a kid that stands there is one that has signed
            said[name] |= {"kid": None, "signature": None}
    if not said:
        return []
    dialect = session.get_bind().dialect.name
    insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
    # Values beside the statement and not in it: so it is compiled once, and not for each batch of receipts anew.
    once = insert(ReceiptRow).on_conflict_do_nothing(index_elements=["client_id", "side", "id"])
    named = once.returning(ReceiptRow.client_id, ReceiptRow.side, ReceiptRow.id)
    new = session.connection().execute(named, list(said.values())).all()
    stored = [slips[client_id, side, name] for client_id, side, name in new]
    _note_data(session, stored, int(now.timestamp() * 1000))
    return stored


def _note_data(session: Session, stored: Iterable[Slip], now_ms: int) -> None:
    newest: dict[tuple[str, str, str], int] = {}
    for slip in stored:
        if slip.side == Side.PUBLISHED.value:
            stream = (slip.resource, slip.topic, slip.client_id)
            at = min(slip.at, now_ms)  # a clock that runs ahead does not make data fresh
            newest[stream] = max(at, newest.get(stream, at))
    for (resource, topic, client_id), at in sorted(newest.items()):
        data_came(session, resource, topic, client_id, datetime.fromtimestamp(at / 1000, UTC))


def _reached(messages: Sequence[Message]) -> set[tuple[str, int, int]]:
    reached: dict[tuple[str, int], int] = {}
    for message in messages:
        place = (message.topic() or "", message.partition() or 0)
        reached[place] = max(reached.get(place, 0), (message.offset() or 0) + 1)
    return {(topic, partition, offset) for (topic, partition), offset in reached.items()}
