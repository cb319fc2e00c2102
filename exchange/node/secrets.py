"""Secrets of the node: generated once, readable by its user only, never printed."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

PRIVATE_FILE = 0o600
ENTROPY_BYTES = 32


def secret(path: Path) -> str:
    """Return the secret in ``path``; a new one is generated at the first call."""
    if not path.exists():
        write_private(path, secrets.token_urlsafe(ENTROPY_BYTES))
    return path.read_text(encoding="utf-8").strip()


def write_private(path: Path, text: str) -> None:
    """Replace ``path`` by ``text``, whole or not at all, and never readable by others, not even for a moment."""
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    fresh.replace(path)
