"""Backup and restore of a registry on both databases, without a broker; the drill with one is in test_backup_drill."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pyrage
import pytest

from exchange.errors import ExchangeError
from registry.backup import service
from registry.backup.errors import BadBackup, BadKey, Exists, NothingToSave, StillRuns, WouldOverwrite
from registry.backup.service import Saved
from registry.enforcement.lease import LeaseKeeper
from registry.settings import DatabaseGroup, RegistryGroup, Settings
from tests.support.databases import BOTH_DATABASES
from tests.support.registry_world import NOWHERE, good, world


class Place:
    """Where a registry lives, for a time or for ever."""

    def __init__(self, directory: Path, url: str | None) -> None:
        self.directory = directory
        self.url = url or f"sqlite:///{directory}/registry.db"
        self.settings = Settings(
            registry=RegistryGroup(data_dir=directory, port=0, key_delay_s=0),
            database=DatabaseGroup(url=self.url),
            broker=NOWHERE,
        )


@pytest.fixture(params=BOTH_DATABASES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    url = request.getfixturevalue("postgres_url") if request.param == "postgresql" else None
    return Place(tmp_path / "registry", url)


def peopled(place: Place) -> dict[str, Any]:
    """A registry with a grant; return what has to be there again."""
    with world(place.directory, place.url) as here:
        owner, other = here.office(), here.office()
        resource = here.resource(owner)
        here.grant(owner, other, resource)
        here.runtime.audit.keeper.sign()
        return {
            "grants": owner.admin.get("grants")["items"],
            "token": other.system.token,
            "secret": other.system.secret,
        }


def test_all_is_back_and_what_was_there_is_put_aside(place: Place, tmp_path: Path) -> None:
    before = peopled(place)
    saved = service.backup(place.settings, tmp_path)
    assert saved.file.stat().st_mode & 0o777 == 0o600
    assert saved.manifest.facts.grants == {"active": 1}
    assert list(tmp_path.glob(".backup-*")) == []

    peopled(place)  # what happens after the backup, and is lost
    with pytest.raises(WouldOverwrite):
        service.restore(place.settings, saved.file)
    restored = service.restore(place.settings, saved.file, force=True, sha256=saved.sha256)
    assert restored.verdict.intact
    assert restored.facts == saved.manifest.facts
    assert len(list(tmp_path.glob("registry.before_restore_*"))) == 1

    with world(place.directory, place.url) as here:
        client_id = before["grants"][0]["client_id"]
        assert here.system(client_id, before["secret"]).get("systems/self")["client_id"] == client_id
        headers = {"Authorization": f"Bearer {before['token']}"}
        assert good(here.http.get("/api/v1/systems/self", headers=headers))["client_id"] == client_id
        assert here.root.get("grants")["items"] == before["grants"]
        entry = next(iter(here.auditor.get("audit/entries", action="registry.restore")["items"]))
        assert entry["number"] == saved.manifest.facts.audit_number + 1
        assert entry["facts"]["sha256"] == saved.sha256

    again = service.backup(place.settings, tmp_path / "again.tar.gz")  # without what was put aside
    assert again.manifest.facts.grants == {"active": 1}
    with pytest.raises(Exists):
        service.backup(place.settings, tmp_path / "again.tar.gz")


@pytest.fixture
def saved(tmp_path: Path) -> tuple[Place, Saved]:
    place = Place(tmp_path / "registry", None)
    peopled(place)
    return place, service.backup(place.settings, tmp_path)


def test_a_registry_that_runs_is_never_overwritten(saved: tuple[Place, Saved]) -> None:
    place, backup = saved
    with world(place.directory, place.url) as here:
        keeper = LeaseKeeper(here.runtime.database, here.clock, task="enforcement", holder="elsewhere:8440", ttl_s=20)
        assert keeper.hold()
        with pytest.raises(StillRuns, match="elsewhere:8440"):
            service.restore(place.settings, backup.file, force=True)
        keeper.release()
    assert service.restore(place.settings, backup.file, force=True).verdict.intact


def test_what_cannot_be_restored_changes_nothing(saved: tuple[Place, Saved], tmp_path: Path) -> None:
    place, backup = saved
    bad = tmp_path / "bad.tar.gz"
    bad.write_bytes(backup.file.read_bytes()[:-100])
    before = contents(place.directory)
    for file, sha256 in ((bad, None), (backup.file, "0" * 64), (tmp_path / "none", None)):
        with pytest.raises(BadBackup):
            service.restore(place.settings, file, force=True, sha256=sha256)
    other = Place(place.directory, None)
    wrong = other.settings.model_copy(update={"database": DatabaseGroup(url="postgresql://nobody@127.0.0.1:1/none")})
    with pytest.raises(ExchangeError):
        service.restore(wrong, backup.file, force=True)
    assert contents(place.directory) == before
    assert not list(tmp_path.glob("registry.before*"))


def test_an_encrypted_backup_needs_its_identity(saved: tuple[Place, Saved], tmp_path: Path) -> None:
    place, _ = saved
    mine, foreign = pyrage.x25519.Identity.generate(), pyrage.x25519.Identity.generate()
    backup = service.backup(place.settings, tmp_path, [str(mine.to_public())])
    assert backup.file.suffix == ".age"
    assert backup.file.stat().st_mode & 0o777 == 0o600
    assert b"registry" not in backup.file.read_bytes()
    shutil.rmtree(place.directory)
    for identity, problem in ((None, BadKey), (foreign, BadBackup), ("AGE-SECRET-KEY-1", BadKey)):
        path = tmp_path / "identity"
        path.write_text(f"# a comment\n{identity}\n")
        with pytest.raises(problem):
            service.restore(place.settings, backup.file, identity=path if identity else None)
    (tmp_path / "identity").write_text(f"{mine}\n")
    assert service.restore(place.settings, backup.file, identity=tmp_path / "identity").verdict.intact
    with pytest.raises(BadKey):
        service.backup(place.settings, tmp_path / "other", ["age1nobody"])


def test_nothing_is_made_where_there_is_no_registry(tmp_path: Path) -> None:
    place = Place(tmp_path / "registry", None)
    with pytest.raises(NothingToSave):
        service.backup(place.settings, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_backup_of_a_newer_version_is_refused(saved: tuple[Place, Saved], monkeypatch: pytest.MonkeyPatch) -> None:
    place, backup = saved
    manifest = backup.manifest.model_copy(
        update={"facts": backup.manifest.facts.model_copy(update={"migration": "9999"})}
    )
    monkeypatch.setattr(service, "unpack", lambda *_: manifest)
    with pytest.raises(BadBackup, match="9999"):
        service.restore(place.settings, backup.file, force=True)


def contents(directory: Path) -> dict[str, int]:
    return {
        str(path): path.stat().st_size for path in directory.rglob("*") if path.suffix not in {".db-wal", ".db-shm"}
    }
