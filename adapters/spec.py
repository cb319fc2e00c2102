"""What a module ``<side>_<kind>.py`` declares: its Spec and the base of its Config."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from exchange.config import Group
from exchange.text import Text

Side = Literal["source", "sink"]


@dataclass(frozen=True, slots=True)
class Spec:
    """An adapter in a listing: ``example`` is a group of TOML that works.

    ``rereads``: a source that still has what it gave, so that it can be read again from the start.
    """

    side: Side
    kind: str
    summary: Text
    example: str
    rereads: bool = True


class PartConfig(Group):
    """The group ``[source]`` or ``[sink]`` of an adapter file; each adapter adds its own keys."""

    kind: str = Field(description="which adapter reads or writes", examples=["csv"])

    def verify(self, file: str, group: str) -> None:
        """Raise ConfigError for what a type cannot say; ``file`` and ``group`` are named in it."""
