"""Schemas in the form of Confluent's Schema Registry, to read only: the catalogue is where they are made."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field

from exchange.text import Text
from registry.catalogue import schemas
from registry.catalogue.models import Schema
from registry.errors import Invalid
from registry.web.access import Authenticated, Registry
from registry.web.forms import Number

router = APIRouter(prefix="/schema-registry", tags=["schema registry"])
Subject = Annotated[str, Path(max_length=120)]
LATEST = "latest"


class SchemaText(BaseModel):
    """A schema's text."""

    schema_: Annotated[str, Field(serialization_alias="schema")]


class SchemaVersion(SchemaText):
    """A schema with the subject and version that it is."""

    subject: str
    version: int
    id: int

    @staticmethod
    def of(row: Schema) -> SchemaVersion:
        """Return the answer for a row."""
        return SchemaVersion(schema_=row.text, subject=row.subject, version=row.version, id=row.id)


@router.get("/schemas/ids/{schema_id}")
def by_id(registry: Registry, _caller: Authenticated, schema_id: Number) -> SchemaText:
    """Return the schema that a record names."""
    with registry.database.read() as session:
        return SchemaText(schema_=schemas.by_id(session, schema_id).text)


@router.get("/subjects")
def subjects(registry: Registry, _caller: Authenticated) -> list[str]:
    """Return all subjects."""
    with registry.database.read() as session:
        return schemas.subjects(session)


@router.get("/subjects/{subject}/versions")
def versions(registry: Registry, _caller: Authenticated, subject: Subject) -> list[int]:
    """Return the versions of a subject."""
    with registry.database.read() as session:
        return schemas.versions(session, subject)


@router.get("/subjects/{subject}/versions/{version}")
def version(
    registry: Registry, _caller: Authenticated, subject: Subject, version: Annotated[str, Path(max_length=10)]
) -> SchemaVersion:
    """Return one version of a subject, or `latest`."""
    if version != LATEST and not (version.isascii() and version.isdigit()):
        raise Invalid(field="version", reason=Text("a number, or latest", "应为数字或 latest"))
    with registry.database.read() as session:
        return SchemaVersion.of(schemas.version(session, subject, None if version == LATEST else int(version)))
