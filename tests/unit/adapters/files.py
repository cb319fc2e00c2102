"""Files of every kind, made for the tests of the files adapters."""

from __future__ import annotations

import csv
import io
import json
import os
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import fastavro
import pyarrow
import pyarrow.parquet
from openpyxl import Workbook

from adapters.source_files import Config, FilesSource, open_source
from exchange.items import Item, ItemType
from tests.support.adapters import stream_of

ITEMS = (
    Item("id", "编号", ItemType.TEXT, length=20, primary_key=True),
    Item("name", "名称", ItemType.TEXT, length=50),
    Item("born", "日期", ItemType.DATE),
    Item("amount", "金额", ItemType.NUMBER, length=10, scale=2),
)
NAMES = ["id", "name", "born", "amount"]
Records = Sequence[Sequence[Any]]


def as_csv(records: Records, delimiter: str = ",") -> bytes:
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter).writerows([NAMES, *records])
    return out.getvalue().encode()


def as_jsonl(records: Records) -> bytes:
    lines = [json.dumps(dict(zip(NAMES, record, strict=True)), ensure_ascii=False) for record in records]
    return "".join(f"{line}\n" for line in lines).encode()


def as_xlsx(records: Records, change: Callable[[Any], None] = lambda _sheet: None) -> bytes:
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    for record in [NAMES, *records]:
        sheet.append(list(record))
    change(sheet)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def as_avro(records: Records) -> bytes:
    fields = [{"name": name, "type": ["null", "string"]} for name in NAMES]
    out = io.BytesIO()
    rows = [dict(zip(NAMES, record, strict=True)) for record in records]
    fastavro.writer(out, {"type": "record", "name": "r", "fields": fields}, rows, codec="deflate")
    return out.getvalue()


def as_parquet(records: Records) -> bytes:
    columns = {name: [record[at] for record in records] for at, name in enumerate(NAMES)}
    out = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(columns), out)
    return out.getvalue()


def as_zip(members: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as package:
        for name, data in members.items():
            package.writestr(name, data)
    return out.getvalue()


class Inbox:
    """A watched folder of one test."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.folder = directory / "inbox"
        self.folder.mkdir()
        self._time = 1_700_000_000

    def put(self, name: str, data: bytes) -> Path:
        """Each file is a second newer than the one before."""
        path = self.folder / name
        path.write_bytes(data)
        self._time += 1
        os.utime(path, (self._time, self._time))
        return path

    def source(self, batch_rows: int = 3, items: Sequence[Item] = ITEMS, **more: Any) -> FilesSource:
        if more.get("mode") == "append":
            more.setdefault("done_list", self.directory / "done.db")
        config = Config(kind="files", folder=self.folder, **{"settle_s": 0, **more})
        made = open_source(config, stream_of(items, batch_rows=batch_rows))
        made.connect()
        return made
