"""Saving a registry while it runs, and bringing it back where there is none."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import select

from exchange.surroundings import version
from exchange.text import Text
from registry.audit.chain import Verdict, verify
from registry.audit.keeper import head_of
from registry.audit.models import AuditEntry, AuditHead
from registry.audit.parts import DIRECTORY, ITSELF
from registry.audit.service import note
from registry.audit.signing import HeadSigner
from registry.backup import age
from registry.backup.archive import Facts, Manifest, described, digest_of, is_encrypted, pack, unpack
from registry.backup.database import facts_of, must_not_run, store_of
from registry.backup.errors import BadBackup, Exists, NothingToSave, StillRuns, WouldOverwrite
from registry.clock import Clock, utc_now
from registry.database import Database, database_url
from registry.migrate import migrate
from registry.settings import Settings

DATABASE_FILES = ("registry.db", "registry.db-wal", "registry.db-shm")
PROBE_S = 1.0


@dataclass(frozen=True, slots=True)
class Saved:
    """A backup that was made."""

    file: Path
    sha256: str
    manifest: Manifest


@dataclass(frozen=True, slots=True)
class Restored:
    """A registry that is back; ``verdict``: its audit chain, against its signed heads."""

    manifest: Manifest
    facts: Facts
    verdict: Verdict


def backup(settings: Settings, target: Path, recipients: Sequence[str] = (), clock: Clock = utc_now) -> Saved:
    """Write the registry of ``settings`` into ``target``, a new file (0600), or a file of its own in a directory.

    ``recipients``: age public keys for which it is encrypted. Errors: BackupError, DatabaseUnavailable.
    """
    url, data_dir = database_url(settings), settings.registry.data_dir
    store, now = store_of(url), clock()
    if not data_dir.is_dir() or not store.exists():
        raise NothingToSave(place=data_dir)
    file = _named(target, settings.node.division, f"{now:%Y%m%dT%H%M%SZ}", encrypted=bool(recipients))
    keys = age.recipients_of(recipients)
    _note(settings, clock, "registry.backup", {"encrypted": bool(recipients)})
    with tempfile.TemporaryDirectory(
        prefix=".backup-", dir=data_dir.absolute().parent
    ) as made:  # 0700, and not a share
        folder = Path(made)
        (folder / "database").mkdir()
        _copy(data_dir, folder / "registry")  # before the database: it never knows less than the files
        facts = store.save(folder)
        manifest = Manifest(
            node=settings.node.division,
            made_at=now.isoformat(timespec="seconds"),
            version=version(),
            database=store.kind,
            facts=facts,
            files=described(folder),
        )
        plain = folder / "backup.tar.gz"
        with plain.open("xb") as out:
            pack(folder, manifest, out)
        return Saved(file, _put(plain, file, keys), manifest)


def restore(
    settings: Settings,
    file: Path,
    *,
    force: bool = False,
    sha256: str | None = None,
    identity: Path | None = None,
    clock: Clock = utc_now,
) -> Restored:
    """Bring the registry of a backup back; what is there is refused, or with ``force`` put aside.

    Nothing is changed before the whole archive was compared with its manifest. The broker follows when the registry
    starts: its first comparison makes ACLs and topics. Errors: BackupError, DatabaseUnavailable.
    """
    url, data_dir = database_url(settings), settings.registry.data_dir.absolute()
    store = store_of(url)
    if not file.is_file():
        raise BadBackup(file=file, reason=Text("there is no such file", "文件不存在"))
    if sha256 is not None and digest_of(file) != sha256.lower():
        raise BadBackup(file=file, reason=Text("its SHA-256 is another", "SHA-256 不符"))
    archive_digest = digest_of(file)
    _must_be_free(settings, force=force, clock=clock)
    data_dir.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.TemporaryDirectory(prefix=".restore-", dir=data_dir.parent) as made:
        folder = Path(made)
        plain = age.decrypted(file, identity, folder) if is_encrypted(file) else file
        (folder / "files").mkdir(mode=0o700)
        manifest = unpack(plain, folder / "files")
        _must_fit(file, manifest, store.kind)
        stamp = f"{clock():%Y%m%dt%H%M%Sz}"
        if store.exists():
            store.put_aside(stamp)
        if data_dir.exists():
            data_dir.rename(data_dir.with_name(f"{data_dir.name}.before_restore_{stamp}"))
        _place(folder / "files" / "registry", data_dir)
        store.load(folder / "files")
    facts, verdict = _looked_at(settings)
    if facts != manifest.facts:
        raise BadBackup(file=file, reason=Text("its database is not what its manifest says", "数据库与清单不符"))
    _migrated(settings)
    about = {"made_at": manifest.made_at, "sha256": archive_digest, "until": facts.audit_number}
    _note(settings, clock, "registry.restore", about)
    return Restored(manifest, facts, verdict)


def _named(target: Path, node: str, stamp: str, *, encrypted: bool) -> Path:
    file = target / f"exchange-{node}-{stamp}.tar.gz{'.age' if encrypted else ''}" if target.is_dir() else target
    if file.exists():
        raise Exists(place=file)
    if not file.parent.is_dir():
        raise NothingToSave(place=file.parent)
    return file.absolute()


def _put(plain: Path, file: Path, keys: age.Recipients) -> str:
    """Write the archive to its place, encrypted if there are keys, whole or not at all; return its SHA-256."""
    part = file.with_name(f".{file.name}.{os.getpid()}")
    os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        if keys:
            age.encrypt(plain, part, keys)
        else:
            shutil.copyfile(plain, part)
        _sync(part)
        digest = digest_of(part)
        part.rename(file)
    finally:
        part.unlink(missing_ok=True)
    return digest


def _copy(data_dir: Path, folder: Path) -> None:
    """Copy what the registry keeps beside its database; hidden files are half written ones."""
    for path in sorted(data_dir.rglob("*")):
        inner = path.relative_to(data_dir)
        if path.is_file() and not path.name.startswith(".") and inner.as_posix() not in DATABASE_FILES:
            place = folder / inner
            place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            shutil.copyfile(path, place)
    folder.mkdir(exist_ok=True)


def _place(files: Path, data_dir: Path) -> None:
    files.mkdir(exist_ok=True)
    files.rename(data_dir)
    data_dir.chmod(0o700)


def _must_be_free(settings: Settings, *, force: bool, clock: Clock) -> None:
    group, url = settings.registry, database_url(settings)
    with socket.socket(socket.AF_INET6 if ":" in group.host else socket.AF_INET) as probe:
        probe.settimeout(PROBE_S)
        if group.port and probe.connect_ex((group.host, group.port)) == 0:
            raise StillRuns(place=group.data_dir, reason=f"{group.host}:{group.port}")
    store = store_of(url)
    if store.exists():
        must_not_run(url, clock())
        if not force:
            raise WouldOverwrite(place=store.place)
    if group.data_dir.is_dir() and any(group.data_dir.iterdir()) and not force:
        raise WouldOverwrite(place=group.data_dir)


def _must_fit(file: Path, manifest: Manifest, kind: str) -> None:
    if manifest.database != kind:
        reason = Text(f"it is of {manifest.database}, the settings name {kind}", f"{manifest.database} ≠ {kind}")
        raise BadBackup(file=file, reason=reason)
    script = Config()
    script.set_main_option("script_location", str(Path(__file__).parents[1] / "migrations"))
    known = {revision.revision for revision in ScriptDirectory.from_config(script).walk_revisions()}
    if manifest.facts.migration not in known:
        reason = Text(
            f"it was made by a newer version ({manifest.version}, migration {manifest.facts.migration})",
            f"由更新的版本生成（{manifest.version}，迁移 {manifest.facts.migration}）",
        )
        raise BadBackup(file=file, reason=reason)


def _looked_at(settings: Settings) -> tuple[Facts, Verdict]:
    """Return what the restored database holds, and whether its chain is what its signed heads say."""
    database = Database(database_url(settings))
    keys = HeadSigner(settings.registry.data_dir / DIRECTORY).public_keys()
    try:
        with database.plain() as connection:
            facts = facts_of(connection)
        with database.read() as session:
            heads = [head_of(row, settings.node.division) for row in session.scalars(select(AuditHead))]
            anchors = [head.anchor for head in heads if head.is_signed_by(keys)]
            rows = session.scalars(select(AuditEntry).order_by(AuditEntry.number).execution_options(yield_per=1000))
            return facts, verify((row.value() for row in rows), anchors)
    finally:
        database.close()


def _migrated(settings: Settings) -> None:
    database = Database(database_url(settings))
    try:
        migrate(database)
    finally:
        database.close()


def _note(settings: Settings, clock: Clock, action: str, facts: dict[str, object]) -> None:
    database = Database(database_url(settings))
    try:
        with database.write() as session:
            note(session, clock, actor=ITSELF, action=action, target="registry", facts=facts)
    finally:
        database.close()


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
