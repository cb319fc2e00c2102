"""An adapter that is killed with -9 between a landing's commit and whatever comes next: ``python -m … FILE``.

The sink is the real one; only after its transaction is committed, and before the engine knows, the process dies.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from adapters.config import AdapterConfig, read_adapter
from adapters.engine import Run, RunOptions
from adapters.engine_sink import SinkEngine
from adapters.protocol import Landing, Sink
from exchange.contract import Contract


def main() -> None:
    made = AdapterConfig.sink

    def deadly(self: AdapterConfig, contract: Contract) -> Sink:
        sink = made(self, contract)
        write = sink.write

        def write_and_die(landing: Landing) -> None:
            write(landing)
            os.kill(os.getpid(), signal.SIGKILL)

        sink.write = write_and_die  # type: ignore[method-assign] # the moment behind the commit has no other door
        return sink

    AdapterConfig.sink = deadly  # type: ignore[method-assign] # likewise
    SinkEngine(Run(read_adapter(Path(sys.argv[1])), RunOptions(until_idle_s=20))).run()


if __name__ == "__main__":
    main()
