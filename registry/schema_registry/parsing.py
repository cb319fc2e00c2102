"""Avro schemas, checked by the official avro package; its errors end here."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NoReturn

from avro.errors import AvroException
from avro.name import Names
from avro.schema import Schema as Avro
from avro.schema import make_avsc_object

from exchange.text import Text
from registry.schema_registry.defaults import bad_defaults
from registry.schema_registry.domain import compact, normalised
from registry.schema_registry.errors import InvalidSchema

LONGEST_SCHEMA = 500_000  # characters
DEEPEST = 60  # levels of JSON: the checker recurses
LONGEST_REASON = 300


@dataclass(frozen=True, slots=True)
class Parsed:
    """A valid schema: its JSON as it was written and normalised, and as the avro package sees it."""

    raw: Any
    normal: Any
    avro: Avro


def parse(text: str, used: tuple[str, ...] = ()) -> Parsed:
    """Return the schema in ``text``; ``used`` are the texts of what it refers to, used before users.

    Errors: InvalidSchema.
    """
    return _parsed(compact(_json(text)), used)  # as it is stored: what is registered need not be read again


@lru_cache(maxsize=5_000)
def _parsed(text: str, used: tuple[str, ...]) -> Parsed:
    raw = json.loads(text)
    normal = normalised(raw)
    names = Names()
    for other in used:
        _avro(normalised(_json(other)), names)
    avro = _avro(normal, names)
    faults = bad_defaults([normal, *(normalised(_json(other)) for other in used)])
    if faults:
        reason = "; ".join(faults)[:LONGEST_REASON]
        raise InvalidSchema(field="schema", reason=Text(f"invalid default of {reason}", f"默认值无效：{reason}"))
    return Parsed(raw, normal, avro)


def normal_text(parsed: Parsed) -> str:
    """Return the normalised schema as text."""
    return compact(parsed.normal)


def _json(text: str) -> Any:
    if len(text) > LONGEST_SCHEMA:
        raise InvalidSchema(field="schema", reason=Text("it is too long", "内容过长"))
    try:
        found = json.loads(text, parse_constant=_no_constant)
        text.encode()
        too_deep = _deeper(found, DEEPEST)
    except (ValueError, RecursionError) as exc:
        raise InvalidSchema(field="schema", reason=Text("it is not JSON", "不是有效的 JSON")) from exc
    if too_deep:
        raise InvalidSchema(field="schema", reason=Text("it is nested too deeply", "嵌套过深"))
    return found


def _avro(schema: Any, names: Names) -> Avro:
    try:
        if "error" in _kinds(schema):
            raise InvalidSchema(field="schema", reason=Text("an error is no record", "error 类型不能作为记录"))
        return make_avsc_object(schema, names)
    # On malformed JSON the avro package raises what Python raises.
    except (AvroException, TypeError, ValueError, KeyError, AttributeError, RecursionError) as exc:
        raise InvalidSchema(field="schema", reason=str(exc)[:LONGEST_REASON] or type(exc).__name__) from exc


def _kinds(node: Any) -> set[str]:
    if isinstance(node, list):
        return set[str]().union(*(_kinds(branch) for branch in node))
    if not isinstance(node, dict):
        return set()
    inner: Sequence[Any] = [node.get("type"), node.get("items"), node.get("values")]
    fields = node.get("fields")
    found = _kinds([*inner, *(fields if isinstance(fields, list) else [])])
    return found | ({node["type"]} if isinstance(node.get("type"), str) and "name" in node else set())


def _deeper(node: Any, levels: int) -> bool:
    if not isinstance(node, dict | list):
        return False
    children = node.values() if isinstance(node, dict) else node
    return levels == 0 or any(_deeper(child, levels - 1) for child in children)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)  # NaN and Infinity are not JSON
