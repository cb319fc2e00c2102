"""What requests and answers of Confluent's API look like."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import unquote

from fastapi import Depends, Path, Query, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from exchange.text import Text
from registry.schema_registry import store
from registry.schema_registry.cache import SchemaCache
from registry.schema_registry.domain import LATEST, Reference
from registry.schema_registry.errors import InvalidSchema, InvalidSubject, InvalidVersion, NotPermitted
from registry.schema_registry.models import LONGEST_SUBJECT, Schema, SubjectVersion
from registry.schema_registry.parsing import LONGEST_SCHEMA
from registry.schema_registry.problems import MEDIA_TYPE, PREFIX
from registry.schema_registry.service import Given

AVRO = "AVRO"
MOST_REFERENCES = 100
LARGEST = 2**31 - 1  # ids and versions are 4 bytes
ENCODED = 9  # characters that one of a subject's may take in an address
EXAMPLE = '{"type":"record","name":"Village","fields":[{"name":"code","type":"string"}]}'


class Answer(JSONResponse):
    """JSON under Confluent's media type."""

    media_type = MEDIA_TYPE


class ReferenceForm(BaseModel):
    """A version of a subject whose named types a schema uses."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: Annotated[str, Field(min_length=1, max_length=LONGEST_SUBJECT, examples=["gov.exchange.Address"])]
    subject: Annotated[str, Field(min_length=1, max_length=LONGEST_SUBJECT, examples=["address"])]
    version: Annotated[int, Field(ge=1, le=LARGEST, examples=[1])]


class SchemaForm(BaseModel):
    """A schema; what this registry does not keep (metadata, rule sets) must be absent or null."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)
    schema_: Annotated[str, Field(alias="schema", max_length=LONGEST_SCHEMA, examples=[EXAMPLE])]
    schema_type: Annotated[str | None, Field(alias="schemaType", max_length=20, examples=[AVRO])] = None
    references: Annotated[list[ReferenceForm] | None, Field(max_length=MOST_REFERENCES, examples=[[]])] = None
    id: Annotated[int | None, Field(ge=-1, le=LARGEST, description="only in IMPORT mode")] = None
    version: Annotated[int | None, Field(ge=-1, le=LARGEST, description="only in IMPORT mode")] = None
    metadata: None = None
    rule_set: Annotated[None, Field(alias="ruleSet")] = None

    def given(self, *, normalize: bool) -> Given:
        """Return the schema. Errors: InvalidSchema for a type other than AVRO, NotPermitted for a version alone."""
        if (self.schema_type or AVRO).upper() != AVRO:
            reason = Text("only AVRO is kept here, not JSON or PROTOBUF", "仅支持 AVRO，不支持 JSON 与 PROTOBUF")
            raise InvalidSchema(field="schemaType", reason=reason)
        schema_id, version = (number if number and number > 0 else None for number in (self.id, self.version))
        if version is not None and schema_id is None:
            reason = Text("a version is given with an id only", "指定版本时必须同时指定 id")
            raise NotPermitted(field="version", reason=reason)
        references = tuple(Reference(used.name, used.subject, used.version) for used in self.references or ())
        return Given(self.schema_, references, normalize, schema_id, version)


class Bare(BaseModel):
    """A schema's text, and what it refers to if it does."""

    model_config = ConfigDict(populate_by_name=True)
    schema_: Annotated[str, Field(serialization_alias="schema", examples=[EXAMPLE])]
    references: list[ReferenceForm] | None = None

    @staticmethod
    def of(row: Schema) -> Bare:
        """Return the answer for a row."""
        return Bare(schema_=row.text, references=_references(row))


class Full(Bare):
    """A schema as a version of a subject."""

    subject: Annotated[str, Field(examples=["440000.307440000-000001-value"])]
    version: Annotated[int, Field(examples=[1])]
    id: Annotated[int, Field(examples=[1])]

    @staticmethod
    def of_version(row: SubjectVersion) -> Full:
        """Return the answer for a row."""
        return Full(
            schema_=row.schema.text,
            references=_references(row.schema),
            subject=row.subject,
            version=row.version,
            id=row.schema_id,
        )


class Registered(BaseModel):
    """The id that records of the schema carry."""

    id: Annotated[int, Field(examples=[1])]


class Use(BaseModel):
    """Where a schema is used."""

    subject: Annotated[str, Field(examples=["440000.307440000-000001-value"])]
    version: Annotated[int, Field(examples=[1])]


class Verdict(BaseModel):
    """Whether a schema goes with what is there; the reasons are told when they are asked for."""

    is_compatible: Annotated[bool, Field(examples=[True])]
    messages: list[str] | None = None


def _references(row: Schema) -> list[ReferenceForm] | None:
    return [ReferenceForm(**used.as_json()) for used in store.references_of(row)] or None


async def _subject(subject: Annotated[str, Path(min_length=1, max_length=LONGEST_SUBJECT * ENCODED)]) -> str:
    """The wire hands the address over as it was sent, so that a slash may be part of a subject."""
    try:
        name = unquote(subject, errors="strict")
    except UnicodeDecodeError as exc:
        raise InvalidSubject(field="subject") from exc
    return checked_subject(name)


def checked_subject(name: str) -> str:
    """Return a subject's name. Errors: InvalidSubject."""
    if not 0 < len(name) <= LONGEST_SUBJECT or not all(c.isprintable() for c in name):
        raise InvalidSubject(field="subject")
    return name


async def _version(version: Annotated[str, Path(max_length=20, examples=[LATEST])]) -> int | None:
    """Return the number of a version, None for the latest."""
    if version in {LATEST, "-1"}:
        return None
    if not (version.isascii() and version.isdigit() and 1 <= int(version) <= LARGEST):
        raise InvalidVersion(field="version", version=version)
    return int(version)


async def cache_of(request: Request) -> SchemaCache:
    """Return the answers that the application keeps at hand."""
    cache = request.app.state.schema_cache
    assert isinstance(cache, SchemaCache)
    return cache


def bound(limit: int, most: int) -> int:
    """Return how many things a page has: none or -1 asks for as many as one may have."""
    return min(limit, most) if limit >= 0 else most


Subject = Annotated[str, Depends(_subject)]
Version = Annotated[int | None, Depends(_version)]
SchemaId = Annotated[int, Path(ge=1, le=LARGEST)]
Cache = Annotated[SchemaCache, Depends(cache_of)]
Offset = Annotated[int, Query(ge=0, le=LARGEST)]
Limit = Annotated[int, Query(ge=-1, le=LARGEST, description="-1: as many as a page may have")]
Deleted = Annotated[bool, Query(description="soft deleted ones too")]
OnlyDeleted = Annotated[bool, Query(alias="deletedOnly")]
Permanent = Annotated[bool, Query(description="for good; only what was soft deleted before")]
Normalize = Annotated[bool, Query(description="full names, attributes in one order")]
Prefix = Annotated[str, Query(alias="subjectPrefix", max_length=LONGEST_SUBJECT)]
Json = dict[str, Any]

__all__ = ["PREFIX", "Answer", "Bare", "Full", "Registered", "SchemaForm", "Use", "Verdict"]
