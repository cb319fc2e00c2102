"""Records of Avro containers and of Parquet files."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import DecimalException
from importlib import import_module
from typing import IO, Any

import fastavro
from fastavro.schema import SchemaParseException

from adapters.files_rows import FileFault, Found, Wanted, place_columns
from exchange.text import Text

ROWS_AT_ONCE = 1000  # of Parquet, in memory

# what fastavro raises for a container that is cut or was written over
BROKEN = (
    AssertionError,
    AttributeError,
    DecimalException,
    EOFError,
    IndexError,
    KeyError,
    MemoryError,
    OverflowError,
    SchemaParseException,
    StopIteration,
    TypeError,
    UnicodeDecodeError,
    ValueError,
    struct.error,
    zlib.error,
)


def avro(file: IO[bytes], wanted: Wanted) -> Iterator[Found]:
    """Yield the records of an Avro container. Errors: FileFault."""
    with _faults(_AVRO):
        reader = fastavro.reader(file)
        schema = reader.writer_schema
    if not isinstance(schema, dict) or schema.get("type") != "record":
        raise FileFault("schema", Text("the Avro file holds no records", "Avro 文件内容不是记录"))
    place_columns([field["name"] for field in schema["fields"]], wanted)
    names = wanted.names
    number = 0
    while True:
        with _faults(_AVRO):
            record = next(reader, None)
        if record is None:
            return
        number += 1
        fields: dict[str, Any] = record  # type: ignore[assignment] # the schema is a record, as was asked
        yield Found(number, [fields[name] for name in names])


def parquet(file: IO[bytes], wanted: Wanted) -> Iterator[Found]:
    """Yield the records of a Parquet file. Errors: FileFault; SourceProblem see ``load_arrow``."""
    arrow, pq = load_arrow()
    broken = (arrow.ArrowException, OSError, *BROKEN)
    with _faults(_PARQUET, broken):
        table = pq.ParquetFile(file, pre_buffer=False)
        names = list(table.schema_arrow.names)
    place_columns(names, wanted)
    columns = list(dict.fromkeys(wanted.names))
    with _faults(_PARQUET, broken):
        batches = table.iter_batches(ROWS_AT_ONCE, columns=columns, use_threads=False)
    number = 0
    while True:
        with _faults(_PARQUET, broken):
            batch = next(batches, None)
            if batch is None:
                return
            lists = {name: _values(arrow, batch.column(name)) for name in columns}
        for values in zip(*[lists[name] for name in wanted.names], strict=True):
            number += 1
            yield Found(number, values)


def load_arrow() -> tuple[Any, Any]:
    """Return pyarrow and pyarrow.parquet: loaded only where Parquet is read or written."""
    return import_module("pyarrow"), import_module("pyarrow.parquet")


def _values(arrow: Any, column: Any) -> list[Any]:
    if arrow.types.is_timestamp(column.type) and column.type.unit == "ns":  # Python's clock has microseconds
        column = column.cast(arrow.timestamp("us", column.type.tz), safe=False)
    made: list[Any] = column.to_pylist()
    return made


@contextmanager
def _faults(reason: Text, broken: tuple[type[BaseException], ...] = BROKEN) -> Iterator[None]:
    try:
        yield
    except broken as exc:
        if isinstance(exc, OSError) and exc.errno is not None:
            raise  # the disk's or the share's own error: the file may be well
        raise FileFault("damaged", reason) from exc


_AVRO = Text("damaged or incomplete Avro container", "Avro 文件损坏或不完整")
_PARQUET = Text("damaged or incomplete Parquet file", "Parquet 文件损坏或不完整")
