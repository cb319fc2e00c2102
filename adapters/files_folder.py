"""A watched folder: which of its files are whole, and in which order they come."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from adapters.errors import SourceAbsent
from adapters.files_open import shown
from exchange.errors import NotConnected
from exchange.text import Text

UNFINISHED = (".part", ".partial", ".tmp", ".temp", ".filepart", ".crdownload", ".download", ".swp", ".new", "~")
HIDDEN = (".", "~$")

Stamp = tuple[int, int, int]  # time in ns, size, inode


@dataclass(frozen=True, slots=True)
class Entry:
    """A file as it was seen."""

    path: Path
    stamp: Stamp

    @property
    def name(self) -> str:
        """The file's name as text."""
        return shown(self.path.name)


def stamp_of(stat: os.stat_result) -> Stamp:
    """Return what changes when a file is written or replaced."""
    return (stat.st_mtime_ns, stat.st_size, stat.st_ino)


class Folder:
    """Looks at a folder; a file that may still be written is left alone."""

    def __init__(self, folder: Path, pattern: str, settle_s: float, marker: str | None, order: str) -> None:
        """``marker``: a suffix; ``a.csv`` is whole once ``a.csv<marker>`` is there. ``order``: time or name."""
        self._folder = folder
        self._pattern = pattern
        self._settle_s = settle_s
        self._marker = marker
        self._by_name = order == "name"
        self._seen: dict[Path, tuple[Stamp, float]] = {}
        self._was_there = False

    def settled(self) -> list[Entry]:
        """Return the files that nobody writes to any more, the oldest first. Errors: NotConnected, SourceAbsent."""
        try:
            found = list(self._entries())
        except OSError as exc:
            raise self._away(exc) from exc
        self._was_there = True
        now = time.monotonic()
        self._seen = {
            entry.path: known
            if (known := self._seen.get(entry.path)) and known[0] == entry.stamp
            else (entry.stamp, now)
            for entry in found
        }
        whole = [entry for entry in found if self._is_settled(entry, now)]
        return sorted(whole, key=lambda entry: (0 if self._by_name else entry.stamp[0], entry.path.name))

    def _is_settled(self, entry: Entry, now: float) -> bool:
        """By the file's own time, or, where clocks differ, by having watched it."""
        age = time.time() - entry.stamp[0] / 1e9
        return age >= self._settle_s or now - self._seen[entry.path][1] >= self._settle_s

    def _entries(self) -> Iterator[Entry]:
        with os.scandir(self._folder) as listing:
            entries = list(listing)
        names = {entry.name for entry in entries}
        for entry in entries:
            if not self._is_ours(entry.name, names):
                continue
            try:
                stat = entry.stat()
            except FileNotFoundError:
                continue  # taken away since
            if os.path.isfile(entry.path):  # noqa: PTH113 - of a listing with a million names
                yield Entry(Path(entry.path), stamp_of(stat))

    def _is_ours(self, name: str, names: set[str]) -> bool:
        if name.startswith(HIDDEN) or name.lower().endswith(UNFINISHED) or not fnmatchcase(name, self._pattern):
            return False
        if self._marker is None:
            return True
        return not name.endswith(self._marker) and name + self._marker in names

    def _away(self, error: OSError) -> NotConnected | SourceAbsent:
        """A folder that was there comes back (a share); one that never was is a mistake in the settings."""
        reason = error.strerror or type(error).__name__
        if self._was_there or not isinstance(error, FileNotFoundError | NotADirectoryError | PermissionError):
            return NotConnected(what=self._folder, reason=reason)
        return SourceAbsent(source=self._folder, reason=Text(reason, reason))
