"""A file sink that is killed with -9 at a named moment: ``python -m … FOLDER FORMAT MOMENT``.

It lands k0 to k59 in landings of four, from where the destination is, and finishes a file with every eight lines. The
moments are those between two things that the disk keeps; the sink is the real one.
"""

from __future__ import annotations

import csv
import json
import os
import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from functools import wraps
from pathlib import Path
from typing import Any

import fastavro

from adapters import files_segments
from adapters.files_columnar import load_arrow
from adapters.files_segments import Segments
from adapters.files_writers import Change
from adapters.protocol import Landing
from adapters.sink_files import Config, FilesSink, open_sink
from exchange.items import Item, ItemType, Row
from exchange.receipts import Receipt, Side
from tests.support.adapters import stream_of

ITEMS = (
    Item("id", "编号", ItemType.TEXT, length=20, primary_key=True),
    Item("name", "名称", ItemType.TEXT, length=5000),
    Item("born", "日期", ItemType.DATE),
)
TOPIC = stream_of(ITEMS).contract.topic
COUNT = 60


def row(number: int) -> Row:
    return (f"k{number}", f"居民{number}", date(2001, 2, 3))


def landing(numbers: Iterable[int], deleted: Sequence[str] = ()) -> Landing:
    """Changes of consecutive numbers, each at the offset of its number; deletes after them. The batch is the first."""
    wanted = list(numbers)
    changes: list[Change] = [(f"k{n}".encode(), row(n)) for n in wanted]
    changes += [(key.encode(), None) for key in deleted]
    first = wanted[0] if wanted else 0
    following = first + len(changes)
    facts: dict[str, Any] = {"resource": "r", "topic": TOPIC, "client_id": "c", "adapter": "a", "at": 1}
    receipt = Receipt(
        id=f"{first}-{os.urandom(4).hex()}", side=Side.LANDED, batch=f"{first:032x}", count=len(changes),
        deletes=len(deleted), digest=f"{0:032x}", schema_id=1, **facts,
    )  # fmt: skip
    return Landing(TOPIC, changes, {0: (first, following)}, [receipt])


def lines_of(folder: Path) -> list[dict[str, Any]]:
    """The lines of all finished files, in the order of the files."""
    found: list[dict[str, Any]] = []
    for manifest in sorted(folder.glob("*.manifest.json"), key=lambda path: path.name.split("-")[-1]):
        path = folder / manifest.name.removesuffix(".manifest.json")
        if path.suffix == ".csv":
            with path.open(encoding="utf-8", newline="") as text:
                found += csv.DictReader(text)
        elif path.suffix == ".jsonl":
            found += [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        elif path.suffix == ".avro":
            with path.open("rb") as file:
                found += fastavro.reader(file)  # type: ignore[arg-type] # its records are dicts
        else:
            found += load_arrow()[1].read_table(path).to_pylist()
    return found


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def after(holder: Any, name: str) -> None:
    """Die when ``name`` of ``holder`` has done its work."""
    known: Callable[..., Any] = getattr(holder, name)

    @wraps(known)
    def deadly(*words: Any, **named: Any) -> Any:
        known(*words, **named)
        die()

    setattr(holder, name, deadly)


def rename_and_die(suffix: str) -> None:
    known = Path.rename

    def deadly(self: Path, target: Any) -> Path:
        made = known(self, target)
        if str(target).endswith(suffix) and ".exchange" not in str(target):
            die()
        return made

    Path.rename = deadly  # type: ignore[method-assign,assignment] # the moment behind a rename has no other door


def prepare(moment: str, form: str) -> None:
    if moment == "append":
        after(Segments, "append")  # on the disk, and not committed
    elif moment == "commit":
        after(FilesSink, "write")
    elif moment == "sealed":
        known = FilesSink._finish

        def deadly(self: FilesSink) -> None:
            Segments.deliver = lambda *_words: die()  # type: ignore[method-assign] # committed as finished
            known(self)

        FilesSink._finish = deadly  # type: ignore[method-assign] # no other door
    elif moment == "ready":
        after(files_segments, "_write_synced")
    elif moment == "renamed":
        rename_and_die(f".{form}")
    elif moment == "manifest":
        rename_and_die(".manifest.json")


def main() -> None:
    folder, form, moment = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    prepare(moment, form)
    config = Config.model_validate({"kind": "files", "folder": folder, "format": form, "prefix": "p", "max_rows": 8})
    sink = open_sink(config, stream_of(ITEMS))
    sink.connect()
    for start in range(sink.positions(TOPIC).get(0, 0), COUNT, 4):
        sink.write(landing(range(start, min(start + 4, COUNT))))
    sink.close()


if __name__ == "__main__":
    main()
