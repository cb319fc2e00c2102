"""When a resource's data last came: kept beside the resource, so that a list can be filtered by it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import or_, update
from sqlalchemy.orm import Session

from registry.catalogue.models import Resource


def data_came(session: Session, slug: str, topic: str, client_id: str, at: datetime) -> None:
    """Note that the source published data of a resource; nobody else speaks for it, and time does not go back."""
    mine = (Resource.slug == slug, Resource.topic == topic, Resource.source_system == client_id)
    newer = or_(Resource.last_data_at.is_(None), Resource.last_data_at < at)
    # A plain UPDATE: it must not meet who changes the entry meanwhile.
    session.execute(
        update(Resource).where(*mine, newer).values(last_data_at=at), execution_options={"synchronize_session": False}
    )
