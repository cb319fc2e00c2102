"""A watched folder as source: its newest file is the resource, or each new file adds to it."""

from __future__ import annotations

import logging
import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, model_validator

from adapters.errors import SourceChanging
from adapters.files_done import DoneFiles, Mark
from adapters.files_folder import Entry, Folder, Stamp, stamp_of
from adapters.files_open import digest_of, look_through, parts, shown
from adapters.files_rows import FileFault, Heap, RowMaker, Wanted
from adapters.protocol import Coverage, Position, ReadBatch, Reject, Stream
from adapters.spec import PartConfig, Spec
from exchange.errors import ConfigError, NotConnected, SourceProblem
from exchange.text import Text
from exchange.values import row_checker

log = logging.getLogger("exchange.adapter")

SPEC = Spec(
    side="source",
    kind="files",
    summary=Text(
        "files in a folder: CSV, TSV, XLSX, XLS, JSON lines, Avro, Parquet; plain, .gz or .zip",
        "文件夹中的文件：CSV、TSV、XLSX、XLS、JSON Lines、Avro、Parquet，可为 .gz 或 .zip",
    ),
    example='[source]\nkind = "files"\nfolder = "inbox"\npattern = "villages-*.csv"\nmode = "append"\n'
    'done_list = "villages.done.db"',
)

Format = Literal["auto", "csv", "tsv", "jsonl", "xlsx", "xls", "avro", "parquet"]


class Config(PartConfig):
    """Which files, how they are written, and what they are to the resource."""

    folder: Path = Field(description="the folder that is watched", examples=["inbox"])
    pattern: str = Field(default="*", description="names that are taken: * and ? as in a shell", examples=["v-*.csv"])
    mode: Literal["whole", "append"] = Field(
        default="whole", description="whole: the newest file is the resource; append: each file adds or changes rows"
    )
    format: Format = Field(default="auto", description="how files are written; auto: by the name", examples=["csv"])
    order: Literal["time", "name"] = Field(default="time", description="which file is newer: by its time, or its name")
    encoding: Literal["utf-8", "gbk", "gb18030"] = Field(default="utf-8", description="of text; a BOM is allowed")
    delimiter: str | None = Field(
        default=None, min_length=1, max_length=1, description="one ASCII character between fields", examples=[";"]
    )
    quote: str = Field(default='"', min_length=1, max_length=1, description="one ASCII character around fields")
    sheet: str | None = Field(default=None, description="sheet of a workbook; without it: the first", examples=["村"])
    absent: Literal["reject", "null"] = Field(default="reject", description="a JSON object without a column's key")
    deleted: str | None = Field(default=None, description="mode append: column that marks deletes", examples=["op"])
    zone: str = Field(default="Asia/Shanghai", description="time zone of date-times that name none")
    settle_s: float = Field(default=5.0, ge=0, description="seconds without a change after which a file is whole")
    marker: str | None = Field(
        default=None,
        min_length=1,
        description="a file is whole once the same name plus this is there",
        examples=[".ok"],
    )
    done_list: Path | None = Field(
        default=None, description="mode append: a file that remembers which are done", examples=["villages.done.db"]
    )
    done_folder: Path | None = Field(
        default=None, description="mode append: where finished files are moved; without it they stay", examples=["done"]
    )
    max_unpacked_mb: int = Field(default=8192, ge=1, description="a .gz, .zip or .xlsx that unpacks to more is refused")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.mode == "append") != (self.done_list is not None):
            raise ValueError('done_list goes with mode = "append"')
        if self.mode != "append" and (self.deleted or self.done_folder):
            raise ValueError('deleted and done_folder go with mode = "append"')
        return self

    def verify(self, file: str, group: str) -> None:
        """Check what a type cannot say: single ASCII characters that differ, and the zone's name."""
        for key, value in (("delimiter", self.delimiter or ","), ("quote", self.quote)):
            if not value.isascii() or value in "\r\n":
                example = f'{key} = ","'
                raise ConfigError(file=file, key=f"{group}.{key}", expected=_ASCII, found=repr(value), example=example)
        if self.delimiter == self.quote:
            example = "quote = '\"'"
            raise ConfigError(file=file, key=f"{group}.quote", expected=_OTHER, found=repr(self.quote), example=example)
        try:
            ZoneInfo(self.zone)
        except (ZoneInfoNotFoundError, ValueError) as exc:
            key, example = f"{group}.zone", 'zone = "Asia/Shanghai"'
            raise ConfigError(file=file, key=key, expected=_ZONE, found=repr(self.zone), example=example) from exc


