"""Whom HTTP trusts: reading the certificate authorities takes 50 ms, so it is done once a file, and for https only."""

from __future__ import annotations

import ssl
from functools import lru_cache
from pathlib import Path

import httpx


def trusted(url: str, ca_file: Path | None) -> ssl.SSLContext | bool:
    """Return what ``verify`` of a client for ``url`` is; ``ca_file`` None: the authorities of httpx.

    Errors: OSError (no such file, or no certificates in it).
    """
    if url.lower().startswith("http:"):
        return False  # nothing is encrypted, so there is nothing to trust; no client of ours follows a redirect
    return _context(ca_file, ca_file.stat().st_mtime_ns if ca_file else 0)


@lru_cache(maxsize=8)
def _context(ca_file: Path | None, _changed_at: int) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(ca_file)) if ca_file else httpx.create_ssl_context()
