"""The story on a terminal: a line for each thing that happened, a bar for what takes a while."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from exchange.text import Text


class Screen:
    """A narrator that prints."""

    def __init__(self, say: Callable[[Text], None]) -> None:
        self._say = say
        self._console = Console()

    def say(self, text: Text) -> None:
        """Print one line."""
        self._say(text)

    @contextmanager
    def progress(self, text: Text, total: int) -> Iterator[Callable[[int], None]]:
        """Show a bar; the function that is yielded is told how far it has come."""
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=self._console) as bars:
            task = bars.add_task(text.format(), total=total)
            yield lambda done: bars.update(task, completed=min(done, total))
