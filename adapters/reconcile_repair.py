"""Making equal what a comparison found: published again by the source, or landed again from the topic."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self, TypeVar

from adapters.config import AdapterConfig
from adapters.history import StateFolder
from adapters.keeper import COUNTS
from adapters.protocol import Landing, Sink
from adapters.reconcile_topic import TopicSide
from adapters.reconcile_words import Record
from exchange.codec import BadWire
from exchange.errors import ExchangeError, Fenced
from exchange.items import Row
from exchange.publisher import Publisher
from exchange.tally import GONE
from exchange.text import Text

log = logging.getLogger("exchange.adapter")
T = TypeVar("T")

HEARD_S = 5.0  # a running adapter says each second that it is there
TRIES = 5  # a sink that runs moves its position meanwhile


class AdapterRuns(ExchangeError):
    """A repair would publish beside the adapter: of two hands on one resource, the older word could come last."""

    code = "adapter_runs"
    exit_code = 6
    text = Text("{name} runs (process {pid}); nothing was published", "{name} 正在运行（进程 {pid}）；未发布任何数据")
    hint = Text(
        "Pause it with `exchange adapter pause {file}`, repair, then `exchange adapter resume {file}`.",
        "请先执行 `exchange adapter pause {file}`，修复后再执行 `exchange adapter resume {file}`。",
    )


class Published:
    """The source's hand on the topic: taken over from the adapter, whose position stays where it is.

    It has the adapter's own name, so that an adapter that runs elsewhere is fenced, and comes back with what its source
    says then. What is published is a batch like any other, with its receipt.
    """

    def __init__(self, config: AdapterConfig) -> None:
        self._config = config
        self._settings = config.settings

    def __enter__(self) -> Self:
        adapter = self._settings.adapter
        status = self._config.state.status()
        if status is not None and _busy(status):
            raise AdapterRuns(name=adapter.name, pid=status.get("pid"), file=self._config.file)
        self._publisher = Publisher.open(self._settings, adapter.resource, adapter.name)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._publisher.close()

    def publish(self, rows: Mapping[bytes, bytes | None]) -> None:
        """Publish the data of keys, or their deletes (None)."""
        began, deletes = datetime.now(UTC), sum(datum is None for datum in rows.values())
        for keys in _chunks(list(rows), self._settings.limits.rows_at_once):
            with self._publisher.batch() as batch:
                for key in keys:
                    datum = rows[key]
                    if datum is None:
                        batch.delete(key)
                    else:
                        batch.put_encoded(key, datum)
            log.info("%s: batch %s repairs %d keys", self._publisher.name, batch.id.hex, batch.count)
        _note(self._config.state, began, published=len(rows) - deletes, deleted=deletes)


class Landed:
    """The destination's rows, landed again from the topic.

    The position is written with the value that it has: so a sink that runs meanwhile is waited for, and a row that it
    landed since the topic was read is never put back. There is no receipt: what is landed again was landed before.
    """

    def __init__(self, sink: Sink, topic: TopicSide) -> None:
        self._sink = sink
        self._topic = topic

    def land(self, keys: AbstractSet[bytes], at_once: int, state: StateFolder) -> dict[bytes, Record]:
        """Land the last due record of each key; return those. Errors: Fenced when the sink does not rest."""
        for left in range(TRIES - 1, -1, -1):
            began = datetime.now(UTC)
            self._sink.connect()
            positions = dict(self._sink.positions(self._topic.log))
            found = self._topic.records(keys, positions)
            due = [(key, record) for key in keys if not (record := found.get(key, Record())).newer]
            try:
                self._write(due, positions, at_once)
            except Fenced:
                if not left:
                    raise
                continue
            deletes = sum(record.digest == GONE for _, record in due)
            _note(state, began, landed=len(due) - deletes, deleted=deletes)
            return found
        raise AssertionError("the last try raises")

    def _write(self, due: Sequence[tuple[bytes, Record]], positions: Mapping[int, int], at_once: int) -> None:
        stays = {partition: (offset, offset) for partition, offset in positions.items()}
        for some in _chunks(due, at_once):
            changes: list[tuple[bytes, Row | None]] = []
            for key, record in some:
                with suppress(BadWire):  # no row: it stays a difference, until its publisher puts it right
                    changes.append((key, None if record.value is None else self._topic.row(record.value)))
            self._sink.write(Landing(self._topic.log, changes, stays))


def _busy(status: Mapping[str, Any]) -> bool:
    """Whether an adapter said a moment ago that it runs, and is not paused."""
    if status.get("state") in ("ended", "paused"):
        return False
    try:
        age = (datetime.now(UTC) - datetime.fromisoformat(status["at"])).total_seconds()
    except (KeyError, TypeError, ValueError):
        return False
    return abs(age) <= HEARD_S


def _note(state: StateFolder, began: datetime, **done: int) -> None:
    """Write the repair into the adapter's history."""
    entry = {
        "start": began.isoformat(timespec="milliseconds"),
        "end": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "reason": "repaired",
        **dict.fromkeys((*COUNTS, "waits"), 0),
        "rules": {},
        "quality": {},
        **done,
    }
    try:
        state.append(entry)
    except OSError as exc:
        log.warning("state folder: %s: no history", exc.strerror or type(exc).__name__)


def _chunks(things: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(things), size):
        yield things[start : start + size]
