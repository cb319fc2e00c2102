"""Where a node keeps its files: everything under one data directory, closed to other users."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

PRIVATE_DIRECTORY = 0o700
FIRST_USERS = ("admin", "security", "auditor")


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths of one node."""

    data_dir: Path

    @classmethod
    def of(cls, data_dir: Path) -> Layout:
        """Return the layout of ``data_dir``, which may be relative to the working directory."""
        return cls(data_dir.resolve())

    @property
    def secrets(self) -> Path:
        """What must stay here: generated passwords, and the broker's settings that hold one."""
        return self.data_dir / "secrets"

    @property
    def logs(self) -> Path:
        """Logs of all processes."""
        return self.data_dir / "logs"

    @property
    def run(self) -> Path:
        """Process ids, and the lock of ``up`` and ``down``."""
        return self.data_dir / "run"

    @property
    def kafka(self) -> Path:
        """The broker's storage."""
        return self.data_dir / "kafka"

    @property
    def registry(self) -> Path:
        """The registry's database, keys and administrator password."""
        return self.data_dir / "registry"

    @property
    def jwks(self) -> Path:
        """The public keys that the registry writes and the broker reads."""
        return self.data_dir / "jwks" / "jwks.json"

    @property
    def jwks_url(self) -> str:
        """Return the address by which the broker, whose working directory is ``data_dir``, reads ``jwks``.

        Kafka neither decodes a file URL nor takes one with a space in it, so that the directory's name stays out of it.
        """
        return f"file:///proc/self/cwd/{self.jwks.relative_to(self.data_dir)}"

    def first_password(self, name: str) -> Path:
        """Return the file with a password that the registry wrote at its first start, by the account's name."""
        return self.registry / f"{name}.password"

    def first_passwords(self) -> dict[str, str]:
        """Return the passwords of the first three accounts, by name."""
        return {name: self.first_password(name).read_text(encoding="utf-8").strip() for name in FIRST_USERS}

    def prepare(self) -> None:
        """Create the directories, closed to other users."""
        for path in (self.data_dir, self.secrets, self.logs, self.run, self.kafka, self.registry, self.jwks.parent):
            path.mkdir(mode=PRIVATE_DIRECTORY, parents=True, exist_ok=True)
        self.secrets.chmod(PRIVATE_DIRECTORY)


def checkout() -> Path:
    """Return the directory that holds the packages, ``deploy/`` and ``build/``."""
    return Path(__file__).resolve().parents[2]
