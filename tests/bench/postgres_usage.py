"""``python postgres_usage.py OUT COMMAND…``: runs the command and writes what it took of the machine into OUT.

It is a process of its own, and a small one: the most memory that Linux tells of a child counts what its parent had
when it was forked.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path


def main(out: Path, command: list[str]) -> int:
    """Return the command's exit code."""
    process = subprocess.Popen(command)
    _pid, status, used = os.wait4(process.pid, 0)
    spent = {"cpu_s": used.ru_utime + used.ru_stime, "peak_mb": used.ru_maxrss / 1024}
    out.write_text(json.dumps(spent), encoding="utf-8")
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
