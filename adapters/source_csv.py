"""A CSV file as source: each pass shows all of it; bad lines are rejected one by one."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import IO, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field

from adapters.coerce import key_of, text_reader
from adapters.csv_text import Dialect, Fault, Record, RecordReader
from adapters.errors import SourceAbsent, SourceChanging
from adapters.protocol import Coverage, Position, ReadBatch, Reject, Stream
from adapters.spec import PartConfig, Spec
from exchange.errors import BadRecord, ConfigError, NotConnected, SourceProblem
from exchange.items import Row
from exchange.text import Text
from exchange.values import row_checker

SPEC = Spec(
    side="source",
    kind="csv",
    summary=Text("a CSV file, plain or .gz, read whole whenever it changes", "CSV 文件（可为 .gz），变化时整体读取"),
    example='[source]\nkind = "csv"\npath = "villages.csv"\nencoding = "gb18030"',
)

BOM = "\ufeff"
UTF8_BOM = b"\xef\xbb\xbf"

Stamp = tuple[int, int, int]


class Config(PartConfig):
    """Where the file is, and how it is written."""

    path: Path = Field(description="the file; .gz is unpacked while reading", examples=["villages.csv"])
    encoding: Literal["utf-8", "gbk", "gb18030"] = Field(default="utf-8", description="encoding; a BOM is allowed")
    delimiter: str = Field(default=",", min_length=1, max_length=1, description="one ASCII character between fields")
    quote: str = Field(default='"', min_length=1, max_length=1, description="one ASCII character around fields")
    zone: str = Field(default="Asia/Shanghai", description="time zone of date-times that name none")

    def verify(self, file: str, group: str) -> None:
        """Check what a type cannot say: single ASCII characters that differ, and the zone's name."""
        for key, value in (("delimiter", self.delimiter), ("quote", self.quote)):
            if not value.isascii() or value in "\r\n":
                raise ConfigError(
                    file=file, key=f"{group}.{key}", expected=_ASCII, found=repr(value), example=f'{key} = ","'
                )
        if self.delimiter == self.quote:
            raise ConfigError(
                file=file, key=f"{group}.quote", expected=_OTHER, found=repr(self.quote), example="quote = '\"'"
            )
        try:
            ZoneInfo(self.zone)
        except (ZoneInfoNotFoundError, ValueError) as exc:
            raise ConfigError(
                file=file, key=f"{group}.zone", expected=_ZONE, found=repr(self.zone), example='zone = "Asia/Shanghai"'
            ) from exc


def open_source(config: Config, stream: Stream) -> CsvSource:
    """Return the source of an adapter file."""
    return CsvSource(config, stream)


