"""Publishing a source: in passes, a Kafka transaction for each batch, only what differs from the topic's state."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Sequence
from itertools import islice

from adapters.coerce import as_text, key_of
from adapters.contract_watch import ContractWatch
from adapters.engine import Run
from adapters.errors import TooManyDeletes
from adapters.patience import Stopped
from adapters.protocol import Coverage, Position, ReadBatch, Reject, Source
from adapters.rejects import RejectFile
from adapters.summary import Summary
from exchange.errors import ExchangeError, TooManyRejects
from exchange.publisher import Batch, Publisher, row_digest
from exchange.text import Text

log = logging.getLogger("exchange.adapter")

FEW_KEYS = 20  # below this, a large share of deletes is nothing to wonder about


class Pass:
    """One pass over a source: what is known of the topic, and what was seen so far."""

    def __init__(self, source: Source, known: dict[bytes, int]) -> None:
        self.place = source.place
        self.whole = source.coverage is Coverage.WHOLE
        self.known = known
        self.seen: dict[bytes, int] = {}
        self.rejected = 0
        self.protected: set[bytes] = set()  # keys of rejected rows: they are not gone
        self.nameless = 0  # rejected rows whose key could not be read

    def gone(self) -> list[bytes]:
        """Return the keys that are published and no longer in the source."""
        return [key for key in self.known if key not in self.seen and key not in self.protected]


class SourceEngine:
    """Runs one source until it is stopped, or for one pass."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._settings = run.config.settings
        self._limits = run.config.settings.limits
        self._patience = run.patience()
        self._rejects = RejectFile(run.config.rejects_dir, run.name)
        self._watch = ContractWatch(self._settings, self._settings.adapter.resource)
        self._publisher: Publisher | None = None
        self._source: Source | None = None
        self.summary = run.summary

    def run(self) -> Summary:
        """Make passes until stopped. Errors: those that waiting does not cure."""
        began = time.monotonic()
        try:
            self._passes()
        except Stopped:
            pass
        finally:
            self._disconnect()
            self.summary.seconds = round(time.monotonic() - began, 3)
            self.summary.rejects_file = str(self._rejects.path) if self._rejects.path else None
        return self.summary

    def _passes(self) -> None:
        interval, idle = self._settings.adapter.interval_s, self._run.options.until_idle_s
        once = self._run.options.once or interval == 0
        active = time.monotonic()
        while not self._run.stop.is_set():
            if self._patience.call(self._step):
                active = time.monotonic()
            if once or (idle is not None and time.monotonic() - active >= idle):
                return
            self._run.stop.wait(min(interval, idle) if idle else interval)

    def _step(self) -> bool:
        """Make a pass if there is something new; return whether anything was published."""
        try:
            publisher, source = self._connected()
            if not source.changed():
                return False
            before = self.summary.published + self.summary.deleted
            if source.coverage is Coverage.WHOLE:
                self._whole(publisher, source)
            else:
                self._changes(publisher, source)
        except ExchangeError:
            self._disconnect()  # opening again settles what an open transaction left behind
            raise
        self.summary.passes += 1
        return self.summary.published + self.summary.deleted > before

    def _connected(self) -> tuple[Publisher, Source]:
        if self._publisher is not None and self._watch.moved(self._publisher.contract):
            self._disconnect()
        if self._publisher is None:
            adapter = self._settings.adapter
            self._publisher = Publisher.open(self._settings, adapter.resource, adapter.name, metrics=self._run.metrics)
        if self._source is None:
            source = self._run.config.source(self._publisher.contract)
            source.connect()
            self._source = source
        return self._publisher, self._source

    def _disconnect(self) -> None:
        if self._source is not None:
            self._source.close()
            self._source = None
        if self._publisher is not None:
            self._publisher.close()
            self._publisher = None

    def _whole(self, publisher: Publisher, source: Source) -> None:
        """Compare the whole source with the topic; only a pass that came to its end may delete."""
        current = Pass(source, publisher.state())
        self._rejects.begin()
        for batch in source.read(None):
            self._publish(publisher, current, batch, None)
            if self._run.stop.is_set():
                return
        self._delete(publisher, current)

    def _changes(self, publisher: Publisher, source: Source) -> None:
        current = Pass(source, {})
        self._rejects.begin()
        for batch in source.read(publisher.position()):
            self._publish(publisher, current, batch, batch.position)
            if self._run.stop.is_set():
                return

    def _publish(self, publisher: Publisher, current: Pass, read: ReadBatch, position: Position | None) -> None:
        began = time.monotonic()
        with publisher.batch() as batch:
            rejects = [*read.rejects, *self._rows(publisher, current, read, batch)]
            for key in read.deleted:
                batch.delete(key)
            if rejects:
                for payload in self._rejects.write(rejects):
                    batch.reject(payload)
            if position is not None:
                batch.set_position(position)
        self._count(batch, read, rejects)
        self._run.metrics.observe("exchange_batch_seconds", time.monotonic() - began, **self._run.labels)
        self._judge(current, rejects)

    def _rows(self, publisher: Publisher, current: Pass, read: ReadBatch, batch: Batch) -> list[Reject]:
        rejects: list[Reject] = []
        for at, row in enumerate(read.rows):
            key, datum = publisher.encode_checked(row)
            if not current.whole:
                batch.put_encoded(key, datum)
                continue
            digest = row_digest(key, datum)
            earlier = current.seen.get(key)
            if earlier is not None and earlier != digest:
                rejects.append(self._twice(publisher, current, read, at))
            elif earlier is None:
                current.seen[key] = digest
                if current.known.get(key) != digest:
                    batch.put_encoded(key, datum)
        return rejects

    def _twice(self, publisher: Publisher, current: Pass, read: ReadBatch, at: int) -> Reject:
        """Two rows of one key: the first one stands, or the resource would change with each pass."""
        items = publisher.contract.items
        first = next(item.name for item in items if item.primary_key)
        return Reject(
            place=current.place,
            line=read.lines[at] if at < len(read.lines) else None,
            column=self._settings.adapter.columns.get(first, first),
            rule="duplicate_key",
            reason=_TWICE,
            raw=as_text(items, read.rows[at]),
            key=key_of(items, read.rows[at]),
        )

    def _count(self, batch: Batch, read: ReadBatch, rejects: Sequence[Reject]) -> None:
        sent = batch.count - batch.deletes
        self.summary.published += sent
        self.summary.deleted += batch.deletes
        self.summary.unchanged += len(read.rows) + len(read.rejects) - sent - len(rejects)
        self.summary.rejected += len(rejects)
        for reject in rejects:
            self._run.metrics.add("exchange_rejected_records_total", 1, rule=reject.rule, **self._run.labels)

    def _judge(self, current: Pass, rejects: Sequence[Reject]) -> None:
        current.rejected += len(rejects)
        current.protected.update(reject.key for reject in rejects if reject.key is not None)
        current.nameless += sum(reject.key is None for reject in rejects)
        if current.rejected > self._limits.max_rejects:
            raise TooManyRejects(rejected=current.rejected, limit=self._limits.max_rejects, file=self._rejects.path)

    def _delete(self, publisher: Publisher, current: Pass) -> None:
        gone = current.gone()
        if gone and current.nameless:
            self.summary.withheld += len(gone)
            log.warning(
                "%s: %d deletes withheld: the key of %d rejected rows could not be read, so they may be among them",
                self._run.name,
                len(gone),
                current.nameless,
            )
            return
        self._sure(current, gone)
        for keys in _chunks(gone, self._limits.batch_rows):
            with publisher.batch() as batch:
                for key in keys:
                    batch.delete(key)
            self.summary.deleted += batch.deletes

    def _sure(self, current: Pass, gone: Sequence[bytes]) -> None:
        known, share = len(current.known), self._limits.max_delete_share
        if self._run.options.allow_deletes or known < FEW_KEYS or len(gone) <= share * known:
            return
        raise TooManyDeletes(source=current.place, gone=len(gone), known=known, share=share)


def _chunks(keys: Iterable[bytes], size: int) -> Iterable[list[bytes]]:
    rest = iter(keys)
    while chunk := list(islice(rest, size)):
        yield chunk


_TWICE = Text(
    "another row of this pass has the same primary key and other values", "本次读取中已有主键相同而内容不同的记录"
)
