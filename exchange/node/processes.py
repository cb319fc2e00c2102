"""Processes that outlive the command that started them, found again by pid and start time.

A pid alone may belong to a stranger by now: the pid file keeps the start time of ``/proc/<pid>/stat`` beside it,
and nothing is signalled unless both agree.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from exchange.node.secrets import PRIVATE_FILE, write_private

POLL_S = 0.05
KILL_TIMEOUT_S = 10.0
SHELL = "/bin/sh"  # only to change the directory: posix_spawn cannot
STATE, THREADS, START_TIME = 0, 17, 19  # fields of /proc/<pid>/stat after the command's name


@dataclass(frozen=True, slots=True)
class Process:
    """One process: its pid, and its start in clock ticks since boot."""

    pid: int
    started: int


def spawn(argv: Sequence[str], *, env: Mapping[str, str], directory: Path, log: Path) -> Process:
    """Start ``argv`` in a session of its own and in ``directory``, with its output appended to ``log``."""
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, PRIVATE_FILE)
    try:
        pid = os.posix_spawn(
            SHELL,
            [SHELL, "-c", 'cd "$0" && exec "$@"', str(directory), *argv],
            dict(env),
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_DUP2, output, 1),
                (os.POSIX_SPAWN_DUP2, output, 2),
            ],
            setsid=True,
            setsigdef=[signal.SIGPIPE, signal.SIGINT],  # Python ignores the first, a shell's "&" the second
        )
    finally:
        os.close(output)
    stat = _stat(pid)
    return Process(pid, int(stat[START_TIME]) if stat else 0)


def alive(process: Process) -> bool:
    """Return whether this very process still runs; a zombie does not."""
    stat = _stat(process.pid)
    if stat is None or int(stat[START_TIME]) != process.started:
        return False
    if stat[STATE] == "Z" and int(stat[THREADS]) <= 1:  # a JVM's first thread may end before its others
        _reap(process.pid)
        return False
    return True


def stop(process: Process, timeout_s: float) -> bool:
    """Ask ``process`` to end, and kill it after ``timeout_s``; return whether it ended by itself."""
    if not send(process, signal.SIGTERM) or poll_until(lambda: not alive(process), timeout_s):
        return True
    send(process, signal.SIGKILL)
    poll_until(lambda: not alive(process), KILL_TIMEOUT_S)
    return False


def send(process: Process, number: signal.Signals) -> bool:
    """Signal ``process`` if it is still the one that was started; return whether it was there."""
    if not alive(process):
        return False
    try:
        os.kill(process.pid, number)
    except ProcessLookupError:
        return False
    return True


def remember(path: Path, process: Process) -> None:
    """Write the pid file."""
    write_private(path, f"{process.pid} {process.started}\n")


def recall(path: Path) -> Process | None:
    """Return the process of a pid file, alive or not; None without a file, or with one that is not ours."""
    try:
        pid, started = path.read_text(encoding="utf-8").split()
        return Process(int(pid), int(started))
    except (FileNotFoundError, ValueError):
        return None


def poll_until(done: Callable[[], bool], timeout_s: float, interval_s: float = POLL_S) -> bool:
    """Ask ``done`` again and again; return False when it was not true within ``timeout_s``."""
    deadline = time.monotonic() + timeout_s
    while not done():
        if time.monotonic() >= deadline:
            return False
        time.sleep(interval_s)
    return True


def _reap(pid: int) -> None:
    """Collect a child that ended: only the process that started it can, and it may run for long itself."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return


def _stat(pid: int) -> list[str] | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text.rpartition(")")[2].split()
