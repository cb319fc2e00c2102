"""Secrets of systems (random, so SHA-256 is enough) and passwords of users (argon2)."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path
from threading import BoundedSemaphore

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

SECRET_BYTES = 32
HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)  # what OWASP asks for at least: 19 MiB
ROOM = BoundedSemaphore(4)  # hashed at once: a flood of sign-ins must not take the memory


def new_secret() -> str:
    """Return a random secret of 256 bits, as URL-safe text."""
    return secrets.token_urlsafe(SECRET_BYTES)


def digest(secret: str) -> str:
    """Return the SHA-256 of a secret, as it is stored."""
    return hashlib.sha256(secret.encode()).hexdigest()


def matches(secret: str, stored: str) -> bool:
    """Whether ``secret`` is the one whose digest is stored, in constant time."""
    return hmac.compare_digest(digest(secret), stored)


def hash_password(password: str) -> str:
    """Return the argon2 hash of a password."""
    with ROOM:
        return HASHER.hash(password)


def password_matches(password: str, stored: str) -> bool:
    """Whether ``password`` is the one whose hash is stored."""
    try:
        with ROOM:
            return HASHER.verify(stored, password)
    except (VerificationError, InvalidHashError):
        return False


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner reads (0600); it must not exist yet."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


def write_atomic(path: Path, content: bytes) -> None:
    """Replace a file that others read: they see the old content or the new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    with part.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
