"""Landing a topic: records, position and receipts in one transaction of the destination, so each record lands once."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress

from adapters import batch_lines
from adapters.contract_watch import ContractWatch
from adapters.engine import Run
from adapters.overlap import Overlap
from adapters.patience import Stopped
from adapters.protocol import Landing, Reject, Resting, Sink, TakesColumns
from adapters.rejects import RejectFile
from adapters.summary import Summary
from exchange.arrow_changes import ChangeReader
from exchange.errors import ExchangeError, NotConnected, Refused, TooManyRejects
from exchange.receipts import Receipt, landed_receipts
from exchange.record import Marks, Received, Taken
from exchange.subscriber import Subscriber
from exchange.wire import HEADER_BYTES, schema_id_of

log = logging.getLogger("exchange.adapter")

POLL_S = 0.5
PAUSE_S = 0.01  # nothing came for so long: what has come lands
ONCE_IDLE_S = 5.0
RECEIPTS_AT_ONCE = 500
RECEIPTS_EVERY_S = 1.0  # while records come without a pause; in a pause and at the end they go at once


class SinkEngine:
    """Runs one sink until it is stopped, or until nothing more comes."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._settings = run.config.settings
        self._limits = run.config.settings.limits
        self._patience = run.patience()
        self._rejects = RejectFile(run.config.rejects_dir, run.name)
        self._watch = ContractWatch(self._settings, self._settings.adapter.resource)
        self._subscriber: Subscriber | None = None
        self._sink: Sink | None = None
        self._columns: ChangeReader | None = None  # of a destination that takes columns
        self._log = ""  # what lands, and up to where
        self._expected: dict[int, int] = {}
        self._owed = True  # receipts of an earlier run may be unsent
        self._forwarded = 0.0
        self._overlap = Overlap("landing")
        self._landed: dict[int, int] = {}  # offsets that the broker was not told yet
        self._held: ExchangeError | None = None  # an error that waits until the records before it have landed
        self.summary = run.summary

    def run(self) -> Summary:
        """Land until stopped. Errors: those that waiting does not cure."""
        began = time.monotonic()
        try:
            self._cycles()
        except Stopped:
            pass
        finally:
            self._disconnect()
            self._overlap.close()
            self.summary.seconds = round(time.monotonic() - began, 3)
            self.summary.rejects_file = str(self._rejects.path) if self._rejects.path else None
        return self.summary

    def _cycles(self) -> None:
        idle = self._run.options.until_idle_s
        if idle is None and self._run.options.once:
            idle = ONCE_IDLE_S
        scheduled = self._run.config.schedule is not None and not self._run.options.once
        first = True
        while not self._run.stop.is_set():
            if self._run.keeper.paused.is_set():
                self._leave("paused")
                if self._run.options.once:
                    return
                self._run.hold()
            if not self._run.await_schedule(first=first):
                continue
            first = False
            self._run.keeper.begin()
            self._until_idle(ONCE_IDLE_S if scheduled else idle)
            if not self._run.leaving:
                self._run.keeper.note("done", finished=True)
                if not scheduled:
                    return
                self._leave("done")
        self._settle()

    def _until_idle(self, idle: float | None) -> None:
        """Land until nothing came for ``idle`` seconds, or until stopped or paused."""
        active = time.monotonic()
        while not self._run.leaving:
            if self._patience.call(self._step):
                active = time.monotonic()
            elif idle is not None and time.monotonic() - active >= idle:
                return

    def _leave(self, reason: str) -> None:
        """Let go of broker and destination for a while."""
        self._settle()
        self._disconnect()
        self._run.keeper.note(reason)

    def _step(self) -> bool:
        """Land what has come; return whether anything had."""
        try:
            subscriber, sink = self._connected()
            taken = subscriber.taken_bytes
            records = subscriber.take(self._limits.rows_at_once, POLL_S)
            self._run.keeper.behind = subscriber.behind()
            if records:
                self._run.keeper.newest_ms = records.marks.timestamps_ms[-1]
                self._add_more(subscriber, records, taken + self._limits.batch_bytes)
                if self._watch.outdated(subscriber.contract, _schemas(records.values)):
                    self._disconnect()  # the records come again, and are read as the new contract says
                    return True
                self._land(subscriber, sink, records)
                self._run.pace(len(records))
                self._run.keeper.note_hourly()
            self._took(subscriber.taken_bytes - taken)
            if not records or self._held or time.monotonic() - self._forwarded >= RECEIPTS_EVERY_S:
                self._overlap.finish()
                self._forward(subscriber, sink)
                if isinstance(sink, Resting):
                    sink.rest()
            if self._held is not None:
                raise self._held
        except ExchangeError:
            self._disconnect()
            raise
        return bool(records)

    def _add_more(self, subscriber: Subscriber, records: Taken, most_bytes: int) -> None:
        """Fill the landing while more comes at once: big transactions are quicker, but nothing waits for company."""
        deadline = time.monotonic() + self._limits.batch_wait_ms / 1000
        while (room := self._limits.rows_at_once - len(records)) > 0 and (left := deadline - time.monotonic()) > 0:
            if subscriber.taken_bytes >= most_bytes:
                break
            try:
                found = subscriber.take(room, min(left, PAUSE_S))
                if not found:
                    break
                records.extend(found)
            except (NotConnected, Refused) as exc:
                self._held = exc  # what has come before it was given rightly, and lands
                break

    def _took(self, size: int) -> None:
        if size:
            self._run.metrics.add("exchange_landed_bytes_total", size, **self._run.labels)

    def _land(self, subscriber: Subscriber, sink: Sink, records: Taken) -> None:
        began = time.monotonic()
        contract = subscriber.contract
        columns = self._columns.read(records) if self._columns is not None else None
        rows = self._rows(subscriber, records) if columns is None else []
        good = Marks.of(rows) if columns is None else records.marks
        offsets = records.marks.next_offsets()
        now_ms = time.time_ns() // 1_000_000
        landing = Landing(
            log=self._log,
            changes=[(record.key, record.row) for record in rows] if columns is None else columns,
            positions={part: (self._expected.get(part, 0), offset) for part, offset in offsets.items()},
            receipts=landed_receipts(good, contract, subscriber.client_id, self._run.name, sink.landing_id(), now_ms),
        )
        self._overlap.finish()
        self._run.metrics.set("exchange_queue_records", len(good), **self._run.labels)
        self._overlap.start(
            lambda: sink.write(landing), lambda: self._has_landed(offsets, good, landing.receipts, began)
        )
        self._expected.update(offsets)

    def _rows(self, subscriber: Subscriber, records: Taken) -> list[Received]:
        """Return the records with their rows; those that are no record of the resource are set aside."""
        decoded = subscriber.decoded(records)
        self._set_aside(subscriber.contract.topic, [record for record in decoded if record.fault is not None])
        return [record for record in decoded if record.fault is None]

    def _has_landed(self, offsets: Mapping[int, int], good: Marks, receipts: Sequence[Receipt], began: float) -> None:
        self._owed = True
        self._landed.update(offsets)
        batch_lines.landed(self._run.name, receipts, time.monotonic() - began)
        self._count(good, time.monotonic() - began)

    def _set_aside(self, topic: str, broken: Sequence[Received]) -> None:
        """Keep what is no record in the rejects file; its receipt will be missing, and so the owner learns of it."""
        if not broken:
            return
        rejects = [
            Reject(f"{topic}-{record.partition}", record.offset, None, "wire", record.fault.text, record.key.hex())
            for record in broken
            if record.fault is not None
        ]
        self._rejects.write(rejects)
        self.summary.rejected += len(rejects)
        self._run.count_read(0, len(rejects))
        self.summary.rules["wire"] = self.summary.rules.get("wire", 0) + len(rejects)
        self._run.metrics.add("exchange_rejected_records_total", len(rejects), rule="wire", **self._run.labels)
        if self.summary.rejected > self._limits.max_rejects:
            raise TooManyRejects(
                rejected=self.summary.rejected, limit=self._limits.max_rejects, file=self._rejects.path
            )

    def _count(self, good: Marks, seconds: float) -> None:
        deletes = good.deleted.count(True)
        self.summary.landed += len(good) - deletes
        self.summary.deleted += deletes
        self.summary.passes += 1
        self._run.count_read(len(good), 0)
        metrics, labels = self._run.metrics, self._run.labels
        metrics.add("exchange_landed_records_total", len(good), **labels)
        metrics.add("exchange_landed_batches_total", 1, **labels)
        metrics.set("exchange_queue_records", 0, **labels)
        metrics.set("exchange_last_commit_timestamp_seconds", time.time(), **labels)
        metrics.observe("exchange_batch_seconds", seconds, **labels)
        if good:
            oldest = min(good.timestamps_ms)
            metrics.observe("exchange_end_to_end_seconds", max(0.0, time.time() - oldest / 1000), **labels)

    def _forward(self, subscriber: Subscriber, sink: Sink) -> None:
        """Send receipts that landed, and tell the broker how far; a receipt that is sent twice is one, by its id."""
        self._owed = True  # a reader may acknowledge only now what landed long ago
        while self._owed:
            receipts = sink.unsent_receipts(RECEIPTS_AT_ONCE)
            if receipts:
                subscriber.send_receipts(receipts)
                sink.mark_sent([receipt.id for receipt in receipts])
            self._owed = len(receipts) == RECEIPTS_AT_ONCE
        if self._landed:
            subscriber.commit(self._landed)
            self._landed = {}
        self._forwarded = time.monotonic()

    def _settle(self) -> None:
        """Send the last receipts before the end; what cannot be sent now is sent by the next run."""
        if self._subscriber is not None and self._sink is not None:
            with suppress(NotConnected, Refused):
                self._overlap.finish()
                self._forward(self._subscriber, self._sink)

    def _connected(self) -> tuple[Subscriber, Sink]:
        if self._subscriber is None or self._sink is None:
            adapter = self._settings.adapter
            self._sink = self._open_sink()
            self._subscriber = Subscriber.open(
                self._settings,
                adapter.resource,
                adapter.name,
                positions=self._assigned,
                exclusive=True,
                metrics=self._run.metrics,
            )
            takes = isinstance(self._sink, TakesColumns) and self._sink.takes_columns
            self._columns = ChangeReader(self._subscriber.contract) if takes else None
        return self._subscriber, self._sink

    def _open_sink(self) -> Sink:
        """The sink comes before the subscriber: on assignment the broker's client asks it for the positions."""
        sink = self._run.config.sink(self._watch.contract())
        sink.connect()
        return sink

    def _assigned(self, log: str) -> Mapping[int, int]:
        assert self._sink is not None
        self._overlap.wait()
        known = self._sink.positions(log)
        self._log, self._expected = log, dict(known)
        return known

    def _disconnect(self) -> None:
        self._overlap.leave()
        self._held, self._landed = None, {}
        if self._subscriber is not None:
            self._subscriber.close()
            self._subscriber = None
        if self._sink is not None:
            self._sink.close()
            self._sink = None


def _schemas(values: Sequence[bytes | None]) -> set[int]:
    headers = {value[:HEADER_BYTES] for value in values if value is not None}
    return set(map(schema_id_of, headers))
