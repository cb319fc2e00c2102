"""Encryption of a backup with age: to public keys, so that no secret lies where it is made."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyrage

from exchange.text import Text
from registry.backup.errors import BadBackup, BadKey

Recipients = list[Any]


def recipients_of(words: Sequence[str]) -> Recipients:
    """Return the public keys. Errors: BadKey."""
    try:
        return [pyrage.x25519.Recipient.from_str(word) for word in words]
    except pyrage.RecipientError as exc:
        raise BadKey(what=Text("recipient", "接收方公钥"), reason=str(exc)) from exc


def encrypt(plain: Path, secret: Path, recipients: Recipients) -> None:
    """Write a file encrypted into another, which is there and keeps its mode."""
    pyrage.encrypt_file(str(plain), str(secret), recipients)


def decrypted(file: Path, identity: Path | None, folder: Path) -> Path:
    """Write a file decrypted into ``folder``; return that one (0600). Errors: BadKey, BadBackup."""
    if identity is None:
        raise BadKey(what=file, reason=Text("it is encrypted: --identity is needed", "文件已加密：需要 --identity"))
    plain = folder / "backup.tar.gz"
    plain.touch(mode=0o600, exist_ok=False)
    try:
        lines = identity.read_text(encoding="ascii").splitlines()
        keys = [pyrage.x25519.Identity.from_str(line) for line in lines if line and not line.startswith("#")]
        pyrage.decrypt_file(str(file), str(plain), keys)
    except (OSError, UnicodeDecodeError, pyrage.IdentityError) as exc:
        raise BadKey(what=identity, reason=exc.__class__.__name__) from exc
    except pyrage.DecryptError as exc:
        raise BadBackup(
            file=file, reason=Text("it is for another key, or damaged", "不是为该密钥加密，或已损坏")
        ) from exc
    return plain
