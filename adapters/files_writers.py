"""How changes are written into a file: CSV, JSON lines, Avro, Parquet; each line says what was done to which key."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from datetime import date
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import IO, Any, Literal

import fastavro

from adapters.files_columnar import load_arrow
from adapters.protocol import Stream
from exchange.encoder import unwrapped
from exchange.errors import BadRecord
from exchange.items import KeyCodec, Row, Value
from exchange.values import parse

OP, KEY = "_op", "_key"  # no item has such a name
UPSERT, DELETE = "upsert", "delete"
CODEC = "deflate"
ROWS_AT_ONCE = 10_000  # of Parquet: a row group
NEEDS_QUOTES = frozenset(',"\r\n')

Form = Literal["csv", "jsonl", "avro", "parquet"]
Change = tuple[bytes, Row | None]
Line = list[Value]  # op, key, then the items


class Lines:
    """Makes lines of changes; of a deleted row only the key is known."""

    def __init__(self, stream: Stream) -> None:
        self.names = [OP, KEY, *[stream.column(item) for item in stream.items]]
        self._codec = KeyCodec(stream.items)
        self._width = len(stream.items)

    def of(self, changes: Iterable[Change]) -> Iterator[Line]:
        """Yield a line for each change, in order."""
        for key, row in changes:
            name = key.decode(errors="backslashreplace")
            yield [UPSERT, name, *row] if row is not None else [DELETE, name, *self._key_row(key)]

    def _key_row(self, key: bytes) -> list[Value]:
        row: list[Value] = [None] * self._width
        with suppress(
            BadRecord, ValueError
        ):  # a key that is none of the resource's deletes nothing, and is told as it is
            for at, value in zip(self._codec.positions, self._codec.decode(key, parse), strict=True):
                row[at] = value
        return row


class Writer:
    """Appends lines to a file that is not finished yet; Parquet is written as Avro until the file is finished."""

    def __init__(self, form: Form, stream: Stream) -> None:
        self.lines = Lines(stream)
        self._schema = change_schema(stream) if form in {"avro", "parquet"} else {}
        self._append: Callable[[IO[bytes], Iterable[Line]], None] = {
            "csv": self._csv,
            "jsonl": self._jsonl,
            "avro": self._avro,
            "parquet": self._avro,
        }[form]

    def append(self, file: IO[bytes], changes: Iterable[Change]) -> None:
        """Write ``changes`` where ``file`` stands: at its end."""
        self._append(file, self.lines.of(changes))

    def _csv(self, file: IO[bytes], lines: Iterable[Line]) -> None:
        if file.tell() == 0:
            file.write((",".join(_field(name) for name in self.lines.names) + "\n").encode())
        file.write("".join([",".join([_field(value) for value in line]) + "\n" for line in lines]).encode())

    def _jsonl(self, file: IO[bytes], lines: Iterable[Line]) -> None:
        names = self.lines.names
        for line in lines:
            record = {name: _json(value) for name, value in zip(names, line, strict=True)}
            file.write(json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")

    def _avro(self, file: IO[bytes], lines: Iterable[Line]) -> None:
        names = self.lines.names
        records = (dict(zip(names, line, strict=True)) for line in lines)
        fastavro.writer(file, self._schema, records, codec=CODEC)


def change_schema(stream: Stream) -> dict[str, Any]:
    """Return the Avro schema of a line: op, key, and each item, nullable."""
    fields: list[dict[str, Any]] = [{"name": OP, "type": "string"}, {"name": KEY, "type": "string"}]
    kinds = {field["name"]: field["type"] for field in stream.contract.schema["fields"]}
    for item in stream.items:
        known = kinds[item.name]
        kind = known if isinstance(known, list) else ["null", known]
        fields.append({"name": stream.column(item), "type": kind, "default": None, "doc": item.label})
    name = f"{stream.contract.schema['name']}_change"
    schema = {"type": "record", "name": name, "namespace": stream.contract.schema["namespace"], "fields": fields}
    made: dict[str, Any] = dict(fastavro.parse_schema(schema))  # type: ignore[arg-type] # a record stays a dict
    return made


def to_parquet(source: Path, target: IO[bytes]) -> None:
    """Write the records of an Avro container as Parquet."""
    from exchange.arrow_encoder import arrow_type  # noqa: PLC0415 - Arrow is loaded only where it is used

    arrow, parquet = load_arrow()
    with ExitStack() as stack:
        reader = fastavro.reader(stack.enter_context(source.open("rb")))
        written: Any = reader.writer_schema
        schema = arrow.schema([(field["name"], arrow_type(unwrapped(field["type"])[0])) for field in written["fields"]])
        writer = stack.enter_context(parquet.ParquetWriter(target, schema, compression="zstd"))
        records = iter(reader)
        while rows := list(islice(records, ROWS_AT_ONCE)):
            writer.write_batch(arrow.RecordBatch.from_pylist(rows, schema=schema))


def _text(value: Value) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, date):  # a date-time is one too
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    return str(value)


def _field(value: Value) -> str:
    """An empty text is written as two quotes; nothing is written for a value that is not there."""
    if value is None:
        return ""
    text = _text(value)
    if not text or not NEEDS_QUOTES.isdisjoint(text):
        return '"' + text.replace('"', '""') + '"'
    return text


def _json(value: Value) -> Any:
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return _text(value)  # a decimal too: a reader's float would round it


def headings(names: Sequence[str]) -> list[str]:
    """Return the names that stand twice."""
    return sorted({name for name in names if names.count(name) > 1})
