"""Provenance over HTTP: a POST, because a record's key is a citizen's data and must not stand in an address."""

from __future__ import annotations

import hashlib
import hmac
from typing import Annotated

from fastapi import APIRouter
from pydantic import Field, StringConstraints, model_validator

from registry.catalogue.service import resource_of
from registry.provenance import service
from registry.provenance.domain import Gap, Sides, View, key_bytes, view
from registry.provenance.finder import Found
from registry.provenance.forms import NodeOut, ProvenanceOut, TrailOut
from registry.runtime import Runtime
from registry.web.access import Anyone, Registry
from registry.web.forms import NO_NUL, Form

router = APIRouter(prefix="/api/v1", tags=["provenance"])

Word = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=NO_NUL)]
Part = Annotated[str, StringConstraints(min_length=1, max_length=1000, pattern=NO_NUL)]
Batch = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$"), Field(examples=["0" * 32])]


class TraceForm(Form):
    """What is traced: a record by its ``key`` (the primary key's values as texts, in item order), or a ``batch``."""

    resource: Annotated[Word, Field(examples=["307440000-000001"])]
    key: Annotated[list[Part], Field(min_length=1, max_length=16, examples=[["440000001001"]])] | None = None
    batch: Batch | None = None

    @model_validator(mode="after")
    def _one(self) -> TraceForm:
        if (self.key is None) == (self.batch is None):
            raise ValueError("give one of key and batch")
        return self


@router.post("/provenance")
def trace(registry: Registry, caller: Anyone, form: TraceForm) -> ProvenanceOut:
    """Tell where a record or batch came from, and who received it; by key it is looked for in the topic.

    The owner sees all receivers, a subscriber what the own systems landed. Administrators and auditors ask by batch.
    """
    with registry.database.read() as session:
        resource = resource_of(session, caller, form.resource)
        sides = service.sides_of(session, caller, resource)
        seen = view(caller, sides, by_key=form.key is not None)
        topic = resource.topic
    about = _about(registry, form)
    registry.audit.tally.read(caller.name, "provenance.read", f"resource/{resource.slug}/{about}", view=seen.value)
    found = registry.finder.find(topic, key_bytes(form.key)) if form.key is not None else Found((), whole=True)
    return _told(registry, form, sides, seen, found)


def _told(registry: Runtime, form: TraceForm, sides: Sides, seen: View, found: Found) -> ProvenanceOut:
    own = sides.active if form.key is not None else sides.receivers
    with registry.database.read() as session:
        resource = service.resource_at(session, form.resource)
        trails = service.trails(session, resource, found.places, form.batch, seen, own)
        gaps = {Gap.COMPACTED} if form.key is not None else set()
        if not trails:
            gaps.add(Gap.NOT_FOUND if found.whole else Gap.NOT_ALL_READ)
        return ProvenanceOut(
            resource=resource.slug,
            name=resource.name,
            topic=resource.topic,
            view=seen,
            path=[
                NodeOut(division=code, name=name)
                for code, name in service.nodes_of(session, resource.topic, registry.settings.node.division)
            ],
            trails=[TrailOut.of(trail) for trail in trails],
            gaps=sorted(gaps),
        )


def _about(registry: Runtime, form: TraceForm) -> str:
    """What the audit is told: the batch, or a digest of the key that only who holds the registry's secret can redo."""
    if form.key is None:
        return f"batch/{form.batch}"
    digest = hmac.new(registry.provenance_key, key_bytes(form.key), hashlib.sha256).hexdigest()
    return f"record/{digest[:32]}"
