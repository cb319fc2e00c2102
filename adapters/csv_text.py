"""Splitting delimited text into records, so that one bad line costs one line.

A record that cannot be read never takes its neighbours along: only its first physical line is given up, and reading
goes on with the next line. So an unclosed quote, which to most readers swallows the rest of the file, costs one line.
A newline is never part of a character in UTF-8, GBK or GB18030, so lines are cut before they are decoded, and each
line is decoded strictly by itself.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Literal

from exchange.text import Text

MAX_LINE_BYTES = 4 * 1024 * 1024
MAX_RECORD_LINES = 1000
RAW_CHARACTERS = 4000  # of a record that is kept as reject

Broken = Literal["unclosed", "stray"]


@dataclass(frozen=True, slots=True)
class Record:
    """One record: ``line`` is its first physical line, from 1; ``raw`` its text without the line's end."""

    line: int
    fields: list[str]
    raw: str


@dataclass(frozen=True, slots=True)
class Fault:
    """One line given up; ``fields`` is what could be read of it, undecodable bytes as U+FFFD."""

    line: int
    rule: str
    reason: Text
    raw: str
    fields: list[str]


@dataclass(frozen=True, slots=True)
class _Line:
    number: int
    data: bytes
    cut: bool = False  # longer than MAX_LINE_BYTES; the rest was skipped


class Dialect:
    """How fields are written: a delimiter, and quotes that may hold delimiters, line ends and doubled quotes."""

    def __init__(self, delimiter: str = ",", quote: str = '"') -> None:
        self.delimiter = delimiter
        self.quote = quote
        mark = re.escape(quote)
        self._quoted = re.compile(rf"{mark}([^{mark}]*+(?:{mark}{mark}[^{mark}]*+)*+){mark}")

    def split(self, text: str) -> list[str] | Broken:
        """Return the fields of one record, or what is broken: a quote still open, or text after a closing quote."""
        if self.quote not in text:
            return text.split(self.delimiter)
        fields: list[str] = []
        start = 0
        while True:
            if text.startswith(self.quote, start):
                found = self._quoted.match(text, start)
                if found is None:
                    return "unclosed"
                end = found.end()
                fields.append(found[1].replace(self.quote * 2, self.quote))
                if end < len(text) and text[end] != self.delimiter:
                    return "stray"
            else:
                end = text.find(self.delimiter, start)
                end = len(text) if end < 0 else end
                fields.append(text[start:end])
            if end == len(text):
                return fields
            start = end + 1


class RecordReader:
    """Reads records and faults from a binary stream; memory is bounded by one record."""

    def __init__(self, stream: IO[bytes], encoding: str, dialect: Dialect) -> None:
        self.width: int | None = None  # columns that each record must have; set once the header was read
        self._stream = stream
        self._encoding = encoding
        self._dialect = dialect
        self._mark = dialect.quote.encode()
        self._number = 0
        self._pending: deque[_Line] = deque()

    def __iter__(self) -> Iterator[Record | Fault]:
        while (line := self._take()) is not None:
            if line.data.strip(b"\r\n"):
                yield self._record(line)

    def _record(self, first: _Line) -> Record | Fault:
        lines = [first]
        texts: list[str] = []
        while True:
            line = lines[-1]
            if line.cut:
                return self._give_up(lines, "too_long", _TOO_LONG)
            try:
                texts.append(line.data.decode(self._encoding))
            except UnicodeDecodeError as exc:
                return self._give_up(lines, "encoding", _undecodable(self._encoding, line, exc))
            if len(lines) > 1 and self._mark not in line.data:
                fields: list[str] | Broken = "unclosed"  # no quote in it, so it cannot close one
            else:
                fields = self._dialect.split(_chomp("".join(texts)))
            if isinstance(fields, list):
                return self._checked(lines, fields, _chomp("".join(texts)))
            if fields == "stray":
                return self._give_up(lines, "quote", _STRAY)
            following = self._take() if len(lines) < MAX_RECORD_LINES else None
            if following is None:
                return self._give_up(lines, "unclosed_quote", _UNCLOSED)
            lines.append(following)

    def _checked(self, lines: list[_Line], fields: list[str], raw: str) -> Record | Fault:
        if self.width is None or len(fields) == self.width:
            return Record(lines[0].number, fields, raw)
        rule = "too_few_columns" if len(fields) < self.width else "too_many_columns"
        reason = Text(
            f"{len(fields)} columns, the header has {self.width}", f"共 {len(fields)} 列，表头为 {self.width} 列"
        )
        return self._give_up(lines, rule, reason)

    def _give_up(self, lines: list[_Line], rule: str, reason: Text) -> Fault:
        """Only the first line is lost: the following ones are read again, each as the start of a record."""
        self._pending.extendleft(reversed(lines[1:]))
        first = lines[0]
        readable = _chomp(first.data.decode(self._encoding, errors="replace"))
        fields = self._dialect.split(readable)
        raw = _chomp(first.data.decode(self._encoding, errors="backslashreplace"))[:RAW_CHARACTERS]
        return Fault(first.number, rule, reason, raw, fields if isinstance(fields, list) else [])

    def _take(self) -> _Line | None:
        if self._pending:
            return self._pending.popleft()
        data = self._stream.readline(MAX_LINE_BYTES)
        if not data:
            return None
        self._number += 1
        cut = len(data) == MAX_LINE_BYTES and not data.endswith(b"\n") and self._skip_line()
        return _Line(self._number, data, cut)

    def _skip_line(self) -> bool:
        skipped = False
        while rest := self._stream.readline(MAX_LINE_BYTES):
            skipped = True
            if rest.endswith(b"\n"):
                break
        return skipped


def _chomp(text: str) -> str:
    return text.removesuffix("\n").removesuffix("\r")


def _undecodable(encoding: str, line: _Line, error: UnicodeDecodeError) -> Text:
    byte = line.data[error.start]
    return Text(
        f"byte 0x{byte:02X} at position {error.start + 1} of line {line.number} is not {encoding}",
        f"第 {line.number} 行第 {error.start + 1} 字节 0x{byte:02X} 不符合 {encoding} 编码",
    )


_TOO_LONG = Text("longer than 4 MiB", "超过 4 MiB")
_STRAY = Text("text after a closing quote", "引号结束后仍有字符")
_UNCLOSED = Text("a quote is opened and never closed", "引号未闭合")
