"""Whether one Avro schema reads what another wrote, by the official avro package; and the levels over it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType

from registry.schema_registry.domain import Level
from registry.schema_registry.parsing import Parsed

MOST_MESSAGES = 20


def reading_faults(reader: Parsed, writer: Parsed) -> list[str]:
    """Return why ``reader`` cannot read what ``writer`` wrote; empty when it can."""
    checker: Any = ReaderWriterCompatibilityChecker()  # type: ignore[no-untyped-call]  # avro is typed in parts
    result = checker.get_compatibility(reader.avro, writer.avro)
    if result.compatibility is SchemaCompatibilityType.compatible:
        return []
    kinds = ", ".join(sorted({kind.name.upper() for kind in result.incompatibilities})) or "INCOMPATIBLE"
    where = ", ".join(sorted(result.locations))
    return [f"{kinds} at {where}: {message}" for message in sorted(result.messages)] or [f"{kinds} at {where}"]


def level_faults(new: Parsed, old: Sequence[Parsed], level: Level) -> list[str]:
    """Return why ``new`` may not follow the versions ``old`` (oldest first) under ``level``; empty when it may."""
    found: list[str] = []
    for earlier in old if level.transitive else old[-1:]:
        if level.new_reads_old:
            found += [f"the new schema cannot read the old: {fault}" for fault in reading_faults(new, earlier)]
        if level.old_reads_new:
            found += [f"the old schema cannot read the new: {fault}" for fault in reading_faults(earlier, new)]
    return found[:MOST_MESSAGES]
