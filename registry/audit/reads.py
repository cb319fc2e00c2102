"""Reads of sensitive metadata: who looked at the items of a resource that hold sensitive data.

The contract that a granted system fetches by itself, again and again, is not among them: its grant is the entry.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from registry.access.caller import Caller
from registry.runtime import Runtime

SENSITIVE = 3  # from this level on; 4 is the highest


def note_read(registry: Runtime, caller: Caller, slug: str, items: Iterable[Mapping[str, Any]]) -> None:
    """Note that ``caller`` is shown the items of a resource, if one of them is sensitive; before the answer."""
    highest = max((int(item.get("sensitivity", 1)) for item in items), default=1)
    if highest >= SENSITIVE:
        registry.audit.tally.read(caller.name, "metadata.read", f"resource/{slug}", sensitivity=highest)
