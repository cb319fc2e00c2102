"""The directory tree (信息资源分类): seeded once, then edited by system administrators of the whole node."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from exchange.text import Text
from registry.access.caller import Caller
from registry.audit.service import note
from registry.catalogue import resource_code
from registry.catalogue.codes import read_data
from registry.catalogue.models import Classification, Resource
from registry.clock import Clock
from registry.errors import Conflict, Invalid, NotFound

KIND = Text("classification", "信息资源分类")


def seed(session: Session) -> int:
    """Insert the tree that ships unless there is one already; return how many nodes were inserted."""
    if session.scalar(select(func.count()).select_from(Classification)):
        return 0
    rows = shipped()
    for depth in sorted({len(row["code"]) for row in rows}):  # parents first: the database checks them
        session.execute(insert(Classification), [row for row in rows if len(row["code"]) == depth])
    return len(rows)


def shipped() -> list[dict[str, Any]]:
    """Return the tree that ships: code, parent (None for a 类), en, zh."""
    return [row for node in read_data("directory.toml")["node"] for row in _flat(node, None)]


def node_of(session: Session, code: str) -> Classification:
    """Return a node. Errors: NotFound."""
    node = session.get(Classification, code)
    if node is None:
        raise NotFound(kind=KIND, name=code)
    return node


def put(session: Session, clock: Clock, caller: Caller, code: str, en: str, zh: str) -> Classification:
    """Add a node below the nearest one that is there, or name one anew. Errors: Forbidden, Invalid, NotFound."""
    caller.must_administer(None)
    node = session.get(Classification, code)
    if node is None:
        node = Classification(code=code, parent=_parent(session, code), en=en, zh=zh)
        session.add(node)
        session.flush()
    node.en, node.zh = en, zh
    note(session, clock, actor=caller.name, action="classification.put", target=f"classification/{code}")
    return node


def remove(session: Session, clock: Clock, caller: Caller, code: str) -> None:
    """Remove a node that nothing is in. Errors: Forbidden, NotFound, Conflict."""
    caller.must_administer(None)
    node = node_of(session, code)
    if len(code) == 1:
        raise Conflict(reason=Text("the three classes stay", "三大类不可删除"))
    below = session.scalar(select(func.count()).where(Classification.parent == code))
    used = session.scalar(select(func.count()).where(Resource.classification.startswith(code)))
    if below or used:
        raise Conflict(reason=Text("there are resources or classes in it", "该分类下仍有资源或下级分类"))
    session.delete(node)
    note(session, clock, actor=caller.name, action="classification.remove", target=f"classification/{code}")


def next_code(session: Session, classification: str) -> str:
    """Return the next free resource code of a class. Errors: NotFound, Invalid (the class is full)."""
    node = session.get(Classification, classification, with_for_update=True)  # two at once get two numbers
    if node is None:
        raise NotFound(kind=KIND, name=classification)
    filled = resource_code.filled(classification)
    newest = session.scalar(select(func.max(Resource.code)).where(Resource.classification == filled))
    return resource_code.write(filled, resource_code.parse(newest).sequence + 1 if newest else 1)


def _parent(session: Session, code: str) -> str:
    for length in range(len(code) - 1, 0, -1):
        if session.get(Classification, code[:length]) is not None:
            return code[:length]
    raise Invalid(field="code", reason=Text("begins with 1, 2 or 3", "应以 1、2 或 3 开头"))


def _flat(node: dict[str, Any], parent: str | None) -> list[dict[str, Any]]:
    own = {"code": node["code"], "parent": parent, "en": node["en"], "zh": node["zh"]}
    return [own, *(row for child in node.get("children", ()) for row in _flat(child, node["code"]))]
