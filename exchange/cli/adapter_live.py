"""The live line of ``exchange adapter run`` on a terminal; elsewhere plain log lines."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.live import Live
from rich.logging import RichHandler
from rich.markup import escape
from rich.text import Text as Markup

from exchange import logs
from exchange.text import Text

if TYPE_CHECKING:
    from adapters.engine import Run

REFRESHES_PER_S = 2


@contextmanager
def shown(run: Run, *, plain: bool) -> Iterator[None]:
    """Show ``run`` while it goes on: a line that changes on a terminal, log lines otherwise."""
    console = Console(stderr=True)
    settings = run.config.settings.log
    if plain or settings.format == "json" or not console.is_terminal:
        logs.configure(settings)
        yield
        return
    logs.configure(settings, RichHandler(console=console, show_path=False))
    line = _Line(run)
    with Live(get_renderable=line.text, console=console, refresh_per_second=REFRESHES_PER_S, transient=True):
        yield


class _Line:
    def __init__(self, run: Run) -> None:
        self._run = run
        self._at, self._rows, self._rate = time.monotonic(), 0, 0.0

    def text(self) -> Markup:
        """Return the line as it is now; the rate is that since the line before, smoothed."""
        summary, keeper = self._run.summary, self._run.keeper
        rows = summary.published + summary.unchanged + summary.landed + summary.deleted
        now = time.monotonic()
        if now - self._at >= 1 / REFRESHES_PER_S:
            self._rate = (self._rate + (rows - self._rows) / (now - self._at)) / 2
            self._at, self._rows = now, rows
        if summary.side == "source":
            counts = _SOURCE.format(a=f"{summary.published:,}", b=f"{summary.unchanged:,}", c=f"{summary.deleted:,}")
        else:
            counts = _SINK.format(a=f"{summary.landed:,}", c=f"{summary.deleted:,}")
        head = f"[bold]{escape(self._run.name)}[/] {escape(summary.resource)}"
        rejected = f" [red]{_REJECTED.format(n=summary.rejected)}[/]" if summary.rejected else ""
        waiting = keeper.patience.waiting_for if keeper.patience else None
        if keeper.paused.is_set():
            tail = f"[yellow]{_PAUSED.format()}[/]"
        elif waiting is not None:
            tail = f"[yellow]{escape(waiting.message())}[/]"
        elif keeper.due is not None:
            tail = f"[dim]{_DUE.format(at=keeper.due.astimezone().strftime('%m-%d %H:%M'))}[/]"
        else:
            tail = f"[green]{_RATE.format(n=f'{self._rate:,.0f}')}[/]"
        return Markup.from_markup(f"{head}  {counts}{rejected}  {tail}")


_SOURCE = Text("published {a}, unchanged {b}, deleted {c}", "发布 {a}，未变化 {b}，删除 {c}")
_SINK = Text("landed {a}, deleted {c}", "落地 {a}，删除 {c}")
_REJECTED = Text("rejected {n}", "拒收 {n}")
_PAUSED = Text("paused", "已暂停")
_DUE = Text("next at {at}", "下次 {at}")
_RATE = Text("{n} rows/s", "{n} 行/秒")
