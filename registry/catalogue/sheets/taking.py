"""Takes a table of resources in: drafts for what is new, versions for what is there; all of it, or what is sound."""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy.orm import Session

from exchange.contract import slug
from exchange.text import Text
from registry.access.caller import Caller
from registry.catalogue import clash, service
from registry.catalogue.clash import Clash
from registry.catalogue.entry import FIRST_ONLY
from registry.catalogue.forms import ResourceForm
from registry.catalogue.models import Resource
from registry.catalogue.sheets.drafts import Draft, Sorter, tell
from registry.catalogue.sheets.reading import MOST_FAULTS, Fault, Table
from registry.clock import Clock
from registry.errors import Conflict, Forbidden, Invalid, NotFound

MOST_RESOURCES = 1_000  # in one file: one transaction


@dataclass
class Report:
    """What became of a table: slugs, and each faulty cell. ``applied`` false: nothing was kept."""

    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    refused: int = 0
    applied: bool = True
    faults: list[Fault] = field(default_factory=list)
    fault_count: int = 0
    clashes: list[tuple[str, Clash]] = field(default_factory=list)


class Undone(Exception):
    """Nothing of the table is kept; ends the transaction that it was tried in."""

    def __init__(self, report: Report) -> None:
        super().__init__()
        self.report = report


def take(
    session: Session, clock: Clock, caller: Caller, division: str, table: Table, *, partly: bool, trial: bool
) -> Report:
    """Register and change what the table says. Errors: Invalid (the file as a whole), Undone (nothing is kept).

    ``partly``: keep what is sound when a cell is wrong; ``trial``: keep nothing, only tell.
    """
    sorter = Sorter(table)
    drafts = sorter.drafts()
    if len(drafts) > MOST_RESOURCES:
        raise Invalid(
            field="file", reason=Text(f"more than {MOST_RESOURCES} resources", f"超过 {MOST_RESOURCES} 个信息资源")
        )
    report = Report()
    for draft in drafts:
        _take_one(session, clock, caller, division, sorter, draft, report)
    report.fault_count = len(sorter.faults)
    report.faults = tell(sorter.faults)[:MOST_FAULTS]
    if trial or (sorter.faults and not partly):
        report.applied = False
        raise Undone(report)
    return report


def _take_one(
    session: Session, clock: Clock, caller: Caller, division: str, sorter: Sorter, draft: Draft, report: Report
) -> None:
    form = sorter.form(draft)
    if form is None:
        report.refused += 1
        return
    try:
        with session.begin_nested():
            resource, kind = _keep(session, clock, caller, division, form)
    except (Invalid, Forbidden, Conflict, NotFound) as exc:
        report.refused += 1
        name, reason = _fault(exc)
        sorter.refused(draft, name, reason)
        return
    {"added": report.added, "changed": report.changed, "unchanged": report.unchanged}[kind].append(resource.slug)
    if kind != "unchanged":
        report.clashes += [(resource.slug, found) for found in clash.clashes(session, resource)]


def _keep(session: Session, clock: Clock, caller: Caller, division: str, form: ResourceForm) -> tuple[Resource, str]:
    known = session.get(Resource, slug(form.code)) if form.code else None
    entry = form.entry()
    if known is None:
        return service.add(session, clock, caller, division, entry), "added"
    caller.must_decide(known.department_id)
    given = (form.model_fields_set - set(FIRST_ONLY)) | {"items"}
    before = known.version
    service.change(session, clock, caller, known.slug, {name: getattr(entry, name) for name in given})
    return known, "unchanged" if known.version == before else "changed"


def _fault(exc: Invalid | Forbidden | Conflict | NotFound) -> tuple[str, Text]:
    reason = exc.facts.get("reason")
    if isinstance(exc, Invalid) and isinstance(reason, Text):
        return str(exc.facts["field"]), reason
    return str(exc.facts.get("field", "name")), Text(exc.message("en"), exc.message("zh"))
