"""The folder in which an adapter keeps its state for operators: paused or not, what it does now, and its last runs.

Nothing in it decides what is published or landed: positions are at the broker and in the destination. It may be
deleted.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

Entry = Mapping[str, Any]

HISTORY_BYTES = 1_000_000  # about 2,000 runs; then the older half goes


class StateFolder:
    """``<folder>/<adapter>/``: ``paused`` and ``refresh`` are wishes, ``status.json`` and ``history.jsonl`` answers."""

    def __init__(self, folder: Path, adapter: str) -> None:
        self._folder = folder / adapter
        self._paused = self._folder / "paused"
        self._refresh = self._folder / "refresh"
        self._status = self._folder / "status.json"
        self._history = self._folder / "history.jsonl"

    @property
    def path(self) -> Path:
        """Where it is."""
        return self._folder

    @property
    def paused(self) -> bool:
        """Whether the adapter is to move nothing."""
        return self._paused.exists()

    def pause(self) -> bool:
        """Wish that nothing moves; return whether that is new. Errors: OSError."""
        return not self.paused and self._wish(self._paused)

    def resume(self) -> bool:
        """Take the wish back; return whether there was one. Errors: OSError."""
        was = self.paused
        self._paused.unlink(missing_ok=True)
        return was

    def ask_refresh(self) -> None:
        """Wish that the whole source is read again. Errors: OSError."""
        self._wish(self._refresh)

    def refresh_asked(self) -> str | None:
        """Return the open wish, to be given to ``refresh_done``; None when there is none."""
        try:
            return self._refresh.read_text(encoding="utf-8")
        except OSError:
            return None

    def refresh_done(self, wish: str) -> None:
        """Take note that ``wish`` is fulfilled; a later wish stays."""
        if self.refresh_asked() == wish:
            with suppress(OSError):
                self._refresh.unlink(missing_ok=True)

    def write_status(self, status: Entry) -> None:
        """Replace what the adapter says of itself. Errors: OSError."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _replace(self._status, json.dumps(status, ensure_ascii=False))

    def status(self) -> dict[str, Any] | None:
        """Return what the adapter last said of itself; None when it never ran."""
        try:
            found = json.loads(self._status.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) else None

    def append(self, entry: Entry) -> None:
        """Add one run to the history, which stays small. Errors: OSError."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        line = json.dumps(entry, ensure_ascii=False, separators=(",", ":")) + "\n"
        handle = os.open(self._history, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(handle, "a", encoding="utf-8") as file:
            file.write(line)
            size = file.tell()
        if size > HISTORY_BYTES:
            lines = self._history.read_text(encoding="utf-8").splitlines(keepends=True)
            _replace(self._history, "".join(lines[len(lines) // 2 :]))

    def history(self, most: int) -> list[dict[str, Any]]:
        """Return the last runs, newest first; a line that was cut by a full disk is left out."""
        try:
            lines = self._history.read_text(encoding="utf-8").splitlines()
        except OSError:
            return []
        entries: list[dict[str, Any]] = []
        for line in reversed(lines):
            with suppress(ValueError):
                entries.append(json.loads(line))
            if len(entries) == most:
                break
        return entries

    def _wish(self, path: Path) -> bool:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _replace(path, datetime.now(UTC).isoformat())
        return True


def _replace(path: Path, text: str) -> None:
    """Write by rename, so that a reader never sees half a file."""
    new = path.with_name(f".{path.name}.{os.getpid()}")
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    new.replace(path)
