"""Where rejected records go: a file of the department's own, and the resource's dead-letter topic."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from adapters.errors import DiskFull, Unwritable
from adapters.protocol import Reject

MOST_ON_THE_BUS = 100_000  # characters of a record: as JSON in bytes six times as many at worst, under 1 MB
NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})


def as_json(reject: Reject, adapter: str, at: datetime) -> str:
    """Return one reject as a line of JSON: where, which rule, the reason in both languages, the record as found."""
    return json.dumps(
        {
            "file": reject.place,
            "line": reject.line,
            "column": reject.column,
            "rule": reject.rule,
            "reason": {"en": reject.reason.en, "zh": reject.reason.zh},
            "raw": reject.raw,
            "adapter": adapter,
            "at": at.isoformat(timespec="milliseconds"),
        },
        ensure_ascii=False,
        separators=(",", ":"),
    )


class RejectFile:
    """One file for each pass that rejects something, ``<directory>/<adapter>/<UTC time>.jsonl``, mode 0600."""

    def __init__(self, directory: Path, adapter: str) -> None:
        self._directory = directory / adapter
        self._adapter = adapter
        self.path: Path | None = None

    def begin(self) -> None:
        """Start a new pass: its first reject makes a new file."""
        self.path = None

    def write(self, rejects: Sequence[Reject]) -> list[bytes]:
        """Append ``rejects`` and return them for the bus; they are on the disk when this returns.

        The file has each record whole; the bus, whose topics take 1 MB, has the beginning of a huge one.
        Errors: DiskFull, Unwritable; then the file is as it was.
        """
        now = datetime.now(UTC)
        lines = [as_json(reject, self._adapter, now) for reject in rejects]
        path = self.path or self._directory / now.strftime("%Y%m%dT%H%M%S.%fZ.jsonl")
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            _append(path, "".join(f"{line}\n" for line in lines).encode("utf-8", "backslashreplace"))
        except OSError as exc:
            kind = DiskFull if exc.errno in NO_ROOM else Unwritable
            raise kind(path=path, reason=exc.strerror or type(exc).__name__) from exc
        self.path = path
        short = [replace(reject, raw=reject.raw[:MOST_ON_THE_BUS]) for reject in rejects]
        return [as_json(reject, self._adapter, now).encode("utf-8", "backslashreplace") for reject in short]


def _append(path: Path, data: bytes) -> None:
    """Add ``data`` as a whole or not at all: the batch that it belongs to comes again."""
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    size = os.fstat(handle).st_size
    try:
        with os.fdopen(handle, "ab", closefd=False) as file:
            file.write(data)
            file.flush()
            os.fsync(handle)
    except OSError:
        with suppress(OSError):
            os.ftruncate(handle, size)
        raise
    finally:
        os.close(handle)