class CsvSource:
    """Reads the file from start to end in each pass; memory is bounded by one batch."""

    keyed = False

    def __init__(self, config: Config, stream: Stream) -> None:
        self._config = config
        self._stream = stream
        zone = ZoneInfo(config.zone)
        self._check = row_checker(stream.items)
        self._readers = [text_reader(item, zone) for item in stream.items]
        self._seen = False
        self.place = config.path.name
        self._finished: Stamp | None = None
        self.undeclared: Sequence[str] | None = None

    def connect(self) -> None:
        """Check that the file is there and that its header has every column."""
        self._stamp()
        with self._open() as file:
            self._header(self._reader(file))

    def coverage(self, position: Position | None) -> Coverage:  # noqa: ARG002 - a file has no position
        """Return that a pass shows all rows."""
        return Coverage.WHOLE

    def changed(self) -> bool:
        """Return whether the file is another one, or has another size or time, than at the last finished pass."""
        return self._stamp() != self._finished

    def read(self, position: Position | None) -> Generator[ReadBatch]:  # noqa: ARG002 - a file is read whole
        """Yield the file's rows and rejects. Errors: SourceChanging when it was written to meanwhile."""
        before = self._stamp()
        with self._open() as file:
            try:
                yield from self._batches(self._reader(file))
            except (EOFError, gzip.BadGzipFile, zlib.error) as exc:
                self._unchanged(before)
                raise self._problem(Text("damaged or incomplete gzip", "gzip 文件损坏或不完整")) from exc
            except OSError as exc:
                raise NotConnected(what=self._config.path, reason=exc.strerror or type(exc).__name__) from exc
        self._unchanged(before)
        self._finished = before

    def close(self) -> None:
        """Nothing is kept open between passes."""

    def _batches(self, reader: RecordReader) -> Iterator[ReadBatch]:
        columns = self._header(reader)
        rows: list[Row] = []
        lines: list[int] = []
        rejects: list[Reject] = []
        size, most = 0, self._stream.batch_bytes
        for found in reader:
            size += len(found.raw)
            made = self._row(found, columns)
            if isinstance(made, Reject):
                rejects.append(made)
            else:
                rows.append(made)
                lines.append(found.line)
            if len(rows) + len(rejects) >= self._stream.batch_rows or size >= most:
                yield ReadBatch(rows=rows, lines=lines, rejects=rejects)
                rows, lines, rejects, size = [], [], [], 0
        if rows or rejects:
            yield ReadBatch(rows=rows, lines=lines, rejects=rejects)

    def _row(self, found: Record | Fault, columns: Sequence[int]) -> Row | Reject:
        if isinstance(found, Fault):
            return self._reject(found, None, found.rule, found.reason, self._key_of_fault(found, columns))
        fields = found.fields
        try:
            row = tuple([read(fields[at]) for read, at in zip(self._readers, columns, strict=True)])
            self._check(row)
        except BadRecord as exc:
            column = self._column(exc.item)
            return self._reject(found, column, exc.rule, exc.reason, self._key(fields, columns))
        return row

    def _reject(self, found: Record | Fault, column: str | None, rule: str, reason: Text, key: bytes | None) -> Reject:
        return Reject(
            place=self.place,
            line=found.line,
            column=column,
            rule=rule,
            reason=reason,
            raw=found.raw,
            key=key,
        )

    def _column(self, item_name: str) -> str:
        return self._stream.columns.get(item_name, item_name)

    def _key_of_fault(self, fault: Fault, columns: Sequence[int]) -> bytes | None:
        """Columns may be shifted in a broken line, so only a key that stands first is taken for readable."""
        parts = [at for item, at in zip(self._stream.items, columns, strict=True) if item.primary_key]
        first = sorted(parts) == list(range(len(parts)))
        if not first or len(fault.fields) <= len(parts) or any("\ufffd" in fault.fields[at] for at in parts):
            return None
        return self._key(fault.fields, columns)

    def _key(self, fields: Sequence[str], columns: Sequence[int]) -> bytes | None:
        items = self._stream.items
        try:
            row = tuple(
                read(fields[at]) if item.primary_key else None
                for item, read, at in zip(items, self._readers, columns, strict=True)
            )
        except BadRecord:
            return None
        return key_of(items, row)

    def _header(self, reader: RecordReader) -> list[int]:
        """Return the column of each item, from 0; the reader then knows how many columns a record has."""
        first = next(iter(reader), None)
        if first is None:
            raise self._problem(Text("the file is empty, not even a header", "文件为空，没有表头"))
        if isinstance(first, Fault):
            raise self._problem(Text(f"header: {first.reason.en}", f"表头：{first.reason.zh}"))
        names = [name.strip() for name in first.fields]
        reader.width = len(names)
        self.undeclared = self._stream.undeclared(names)
        return [self._place(names, self._stream.column(item)) for item in self._stream.items]

    def _place(self, names: list[str], column: str) -> int:
        count = names.count(column)
        if count == 1:
            return names.index(column)
        known = ", ".join(names)
        if count:
            raise self._problem(Text(f"column {column} is there {count} times", f"列 {column} 出现 {count} 次"))
        raise self._problem(
            Text(
                f"column {column} is missing; the header has: {known}; see encoding, delimiter and [adapter.columns]",
                f"缺少列 {column}；表头为：{known}；请检查 encoding、delimiter 与 [adapter.columns]",
            )
        )

    def _reader(self, file: IO[bytes]) -> RecordReader:
        start = file.read(len(UTF8_BOM))
        if start != UTF8_BOM:
            file.seek(0)
        elif self._config.encoding != "utf-8":
            raise self._problem(
                Text(
                    'the file begins with a UTF-8 BOM: set encoding = "utf-8"',
                    '文件以 UTF-8 BOM 开头：请设 encoding = "utf-8"',
                )
            )
        return RecordReader(file, self._config.encoding, Dialect(self._config.delimiter, self._config.quote))

    def _open(self) -> IO[bytes]:
        path = self._config.path
        try:
            return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")  # type: ignore[return-value] # GzipFile reads like any binary file
        except OSError as exc:
            raise self._away(exc) from exc

    def _stamp(self) -> Stamp:
        try:
            stat = self._config.path.stat()
        except OSError as exc:
            raise self._away(exc) from exc
        self._seen = True
        return (stat.st_mtime_ns, stat.st_size, stat.st_ino)

    def _away(self, error: OSError) -> NotConnected | SourceProblem:
        """A file that was there comes back (it is being replaced); one that never was is a mistake in the settings."""
        reason = error.strerror or type(error).__name__
        if isinstance(error, FileNotFoundError):
            what = self._config.path
            return NotConnected(what=what, reason=reason) if self._seen else SourceAbsent(source=what, reason=reason)
        return self._problem(Text(reason, reason))

    def _unchanged(self, before: Stamp) -> None:
        if self._stamp() != before:
            raise SourceChanging(what=self._config.path)

    def _problem(self, reason: Text) -> SourceProblem:
        return SourceProblem(source=self._config.path, reason=reason)


_ASCII = Text("one ASCII character", "一个 ASCII 字符")
_OTHER = Text("another character than the delimiter", "与分隔符不同的字符")
_ZONE = Text("a time zone", "时区名称")
