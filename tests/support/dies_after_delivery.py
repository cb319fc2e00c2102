"""A webhook adapter that is killed with -9 when a delivery was accepted and its outbox does not know: ``-m … FILE``."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from adapters.config import read_adapter
from adapters.engine import Run, RunOptions
from adapters.engine_sink import SinkEngine
from adapters.http_outbox import Delivery, Outbox


def main() -> None:
    def die(self: Outbox, delivery: Delivery) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    Outbox.accepted = die  # type: ignore[method-assign] # the moment between answer and commit has no other door
    SinkEngine(Run(read_adapter(Path(sys.argv[1])), RunOptions(until_idle_s=20))).run()


if __name__ == "__main__":
    main()
