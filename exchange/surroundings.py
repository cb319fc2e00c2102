"""What surrounds a process: its own version, the room on its disk, when the certificates that it trusts end."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed
from pathlib import Path

from cryptography import x509


@dataclass(frozen=True, slots=True)
class Disk:
    """Bytes."""

    free: int
    size: int


def version() -> str:
    """Return the version of the exchange that runs here."""
    try:
        return installed("exchange-bus")
    except PackageNotFoundError:  # run from a checkout that was not installed
        return "0"


def disk(folder: Path) -> Disk:
    """Return the room on the disk that ``folder`` is on. Errors: OSError."""
    used = shutil.disk_usage(folder)
    return Disk(used.free, used.total)


def certificates(file: Path) -> float:
    """Return when the first of a PEM file's certificates ends, in seconds since 1970. Errors: OSError, ValueError."""
    found = x509.load_pem_x509_certificates(file.read_bytes())
    return min(each.not_valid_after_utc for each in found).timestamp()
