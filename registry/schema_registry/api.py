"""Confluent's Schema Registry API; docs/schema-registry.md tells what differs and why."""

from __future__ import annotations

from fastapi import APIRouter

from registry.schema_registry import api_schemas, api_settings, api_subjects
from registry.schema_registry.forms import PREFIX, Answer
from registry.web.access import Authenticated

router = APIRouter(prefix=PREFIX, tags=["schema registry"], default_response_class=Answer)


@router.get("/")
def root(_caller: Authenticated) -> dict[str, str]:
    """Answer, as Confluent's registry does, with nothing."""
    return {}


for part in (api_schemas, api_subjects, api_settings):
    router.include_router(part.router, default_response_class=Answer)
