"""Divisions (行政区划) as they are created, renamed and ended, and the other nodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from exchange.text import Text
from registry.access.caller import Caller
from registry.audit.service import note
from registry.clock import Clock
from registry.errors import Conflict, Invalid, NotFound
from registry.organisation.domain import check_future
from registry.organisation.models import Department, Division, FormerName, Node
from registry.organisation.service import must_be_free

DIVISION = Text("division", "行政区划")
NODE = Text("node", "交换节点")


@dataclass(frozen=True, slots=True)
class NewDivision:
    """A division as it is created."""

    code: str
    name: str
    parent: str | None
    level: str
    valid_from: date | None


@dataclass(frozen=True, slots=True)
class NewNode:
    """Another node as it is registered."""

    code: str
    name: str
    division: str
    parent: str | None


def add_division(session: Session, clock: Clock, caller: Caller, wanted: NewDivision) -> Division:
    """Create a division in the caller's subtree. Errors: Forbidden, NotFound (parent), Conflict."""
    caller.must_administer(wanted.parent)
    must_be_free(session.get(Division, wanted.code), wanted.code)
    if wanted.parent is not None:
        valid_division(session, wanted.parent)
    division = Division(
        code=wanted.code, name=wanted.name, parent=wanted.parent, level=wanted.level, valid_from=wanted.valid_from
    )
    session.add(division)
    session.flush()
    facts = {"name": wanted.name, "parent": wanted.parent}
    note(session, clock, actor=caller.name, action="division.create", target=f"division/{wanted.code}", facts=facts)
    return division


def rename_division(session: Session, clock: Clock, caller: Caller, code: str, name: str, on: date | None) -> Division:
    """Give a division another name from a day on, today or before. Errors: Forbidden, NotFound, Invalid, Conflict."""
    caller.must_administer(code)
    division = valid_division(session, code)
    first_day = on or clock().date()
    check_future("on", first_day, clock().date())
    before = former_names(session, code)
    last_day = first_day - timedelta(days=1)
    if before and before[-1].valid_to >= last_day:
        raise Conflict(reason=Text("it was renamed on or after that day", "该日期当日或之后已更名"))
    session.add(FormerName(code=code, valid_to=last_day, name=division.name))
    facts = {"from": division.name, "to": name, "on": first_day}
    note(session, clock, actor=caller.name, action="division.rename", target=f"division/{code}", facts=facts)
    division.name = name
    session.flush()
    return division


def end_division(session: Session, clock: Clock, caller: Caller, code: str, on: date | None) -> Division:
    """End a division in which nothing is left. Errors: Forbidden, NotFound, Invalid, Conflict."""
    caller.must_administer(code)
    division = valid_division(session, code)
    last_day = on or clock().date()
    check_future("on", last_day, clock().date())
    below = select(Division.code).where(Division.parent == code, Division.valid_to.is_(None))
    here = select(Department.id).where(Department.division == code, Department.valid_to.is_(None))
    if session.scalar(below.limit(1)) is not None or session.scalar(here.limit(1)) is not None:
        raise Conflict(
            reason=Text(
                "it holds divisions or departments still: end or move them first", "其下仍有行政区划或部门，请先处理"
            )
        )
    division.valid_to = last_day
    note(session, clock, actor=caller.name, action="division.end", target=f"division/{code}", facts={"on": last_day})
    return division


def division_of(session: Session, code: str) -> Division:
    """Return a division. Errors: NotFound."""
    division = session.get(Division, code)
    if division is None:
        raise NotFound(kind=DIVISION, name=code)
    return division


def valid_division(session: Session, code: str) -> Division:
    """Return a division that has not ended. Errors: NotFound, Conflict."""
    division = division_of(session, code)
    if division.valid_to is not None:
        raise Conflict(reason=Text(f"{code} ended on {division.valid_to}", f"{code} 已于 {division.valid_to} 撤销"))
    return division


def former_names(session: Session, code: str) -> Sequence[FormerName]:
    """Return the names that a division had, oldest first."""
    return session.scalars(select(FormerName).where(FormerName.code == code).order_by(FormerName.valid_to)).all()


def add_node(session: Session, clock: Clock, caller: Caller, wanted: NewNode) -> Node:
    """Register another node in the caller's subtree. Errors: Forbidden, NotFound, Conflict."""
    caller.must_administer(wanted.division)
    must_be_free(session.get(Node, wanted.code), wanted.code)
    valid_division(session, wanted.division)
    if wanted.parent is not None:
        node_of(session, wanted.parent)
    node = Node(code=wanted.code, name=wanted.name, division=wanted.division, parent=wanted.parent, created_at=clock())
    session.add(node)
    session.flush()
    facts = {"division": wanted.division, "parent": wanted.parent}
    note(session, clock, actor=caller.name, action="node.create", target=f"node/{wanted.code}", facts=facts)
    return node


def change_node(session: Session, clock: Clock, caller: Caller, code: str, changes: Mapping[str, str | None]) -> Node:
    """Change a node in the caller's subtree. Errors: Forbidden, NotFound, Invalid (a circle), Conflict."""
    node = node_of(session, code)
    caller.must_administer(node.division)
    for field in ("name", "division"):
        if field in changes and changes[field] is None:
            raise Invalid(field=field, reason=Text("cannot be empty", "不能为空"))
    if division := changes.get("division"):
        caller.must_administer(division)
        node.division = valid_division(session, division).code
    if name := changes.get("name"):
        node.name = name
    if "parent" in changes:
        _hang(session, node, changes["parent"])
    note(session, clock, actor=caller.name, action="node.change", target=f"node/{code}", facts=changes)
    session.flush()
    return node


def node_of(session: Session, code: str) -> Node:
    """Return another node. Errors: NotFound."""
    node = session.get(Node, code)
    if node is None:
        raise NotFound(kind=NODE, name=code)
    return node


def _hang(session: Session, node: Node, parent: str | None) -> None:
    above = parent
    while above is not None:
        if above == node.code:
            raise Invalid(field="parent", reason=Text("would make a circle", "上级关系成环"))
        above = node_of(session, above).parent
    node.parent = parent
