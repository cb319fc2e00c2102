"""A reader of a folder that is killed with -9: ``python -m … FOLDER LOG MOMENT``.

It does as the engine does: each batch is committed (a line of LOG, on the disk) before the next one is asked for. It
dies at MOMENT, the number of the batch: after it was read and before it is committed (odd), or after (even).
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

from adapters.source_files import Config, open_source
from exchange.items import Item, ItemType
from tests.support.adapters import stream_of

NAMES = ("name", "born", "amount")
ITEMS = [Item("id", "id", ItemType.TEXT, length=20, primary_key=True)]
ITEMS += [Item(name, name, ItemType.TEXT, length=50) for name in NAMES]


def main() -> None:
    folder, log, moment = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    lines = log.read_text().splitlines() if log.exists() else []
    position = json.loads(lines[-1])["position"] if lines else None
    config = Config(kind="files", folder=folder, settle_s=0, mode="append", done_list=folder.parent / "done.db")
    source = open_source(config, stream_of(ITEMS, batch_rows=2))
    source.connect()
    with log.open("a") as file:
        for number, batch in enumerate(source.read(position), 1):
            if 2 * number == moment + 1:
                os.kill(os.getpid(), signal.SIGKILL)
            keys = [row[0] for row in batch.rows]
            file.write(json.dumps({"keys": keys, "position": batch.position}) + "\n")
            file.flush()
            os.fsync(file.fileno())
            if 2 * number == moment:
                os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main()
