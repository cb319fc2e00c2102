"""The file of a backup: a gzipped tar whose first member, the manifest, says the digest of each other.

Nothing of an archive is trusted before it was compared: names are matched against one pattern, only plain files that
the manifest names are taken, no more bytes than it says, and all digests are right before the caller sees a file.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import re
import shutil
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from exchange.text import Text
from registry.backup.errors import BadBackup

FORMAT: Literal[1] = 1
MANIFEST = "manifest.json"
MOST_MANIFEST = 1 << 20  # bytes
CHUNK = 1 << 20
PART = "[A-Za-z0-9_][A-Za-z0-9._+-]*"  # never "..", never hidden
NAME = re.compile(rf"(database|registry)(/{PART})+")
AGE = b"age-encryption.org/"  # how an encrypted file begins


class Member(BaseModel):
    """One file of a backup."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=rf"^{NAME.pattern}$", max_length=500)
    size: int = Field(ge=0)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class Facts(BaseModel):
    """What the saved database holds, so that a restore can say that it is all there."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    migration: str = Field(pattern=r"^[0-9a-zA-Z_]{1,64}$")
    audit_number: int = Field(ge=0)
    audit_hash: str = Field(max_length=100)
    grants: dict[str, int]


class Manifest(BaseModel):
    """What a backup is, and the digest of each of its files."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = FORMAT
    node: str
    made_at: str
    version: str
    database: Literal["sqlite", "postgresql"]
    facts: Facts
    files: tuple[Member, ...]


def described(folder: Path) -> tuple[Member, ...]:
    """Return name, size and digest of each file in ``folder`` that has a name that an archive may have."""
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    named = [(path.relative_to(folder).as_posix(), path) for path in found]
    return tuple(
        Member(name=name, size=path.stat().st_size, sha256=digest_of(path))
        for name, path in named
        if NAME.fullmatch(name)
    )


def pack(folder: Path, manifest: Manifest, out: BinaryIO) -> None:
    """Write the files of ``folder`` that ``manifest`` names, after it."""
    with tarfile.open(fileobj=out, mode="w:gz", compresslevel=6) as tar:
        text = manifest.model_dump_json(indent=1).encode()
        head = tarfile.TarInfo(MANIFEST)
        head.size, head.mode = len(text), 0o600
        tar.addfile(head, io.BytesIO(text))
        for member in manifest.files:
            entry = tarfile.TarInfo(member.name)
            entry.size, entry.mode = member.size, 0o600
            with (folder / member.name).open("rb") as file:
                tar.addfile(entry, file)


def unpack(archive: Path, folder: Path) -> Manifest:
    """Write an archive's files into ``folder``, each compared with the manifest. Errors: BadBackup."""
    with _faults_told(archive), tarfile.open(archive, "r|gz") as tar:
        members = iter(tar)
        manifest = _manifest(archive, tar, next(members, None))
        expected = {member.name: member for member in manifest.files}
        if len(expected) != len(manifest.files):
            raise _bad(archive, Text("a name is there twice", "文件名重复"))
        room = shutil.disk_usage(folder).free
        if sum(member.size for member in manifest.files) > room:
            raise _bad(archive, Text("it is larger than the disk's room", "超过磁盘剩余空间"))
        for entry in members:
            known = expected.pop(entry.name, None)
            if known is None or not entry.isreg() or entry.size != known.size:
                raise _bad(archive, Text(f"unexpected: {entry.name[:200]!r}", f"意外的内容：{entry.name[:200]!r}"))
            _take(archive, tar, entry, folder / known.name, known)
        if expected:
            missing = min(expected)
            raise _bad(archive, Text(f"{missing} is missing", f"缺少 {missing}"))
    return manifest


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_encrypted(path: Path) -> bool:
    """Whether a file is one that age has encrypted."""
    with path.open("rb") as file:
        return file.read(len(AGE)) == AGE


def _manifest(archive: Path, tar: tarfile.TarFile, entry: tarfile.TarInfo | None) -> Manifest:
    if entry is None or entry.name != MANIFEST or not entry.isreg() or entry.size > MOST_MANIFEST:
        raise _bad(archive, Text("it does not begin with a manifest", "开头不是清单"))
    file = tar.extractfile(entry)
    assert file is not None
    return Manifest.model_validate_json(file.read())


def _take(archive: Path, tar: tarfile.TarFile, entry: tarfile.TarInfo, place: Path, known: Member) -> None:
    place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    source, digest = tar.extractfile(entry), hashlib.sha256()
    assert source is not None
    descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as target:
        while chunk := source.read(CHUNK):
            digest.update(chunk)
            target.write(chunk)
    if digest.hexdigest() != known.sha256:
        raise _bad(archive, Text(f"{known.name} is not as it was saved", f"{known.name} 与保存时不一致"))


@contextmanager
def _faults_told(archive: Path) -> Iterator[None]:
    try:
        yield
    except ValidationError as exc:
        raise _bad(archive, Text("its manifest is not one of ours", "清单无效")) from exc
    except (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError) as exc:
        raise _bad(archive, Text("it is damaged, or no archive", "已损坏或不是归档文件")) from exc


def _bad(archive: Path, reason: Text) -> BadBackup:
    return BadBackup(file=archive, reason=reason)
