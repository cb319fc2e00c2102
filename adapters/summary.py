"""What one run of an adapter did."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Summary:
    """What one run did; ``unchanged`` rows were compared and not sent, ``withheld`` deletes were not sure.

    ``rules``: rejects by rule. ``quality``: findings of the adapter file's quality rules, by ``item/rule/action``.
    """

    adapter: str
    resource: str
    side: str
    passes: int = 0
    published: int = 0
    unchanged: int = 0
    landed: int = 0
    deleted: int = 0
    rejected: int = 0
    withheld: int = 0
    waits: int = 0
    seconds: float = 0.0
    rejects_file: str | None = None
    rules: dict[str, int] = field(default_factory=dict)
    quality: dict[str, int] = field(default_factory=dict)
