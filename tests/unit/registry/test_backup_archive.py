"""An archive of a backup: what is not as it was saved, or leads elsewhere, is refused before anything is used."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from registry.backup.archive import MANIFEST, Facts, Manifest, Member, described, digest_of, pack, unpack
from registry.backup.errors import BadBackup

FACTS = Facts(migration="0008", audit_number=3, audit_hash="sha256:ab", grants={"active": 1})


def made(folder: Path) -> tuple[Path, Manifest]:
    inner = folder / "source"
    for name, text in (("registry/keys/1-ab.pem", "key"), ("database/registry.sqlite", "rows " * 1000)):
        path = inner / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (inner / "registry/.half").write_text("hidden files are half written ones")
    manifest = Manifest(
        node="440000", made_at="2026-01-01T00:00:00+00:00", version="1", database="sqlite", facts=FACTS,
        files=described(inner),
    )  # fmt: skip
    archive = folder / "good.tar.gz"
    with archive.open("xb") as out:
        pack(inner, manifest, out)
    return archive, manifest


def test_what_is_packed_comes_back_byte_by_byte(tmp_path: Path) -> None:
    archive, manifest = made(tmp_path)
    (tmp_path / "out").mkdir()
    assert unpack(archive, tmp_path / "out") == manifest
    assert [member.name for member in manifest.files] == ["database/registry.sqlite", "registry/keys/1-ab.pem"]
    for member in manifest.files:
        path = tmp_path / "out" / member.name
        assert digest_of(path) == member.sha256
        assert path.stat().st_mode & 0o777 == 0o600


Entry = tuple[tarfile.TarInfo, bytes]


def forged(folder: Path, change: Callable[[list[Entry]], list[Entry]]) -> Path:
    archive, _ = made(folder)
    with tarfile.open(archive) as tar:
        entries = [(member, tar.extractfile(member).read()) for member in tar]  # type: ignore[union-attr]
    path = folder / "forged.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for info, content in change(entries):
            tar.addfile(info, io.BytesIO(content))
    return path


def plain(name: str, content: bytes = b"x") -> Entry:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    return info, content


def link(kind: bytes) -> Entry:
    info = tarfile.TarInfo("registry/keys/1-ab.pem")
    info.type, info.linkname, info.size = kind, "/etc/passwd", 0
    return info, b""


def named(entries: list[Entry], name: str) -> list[Entry]:
    """The archive with a manifest that itself names a place elsewhere."""
    told = Manifest.model_validate_json(entries[0][1])
    member = Member.model_construct(name=name, size=1, sha256="0" * 64)
    text = told.model_copy(update={"files": (member,)}).model_dump_json().encode()
    return [plain(MANIFEST, text), plain(name)]


FORGERIES: dict[str, Callable[[list[Entry]], list[Entry]]] = {
    "a changed file": lambda e: [*e[:2], plain(e[2][0].name, b"kez")],
    "a longer file": lambda e: [*e[:2], plain(e[2][0].name, b"key and more")],
    "a missing file": lambda e: e[:2],
    "a file more": lambda e: [*e, plain("registry/more.pem")],
    "a file twice": lambda e: [*e, e[2]],
    "a path upwards": lambda e: [*e, plain("registry/../../../etc/cron.d/x")],
    "an absolute path": lambda e: [*e, plain("/etc/cron.d/x")],
    "a symbolic link": lambda e: [*e[:2], link(tarfile.SYMTYPE)],
    "a hard link": lambda e: [*e[:2], link(tarfile.LNKTYPE)],
    "a device": lambda e: [*e[:2], link(tarfile.CHRTYPE)],
    "a manifest that names a path upwards": lambda e: named(e, "registry/../../x"),
    "a manifest that names an absolute path": lambda e: named(e, "/etc/x"),
    "a manifest that names another room": lambda e: named(e, "secrets/broker.password"),
    "a manifest that comes later": lambda e: [*e[1:], e[0]],
    "no manifest": lambda e: e[1:],
    "a manifest that is none": lambda e: [plain(MANIFEST, b"[]"), *e[1:]],
    "nothing": lambda _: [],
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forged_archive_is_refused_and_reaches_no_place_outside(tmp_path: Path, forgery: str) -> None:
    archive = forged(tmp_path, FORGERIES[forgery])
    out = tmp_path / "deep/er/out"
    out.mkdir(parents=True)
    before = {path for path in tmp_path.rglob("*") if not path.is_relative_to(out)}
    with pytest.raises(BadBackup):
        unpack(archive, out)
    assert {path for path in tmp_path.rglob("*") if not path.is_relative_to(out)} == before
    assert not any(path.is_symlink() for path in out.rglob("*"))


@pytest.mark.parametrize("cut", [0, 1, 5, 30, 150])
def test_a_damaged_archive_is_refused(tmp_path: Path, cut: int) -> None:
    archive, _ = made(tmp_path)
    whole = archive.read_bytes()
    archive.write_bytes(whole[: len(whole) - 20] if cut == 0 else whole[:cut])
    (tmp_path / "out").mkdir()
    with pytest.raises(BadBackup):
        unpack(archive, tmp_path / "out")
