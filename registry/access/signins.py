"""What the audit is told about tokens: those of systems counted by the minute, and those that were refused."""

from __future__ import annotations

from registry.organisation.models import System, User
from registry.runtime import Runtime

UNKNOWN = "unknown"  # a name that is no account's may be a password, typed in the wrong field
LONGEST_NAME = 63


def issued(registry: Runtime, client_id: str) -> None:
    """Count a token of a system."""
    registry.audit.tally.add(client_id, "token.issue", f"system/{client_id}")


def refused(registry: Runtime, name: str | None, error: str) -> None:
    """Note a token that was refused to who called itself ``name``; ``error``: the word of RFC 6749."""
    who = UNKNOWN
    if name and len(name) <= LONGEST_NAME and "\x00" not in name:
        with registry.database.read() as session:
            if session.get(User, name) or session.get(System, name):
                who = name
    registry.audit.tally.read(who, "token.refuse", f"account/{who}", error=error)
