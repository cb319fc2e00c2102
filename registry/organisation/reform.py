"""Mergers and splits of departments (机构改革).

An ACL follows from who is the source of a resource, and who has a grant on it: both name systems and resources, never
departments. So what moves changes its department, and nothing else; no ACL is lost or widened.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Column, Table, select, update
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import Session

from exchange.text import Text
from registry.access.caller import Caller
from registry.audit.service import note
from registry.catalogue.models import Resource
from registry.clock import Clock
from registry.database import Base
from registry.errors import Conflict, Invalid
from registry.organisation.domain import check_future
from registry.organisation.models import Department, System
from registry.organisation.service import active_department, system_of

STAY = frozenset({"users", "departments"})  # a merger gives nobody a new right; a department keeps its successor


@dataclass(frozen=True, slots=True)
class Part:
    """What one department takes over at a split."""

    department_id: int
    systems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Moved:
    """How much went to one department; ``others``: rows of all other tables that are a department's."""

    department_id: int
    systems: int
    resources: int
    others: int


@dataclass(frozen=True, slots=True)
class Reform:
    """What a merger or split did."""

    department: Department
    moved: tuple[Moved, ...]


def merge(session: Session, clock: Clock, caller: Caller, department_id: int, into: int, on: date | None) -> Reform:
    """Move all that a department has to another, and dissolve it. Errors: Forbidden, NotFound, Invalid, Conflict."""
    source = _reformable(session, caller, department_id)
    target = _reformable(session, caller, into)
    last_day = on or clock().date()
    check_future("on", last_day, clock().date())
    _must_differ(source, target)
    systems = list(session.scalars(select(System.client_id).where(System.department_id == source.id)))
    resources = list(session.scalars(select(Resource.slug).where(Resource.department_id == source.id)))
    mine = Mine(session, clock, caller, source, target)
    mine.move_systems(systems)
    mine.move_resources(resources)
    others = sum(_move_rows(session, column, source, target) for column in _others())
    source.valid_to, source.successor_id = last_day, target.id
    session.flush()
    session.expire_all()  # rows were changed behind the session's back
    moved = Moved(target.id, len(systems), len(resources), others)
    facts = {"into": target.id, "on": last_day, "systems": moved.systems, "resources": moved.resources}
    note(session, clock, actor=caller.name, action="department.merge", target=f"department/{source.id}", facts=facts)
    return Reform(source, (moved,))


def split(session: Session, clock: Clock, caller: Caller, department_id: int, parts: Sequence[Part]) -> Reform:
    """Move systems, and the resources that they are the source of. Errors: Forbidden, NotFound, Invalid, Conflict."""
    source = _reformable(session, caller, department_id)
    named = [client_id for part in parts for client_id in part.systems]
    if len(set(named)) < len(named):
        raise Invalid(field="parts", reason=Text("a system is named twice", "业务系统重复"))
    moved = tuple(_move_part(session, clock, caller, source, part) for part in parts)
    session.expire_all()
    facts = {"parts": {str(part.department_id): list(part.systems) for part in parts}}
    note(session, clock, actor=caller.name, action="department.split", target=f"department/{source.id}", facts=facts)
    return Reform(source, moved)


@dataclass(frozen=True)
class Mine:
    """The move of systems and resources between two departments, each with its entry in the audit."""

    session: Session
    clock: Clock
    caller: Caller
    source: Department
    target: Department

    def move_systems(self, client_ids: Sequence[str]) -> None:
        """Give systems to the target."""
        self._move(System.__table__, "client_id", client_ids, "system")

    def move_resources(self, slugs: Sequence[str]) -> None:
        """Give resources to the target."""
        self._move(Resource.__table__, "slug", slugs, "resource")

    def _move(self, table: Any, key: str, names: Sequence[str], kind: str) -> None:
        if not names:
            return
        values = {"department_id": self.target.id, "revision": table.c.revision + 1}
        self.session.execute(update(table).where(table.c[key].in_(names)).values(values))
        facts = {"from": self.source.id, "to": self.target.id}
        for name in names:
            note(
                self.session,
                self.clock,
                actor=self.caller.name,
                action=f"{kind}.move",
                target=f"{kind}/{name}",
                facts=facts,
            )


def _move_part(session: Session, clock: Clock, caller: Caller, source: Department, part: Part) -> Moved:
    target = _reformable(session, caller, part.department_id)
    _must_differ(source, target)
    for client_id in part.systems:
        if system_of(session, client_id).department_id != source.id:
            reason = Text(f"{client_id} is not a system of that department", f"{client_id} 不属于该部门")
            raise Invalid(field="systems", reason=reason)
    slugs = list(session.scalars(select(Resource.slug).where(Resource.source_system.in_(part.systems))))
    mine = Mine(session, clock, caller, source, target)
    mine.move_systems(part.systems)
    mine.move_resources(slugs)
    return Moved(target.id, len(part.systems), len(slugs), 0)


def _reformable(session: Session, caller: Caller, department_id: int) -> Department:
    department = active_department(session, department_id)
    caller.must_administer(department.division)
    return department


def _must_differ(source: Department, target: Department) -> None:
    if source.id == target.id:
        raise Conflict(reason=Text("it is the same department", "来源部门与目标部门相同"))


def _others() -> Iterator[Column[Any]]:
    """Yield the columns of all areas that name the department of a row, except those that are moved by name."""
    named = {System.__tablename__, Resource.__tablename__}
    for table in Base.metadata.sorted_tables:
        if table.name not in STAY | named:
            for key in table.foreign_keys:
                if key.column.table.name == Department.__tablename__:
                    yield key.parent


def _move_rows(session: Session, column: Column[Any], source: Department, target: Department) -> int:
    table = column.table
    assert isinstance(table, Table)
    values: dict[str, Any] = {column.name: target.id}
    if "revision" in table.c:
        values["revision"] = table.c.revision + 1
    moved = session.execute(update(table).where(column == source.id).values(values))
    assert isinstance(moved, CursorResult)
    return int(moved.rowcount)
