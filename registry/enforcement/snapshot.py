"""What the database says about a scope, read in one transaction."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from registry.catalogue.domain import Lifecycle
from registry.catalogue.models import Resource
from registry.enforcement.acls import Flow, Scope, Snapshot, principal
from registry.organisation.models import System
from registry.sharing.domain import GrantState
from registry.sharing.models import Grant


def read(session: Session, scope: Scope) -> Snapshot:
    """Return the snapshot that decides about ``scope``."""
    systems = select(System.client_id).where(System.active)
    flows = select(Resource.topic, Resource.source_system, Resource.partitions).where(
        Resource.lifecycle == Lifecycle.PUBLISHED.value
    )
    grants = (
        select(Grant.client_id, Resource.topic)
        .join(Resource, Resource.slug == Grant.slug)
        .where(Grant.state == GrantState.ACTIVE.value)
    )
    if scope.client_id is not None:
        systems = systems.where(System.client_id == scope.client_id)
        grants = grants.where(Grant.client_id == scope.client_id)
    if scope.topic is not None:
        flows = flows.where(Resource.topic == scope.topic)
        grants = grants.where(Resource.topic == scope.topic)
    return Snapshot(
        systems=frozenset(session.scalars(systems)),
        flows=tuple(Flow(*row) for row in session.execute(flows)),
        grants=frozenset((client_id, topic) for client_id, topic in session.execute(grants)),
    )


def known_principals(session: Session) -> frozenset[str]:
    """Return the principals of all systems that were ever registered."""
    return frozenset(principal(client_id) for client_id in session.scalars(select(System.client_id)))
