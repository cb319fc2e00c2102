"""Opening a file whatever it is packed in: plain, gzip or zip; looked through once before any of its rows is taken."""

from __future__ import annotations

import gzip
import hashlib
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from tempfile import TemporaryFile
from typing import IO, Any

from adapters import files_columnar, files_sheets, files_text
from adapters.files_rows import FileFault, Found, Lost, Wanted
from exchange.text import Text

CHUNK = 1 << 20
MOST_MEMBERS = 10_000
READERS: dict[str, Callable[[IO[bytes], Wanted], Iterator[Found | Lost]]] = {
    "csv": partial(files_text.delimited, delimiter=","),
    "tsv": partial(files_text.delimited, delimiter="\t"),
    "jsonl": files_text.json_lines,
    "xlsx": files_sheets.xlsx,
    "xls": files_sheets.xls,
    "avro": files_columnar.avro,
    "parquet": files_columnar.parquet,
}
SUFFIXES = {".csv": "csv", ".txt": "csv", ".tsv": "tsv", ".tab": "tsv", ".ndjson": "jsonl", ".xlsm": "xlsx"}
SEEKING = frozenset({"xlsx", "xls", "parquet"})  # read from several places, which a packed stream is too slow for
BROKEN = (EOFError, gzip.BadGzipFile, zlib.error, zipfile.BadZipFile, NotImplementedError, RuntimeError)


@dataclass(frozen=True, slots=True)
class Part:
    """A file, or a member of a zip, and its records."""

    place: str
    records: Iterator[Found | Lost]


def digest_of(file: IO[bytes]) -> str:
    """Return the SHA-256 of a file, hex."""
    digest = hashlib.sha256()
    file.seek(0)
    while data := file.read(CHUNK):
        digest.update(data)
    return digest.hexdigest()


def look_through(file: IO[bytes], name: str, most_bytes: int) -> None:
    """Unpack a file once, so that one that is cut is found before its first row is taken. Errors: FileFault."""
    file.seek(0)
    if not file.read(1):
        raise FileFault("empty_file", Text("the file is empty", "文件为空"))
    file.seek(0)
    packing = PurePosixPath(name).suffix.lower()
    with unpacking():
        if packing == ".gz":
            with gzip.open(file) as stream:
                _measure(stream, most_bytes)
        elif packing in {".zip", ".xlsx", ".xlsm"}:
            _measure_zip(file, most_bytes)


def parts(file: IO[bytes], name: str, form: str, wanted: Wanted) -> Iterator[Part]:
    """Yield the parts of a file that ``look_through`` passed. Errors: FileFault."""
    file.seek(0)
    path = PurePosixPath(name)
    packing = path.suffix.lower()
    with unpacking():
        if packing == ".zip":
            yield from _members(file, name, form, wanted)
        elif packing == ".gz":
            with gzip.open(file) as stream:
                yield _part(name, form_of(path.stem, form), stream, wanted)
        else:
            yield Part(name, _guarded(READERS[form_of(name, form)](file, wanted)))


def form_of(name: str, form: str) -> str:
    """Return the format of a file by its name, unless ``form`` says it. Errors: FileFault."""
    suffix = PurePosixPath(name).suffix.lower()
    found = form if form != "auto" else SUFFIXES.get(suffix, suffix[1:])
    if found in READERS:
        return found
    known = ", ".join(READERS)
    raise FileFault(
        "unknown_format",
        Text(
            f"not known by its name; set format to one of {known}",
            f"无法按文件名识别格式；请将 format 设为 {known} 之一",
        ),
    )


@contextmanager
def unpacking() -> Iterator[None]:
    """Turn what gzip and zip raise into a FileFault."""
    try:
        yield
    except BROKEN as exc:
        raise FileFault("damaged", _DAMAGED) from exc


def _members(file: IO[bytes], name: str, form: str, wanted: Wanted) -> Iterator[Part]:
    with _package(file) as package:
        for info in package.infolist():
            if not _is_data(info):
                continue
            with package.open(info) as stream:
                yield _part(f"{name}/{info.filename}", form_of(info.filename, form), stream, wanted)


def _part(place: str, form: str, stream: Any, wanted: Wanted) -> Part:
    return Part(place, _guarded(_spooled(form, stream, wanted) if form in SEEKING else READERS[form](stream, wanted)))


def _spooled(form: str, stream: IO[bytes], wanted: Wanted) -> Iterator[Found | Lost]:
    with TemporaryFile() as copy:
        while data := stream.read(CHUNK):
            copy.write(data)
        copy.seek(0)
        yield from READERS[form](copy, wanted)


def _guarded(records: Iterator[Found | Lost]) -> Iterator[Found | Lost]:
    with unpacking():
        yield from records


def _package(file: IO[bytes]) -> zipfile.ZipFile:
    """Names without the mark of UTF-8 are those of a Chinese Windows, if they can be."""
    try:
        return zipfile.ZipFile(file, metadata_encoding="gb18030")
    except UnicodeDecodeError:
        return zipfile.ZipFile(file)


def _is_data(info: zipfile.ZipInfo) -> bool:
    path = PurePosixPath(info.filename)
    return not info.is_dir() and not path.name.startswith(".") and "__MACOSX" not in path.parts


def _measure(stream: Any, most_bytes: int) -> None:
    size = 0
    while data := stream.read(CHUNK):
        size += len(data)
        if size > most_bytes:
            raise _too_big(most_bytes)


def _measure_zip(file: IO[bytes], most_bytes: int) -> None:
    """Each member is read to its end, where its checksum is compared; zipfile unpacks no more than is declared."""
    with _package(file) as package:
        members = package.infolist()
        if len(members) > MOST_MEMBERS or sum(info.file_size for info in members) > most_bytes:
            raise _too_big(most_bytes)
        for info in members:
            with package.open(info) as stream:
                _measure(stream, most_bytes)


def _too_big(most_bytes: int) -> FileFault:
    size = most_bytes >> 20
    return FileFault(
        "too_big",
        Text(f"it unpacks to more than max_unpacked_mb = {size}", f"解压后超过 max_unpacked_mb = {size}"),
    )


_DAMAGED = Text("damaged or incomplete: it cannot be unpacked", "文件损坏或不完整，无法解压")


def shown(name: str | Path) -> str:
    """Return a file's name as text, also one that is not UTF-8."""
    data = str(name).encode("utf-8", "surrogateescape")
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("gb18030", "replace")
