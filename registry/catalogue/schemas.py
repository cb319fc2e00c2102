"""Schemas by id and by subject: the same text under the same subject is the same schema."""

from __future__ import annotations

import hashlib
import json

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from exchange.avro import Schema as AvroSchema
from exchange.text import Text
from registry.catalogue.models import Schema
from registry.clock import Clock
from registry.errors import NotFound

KIND = Text("schema", "模式")


def subject_of(topic: str) -> str:
    """Return the subject of a topic's values, by Confluent's TopicNameStrategy."""
    return f"{topic}-value"


def register(session: Session, clock: Clock, subject: str, schema: AvroSchema) -> Schema:
    """Return the stored schema with this text, storing it if it is new."""
    text = json.dumps(schema, ensure_ascii=False, separators=(",", ":"))
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    known = session.scalar(select(Schema).where(Schema.subject == subject, Schema.sha256 == sha256))
    if known is not None:
        return known
    last = session.scalar(select(func.max(Schema.version)).where(Schema.subject == subject)) or 0
    row = Schema(subject=subject, version=last + 1, sha256=sha256, text=text, created_at=clock())
    session.add(row)
    session.flush()
    return row


def by_id(session: Session, schema_id: int) -> Schema:
    """Return a schema. Errors: NotFound."""
    row = session.get(Schema, schema_id)
    if row is None:
        raise NotFound(kind=KIND, name=schema_id)
    return row


def subjects(session: Session) -> list[str]:
    """Return all subjects, in order."""
    return list(session.scalars(select(Schema.subject).distinct().order_by(Schema.subject)))


def versions(session: Session, subject: str) -> list[int]:
    """Return the versions of a subject, in order. Errors: NotFound."""
    found = list(session.scalars(select(Schema.version).where(Schema.subject == subject).order_by(Schema.version)))
    if not found:
        raise NotFound(kind=Text("subject", "主题"), name=subject)
    return found


def version(session: Session, subject: str, number: int | None) -> Schema:
    """Return one version of a subject; None is the latest. Errors: NotFound."""
    wanted = select(Schema).where(Schema.subject == subject).order_by(Schema.version.desc()).limit(1)
    row = session.scalar(wanted if number is None else wanted.where(Schema.version == number))
    if row is None:
        raise NotFound(kind=KIND, name=f"{subject} {number or 'latest'}")
    return row
