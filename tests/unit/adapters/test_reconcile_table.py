from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.support.wait import wait_until

ROOT = Path(__file__).parents[3]
COMMAND = """
import os, time
from pathlib import Path
from adapters.reconcile_table import Remote

if __name__ == "__main__":
    with Remote(Path("none.toml"), apart=True) as remote:
        print(remote._pool.submit(os.getpid).result(), flush=True)
        time.sleep(60)
"""


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_who_is_killed_leaves_no_reader_behind(tmp_path: Path) -> None:
    script = tmp_path / "command.py"
    script.write_text(COMMAND, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True, env=environment)
    try:
        assert process.stdout is not None
        worker = int(process.stdout.readline())
        assert alive(worker)
    finally:
        process.kill()
        process.wait()
    wait_until(lambda: not alive(worker), 10, "the worker ends too")
