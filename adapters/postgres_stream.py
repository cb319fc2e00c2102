"""Following the stream of changes: when a batch is due, when to say that nothing came, and what the server is told.

The server is told only of positions that are committed at the broker: when the generator is asked for the next batch.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator

from adapters.pgoutput import KeepAlive, parse
from adapters.postgres_changes import Assembler
from adapters.postgres_replication import Replication
from adapters.protocol import Position, ReadBatch
from exchange.text import Text

log = logging.getLogger("exchange.adapter")

WINDOW_S = 0.02  # how long a batch fills: a transaction of the broker costs more than a change
IDLE_S = 0.9
CATCHING_UP_S = 5.0  # an empty batch would say that there is no more
ASK_S = 0.1
HEARTBEAT_S = 10.0  # the position moves on with the server's log, so that it need not keep what is not ours

REFRESH: Position = {"refresh": True}


class Follower:
    """Gives batches without end. ``target``: from this place of the log on, nothing is left from before the start.

    ``watch`` is called now and then; it returns why the table must be read whole, or None.
    """

    def __init__(
        self,
        place: str,
        replication: Replication,
        assembler: Assembler,
        target: int,
        watch: Callable[[], Text | None],
    ) -> None:
        self._place = place
        self._replication = replication
        self._assembler = assembler
        self._target = target
        self._watch = watch
        self._server_end = 0
        self._confirmed = assembler.lsn
        self._greeted = False  # it was said that all from before the start is published
        self._waited_for = False  # the server waits for us, maybe to shut down
        now = time.monotonic()
        self._due_at = now  # of the pending batch
        self._shown = self._asked = self._beat = now

    def batches(self) -> Iterator[ReadBatch]:
        """Yield batches; one with the position REFRESH is the last one."""
        self._confirm()  # the last word before a stop may not have reached the server
        while True:
            self._receive()
            batch = self._due(time.monotonic())
            if batch is None:
                continue
            yield batch
            self._shown = time.monotonic()
            if batch.position is REFRESH:
                return
            if batch.position is not None:
                self._confirm()

    def _receive(self) -> None:
        had = self._assembler.pending
        piece = self._replication.receive(self._patience(time.monotonic()))
        if piece is None:
            self._ask()
        elif isinstance(piece, KeepAlive):
            self._server_end = max(self._server_end, piece.wal_end)
            if piece.reply:
                self._answer()
        else:
            self._assembler.take(piece.message, parse(piece.message))
            if self._assembler.pending and not had:
                self._due_at = time.monotonic() + WINDOW_S

    def _due(self, now: float) -> ReadBatch | None:
        assembler = self._assembler
        if assembler.refresh is None and now - self._beat >= HEARTBEAT_S:
            assembler.refresh = self._watch()
            if self._quiet and self._server_end > assembler.lsn:
                self._waited_for = True
            self._beat = now
        if assembler.refresh is not None:
            log.warning("%s: %s", self._place, _AGAIN.format(reason=assembler.refresh))
            return ReadBatch(position=REFRESH)
        if assembler.full or (assembler.pending and assembler.whole and now >= self._due_at):
            return assembler.batch()
        if self._waited_for and self._quiet:
            self._waited_for = False
            assembler.advance(self._server_end)
            return ReadBatch(position=assembler.position())
        if now - self._shown < self._silence():
            return None
        self._greeted = self._greeted or self._caught_up
        return ReadBatch()

    @property
    def _quiet(self) -> bool:
        return self._assembler.whole and not self._assembler.pending

    @property
    def _caught_up(self) -> bool:
        return self._quiet and max(self._server_end, self._assembler.lsn) >= self._target

    def _silence(self) -> float:
        """How long no batch is given: none at all at the moment when all from before the start is published."""
        if self._greeted:
            return IDLE_S
        return 0.0 if self._caught_up else CATCHING_UP_S

    def _patience(self, now: float) -> float:
        if self._assembler.pending and self._assembler.whole:
            return max(0.0, self._due_at - now)
        return max(0.0, self._shown + IDLE_S - now) if self._greeted else ASK_S

    def _ask(self) -> None:
        now = time.monotonic()
        if not self._greeted and now - self._asked >= ASK_S:
            self._asked = now
            self._replication.confirm(self._confirmed, ask=True)

    def _answer(self) -> None:
        """Answer at once; a server that shuts down waits until we have confirmed all that it sent."""
        if self._quiet and self._server_end > self._assembler.lsn:
            self._waited_for = True
        else:
            self._replication.confirm(self._confirmed)

    def _confirm(self) -> None:
        self._confirmed = self._assembler.lsn
        self._replication.confirm(self._confirmed)


_AGAIN = Text("the whole table is read again: {reason}", "将重新完整读取该表：{reason}")
