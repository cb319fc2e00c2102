"""Levels, modes and names of Confluent's Schema Registry; schemas as values: canonical, normalised, compared."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

PRIMITIVES = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})
NAMED = frozenset({"record", "enum", "fixed", "error"})
ORDER = ("type", "name", "doc", "aliases", "fields", "symbols", "items", "values", "size", "default", "order")
LAYOUT = frozenset(
    {"type", "name", "fields", "symbols", "items", "values", "size", "default", "logicalType", "precision", "scale"}
)
KEY, VALUE = "-key", "-value"
LATEST = "latest"


class Level(StrEnum):
    """How a new version of a subject must go with the old ones."""

    NONE = "NONE"
    BACKWARD = "BACKWARD"
    BACKWARD_TRANSITIVE = "BACKWARD_TRANSITIVE"
    FORWARD = "FORWARD"
    FORWARD_TRANSITIVE = "FORWARD_TRANSITIVE"
    FULL = "FULL"
    FULL_TRANSITIVE = "FULL_TRANSITIVE"

    @property
    def transitive(self) -> bool:
        """Whether all versions count, and not only the last."""
        return self.value.endswith("_TRANSITIVE")

    @property
    def new_reads_old(self) -> bool:
        """Whether the new schema must read old records."""
        return self.value.startswith(("BACKWARD", "FULL"))

    @property
    def old_reads_new(self) -> bool:
        """Whether old schemas must read new records."""
        return self.value.startswith(("FORWARD", "FULL"))


class Mode(StrEnum):
    """What may be written under a subject; READONLY_OVERRIDE holds over the modes of all subjects."""

    READWRITE = "READWRITE"
    READONLY = "READONLY"
    READONLY_OVERRIDE = "READONLY_OVERRIDE"
    IMPORT = "IMPORT"


DEFAULT_LEVEL = Level.BACKWARD
CATALOGUE_LEVEL = Level.FULL_TRANSITIVE  # of what the catalogue derives: see registry.catalogue.compatibility


@dataclass(frozen=True, slots=True)
class Reference:
    """A version of a subject whose named types a schema uses."""

    name: str
    subject: str
    version: int

    def as_json(self) -> dict[str, Any]:
        """Return the reference as the API writes it."""
        return {"name": self.name, "subject": self.subject, "version": self.version}


def topic_of(subject: str) -> str | None:
    """Return the topic that a subject describes by TopicNameStrategy; None for a subject of another kind."""
    return next((subject.removesuffix(end) for end in (KEY, VALUE) if subject.endswith(end)), None)


def effective_level(own: str | None, default: str | None) -> Level:
    """Return the level that holds for a subject: its own, else the global one."""
    return Level(own or default or DEFAULT_LEVEL)


def effective_mode(own: str | None, default: str | None) -> Mode:
    """Return the mode that holds for a subject."""
    if default == Mode.READONLY_OVERRIDE:
        return Mode.READONLY_OVERRIDE
    return Mode(own or default or Mode.READWRITE)


def compact(schema: object) -> str:
    """Return a schema as it is stored and handed out."""
    return json.dumps(schema, ensure_ascii=False, separators=(",", ":"))


def fingerprint(schema: object, references: Iterable[Reference] = ()) -> str:
    """Return the SHA-256 that two schemas share when they differ only in blanks and the order of attributes."""
    used = [reference.as_json() for reference in references]
    content = json.dumps([simple(schema), used], ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return hashlib.sha256(content.encode(errors="surrogatepass")).hexdigest()


def simple(node: Any) -> Any:
    """Return a schema where ``{"type": "int"}`` is written ``"int"``; any JSON is taken."""
    if isinstance(node, list):
        return [simple(branch) for branch in node]
    if not isinstance(node, dict):
        return node
    if set(node) == {"type"} and (isinstance(node["type"], dict | list) or node["type"] in PRIMITIVES):
        return simple(node["type"])
    return {key: simple(value) if key in {"type", "items", "values"} else _inner(key, value, simple)
            for key, value in node.items()}  # fmt: skip


def normalised(node: Any, space: str = "") -> Any:
    """Return a schema with full names, and its attributes in one order; ``space`` is the enclosing namespace."""
    if isinstance(node, str):
        return node if node in PRIMITIVES or not node else _full(node, space)
    if isinstance(node, list):
        return [normalised(branch, space) for branch in node]
    if not isinstance(node, dict):
        return node
    kind = node.get("type")
    if not isinstance(kind, str):  # {"type": {"type": ...}}
        return normalised(kind, space) if set(node) == {"type"} else node
    if kind in PRIMITIVES and set(node) == {"type"}:
        return kind
    return _normalised_type(node, kind, space)


def layout(node: Any) -> Any:
    """Return a normalised schema without all that neither bytes nor defaults depend on: documents, aliases."""
    if isinstance(node, list):
        return [layout(branch) for branch in node]
    if not isinstance(node, dict):
        return node
    return {
        key: value if key in {"default", "symbols"} else layout(value) for key, value in node.items() if key in LAYOUT
    }


def _normalised_type(node: dict[str, Any], kind: str, space: str) -> dict[str, Any] | Any:
    found = dict(node)
    if kind not in PRIMITIVES | NAMED | {"array", "map"}:
        found["type"] = _full(kind, space)
        return found["type"] if set(node) == {"type"} else found
    if kind in NAMED and isinstance(node.get("name"), str):
        own = found.pop("namespace", None)
        full = _full(node["name"], own if isinstance(own, str) else space)
        found["name"], space = full, full.rpartition(".")[0]
        if isinstance(node.get("aliases"), list):
            found["aliases"] = [_full(alias, space) if isinstance(alias, str) else alias for alias in node["aliases"]]
    for key in ("items", "values"):
        if key in found:
            found[key] = normalised(found[key], space)
    if isinstance(found.get("fields"), list):
        found["fields"] = [_field(field, space) for field in found["fields"]]
    return _ordered(found)


def _field(field: Any, space: str) -> Any:
    if not isinstance(field, dict) or "type" not in field:
        return field
    return _ordered({**field, "type": normalised(field["type"], space)})


def _ordered(found: dict[str, Any]) -> dict[str, Any]:
    known = [key for key in ORDER if key in found]
    return {key: found[key] for key in [*known, *sorted(set(found) - set(known))]}


def _full(name: str, space: str) -> str:
    return name if "." in name or not space else f"{space}.{name}"


def _inner(key: str, value: Any, of: Any) -> Any:
    return [of(field) for field in value] if key == "fields" and isinstance(value, list) else value
