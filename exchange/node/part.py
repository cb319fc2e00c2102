"""A part of the node: a process with a pid file and logs, that is running, stopped, or dead."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from exchange.node import processes
from exchange.node.errors import PartDied
from exchange.text import Text

State = Literal["running", "stopped", "died"]
TAIL_LINES = 12
TAIL_BYTES = 64 * 1024
LINE_LENGTH = 600
REASON = re.compile(r" (ERROR|FATAL|CRITICAL) |^Caused by: ")
REASON_LINES = 2
KEEP_LOG_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Part:
    """One process of the node."""

    name: Text
    pid_file: Path
    logs: tuple[Path, ...]
    stop_timeout_s: float

    def state(self) -> State:
        """Return whether it runs, was stopped, or ended by itself."""
        if not self.pid_file.exists():
            return "stopped"
        return "running" if self.pid() else "died"

    def pid(self) -> int | None:
        """Return its pid while it is alive."""
        process = processes.recall(self.pid_file)
        return process.pid if process and processes.alive(process) else None

    def start(self, argv: Sequence[str], env: Mapping[str, str], *, directory: Path) -> None:
        """Start it detached, working in ``directory``; its output goes to the last of its logs."""
        output = self.logs[-1]
        if output.exists() and output.stat().st_size > KEEP_LOG_BYTES:
            output.replace(output.with_name(output.name + ".1"))
        processes.remember(self.pid_file, processes.spawn(argv, env=env, directory=directory, log=output))

    def stop(self) -> None:
        """Stop it, gently first; nothing happens when it does not run."""
        process = processes.recall(self.pid_file)
        if process:
            processes.stop(process, self.stop_timeout_s)
        self.pid_file.unlink(missing_ok=True)

    def check(self) -> None:
        """Raise PartDied, with the last lines of its log, unless it runs."""
        if self.state() != "running":
            raise self.died()

    def died(self) -> PartDied:
        """Return the error that tells how it ended."""
        return PartDied(part=self.name, tail=self.tail(), log=self.logs[0])

    def tail(self, lines: int = TAIL_LINES) -> str:
        """Return the last lines of the log that was written to last."""
        written = [log for log in self.logs if log.exists() and log.stat().st_size]
        if not written:
            return "-"
        with max(written, key=lambda log: log.stat().st_mtime_ns).open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - TAIL_BYTES))
            text = file.read().decode("utf-8", errors="replace")
        return "\n".join(f"  {line[:LINE_LENGTH]}" for line in _telling(text.splitlines(), lines))


def _telling(lines: list[str], count: int) -> list[str]:
    """Return the last lines, after the reason if that was said before them: what dies noisily buries it."""
    last = lines[-count:]
    reasons = [line for line in lines[:-count] if REASON.search(line)][-REASON_LINES:]
    return [*reasons, "…", *last] if reasons else last
