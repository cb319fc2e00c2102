"""Records of text files: CSV and TSV by ``csv_text``, and JSON lines."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import IO, Any

from adapters.csv_text import MAX_LINE_BYTES, Dialect, Fault, Record, RecordReader
from adapters.files_rows import RAW_CHARACTERS, FileFault, Found, Lost, Wanted, place_columns
from exchange.text import Text

UTF8_BOM = b"\xef\xbb\xbf"
LONGEST_EXPONENT = 400
MISSING = object()


def delimited(file: IO[bytes], wanted: Wanted, delimiter: str) -> Iterator[Found | Lost]:
    """Yield the records of a CSV file whose first record is its header. Errors: FileFault."""
    dialect = Dialect(wanted.delimiter or delimiter, wanted.quote)
    reader = RecordReader(after_bom(file, wanted.encoding), wanted.encoding, dialect)
    records = iter(reader)
    header = next(records, None)
    if header is None:
        raise FileFault("empty_file", Text("the file is empty, not even a header", "文件为空，没有表头"))
    if isinstance(header, Fault):
        raise FileFault("header", Text(f"header: {header.reason.en}", f"表头：{header.reason.zh}"))
    columns = place_columns([name.strip() for name in header.fields], wanted)
    reader.width = len(header.fields)
    for record in records:
        if isinstance(record, Record):
            fields = record.fields
            yield Found(record.line, [fields[at] for at in columns], record.raw)
        else:
            values = _readable(record, columns, wanted)
            yield Lost(record.line, None, record.rule, record.reason, record.raw, values)


def json_lines(file: IO[bytes], wanted: Wanted) -> Iterator[Found | Lost]:
    """Yield the records of a file of one JSON object a line; numbers keep their digits. Errors: FileFault."""
    source = after_bom(file, wanted.encoding)
    number = 0
    while data := source.readline(MAX_LINE_BYTES):
        number += 1
        if len(data) == MAX_LINE_BYTES and not data.endswith(b"\n") and _skip_line(source):
            yield _lost_line(number, data, wanted, "too_long", _TOO_LONG)
        elif data.strip():
            yield _json_record(number, data, wanted)


def after_bom(file: IO[bytes], encoding: str) -> IO[bytes]:
    """Return ``file`` behind its BOM. Errors: FileFault when the BOM says that it is no file of ``encoding``."""
    start = file.read(len(UTF8_BOM))
    if start == UTF8_BOM and encoding != "utf-8":
        raise FileFault("encoding", _BOM)
    if start[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        raise FileFault("encoding", _UTF16)
    if start != UTF8_BOM:
        file.seek(0)
    return file


def _readable(fault: Fault, columns: Sequence[int], wanted: Wanted) -> list[str] | None:
    """Columns may be shifted in a broken line, so only a key that stands first is taken for readable."""
    parts = [columns[at] for at in wanted.keys]
    first = sorted(parts) == list(range(len(parts)))
    fields = fault.fields
    if not first or len(fields) <= len(parts) or any("\ufffd" in fields[at] for at in parts):
        return None
    return [fields[at] if at < len(parts) else "" for at in columns]


def _json_record(number: int, data: bytes, wanted: Wanted) -> Found | Lost:
    try:
        text = data.decode(wanted.encoding)
    except UnicodeDecodeError:
        return _lost_line(number, data, wanted, "encoding", _undecodable(wanted.encoding))
    try:
        record = json.loads(text, parse_float=_number, parse_constant=_no_constant)
    except (ValueError, RecursionError):  # ValueError: not JSON, or a number of thousands of digits
        return _lost_line(number, data, wanted, "json", _JSON)
    if not isinstance(record, dict):
        return _lost_line(number, data, wanted, "json", _OBJECT)
    values: list[Any] = [record.get(name, MISSING) for name in wanted.names]
    if MISSING in values:
        absent = wanted.names[values.index(MISSING)]
        values = [None if value is MISSING else value for value in values]
        if not wanted.absent_is_null:
            return Lost(number, absent, "missing_column", _ABSENT, text.rstrip("\r\n"), values)
    return Found(number, values, text.rstrip("\r\n"))


def _lost_line(number: int, data: bytes, wanted: Wanted, rule: str, reason: Text) -> Lost:
    raw = data[: 4 * RAW_CHARACTERS].decode(wanted.encoding, errors="backslashreplace").rstrip("\r\n")
    return Lost(number, None, rule, reason, raw)


def _skip_line(source: IO[bytes]) -> bool:
    skipped = False
    while rest := source.readline(MAX_LINE_BYTES):
        skipped = True
        if rest.endswith(b"\n"):
            break
    return skipped


def _number(text: str) -> Decimal | str:
    """A number beyond all items stays text, or making an integer of 1e999999999 would take all memory."""
    value = Decimal(text)
    return value if abs(value.adjusted()) < LONGEST_EXPONENT else text


def _no_constant(name: str) -> None:
    raise ValueError(name)  # NaN and Infinity are no JSON


def _undecodable(encoding: str) -> Text:
    return Text(f"the line is not {encoding}", f"该行不符合 {encoding} 编码")


_TOO_LONG = Text("longer than 4 MiB", "超过 4 MiB")
_JSON = Text("the line is not JSON", "该行不是有效的 JSON")
_OBJECT = Text("the line is not a JSON object", "该行不是 JSON 对象")
_ABSENT = Text(
    'the object has no such key; if keys are left out on purpose, set absent = "null"',
    '对象中没有该键；若有意省略，请设 absent = "null"',
)
_BOM = Text(
    'the file begins with a UTF-8 BOM: set encoding = "utf-8"', '文件以 UTF-8 BOM 开头：请设 encoding = "utf-8"'
)
_UTF16 = Text("the file is UTF-16: save it as UTF-8", "文件为 UTF-16 编码：请另存为 UTF-8")
