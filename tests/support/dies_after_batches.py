"""A source adapter that is killed with -9 right behind its n-th commit of a run: ``python -m … FILE N``.

Everything is real; the process dies when the broker has committed, and before the source hears of it.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from adapters.config import read_adapter
from adapters.engine import Run, RunOptions
from adapters.launch import run_adapter
from exchange.transaction import TransactionalProducer


def main() -> None:
    commit, left = TransactionalProducer.commit, int(sys.argv[2])

    def commit_and_die(self: TransactionalProducer, position: Mapping[str, Any] | None) -> None:
        nonlocal left
        commit(self, position)
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)

    TransactionalProducer.commit = commit_and_die  # type: ignore[method-assign] # the moment has no other door
    run_adapter(Run(read_adapter(Path(sys.argv[1])), RunOptions(once=True)))


if __name__ == "__main__":
    main()