def open_source(config: Config, stream: Stream) -> FilesSource:
    """Return the source of an adapter file."""
    return FilesSource(config, stream)


class FilesSource:
    """Reads one file after the other; memory is bounded by one batch, but for workbooks (see docs)."""

    keyed = False

    def __init__(self, config: Config, stream: Stream) -> None:
        self._config = config
        self._stream = stream
        self._rows = RowMaker(stream, ZoneInfo(config.zone), row_checker(stream.items), config.deleted)
        self._folder = Folder(config.folder, config.pattern, config.settle_s, config.marker, config.order)
        self._wanted = Wanted(
            names=self._rows.names,
            keys=self._rows.keys,
            texts=self._rows.texts,
            encoding=config.encoding,
            delimiter=config.delimiter,
            quote=config.quote,
            sheet=config.sheet,
            absent_is_null=config.absent == "null",
        )
        self._done = DoneFiles(config.done_list) if config.done_list else None
        self._finished: tuple[Path, Stamp] | None = None
        self._unfinished = True  # a pass of mode append may have ended in the middle of a file
        self.place = shown(config.folder.name)

    def connect(self) -> None:
        """Check that the folders are there. Errors: SourceProblem, NotConnected."""
        self._folder.settled()
        if self._done is not None:
            self._done.open()
            self._unfinished = True
        if self._config.done_folder is not None:
            self._prepare(self._config.done_folder)

    def coverage(self, position: Position | None) -> Coverage:  # noqa: ARG002 - the mode decides
        """Return what the configured mode shows."""
        return Coverage.WHOLE if self._done is None else Coverage.CHANGES

    def changed(self) -> bool:
        """Return whether there is a file that was not read yet."""
        entries = self._folder.settled()
        if self._done is None:
            return bool(entries) and (entries[-1].path, entries[-1].stamp) != self._finished
        return self._unfinished or any(not self._done.knows(entry) for entry in entries)

    def read(self, position: Position | None) -> Generator[ReadBatch]:
        """Yield the newest file, or all files that are not done yet, the oldest first."""
        entries = self._folder.settled()
        if self._done is None:
            yield from self._newest(entries)
            return
        self._unfinished = True
        middle = self._done.resume(position)
        if middle is not None:
            yield from self._rest_of(middle, entries, self._done)
        for entry in entries:
            if not self._done.knows(entry):
                yield from self._next(entry, self._done)
            elif self._done.is_good(entry):
                self._put_away(entry)
        self._unfinished = False

    def close(self) -> None:
        """Close the list of finished files."""
        if self._done is not None:
            self._done.close()

    def _newest(self, entries: list[Entry]) -> Generator[ReadBatch]:
        if not entries:
            raise NotConnected(what=self._config.folder, reason=_NO_FILE)
        entry = entries[-1]
        self.place = entry.name
        with self._opened(entry) as file:
            try:
                look_through(file, entry.name, self._config.max_unpacked_mb << 20)
                for heap in self._heaps(file, entry):
                    yield self._rows.batch(heap, None)
            except FileFault as exc:
                _unchanged(file, entry)
                yield ReadBatch(rejects=[_broken(entry, exc)])
        self._finished = (entry.path, entry.stamp)

    def _rest_of(self, middle: Mark, entries: list[Entry], done: DoneFiles) -> Generator[ReadBatch]:
        """Go on with the file that an earlier run left in its middle, whatever its name is now."""
        for entry in sorted(entries, key=lambda entry: entry.name != middle.name):
            if done.knows(entry):
                continue
            with self._opened(entry) as file:
                found = digest_of(file) == middle.hash
            if found:
                yield from self._append(entry, middle, done)
                return
        fault = FileFault("vanished", _vanished(middle.records))
        mark = Mark(middle.epoch, middle.number, middle.hash, middle.name, middle.records, done=True, broken=True)
        reject = Reject(middle.name, None, None, fault.rule, fault.reason, middle.name)
        yield ReadBatch(rejects=[reject], position=mark.position())
        done.add(mark)

    def _next(self, entry: Entry, done: DoneFiles) -> Generator[ReadBatch]:
        with self._opened(entry) as file:
            digest = digest_of(file)
            _unchanged(file, entry)
        known = done.finished(digest)
        if known is not None:
            log.info("%s: the same content as %s, which was read already", entry.name, known)
            done.same(entry, digest)
            self._put_away(entry)
            return
        yield from self._append(entry, Mark(done.epoch, done.number + 1, digest, entry.name, 0, done=False), done)

    def _append(self, entry: Entry, start: Mark, done: DoneFiles) -> Generator[ReadBatch]:
        """Read a file from record ``start.records`` on; each batch's position says how far it is."""
        self.place = entry.name
        records = start.records
        epoch, number, digest, name = start.epoch, start.number, start.hash, entry.name
        end = Mark(epoch, number, digest, name, records, done=True)
        with self._opened(entry) as file:
            try:
                look_through(file, entry.name, self._config.max_unpacked_mb << 20)
                for heap in self._heaps(file, entry, skip=records, last=True):
                    records += heap.count
                    mark = Mark(epoch, number, digest, name, records, done=heap.last)
                    end = mark
                    yield self._rows.batch(heap, mark.position())
            except FileFault as exc:
                _unchanged(file, entry)
                end = Mark(epoch, number, digest, name, records, done=True, broken=True)
                yield ReadBatch(rejects=[_broken(entry, exc)], position=end.position())
        done.add(end, entry)
        if not end.broken:
            self._put_away(entry)

    def _heaps(self, file: IO[bytes], entry: Entry, skip: int = 0, *, last: bool = False) -> Iterator[Heap]:
        """Yield the records behind the first ``skip``; ``last``: the last one, marked so, comes even if it is empty."""
        heap, passed = Heap(), 0
        for part in parts(file, entry.name, self._config.format, self._wanted):
            for found in part.records:
                if passed < skip:
                    passed += 1
                    continue
                self._rows.add(heap, found, part.place)
                if heap.count >= self._stream.batch_rows or heap.weight >= self._stream.batch_bytes:
                    _unchanged(file, entry)
                    yield heap
                    heap = Heap()
        _unchanged(file, entry)
        if heap.count or last:
            heap.last = True
            yield heap

    @contextmanager
    def _opened(self, entry: Entry) -> Iterator[IO[bytes]]:
        try:
            with entry.path.open("rb") as file:
                _unchanged(file, entry)
                yield file
        except OSError as exc:
            raise NotConnected(what=entry.name, reason=exc.strerror or type(exc).__name__) from exc

    def _put_away(self, entry: Entry) -> None:
        """Move a finished file, and its marker; one that is there already is never written over."""
        folder = self._config.done_folder
        if folder is None:
            return
        marker = entry.path.with_name(entry.path.name + self._config.marker) if self._config.marker else None
        target = folder / entry.path.name
        if target.exists():
            target = folder / f"{entry.path.stem}.{entry.stamp[0]}{entry.path.suffix}"
        try:
            entry.path.rename(target)
            if marker is not None:
                marker.unlink(missing_ok=True)
        except FileNotFoundError:
            return  # taken away by someone else
        except OSError as exc:
            raise NotConnected(what=folder, reason=exc.strerror or type(exc).__name__) from exc

    def _prepare(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            same = folder.stat().st_dev == self._config.folder.stat().st_dev
        except OSError as exc:
            raise SourceProblem(source=folder, reason=exc.strerror or type(exc).__name__) from exc
        if not same or folder.samefile(self._config.folder):
            raise SourceProblem(source=folder, reason=_ELSEWHERE)


def _unchanged(file: IO[bytes], entry: Entry) -> None:
    if stamp_of(os.fstat(file.fileno())) != entry.stamp:
        raise SourceChanging(what=entry.name)


def _broken(entry: Entry, fault: FileFault) -> Reject:
    log.warning("%s: %s", entry.name, fault.reason.format())
    return Reject(entry.name, None, None, fault.rule, fault.reason, entry.name)


def _vanished(records: int) -> Text:
    return Text(
        f"the file was changed or taken away after {records} of its records were read; the rest was not",
        f"读取 {records} 条记录后文件被修改或移走，其余未读取",
    )


_ASCII = Text("one ASCII character", "一个 ASCII 字符")
_OTHER = Text("another character than the delimiter", "与分隔符不同的字符")
_ZONE = Text("a time zone", "时区名称")
_NO_FILE = Text("no file that fits the pattern", "没有符合 pattern 的文件")
_ELSEWHERE = Text(
    "done_folder is another folder of the same file system as folder, so that files can be moved there at once",
    "done_folder 应为同一文件系统上的另一文件夹，以便直接移动文件",
)
