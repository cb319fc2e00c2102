"""What a notice says, how its webhook is signed, when it is tried again, and where it may lead. Pure functions."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from exchange.text import Text
from registry.errors import Invalid

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

LONGEST_BACKOFF = timedelta(hours=1)
MOST_DOUBLINGS = 20
LOOPBACK = ipaddress.ip_network("127.0.0.0/8")


@dataclass(frozen=True, slots=True)
class Told:
    """A notice as its reader gets it."""

    id: int
    kind: str
    subject: str
    at: datetime
    facts: Mapping[str, Any]

    def to_bytes(self) -> bytes:
        """Return the notice as compact JSON, UTF-8."""
        head = {"id": self.id, "kind": self.kind, "subject": self.subject, "at": self.at.isoformat()}
        return json.dumps({**head, **self.facts}, ensure_ascii=False, separators=(",", ":")).encode()


def signature(secret: str, timestamp: int, body: bytes) -> str:
    """Return ``sha256=<hex>``: the HMAC-SHA256 of ``<timestamp>.<body>``; the timestamp is in seconds."""
    signed = f"{timestamp}.".encode() + body
    return "sha256=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


def derived_secret(key: bytes, client_id: str, salt: str) -> str:
    """Return the secret of one webhook; without the registry's key the database does not tell it."""
    return hmac.new(key, f"webhook:{client_id}:{salt}".encode(), hashlib.sha256).hexdigest()


def backoff(attempts: int, first_s: float) -> timedelta:
    """Return how long to wait after so many failed attempts: doubled each time, an hour at most."""
    return min(timedelta(seconds=first_s * 2.0 ** min(attempts - 1, MOST_DOUBLINGS)), LONGEST_BACKOFF)


def networks(texts: Sequence[str]) -> tuple[Network, ...]:
    """Return the networks that are allowed besides the public ones. Errors: ValueError."""
    return tuple(ipaddress.ip_network(text) for text in texts)


def may_lead_to(address: Address, allowed: Sequence[Network]) -> bool:
    """Whether a webhook may reach an address: a public one, or one of the allowed networks."""
    mapped = getattr(address, "ipv4_mapped", None)
    address = mapped or address
    if any(address in network for network in allowed if network.version == address.version):
        return True
    return address.is_global and not address.is_multicast


def check_url(url: str, allowed: Sequence[Network]) -> str:
    """Return ``url`` if a webhook may have it: https, or http to an allowed loopback address. Errors: Invalid."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as exc:
        raise _bad(Text("not a URL", "不是有效的 URL")) from exc
    if not host or parts.username is not None or parts.fragment or port == 0:
        raise _bad(Text("a plain URL with a host, without user or fragment", "应为不含用户信息与片段的 URL"))
    literal = _literal(host)
    if literal is not None and not may_lead_to(literal, allowed):
        raise _bad(Text("leads to an address that is not allowed", "指向不允许的地址"))
    loopback = literal is not None and literal.is_loopback
    if parts.scheme == "https" or (parts.scheme == "http" and loopback):
        return url
    raise _bad(Text("https is needed", "必须使用 https"))


def _literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _bad(reason: Text) -> Invalid:
    return Invalid(field="url", reason=reason)
