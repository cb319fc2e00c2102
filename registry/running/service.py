"""Running adapters: each reports for itself, its department and those above look on."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, select, true
from sqlalchemy.orm import Session

from exchange.text import Text
from registry.access.caller import Caller
from registry.catalogue.models import Resource
from registry.errors import Forbidden
from registry.history.domain import Counted, Rule, since
from registry.history.tally import add_quality
from registry.organisation.models import Department, System
from registry.organisation.reach import seen
from registry.running.domain import ENDED, Said, Shown, shown
from registry.running.models import RunningAdapter

FORGOTTEN = timedelta(days=1)  # a silent adapter is a target of Prometheus for so long


def report(session: Session, caller: Caller, now: datetime, said: dict[str, Any]) -> RunningAdapter:
    """Keep what the calling system says of one of its adapters. Errors: Forbidden."""
    if caller.client_id is None:
        raise Forbidden(reason=Text("an adapter reports for its own system", "适配器只能以其所属系统的身份上报"))
    mine = (RunningAdapter.client_id == caller.client_id, RunningAdapter.name == said["name"])
    row = session.scalar(select(RunningAdapter).where(*mine))
    before = None
    if row is None:
        row = RunningAdapter(client_id=caller.client_id)
        session.add(row)
    elif row.resource == said["resource"]:
        before = _counted(row)
    for name, value in said.items():
        setattr(row, name, value)
    row.undeclared = row.undeclared or None
    row.seen_at = now
    session.flush()
    if row.side == "source":
        _judge(session, row, before, now)
    return row


def visible(caller: Caller, monitors: list[str]) -> Select[RunningAdapter]:
    """Return the statement for the adapters that the caller may look at; a monitor looks at all."""
    return (
        select(RunningAdapter)
        .join(System, System.client_id == RunningAdapter.client_id)
        .where(true() if caller.client_id in monitors else seen(caller, System.department_id))
    )


def targets(session: Session, caller: Caller, monitors: list[str], now: datetime, node: str) -> list[dict[str, Any]]:
    """Return where Prometheus finds the adapters that run, each with its labels, in the form of HTTP SD."""
    statement = visible(caller, monitors).where(
        RunningAdapter.metrics_address.is_not(None),
        RunningAdapter.state.not_in([state.value for state in ENDED]),
        RunningAdapter.seen_at >= now - FORGOTTEN,
    )
    return [_target(row, node) for row in session.scalars(statement.order_by(RunningAdapter.id))]


def count_by_state(session: Session, now: datetime, silent_s: float) -> dict[Shown, int]:
    """Return how many adapters there are in each state."""
    counts = dict.fromkeys(Shown, 0)
    for state, seen_at in session.execute(select(RunningAdapter.state, RunningAdapter.seen_at)):
        counts[shown(Said(state), seen_at, now, silent_s)] += 1
    return counts


def _judge(session: Session, row: RunningAdapter, before: Counted | None, now: datetime) -> None:
    """Add what the source counted since its last report to the history; nobody else speaks for a resource."""
    resource = session.get(Resource, row.resource)
    if resource is not None and resource.source_system == row.client_id:
        add_quality(session, resource, since(before, _counted(row)), now)


def _counted(row: RunningAdapter) -> Counted:
    found = {Rule(each["item"], each["rule"], each["action"]): each["count"] for each in row.findings or ()}
    return Counted(row.started_at, row.read_total, row.rejected_total, found)


def _target(row: RunningAdapter, node: str) -> dict[str, Any]:
    department: Department = row.system.department
    return {
        "targets": [row.metrics_address],
        "labels": {
            "node": node,
            "division": department.division,
            "department": department.name,
            "client_id": row.client_id,
        },
    }
