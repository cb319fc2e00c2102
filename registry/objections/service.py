"""Raising objections, taking them through their life, and telling all who received the data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session

from exchange.receipts import Side
from exchange.text import Text
from registry.access.caller import Caller
from registry.audit.service import note
from registry.catalogue.models import Resource
from registry.catalogue.service import resource_of
from registry.clock import Clock
from registry.errors import Forbidden, NotFound
from registry.notices.service import tell
from registry.objections import domain
from registry.objections.domain import Sides, State
from registry.objections.models import Objection
from registry.organisation.models import System
from registry.organisation.service import system_of
from registry.receipts.models import ReceiptRow
from registry.settings import ObjectionsGroup
from registry.sharing.domain import STANDING
from registry.sharing.models import Grant
from registry.sharing.parties import decider, source_of
from registry.workdays import Workdays

Decide = Callable[[domain.Objection, Sides, int | None], domain.Objection]


@dataclass(frozen=True, slots=True)
class Deadlines:
    """When the next step of an objection is due."""

    clock: Clock
    workdays: Workdays
    limits: ObjectionsGroup

    def due(self, state: State, now: datetime) -> datetime | None:
        """Return when the step that follows ``state`` is due; None when nothing has to follow."""
        limits = self.limits
        days = {
            State.RAISED: limits.accept_days,
            State.ACCEPTED: limits.accept_days,
            State.MARKED: limits.verify_days,
            State.VERIFIED: limits.correct_days,
            State.CORRECTED: limits.correct_days,
        }.get(state)
        return self.workdays.due(now, days) if days is not None else None


@dataclass(frozen=True, slots=True)
class Complaint:
    """What is objected to; ``key`` None: the resource as a whole; ``items``: which items, in words."""

    resource: str
    client_id: str
    complaint: str
    key: str | None = None
    items: str | None = None


def raise_objection(session: Session, deadlines: Deadlines, caller: Caller, complaint: Complaint) -> Objection:
    """Raise an objection for a system that has received the resource. Errors: NotFound, Forbidden."""
    system = system_of(session, complaint.client_id)
    _must_speak_for(caller, system)
    resource = resource_of(session, caller, complaint.resource)
    if system.client_id not in recipients(session, resource):
        raise Forbidden(reason=Text("only who received the data objects to them", "仅接收过该数据的系统可提出异议"))
    now = deadlines.clock()
    objection = Objection(
        slug=resource.slug,
        resource=resource,
        client_id=system.client_id,
        system=system,
        key=complaint.key,
        items=complaint.items,
        complaint=complaint.complaint,
        state=State.RAISED.value,
        overdue=False,
        due_at=deadlines.due(State.RAISED, now),
        raised_by=caller.name,
        created_at=now,
        changed_at=now,
    )
    session.add(objection)
    session.flush()
    _spread(session, deadlines.clock, objection, caller.name, "raise")
    return objection


def step(
    session: Session, deadlines: Deadlines, caller: Caller, objection_id: int, name: str, decide: Decide
) -> Objection:
    """Take an objection one step on. Errors: NotFound, Forbidden, WrongState, Conflict, Invalid."""
    objection = objection_of(session, caller, objection_id)
    sides = Sides(objection.resource.department_id, objection.system.department_id)
    now = deadlines.clock()
    objection.take_value(decide(objection.as_value(), sides, decider(caller)), now)
    objection.due_at = deadlines.due(State(objection.state), now)
    objection.overdue = False
    session.flush()
    _spread(session, deadlines.clock, objection, caller.name, name)
    return objection


def note_overdue(session: Session, deadlines: Deadlines) -> int:
    """Note which objections are late, and tell both sides; return how many were found."""
    now = deadlines.clock()
    late = select(Objection).where(
        Objection.state.in_(domain.OPEN), Objection.due_at <= now, Objection.overdue.is_(False)
    )
    found = session.scalars(late).all()
    for objection in found:
        objection.overdue = True
        objection.late = objection.late or domain.turn_of_provider(objection.as_value())
        sides = [objection.system, source_of(session, objection.resource)]
        tell(session, now, sides, kind="objection.overdue", subject=_name(objection), **_facts(objection, None))
        facts = {"state": objection.state}
        note(
            session, deadlines.clock, actor="registry", action="objection.overdue", target=_name(objection), facts=facts
        )
    return len(found)


def recipients(session: Session, resource: Resource) -> set[str]:
    """Return the systems that have the resource: by a standing grant, or because something landed with them."""
    granted = select(Grant.client_id).where(Grant.slug == resource.slug, Grant.state.in_(STANDING))
    landed = (
        select(ReceiptRow.client_id)
        .where(ReceiptRow.resource == resource.slug, ReceiptRow.side == Side.LANDED.value)
        .distinct()
    )
    return {*session.scalars(granted), *session.scalars(landed)}


def objection_of(session: Session, caller: Caller, objection_id: int) -> Objection:
    """Return an objection to one of its two sides. Errors: NotFound."""
    objection = session.scalar(select(Objection).where(Objection.id == objection_id, visible(caller)))
    if objection is None:
        raise NotFound(kind=Text("objection", "异议"), name=objection_id)
    return objection


def visible(caller: Caller) -> ColumnElement[bool]:
    """Return the condition for the objections that the caller's department raised or has to answer."""
    department = None if caller.governs else caller.department_id
    mine = select(System.client_id).where(System.department_id == department)
    ours = select(Resource.slug).where(Resource.department_id == department)
    return or_(Objection.client_id.in_(mine), Objection.slug.in_(ours))


def _must_speak_for(caller: Caller, system: System) -> None:
    if caller.client_id != system.client_id and decider(caller) != system.department_id:
        raise Forbidden(reason=Text("the system's own department objects", "仅该系统所属部门可提出异议"))


def _spread(session: Session, clock: Clock, objection: Objection, by: str, action: str) -> None:
    """Tell both sides of each step, and all who received the data of those that change what they may rely on."""
    now = clock()
    both = {objection.client_id, objection.resource.source_system}
    sides = [system_of(session, client_id) for client_id in sorted(both)]
    kind = f"objection.{objection.state}"
    tell(session, now, sides, kind=kind, subject=_name(objection), **_facts(objection, objection.complaint))
    if State(objection.state) in domain.TOLD:
        others = sorted(recipients(session, objection.resource) - both)
        known = session.scalars(select(System).where(System.client_id.in_(others))).all()
        tell(session, now, known, kind=kind, subject=_name(objection), **_facts(objection, None))
    facts = {"resource": objection.slug, "state": objection.state, "founded": objection.founded}
    note(session, clock, actor=by, action=f"objection.{action}", target=_name(objection), facts=facts)


def _facts(objection: Objection, complaint: str | None) -> dict[str, str | bool | None]:
    """Return what is told; the complaint is between the two sides."""
    facts: dict[str, str | bool | None] = {
        "resource": objection.slug,
        "key": objection.key,
        "items": objection.items,
        "state": objection.state,
        "founded": objection.founded,
        "result": objection.result,
    }
    return facts if complaint is None else {**facts, "complaint": complaint, "finding": objection.finding}


def _name(objection: Objection) -> str:
    return f"objection/{objection.id}"
