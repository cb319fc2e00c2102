"""Publishing a source: in passes, a Kafka transaction for each batch, only what differs from the topic's state."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Sequence
from contextlib import closing
from itertools import islice

from adapters import batch_lines
from adapters.coerce import LARGEST_ROW, as_text, key_of
from adapters.comparison import Comparison
from adapters.comparison_file import Verdict
from adapters.contract_watch import ContractWatch
from adapters.deletes import believe
from adapters.engine import Run
from adapters.errors import SourceAbsent
from adapters.overlap import Overlap
from adapters.patience import Stopped
from adapters.protocol import Coverage, Inspecting, Position, ReadBatch, Reject, Retaining, Source
from adapters.rejects import RejectFile
from adapters.summary import Summary
from exchange.errors import ExchangeError, NotConnected, TooManyRejects
from exchange.publisher import Batch, Publisher, row_digest
from exchange.text import Text

log = logging.getLogger("exchange.adapter")

JUDGED_S = 3600.0  # rejects of a pass without end count for so long


class Pass:
    """One pass over a source: what it is compared with, and what was rejected so far."""

    def __init__(self, source: Source, compared: Comparison | None) -> None:
        """``compared``: with the topic's state, for a pass that shows the whole source."""
        self.place = source.place
        self.keyed = source.keyed
        self.compared = compared
        self.began = time.monotonic()
        self.rejected = 0
        self.protected: set[bytes] = set()  # keys of rejected rows: they are not gone
        self.nameless = 0  # rejected rows whose key could not be read


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
        self._was_there = False  # what this run has read before comes back: a file that is replaced, a share
        self._handed_over = False  # a pass over the whole ended with a position
        self._overlap = Overlap("commit")
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
            self._overlap.close()
            self.summary.seconds = round(time.monotonic() - began, 3)
            self.summary.rejects_file = str(self._rejects.path) if self._rejects.path else None
        return self.summary

    def _passes(self) -> None:
        interval, idle = self._settings.adapter.interval_s, self._run.options.until_idle_s
        scheduled = self._run.config.schedule is not None
        once = self._run.options.once or (interval == 0 and not scheduled)
        active, first = time.monotonic(), True
        while not self._run.stop.is_set():
            if self._paused():
                if once:
                    return
                active = time.monotonic()
            if not self._run.await_schedule(first=first) and not self._wished():
                continue
            first = False
            if self._patience.call(self._step):
                active = time.monotonic()
            if once or (idle is not None and time.monotonic() - active >= idle):
                return
            if scheduled:
                self._disconnect()  # nothing is held open until the next time
            elif self._handed_over:
                self._handed_over = False  # changes since the snapshot wait already
            else:
                self._run.rest(min(interval, idle) if idle else interval)

    def _paused(self) -> bool:
        """Wait out a pause with nothing open, neither at the source nor at the broker; return whether there was one."""
        if not self._run.keeper.paused.is_set():
            return False
        self._disconnect()
        if self._run.options.once:
            log.warning("%s: paused: nothing is read", self._run.name)
        else:
            self._run.hold()
        return True

    def _wished(self) -> bool:
        return self._run.keeper.refresh is not None and not self._run.leaving

    def _step(self) -> bool:
        """Make a pass if there is something new; return whether anything was published."""
        try:
            publisher, source = self._connected()
            wish = self._run.keeper.refresh
            if self._run.leaving:
                return False
            if not source.changed() and wish is None:
                return False
            self._run.keeper.begin()
            before = self.summary.published + self.summary.deleted
            position = None if wish else publisher.position()
            if source.coverage(position) is Coverage.WHOLE:
                self._whole(publisher, source)
            else:
                self._changes(publisher, source, position, wish)
        except ExchangeError as exc:
            self._disconnect()  # opening again settles what an open transaction left behind
            if isinstance(exc, SourceAbsent) and self._was_there:
                raise NotConnected(what=exc.facts["source"], reason=exc.facts["reason"]) from exc
            raise
        self._inspect(source)
        self.summary.passes += 1
        if not self._run.leaving:
            self._run.keeper.refreshed(wish)
        self._run.keeper.note(self._run.outcome, finished=not self._run.leaving)
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
            self._source, self._was_there = source, True
            self._run.retaining = source if isinstance(source, Retaining) else None
            self._inspect(source)
        return self._publisher, self._source

    def _inspect(self, source: Source) -> None:
        """Note what the catalogue does not know of the source: names of columns, and nothing of what is in them."""
        if isinstance(source, Inspecting):
            self._run.undeclared = source.undeclared

    def _disconnect(self) -> None:
        self._overlap.leave()
        if self._source is not None:
            self._source.close()
            self._source = None
        if self._publisher is not None:
            self._publisher.close()
            self._publisher = None

    def _whole(self, publisher: Publisher, source: Source) -> None:
        """Compare the whole source with the topic; only a pass that came to its end may delete."""
        with closing(self._comparison(source)) as compared:
            compared.load(publisher.entries())
            position = self._compare(publisher, source, Pass(source, compared), compared)
        if position is not None:
            with publisher.batch() as end:
                end.set_position(position)
            self._handed_over = True

    def _comparison(self, source: Source) -> Comparison:
        return Comparison(self._run.config.state.path, self._limits.rows_in_memory, keyed=source.keyed)

    def _compare(self, publisher: Publisher, source: Source, current: Pass, compared: Comparison) -> Position | None:
        """Publish what differs; return the position that the source has then, None when it has none or it was left."""
        self._rejects.begin()
        position: Position | None = None
        for batch in source.read(None):
            self._publish(publisher, current, batch, None)
            position = batch.position
            if self._run.leaving:
                break
        self._overlap.finish()
        if self._run.leaving:
            return None
        self._delete(publisher, current, compared)
        return position

    def _changes(self, publisher: Publisher, source: Source, position: Position | None, wish: str | None) -> None:
        """Publish what comes; a pass without end is left when nothing comes any more, or the contract moved.

        Once its first batch is committed, the position tells how far the refresh of ``wish`` has come.
        """
        current = Pass(source, None)
        self._rejects.begin()
        active = time.monotonic()
        with closing(source.read(position)) as batches:
            for batch in batches:
                self._publish(publisher, current, batch, batch.position)
                if wish is not None and batch.position is not None:
                    self._run.keeper.refreshed(wish)
                    wish = None
                if not batch.empty:
                    active = time.monotonic()
                elif self._idle(active):
                    return
                if self._run.leaving or (wish is None and self._run.keeper.refresh is not None):
                    return
                self._run.keeper.note_hourly()
                if time.monotonic() - current.began > JUDGED_S:
                    current = Pass(source, None)
                if self._watch.moved(publisher.contract):
                    break
            else:
                return
        self._disconnect()  # the next pass reads by the new contract

    def _idle(self, active: float) -> bool:
        alone = self._run.options.once or self._run.config.schedule is not None
        idle = 0.0 if alone else self._run.options.until_idle_s
        return idle is not None and time.monotonic() - active >= idle

    def _publish(self, publisher: Publisher, current: Pass, read: ReadBatch, position: Position | None) -> None:
        """Publish a batch; of a pass over the whole, the next one is read while this one is being committed."""
        began = time.monotonic()
        keys, data = publisher.encode_rows(read.rows) if read.rows else ([], [])
        self._overlap.finish()
        batch = publisher.batch()
        try:
            rejects = [*read.rejects, *self._rows(publisher, current, read, batch, keys, data)]
            self._fill(batch, read, rejects, position)
        except BaseException:
            batch.abort()
            raise
        code = publisher.contract.resource
        self._overlap.start(batch.commit, lambda: self._published(code, current, batch, read, rejects, began))
        if current.compared is None:
            self._overlap.finish()  # before its source is asked for more, which tells it that this is safe
        self._run.pace(len(read.rows))

    def _fill(self, batch: Batch, read: ReadBatch, rejects: Sequence[Reject], position: Position | None) -> None:
        for key in read.deleted:
            batch.delete(key)
        if rejects:
            for payload in self._rejects.write(rejects):
                batch.reject(payload)
        if position is not None:
            batch.set_position(position)

    def _published(
        self, code: str, current: Pass, batch: Batch, read: ReadBatch, rejects: Sequence[Reject], began: float
    ) -> None:
        self._patience.recovered()
        batch_lines.published(self._run.name, code, batch, time.monotonic() - began)
        self._count(batch, read, rejects)
        self._run.metrics.observe("exchange_batch_seconds", time.monotonic() - began, **self._run.labels)
        self._judge(current, rejects)

    def _rows(
        self,
        publisher: Publisher,
        current: Pass,
        read: ReadBatch,
        batch: Batch,
        keys: list[bytes],
        data: list[bytes],
    ) -> list[Reject]:
        """Put the rows that the topic does not have yet; return those that came twice with other values."""
        if not data:
            return []
        large: set[int] = set()
        if max(map(len, data)) > LARGEST_ROW:
            large = {at for at, datum in enumerate(data) if len(datum) > LARGEST_ROW}
        rejects = [self._reject(publisher, current, read, at, "too_large", _TOO_LARGE) for at in large]
        if current.compared is None:
            batch.put_all(*_without(large, keys, data) if large else (keys, data))
            return rejects
        fresh: list[int] = []
        look = current.compared.look
        for at, (key, digest) in enumerate(zip(keys, map(row_digest, keys, data), strict=True)):
            if at in large:
                continue
            verdict = look(key, digest)
            if verdict is Verdict.NEW:
                fresh.append(at)
            elif verdict is Verdict.CONTRADICTED:
                rejects.append(self._reject(publisher, current, read, at, "duplicate_key", _TWICE))
        batch.put_all([keys[at] for at in fresh], [data[at] for at in fresh])
        return rejects

    def _reject(self, publisher: Publisher, current: Pass, read: ReadBatch, at: int, rule: str, reason: Text) -> Reject:
        """Return the record of a row that is right by itself; of two rows of one key, the first one stands."""
        items = publisher.contract.items
        first = next(item.name for item in items if item.primary_key)
        return Reject(
            place=current.place,
            line=read.lines[at] if at < len(read.lines) else None,
            column=self._settings.adapter.columns.get(first, first),
            rule=rule,
            reason=reason,
            raw=as_text(items, read.rows[at]),
            key=key_of(items, read.rows[at]),
        )

    def _count(self, batch: Batch, read: ReadBatch, rejects: Sequence[Reject]) -> None:
        sent = batch.count - batch.deletes
        self.summary.published += sent
        self.summary.deleted += batch.deletes
        self.summary.unchanged += len(read.rows) + len(read.rejects) - sent - len(rejects)
        self.summary.rejected += len(rejects)
        self._run.count_read(len(read.rows) + len(read.rejects) - len(rejects), len(rejects))
        for reject in rejects:
            self._run.metrics.add("exchange_rejected_records_total", 1, rule=reject.rule, **self._run.labels)
            self.summary.rules[reject.rule] = self.summary.rules.get(reject.rule, 0) + 1
        for finding, count in read.findings.items():
            self._run.metrics.add("exchange_quality_total", count, **finding._asdict(), **self._run.labels)
            name = "/".join(finding)
            self.summary.quality[name] = self.summary.quality.get(name, 0) + count

    def _judge(self, current: Pass, rejects: Sequence[Reject]) -> None:
        current.rejected += len(rejects)
        current.protected.update(reject.key for reject in rejects if reject.key is not None)
        current.nameless += sum(reject.key is None for reject in rejects)
        if current.rejected > self._limits.max_rejects:
            raise TooManyRejects(rejected=current.rejected, limit=self._limits.max_rejects, file=self._rejects.path)

    def _delete(self, publisher: Publisher, current: Pass, compared: Comparison) -> None:
        gone = sum(1 for _ in compared.gone(current.protected))
        if gone and current.nameless and not current.keyed:
            self.summary.withheld += gone
            log.warning(
                "%s: %d deletes withheld: the key of %d rejected rows could not be read, so they may be among them",
                self._run.name,
                gone,
                current.nameless,
            )
            return
        if not self._run.options.allow_deletes:
            believe(current.place, gone=gone, known=compared.known, share=self._limits.max_delete_share)
        for keys in _chunks(compared.gone(current.protected), self._limits.rows_at_once):
            began = time.monotonic()
            with publisher.batch() as batch:
                for key in keys:
                    batch.delete(key)
            batch_lines.published(self._run.name, publisher.contract.resource, batch, time.monotonic() - began)
            self.summary.deleted += batch.deletes
            self._run.pace(len(keys))


def _chunks(keys: Iterable[bytes], size: int) -> Iterable[list[bytes]]:
    rest = iter(keys)
    while chunk := list(islice(rest, size)):
        yield chunk


def _without(left_out: set[int], keys: list[bytes], data: list[bytes]) -> tuple[list[bytes], list[bytes]]:
    kept = [at for at in range(len(keys)) if at not in left_out]
    return [keys[at] for at in kept], [data[at] for at in kept]


_TOO_LARGE = Text(
    f"the record is larger than {LARGEST_ROW} bytes, the most that the broker takes",
    f"记录超过消息服务允许的 {LARGEST_ROW} 字节",
)
_TWICE = Text(
    "another row of this pass has the same primary key and other values", "本次读取中已有主键相同而内容不同的记录"
)
