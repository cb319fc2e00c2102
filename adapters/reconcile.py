"""Comparing on demand (对账): one side with the topic, or both sides with each other; and repairing what differs.

Two looks. The first reads each side once, where it is, into digests, and finds the keys that differ by bisection. The
second looks at those keys alone: only what is the same difference again counts, so that a table that is written to
meanwhile is not accused of it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, Future
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from typing import Protocol

from adapters.config import AdapterConfig
from adapters.deletes import believe
from adapters.postgres_sums import unequal_sums
from adapters.protocol import Sink
from adapters.reconcile_repair import Landed, Published
from adapters.reconcile_table import Counted, Remote, Seen
from adapters.reconcile_topic import TopicSide
from adapters.reconcile_words import Record, Report, Words, finding_of
from adapters.spec import Side
from exchange.contract import slug
from exchange.errors import ConfigError, ExchangeError
from exchange.receipts import MODULUS, hex_digest
from exchange.tally import BUCKETS, GONE, HELD, MOVING, Summed, differing, unequal
from exchange.text import Text

MOST_KEYS = 100_000  # that are looked at a second time, and repaired, in one run
MOST_BUCKETS = BUCKETS // 8  # that are read apart: of more, the whole tables are read
MISSING = Record()


@dataclass(frozen=True, slots=True)
class Options:
    """``repair``: make equal what differs; ``allow_deletes``: however many rows that deletes.

    ``push_down``: databases that can make sums over their rows do. ``apart``: each side has a process of its own.
    """

    repair: bool = False
    allow_deletes: bool = False
    most: int = MOST_KEYS
    push_down: bool = True
    apart: bool = True


class Held(Summed, Protocol):
    """A side of the comparison once it is counted."""

    def bucket(self, number: int) -> dict[bytes, int]:
        """Return the digests of one bucket."""


def reconcile(configs: Sequence[AdapterConfig], options: Options) -> Report:
    """Compare the table of one adapter file with the topic, or those of a source and a sink with each other.

    Errors: those of table, registry and broker; NotCompared; of a repair also AdapterRuns, TooManyDeletes, Fenced.
    """
    sides = {config.side: config for config in configs}
    _verify(configs, sides)
    began = time.monotonic()
    with ExitStack() as stack:
        topic = stack.enter_context(closing(TopicSide(configs[0])))
        remotes = {
            side: stack.enter_context(Remote(config.file, apart=options.apart)) for side, config in sides.items()
        }
        comparison = Comparison(sides, remotes, topic, options)
        try:
            report = comparison.run()
        except BrokenExecutor as exc:
            reason = Text("the process that read a table was killed", "读取数据表的进程被终止")
            raise ExchangeError(reason=reason) from exc
    report.seconds = round(time.monotonic() - began, 3)
    return report


class Comparison:
    """One comparison, with what it knows so far."""

    def __init__(
        self,
        sides: Mapping[Side, AdapterConfig],
        remotes: Mapping[Side, Remote],
        topic: TopicSide,
        options: Options,
    ) -> None:
        self._sides = sides
        self._remotes = remotes
        self._topic = topic
        self._options = options
        self._counts: dict[Side, Counted] = {}
        self._report = Report(topic.contract.resource, "", "", (0, 0))

    def run(self) -> Report:
        """Return what was found, and made equal if that is wished."""
        with self._destination() as sink:
            first = self._first_look(sink)
            if first:
                self._judge(first, sink)
        return self._report

    @contextmanager
    def _destination(self) -> Iterator[Sink | None]:
        if "sink" not in self._sides:
            yield None
            return
        with closing(self._sides["sink"].sink(self._topic.contract)) as sink:
            yield sink

    def _first_look(self, sink: Sink | None) -> dict[bytes, tuple[int, int]]:
        """Return the keys that differ, with both digests."""
        due = self._positions(sink) if sink else None  # before the rows are read: what lands meanwhile is on its way
        self._report.positions = dict(due or {})
        if len(self._remotes) > 1:
            source, sink_side = self._remotes["source"], self._remotes["sink"]
            quick = self._by_databases(source, sink_side) if self._options.push_down else None
            if quick is not None:
                return quick
        asked = {side: remote.count() for side, remote in self._remotes.items()}
        if len(self._remotes) > 1:
            self._wait(asked)
            return self._walk(source, sink_side)
        with closing(self._topic.tally(due)) as tally:
            self._wait(asked, topic_rows=tally.sums(0, [0])[0][0])
            if "source" in self._remotes:
                return self._walk(self._remotes["source"], tally)
            return self._walk(tally, self._remotes["sink"])

    def _by_databases(self, source: Remote, sink: Remote) -> dict[bytes, tuple[int, int]] | None:
        """Return the keys that differ, found by sums that both databases make; None when they cannot, or so much does.

        Rows that both sides hold and the resource does not allow are not seen so: they are the same.
        """
        asked = source.summary(), sink.summary()
        one, other = (each.result() for each in asked)
        numbers = unequal_sums(one, other) if one and other else None
        if one is None or other is None or numbers is None or len(numbers) > MOST_BUCKETS:
            return None
        reading = source.count_some(numbers), sink.count_some(numbers)
        (mine, rows), (theirs, others) = (each.result() for each in reading)
        sizes = [sum(count for count, _ in summary.sums.values()) for summary in (one, other)]
        self._counts = {"source": mine._replace(rows=sizes[0]), "sink": theirs._replace(rows=sizes[1])}
        self._tell_counts()
        total = sum(total for _, total in one.sums.values())
        self._report.digest = f"postgresql:{hex_digest(total % MODULUS)}"
        found: dict[bytes, tuple[int, int]] = {}
        self._sort(unequal(rows, others), found)
        return found

    def _wait(self, asked: Mapping[Side, Future[Counted]], topic_rows: int = 0) -> None:
        self._counts = {side: counting.result() for side, counting in asked.items()}
        self._tell_counts(topic_rows)

    def _tell_counts(self, topic_rows: int = 0) -> None:
        counts, topic = self._counts, (self._topic.contract.topic, topic_rows)
        tables = {side: (counted.place, counted.rows) for side, counted in counts.items()}
        (reference, rows), (checked, others) = tables.get("source", topic), tables.get("sink", topic)
        self._report.reference, self._report.checked, self._report.rows = reference, checked, (rows, others)
        self._report.unread = sum(counted.unread for counted in counts.values())

    def _walk(self, reference: Held, checked: Held) -> dict[bytes, tuple[int, int]]:
        found: dict[bytes, tuple[int, int]] = {}
        self._report.digest = hex_digest(reference.sums(0, [0])[0][1])
        for number in differing(reference, checked):
            self._sort(unequal(reference.bucket(number), checked.bucket(number)), found)
        return found

    def _sort(self, pairs: Mapping[bytes, tuple[int, int]], found: dict[bytes, tuple[int, int]]) -> None:
        """Add to ``found`` what is to be looked at again, and count the others."""
        for key, pair in pairs.items():
            if MOVING in pair:
                self._report.waiting += 1
            elif HELD in pair:
                self._report.held += 1
            elif len(found) < self._options.most:
                found[key] = pair
            else:
                self._report.more += 1

    def _judge(self, first: Mapping[bytes, tuple[int, int]], sink: Sink | None) -> None:
        """Look again, and repair what is still so if that is wished."""
        words = self._second_look(first, sink)
        if not self._options.repair:
            return
        unpublished = [key for key, said in words.items() if said.source not in (None, said.topic.digest)]
        if unpublished:
            self._publish(unpublished)
        if sink is not None:
            self._land(Landed(sink, self._topic), words)

    def _second_look(self, first: Mapping[bytes, tuple[int, int]], sink: Sink | None) -> dict[bytes, Words]:
        """Return what each side says now of the keys that still differ in the same way."""
        due = self._positions(sink) if sink else None
        asked = {side: remote.look(list(first)) for side, remote in self._remotes.items()}
        records = self._topic.records(first.keys(), due)
        seen = {side: looking.result() for side, looking in asked.items()}
        words: dict[bytes, Words] = {}
        for key, pair in first.items():
            said = Words(
                source=_digest(seen["source"].get(key)) if "source" in seen else None,
                topic=records.get(key, MISSING),
                destination=_digest(seen["sink"].get(key)) if "sink" in seen else None,
            )
            if said.topic.newer:
                self._report.waiting += 1
            elif said.pair != pair:
                self._report.moved += 1
            else:
                words[key] = said
        self._report.findings = [finding_of(key, said) for key, said in words.items()]
        return words

    def _publish(self, keys: Sequence[bytes]) -> None:
        """Have the topic say again what the source says; then ask the topic whether it does.

        The rows are read after everybody else is kept from publishing, so that no older word comes last.
        """
        config, counted = self._sides["source"], self._counts["source"]
        with Published(config) as published:
            rows = self._remotes["source"].look(keys).result()
            gone = [key for key in keys if key not in rows]
            if gone and counted.unread and not counted.keyed:
                self._report.withheld += len(gone)  # a row whose key cannot be read may be one of them
                gone = []
            self._believe("source", len(gone), counted.rows + len(gone))
            data = {key: rows[key].datum for key in keys if key in rows and rows[key].datum is not None}
            published.publish(data | dict.fromkeys(gone))
        now = self._topic.records(frozenset(keys), None)
        self._report.repaired += sum(now.get(key, MISSING).digest == _digest(rows.get(key)) for key in keys)

    def _land(self, landed: Landed, words: Mapping[bytes, Words]) -> None:
        """Have the destination say again what the topic says; then ask the destination whether it does."""
        wrong = {key for key, said in words.items() if said.source is None or said.source == said.topic.digest}
        if not wrong:
            return
        gone = sum(words[key].topic.digest == GONE for key in wrong)
        config = self._sides["sink"]
        self._believe("sink", gone, self._counts["sink"].rows)
        records = landed.land(wrong, config.settings.limits.rows_at_once, config.state)
        now = self._remotes["sink"].look(list(wrong)).result()
        self._report.repaired += sum(_digest(now.get(key)) == records.get(key, MISSING).digest for key in wrong)

    def _believe(self, side: Side, gone: int, known: int) -> None:
        if not self._options.allow_deletes:
            share = self._sides[side].settings.limits.max_delete_share
            believe(self._counts[side].place, gone=gone, known=known, share=share)

    def _positions(self, sink: Sink) -> Mapping[int, int]:
        sink.connect()
        return dict(sink.positions(self._topic.log))


def _digest(seen: Seen | None) -> int:
    return seen.digest if seen is not None else GONE


def _verify(configs: Sequence[AdapterConfig], sides: Mapping[Side, AdapterConfig]) -> None:
    """Refuse two files that are no source and sink of one resource."""
    if len(sides) < len(configs):
        _, second = configs
        wanted = Text("a source and a sink", "一个数据源和一个目标")
        raise ConfigError(
            file=second.file,
            key="-",
            expected=wanted,
            found=Text(f"two files with [{second.side}]", f"两个含 [{second.side}] 的文件"),
            example="exchange reconcile villages-out.toml villages-in.toml",
        )
    resources = {slug(config.settings.adapter.resource) for config in configs}
    if len(resources) > 1:
        raise ConfigError(
            file=configs[1].file,
            key="adapter.resource",
            expected=configs[0].settings.adapter.resource,
            found=configs[1].settings.adapter.resource,
            example=f'resource = "{configs[0].settings.adapter.resource}"',
        )
