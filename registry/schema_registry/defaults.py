"""Whether the defaults in an Avro schema are values of their fields: the avro package does not look."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

Types = Mapping[str, dict[str, Any]]
INT, LONG = 31, 63  # bits besides the sign


def bad_defaults(schemas: Sequence[Any]) -> list[str]:
    """Return the fields of the first schema whose default does not fit; the other schemas declare types only.

    All are normalised, and valid but for their defaults.
    """
    types: dict[str, dict[str, Any]] = {}
    for schema in schemas:
        _collect(schema, types)
    return [
        f"{record.get('name')}.{field.get('name')}"
        for record in _records(schemas[0])
        for field in record["fields"]
        if "default" in field and not _fits(field["default"], field["type"], types)
    ]


def _collect(node: Any, types: dict[str, dict[str, Any]]) -> None:
    for found in _nodes(node):
        if isinstance(found.get("name"), str) and isinstance(found.get("type"), str):
            types.setdefault(found["name"], found)


def _records(node: Any) -> list[dict[str, Any]]:
    return [found for found in _nodes(node) if found.get("type") == "record"]


def _nodes(node: Any) -> list[dict[str, Any]]:
    if isinstance(node, list):
        return [found for branch in node for found in _nodes(branch)]
    if not isinstance(node, dict):
        return []
    inner = [node.get("items"), node.get("values"), *(field["type"] for field in node.get("fields") or [])]
    return [node, *_nodes(inner)]


def _fits(value: Any, kind: Any, types: Types) -> bool:
    if isinstance(kind, list):
        return any(_fits(value, branch, types) for branch in kind)  # Avro 1.12: a default of any branch
    if isinstance(kind, str) and kind in types:
        return _fits(value, types[kind], types)
    name = kind if isinstance(kind, str) else kind["type"]
    if name in PLAIN:
        return PLAIN[name](value)
    return not isinstance(kind, str) and _fits_complex(value, kind, types)


def _fits_complex(value: Any, kind: dict[str, Any], types: Types) -> bool:
    match kind["type"]:
        case "array":
            return isinstance(value, list) and all(_fits(one, kind["items"], types) for one in value)
        case "map":
            return isinstance(value, dict) and all(_fits(one, kind["values"], types) for one in value.values())
        case "enum":
            return value in kind["symbols"]
        case "fixed":
            return isinstance(value, str) and len(value) == kind["size"]
        case "record":
            return isinstance(value, dict) and all(
                _fits(value[field["name"]], field["type"], types) if field["name"] in value else "default" in field
                for field in kind["fields"]
            )
    return False


def _integer(bits: int) -> Callable[[Any], bool]:
    return lambda value: type(value) is int and -(2**bits) <= value < 2**bits


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _string(value: Any) -> bool:
    return isinstance(value, str)


PLAIN: Mapping[str, Callable[[Any], bool]] = {
    "null": lambda value: value is None,
    "boolean": lambda value: isinstance(value, bool),
    "int": _integer(INT),
    "long": _integer(LONG),
    "float": _number,
    "double": _number,
    "bytes": _string,
    "string": _string,
}
