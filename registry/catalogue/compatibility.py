"""Whether a new version of a resource reads all old records, and old readers read the new ones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from exchange.avro import record_schema
from exchange.items import Item
from registry.errors import Incompatible
from registry.schema_registry.compatibility import reading_faults
from registry.schema_registry.domain import compact
from registry.schema_registry.parsing import parse

Items = Sequence[Item]


def check(code: str, new: Items, old_versions: Iterable[Items]) -> None:
    """Raise Incompatible, naming the items, unless ``new`` goes with every version, in both directions."""
    faults: dict[str, str] = {}
    for old in old_versions:
        for name, fault in _faults(code, new, old).items():
            faults.setdefault(name, fault)
    if faults:
        raise Incompatible(tuple(faults), "; ".join(f"{name}: {fault}" for name, fault in faults.items()))


def _faults(code: str, new: Items, old: Items) -> dict[str, str]:
    before = {item.name: item for item in old}
    after = {item.name: item for item in new}
    # One item at a time, so that the checker's verdict names it.
    found = {
        name: fault
        for name in [*before, *(name for name in after if name not in before)]
        if (fault := _fault(code, after.get(name), before.get(name)))
    }
    if not found and _key(new) != _key(old):
        found = dict.fromkeys(_key(new), "the order of the primary key changes")
    if not found and not (_reads(code, new, old) and _reads(code, old, new)):
        found = {"*": "Avro finds the versions incompatible"}
    return found


def _fault(code: str, new: Item | None, old: Item | None) -> str | None:
    if (new is not None and new.primary_key) != (old is not None and old.primary_key):
        return "the primary key changes"
    if new is not None and old is not None and _logical(code, new) != _logical(code, old):
        return f"type {old.type} becomes {new.type}, or its digits change"  # Avro's checker skips logical types
    after, before = [new] if new else [], [old] if old else []
    if not _reads(code, after, before):
        return "the new version cannot read old records"
    if not _reads(code, before, after):
        return "subscribers of the old version cannot read new records"
    return None


def _reads(code: str, reader: Items, writer: Items) -> bool:
    schemas = [parse(compact(record_schema(code, items))) for items in (reader, writer)]
    return not reading_faults(schemas[0], schemas[1])


def _logical(code: str, item: Item) -> tuple[object, ...]:
    kind = record_schema(code, [item])["fields"][0]["type"]
    branches = kind if isinstance(kind, list) else [kind]
    named = next(branch for branch in branches if branch != "null")
    return tuple(sorted(named.items())) if isinstance(named, dict) else (named,)


def _key(items: Items) -> list[str]:
    return [item.name for item in items if item.primary_key]
