"""What the registry's database knows, as the values of gauges."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from registry.audit.models import AuditEntry, AuditHead
from registry.catalogue.domain import OLDEST, Lifecycle, UpdateCycle
from registry.catalogue.models import Resource
from registry.drift.service import Limits, counts
from registry.evaluation.domain import Indicator
from registry.evaluation.models import Evaluation
from registry.evaluation.service import figures_of, scores
from registry.objections import domain as objections
from registry.objections.models import Objection
from registry.organisation.models import Department
from registry.running.service import count_by_state
from registry.schema_registry.models import SubjectVersion
from registry.sharing import domain as sharing
from registry.sharing.models import Grant, Request

Values = list[tuple[Mapping[str, str], float]]


def gauges(session: Session, now: datetime, silent_s: float) -> Iterator[tuple[str, Values]]:
    """Yield each gauge with all its values."""
    grants = dict(session.execute(select(Grant.state, func.count()).group_by(Grant.state)).all())
    requests = dict(session.execute(select(Request.state, func.count()).group_by(Request.state)).all())
    yield "exchange_grants", [({"state": s.value}, grants.get(s.value, 0)) for s in sharing.GrantState]
    yield "exchange_requests", [({"state": s.value}, requests.get(s.value, 0)) for s in sharing.RequestState]
    yield "exchange_requests_overdue", _requests_overdue(session, now)
    yield "exchange_objections_overdue", _objections_overdue(session, now)
    adapters = count_by_state(session, now, silent_s)
    yield "exchange_adapters", [({"state": state.value}, count) for state, count in adapters.items()]
    yield from _resources(session)


def slow_gauges(session: Session, limits: Limits) -> Iterator[tuple[str, Values]]:
    """Yield the gauges that take long to count, and change by the day."""
    drift = counts(session, limits)
    yield "exchange_catalogue_drift", [({"kind": kind.value}, count) for kind, count in drift.items()]
    yield from _evaluation(session)


def singles(session: Session) -> Iterator[tuple[str, float]]:
    """Yield each gauge without labels that has a value."""
    yield "exchange_subjects", session.scalar(select(func.count(func.distinct(SubjectVersion.subject)))) or 0
    yield "exchange_audit_entries", session.scalar(select(func.max(AuditEntry.number))) or 0
    head = session.scalar(select(AuditHead).order_by(AuditHead.number.desc()).limit(1))
    yield "exchange_audit_head_entries", head.number if head is not None else 0
    if head is not None:
        yield "exchange_audit_head_timestamp_seconds", head.at.timestamp()


def _requests_overdue(session: Session, now: datetime) -> Values:
    """Passing a late request on gives it a new deadline; it stays late until somebody has decided."""
    passed_on = and_(Request.state.in_(sharing.UNDECIDED), Request.escalated_at.is_not(None))
    late = select(Request.state, func.count()).where(or_(Request.due_at < now, passed_on)).group_by(Request.state)
    counts = dict(session.execute(late).all())
    return [({"state": state.value}, counts.get(state.value, 0)) for state in sorted(sharing.OPEN)]


def _objections_overdue(session: Session, now: datetime) -> Values:
    late = select(Objection.state, func.count()).where(Objection.due_at < now).group_by(Objection.state)
    counts = dict(session.execute(late).all())
    return [({"state": state.value}, counts.get(state.value, 0)) for state in sorted(objections.OPEN)]


def _resources(session: Session) -> Iterator[tuple[str, Values]]:
    """Only what is published: a draft owes no data."""
    rows = session.execute(
        select(
            Resource.slug,
            Resource.name,
            Resource.update_cycle,
            Resource.last_data_at,
            Resource.quality,
            Department.name,
            Department.division,
        )
        .join(Department, Department.id == Resource.department_id)
        .where(Resource.lifecycle == Lifecycle.PUBLISHED.value)
    ).all()
    yield (
        "exchange_resource_info",
        [
            ({"resource": slug, "title": title, "department": department, "division": division}, 1)
            for slug, title, _, _, _, department, division in rows
        ],
    )
    yield (
        "exchange_resource_data_timestamp_seconds",
        [({"resource": slug}, at.timestamp()) for slug, _, _, at, *_ in rows if at is not None],
    )
    yield (
        "exchange_resource_quality_ratio",
        [({"resource": slug}, quality) for slug, _, _, _, quality, *_ in rows if quality is not None],
    )
    promised = [(slug, OLDEST.get(UpdateCycle(cycle))) for slug, _, cycle, *_ in rows]
    yield (
        "exchange_resource_cycle_seconds",
        [({"resource": slug}, oldest.total_seconds()) for slug, oldest in promised if oldest is not None],
    )


def _evaluation(session: Session) -> Iterator[tuple[str, Values]]:
    """The newest evaluation of a period that was over."""
    newest = select(Evaluation).where(Evaluation.final).order_by(Evaluation.id.desc()).limit(1)
    evaluation = session.scalar(newest)
    if evaluation is None:
        return
    lines = session.scalars(scores(evaluation)).all()
    yield (
        "exchange_evaluation_score",
        [
            ({"department": line.department.name, "division": line.department.division}, line.score)
            for line in lines
            if line.score is not None
        ],
    )
    found = figures_of(session, evaluation).values()
    values = {each: [own[each].figure.value or 0.0 for own in found if each in own] for each in Indicator}
    means: Values = [({"indicator": each.value}, sum(there) / len(there)) for each, there in values.items() if there]
    yield "exchange_evaluation_indicator_ratio", means
