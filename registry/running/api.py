"""Running adapters over HTTP: their reports, who looks on, and where Prometheus finds them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import AwareDatetime, BaseModel, Field, StringConstraints

from registry.running import service
from registry.running.domain import Said, Shown, shown
from registry.running.models import RunningAdapter
from registry.runtime import Runtime
from registry.web.access import Authenticated, Registry
from registry.web.forms import NO_NUL, Cursor, Form, Limit, Page, page

router = APIRouter(prefix="/api/v1", tags=["running"])

Word = Annotated[str, StringConstraints(min_length=1, max_length=40, pattern=r"^[a-z0-9_.+-]+$")]
Address = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9.:\[\]-]{1,255}$")]
Count = Annotated[int, Field(ge=0, le=2**63 - 1)]
Rule = Annotated[str, StringConstraints(min_length=1, max_length=40, pattern=NO_NUL)]
ColumnName = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=NO_NUL)]
Amount = Annotated[float, Field(ge=0, le=1e15, allow_inf_nan=False)]


class FindingForm(Form):
    """How often a rule found something in an item since the process began."""

    item: Annotated[str, StringConstraints(min_length=1, max_length=63, pattern=NO_NUL), Field(examples=["gmsfhm"])]
    rule: Annotated[Rule, Field(examples=["citizen_id"])]
    action: Literal["reject", "warn", "repair"]
    count: Count


class ReportForm(Form):
    """What an adapter says of itself; totals are those of this process, rates those of the last interval."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,100}$"), Field(examples=["villages-out"])]
    side: Literal["source", "sink"]
    kind: Annotated[Word, Field(examples=["csv"])]
    resource: Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=NO_NUL)]
    host: Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=NO_NUL)]
    version: Word
    metrics_address: Address | None = None
    state: Said
    error: Annotated[Word, Field(examples=["broker_unavailable"])] | None = None
    records_total: Count
    rejected_total: Count
    records_per_s: Amount = 0.0
    lag_records: Count | None = None
    lag_seconds: Amount | None = None
    read_total: Annotated[Count | None, Field(description="rows read, the rejected among them")] = None
    findings: Annotated[list[FindingForm], Field(max_length=200, description="of quality rules")] = Field(
        default_factory=list
    )
    undeclared: Annotated[
        list[ColumnName] | None, Field(max_length=200, description="columns of the source that no item comes from")
    ] = None
    started_at: AwareDatetime


class RunningOut(BaseModel):
    """An adapter as it last reported; ``state`` is ``silent`` when that is too long ago."""

    client_id: str
    name: str
    side: str
    kind: str
    resource: str
    host: str
    version: str
    metrics_address: str | None
    state: Shown
    error: str | None
    records_total: int
    rejected_total: int
    records_per_s: float
    lag_records: int | None
    lag_seconds: float | None
    read_total: int | None
    undeclared: list[str] | None
    department: str
    division: str
    started_at: datetime
    seen_at: datetime


class Targets(BaseModel):
    """A group of targets in the form of Prometheus's HTTP service discovery."""

    targets: list[str]
    labels: dict[str, str]


@router.post("/adapters")
def report(registry: Registry, caller: Authenticated, form: ReportForm) -> RunningOut:
    """Say how an adapter of the calling system stands; said again every few seconds."""
    with registry.database.write() as session:
        return _out(registry, service.report(session, caller, registry.clock(), form.model_dump()))


@router.get("/adapters")
def adapters(registry: Registry, caller: Authenticated, limit: Limit = 100, cursor: Cursor = None) -> Page[RunningOut]:
    """List the adapters of the systems that the caller sees."""
    statement = service.visible(caller, registry.settings.metrics.monitors)
    with registry.database.read() as session:
        return page(session, statement, RunningAdapter.id, lambda row: _out(registry, row), limit=limit, cursor=cursor)


@router.get("/prometheus/targets")
def targets(registry: Registry, caller: Authenticated) -> list[Targets]:
    """Tell Prometheus (HTTP service discovery) where the running adapters that the caller sees have their metrics."""
    monitors, node = registry.settings.metrics.monitors, registry.settings.node.division
    with registry.database.read() as session:
        found: list[dict[str, Any]] = service.targets(session, caller, monitors, registry.clock(), node)
    return [Targets(**group) for group in found]


def _out(registry: Runtime, row: RunningAdapter) -> RunningOut:
    silent_s = registry.settings.metrics.silent_s
    own = {name: getattr(row, name) for name in RunningOut.model_fields if hasattr(row, name) and name != "state"}
    department = row.system.department
    state = shown(Said(row.state), row.seen_at, registry.clock(), silent_s)
    return RunningOut(**own, state=state, department=department.name, division=department.division)
