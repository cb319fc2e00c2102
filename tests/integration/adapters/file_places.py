"""Folders as source and as destination, behind the face of the conformance suite."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from openpyxl import Workbook
from sqlalchemy import NullPool, create_engine, text

from tests.integration.adapters.places import EXTRA, Origin, People, Target, Vanishing


class FilesOrigin(Origin):
    """A folder whose newest workbook is the resource."""

    bad_lines = (6, 31)

    def __init__(self, directory: Path) -> None:
        self.folder = directory / "inbox"
        self.folder.mkdir()
        self.cluster = Vanishing(self.folder)
        self._count = 0

    def part(self) -> Mapping[str, Any]:
        return {"kind": "files", "folder": str(self.folder), "pattern": "*.xlsx", "order": "name", "settle_s": 0}

    def put(self, people: People, phones: Mapping[str, str] | None = None) -> None:
        book = Workbook(write_only=True)
        sheet = book.create_sheet("people")
        sheet.append(["id", "name", "born", "amount", *([] if phones is None else [EXTRA])])
        for key, values in people.items():
            sheet.append([key, *values, *([] if phones is None else [phones.get(key)])])
        self._count += 1
        new = self.folder / ".new"
        book.save(new)
        new.rename(self.folder / f"people-{self._count:04d}.xlsx")


class FilesTarget(Target):
    """A folder of JSON lines; ``engine`` is a way into its ledger."""

    def __init__(self, directory: Path) -> None:
        self.folder = directory / "outbox"
        self.engine = create_engine(f"sqlite:///{self.folder}/.exchange/people.db", poolclass=NullPool)

    def part(self) -> Mapping[str, Any]:
        return {"kind": "files", "folder": str(self.folder), "prefix": "people", "format": "jsonl", "max_rows": 7000}

    def rows(self, columns: str = "name, born, amount") -> dict[str, tuple[str | None, ...]]:
        """What the lines that have landed amount to, also those of the file that is not finished yet."""
        found: dict[str, tuple[str | None, ...]] = {}
        for line in self.lines():
            if line["_op"] == "delete":
                found.pop(line["id"], None)
            else:
                found[line["id"]] = tuple(line.get(name) for name in columns.split(", "))
        return found

    def lines(self) -> Iterator[dict[str, Any]]:
        for path in sorted(self.folder.glob("*.jsonl.manifest.json"), key=lambda path: path.stat().st_mtime_ns):
            facts = json.loads(path.read_text(encoding="utf-8"))
            lines = (self.folder / facts["file"]).read_bytes().splitlines()
            assert len(lines) == facts["rows"] + facts["deletes"]
            yield from map(json.loads, lines)
        with self.engine.connect() as connection:
            opened = connection.execute(text("SELECT name, bytes FROM exchange_segment WHERE state = 'open'")).all()
        for name, size in opened:
            yield from map(json.loads, (self.folder / f".exchange/{name}.part").read_bytes()[:size].splitlines())
