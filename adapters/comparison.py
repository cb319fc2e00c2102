"""What a pass over a whole source is compared with: the rows of the topic, and what the source has shown so far.

Both are kept in memory up to a number of rows, and beyond it in a file, so that a source of any size takes the same
memory. Each row is its key and its digest (``exchange.publisher.row_digest``).
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from pathlib import Path

from adapters.comparison_file import ComparisonFile, Verdict

ROWS_AT_ONCE = 50_000  # of the topic, between two looks at how many there are


class Comparison:
    """Tells of each row that a source shows whether the topic has it. Errors of all methods: NotConnected (disk)."""

    def __init__(self, folder: Path, rows_in_memory: int, *, keyed: bool) -> None:
        """``keyed``: the source shows no key twice, so what it has shown need not be remembered."""
        self.known = 0  # rows that the topic had when the pass began
        self._folder = folder
        self._most = rows_in_memory
        self._keyed = keyed
        self._left: dict[bytes, int] = {}  # of the topic's rows, those that the source has not shown
        self._shown: dict[bytes, int] = {}
        self._file: ComparisonFile | None = None

    def load(self, entries: Iterable[tuple[bytes, int | None]]) -> None:
        """Take what the topic holds, oldest first; None: deleted. A key may come again, and its last entry holds."""
        left = self._left
        entries = iter(entries)
        for at, (key, digest) in enumerate(entries, 1):
            if digest is None:
                left.pop(key, None)
            else:
                left[key] = digest
            if at % ROWS_AT_ONCE == 0 and len(left) > self._most:
                self._spill(entries)
        self._spill_if_full()
        self.known = self._file.known if self._file else len(left)

    def look(self, key: bytes, digest: int) -> Verdict:
        """Return what is to become of a row; it counts as shown."""
        if self._file is not None:
            return self._file.look(key, digest)
        if not self._keyed:
            earlier = self._shown.get(key)
            if earlier is not None:
                return Verdict.REPEATED if earlier == digest else Verdict.CONTRADICTED
        verdict = Verdict.SAME if self._left.pop(key, None) == digest else Verdict.NEW
        if not self._keyed:
            self._shown[key] = digest
            self._spill_if_full()
        return verdict

    def gone(self, protected: Container[bytes]) -> Iterator[bytes]:
        """Yield the keys that the topic has and the source has not shown, protected ones left out; twice, if asked."""
        left = self._file.gone() if self._file is not None else self._left
        return (key for key in left if key not in protected)

    def close(self) -> None:
        """Give up what is kept; safe to call twice."""
        self._left, self._shown = {}, {}
        if self._file is not None:
            self._file.close()
            self._file = None

    def _spill_if_full(self) -> None:
        if len(self._left) + len(self._shown) > self._most:
            self._spill(())

    def _spill(self, more: Iterable[tuple[bytes, int | None]]) -> None:
        """Go on in a file: what is in memory, then ``more`` of the topic."""
        made = ComparisonFile(self._folder, keyed=self._keyed)
        self._file = made  # closed with the pass, whatever happens
        made.add(self._left.items())
        made.add(more)
        made.index()
        self._left = {}
        made.show(self._shown.items())
        self._shown = {}
