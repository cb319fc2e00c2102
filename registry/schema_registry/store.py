"""Schemas by id and by subject, as the database has them; who may write is ``service``'s to say."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Select, case, delete, func, select, text
from sqlalchemy.orm import Session

from exchange.avro import Schema as AvroSchema
from exchange.text import Text
from registry.clock import Clock
from registry.schema_registry.domain import VALUE, Reference, compact, fingerprint
from registry.schema_registry.errors import SchemaNotFound, SubjectNotFound, VersionNotFound
from registry.schema_registry.models import GLOBAL, Schema, SchemaReference, SubjectSettings, SubjectVersion

LOCK = 7_440_002  # any number that no other program locks in the same database
MOST_LISTED = 20_000


def subject_of(topic: str) -> str:
    """Return the subject of a topic's values, by Confluent's TopicNameStrategy."""
    return f"{topic}{VALUE}"


def register(session: Session, clock: Clock, subject: str, schema: AvroSchema) -> Schema:
    """Return the schema under ``subject``, storing it as its next version if it is new there."""
    lock(session)
    known = find(session, subject, fingerprint(schema))
    return known.schema if known else add(session, clock, subject, compact(schema), schema).schema


def keep(session: Session, clock: Clock, schema: AvroSchema) -> Schema:
    """Return the row of a schema, stored if it is new; nobody is shown it before a subject has it."""
    lock(session)
    sha256 = fingerprint(schema)
    known = by_fingerprint(session, sha256)
    if known is not None:
        return known
    last_id = session.scalar(select(func.max(Schema.id))) or 0
    return _stored(session, clock, last_id + 1, compact(schema), sha256, ())


def lock(session: Session) -> None:
    """Keep other writers of schemas out until the transaction ends, so that ids and versions have no gaps or twins."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})


def add(
    session: Session,
    clock: Clock,
    subject: str,
    content: str,
    parsed: object,
    references: Sequence[Reference] = (),
    *,
    schema_id: int | None = None,
    version: int | None = None,
) -> SubjectVersion:
    """Store a version of a subject; ``content`` is the text of ``parsed``. The caller holds the lock."""
    sha256 = fingerprint(parsed, references)
    known, last_id, last = session.execute(
        select(
            select(Schema.id).where(Schema.sha256 == sha256).scalar_subquery(),
            select(func.max(Schema.id)).scalar_subquery(),
            select(func.max(SubjectVersion.version)).where(SubjectVersion.subject == subject).scalar_subquery(),
        )
    ).one()
    schema = session.get(Schema, known) if known else None
    if schema is None:
        schema = _stored(session, clock, schema_id or (last_id or 0) + 1, content, sha256, references)
    row = SubjectVersion(
        subject=subject,
        version=version or (last or 0) + 1,
        schema_id=schema.id,
        schema=schema,
        deleted=False,
        created_at=clock(),
    )
    session.add(row)
    session.flush()
    return row


def find(session: Session, subject: str, sha256: str, *, deleted: bool = False) -> SubjectVersion | None:
    """Return the newest version of a subject that has this schema; deleted ones only if asked for."""
    wanted = _versions(subject, deleted).join(Schema).where(Schema.sha256 == sha256)
    return session.scalar(wanted.order_by(SubjectVersion.version.desc()).limit(1))


def by_fingerprint(session: Session, sha256: str) -> Schema | None:
    """Return the schema with this fingerprint."""
    return session.scalar(select(Schema).where(Schema.sha256 == sha256))


def by_id(session: Session, schema_id: int) -> Schema:
    """Return the schema that a record names, as long as a subject has it, deleted or not. Errors: SchemaNotFound."""
    row = session.get(Schema, schema_id)
    if row is None or not uses(session, schema_id, deleted=True, offset=0, limit=1):
        raise SchemaNotFound(reason=f"id {schema_id}")
    return row


def uses(
    session: Session, schema_id: int, *, deleted: bool, offset: int, limit: int, subject: str | None = None
) -> Sequence[SubjectVersion]:
    """Return where a schema is used, in order of subject and version."""
    wanted = select(SubjectVersion).where(SubjectVersion.schema_id == schema_id)
    if not deleted:
        wanted = wanted.where(SubjectVersion.deleted.is_(False))
    if subject is not None:
        wanted = wanted.where(SubjectVersion.subject == subject)
    wanted = wanted.order_by(SubjectVersion.subject, SubjectVersion.version)
    return session.scalars(wanted.offset(offset).limit(limit)).all()


def subjects(
    session: Session, *, prefix: str = "", deleted: bool = False, only_deleted: bool = False, offset: int, limit: int
) -> list[str]:
    """Return subjects in order; one is deleted when all of its versions are."""
    wanted = select(SubjectVersion.subject).group_by(SubjectVersion.subject).order_by(SubjectVersion.subject)
    if prefix:
        wanted = wanted.where(func.substr(SubjectVersion.subject, 1, len(prefix)) == prefix)
    if only_deleted:
        wanted = wanted.having(func.count(case((SubjectVersion.deleted.is_(False), 1))) == 0)
    elif not deleted:
        wanted = wanted.where(SubjectVersion.deleted.is_(False))
    return list(session.scalars(wanted.offset(offset).limit(limit)))


def versions(
    session: Session, subject: str, *, deleted: bool = False, only_deleted: bool = False
) -> Sequence[SubjectVersion]:
    """Return the versions of a subject, oldest first. Errors: SubjectNotFound when there is none."""
    found = alive(session, subject, deleted=deleted or only_deleted)
    found = [row for row in found if row.deleted] if only_deleted else found
    if not found:
        raise SubjectNotFound(subject=subject)
    return found


def alive(session: Session, subject: str, *, deleted: bool = False, last: bool = False) -> Sequence[SubjectVersion]:
    """Return the versions of a subject, oldest first, or nothing but the last."""
    wanted = _versions(subject, deleted)
    if last:
        return session.scalars(wanted.order_by(SubjectVersion.version.desc()).limit(1)).all()
    return session.scalars(wanted.order_by(SubjectVersion.version)).all()


def version(session: Session, subject: str, number: int | None, *, deleted: bool = False) -> SubjectVersion:
    """Return one version of a subject; None is the latest. Errors: SubjectNotFound, VersionNotFound."""
    wanted = _versions(subject, deleted).order_by(SubjectVersion.version.desc()).limit(1)
    row = session.scalar(wanted if number is None else wanted.where(SubjectVersion.version == number))
    if row is None:
        versions(session, subject, deleted=deleted)
        raise VersionNotFound(version=number)
    return row


def all_versions(
    session: Session, *, prefix: str, deleted: bool, latest: bool, offset: int, limit: int
) -> Sequence[SubjectVersion]:
    """Return versions of all subjects that start with ``prefix``, or the latest of each."""
    wanted = select(SubjectVersion)
    if not deleted:
        wanted = wanted.where(SubjectVersion.deleted.is_(False))
    if prefix:
        wanted = wanted.where(func.substr(SubjectVersion.subject, 1, len(prefix)) == prefix)
    if latest:
        newest = select(SubjectVersion.subject, func.max(SubjectVersion.version).label("last"))
        if not deleted:
            newest = newest.where(SubjectVersion.deleted.is_(False))
        last = newest.group_by(SubjectVersion.subject).subquery()
        wanted = wanted.join(last, (last.c.subject == SubjectVersion.subject) & (last.c.last == SubjectVersion.version))
    wanted = wanted.order_by(SubjectVersion.subject, SubjectVersion.version)
    return session.scalars(wanted.offset(offset).limit(limit)).all()


def users_of(session: Session, subject: str, number: int, *, offset: int = 0, limit: int = MOST_LISTED) -> list[int]:
    """Return the ids of schemas that refer to a version and are not deleted themselves."""
    wanted = (
        select(SchemaReference.schema_id)
        .join(SubjectVersion, SubjectVersion.schema_id == SchemaReference.schema_id)
        .where(SchemaReference.subject == subject, SchemaReference.version == number)
        .where(SubjectVersion.deleted.is_(False))
        .distinct()
        .order_by(SchemaReference.schema_id)
    )
    return list(session.scalars(wanted.offset(offset).limit(limit)))


def references_of(schema: Schema) -> list[Reference]:
    """Return what a schema refers to, in its order."""
    return [Reference(row.name, row.subject, row.version) for row in schema.references]


def used_texts(session: Session, references: Iterable[Reference]) -> tuple[str, ...]:
    """Return the texts of what ``references`` lead to, used before users. Errors: SubjectNotFound, VersionNotFound."""
    found: dict[int, str] = {}
    for reference in references:
        schema = version(session, reference.subject, reference.version).schema
        _collect(session, schema, found)
    return tuple(found.values())


def remove(session: Session, rows: Sequence[SubjectVersion], *, permanent: bool) -> None:
    """Delete versions, softly or for good; the schemas stay, so that no id ever means something else."""
    for row in rows:
        if permanent:
            session.delete(row)
        else:
            row.deleted = True
    session.flush()


def settings(session: Session, subject: str) -> tuple[SubjectSettings, SubjectSettings]:
    """Return what is set for a subject, and for all."""
    rows = session.scalars(select(SubjectSettings).where(SubjectSettings.subject.in_((subject, GLOBAL))))
    found = {row.subject: row for row in rows}
    return found.get(subject) or SubjectSettings(subject=subject), found.get(GLOBAL) or SubjectSettings(subject=GLOBAL)


def set_(session: Session, subject: str, **values: Any) -> None:
    """Set something for a subject, or for all; None unsets."""
    row = session.get(SubjectSettings, subject)
    if row is None:
        row = SubjectSettings(subject=subject)
        session.add(row)
    for name, value in values.items():
        setattr(row, name, value)
    session.flush()


def unset_all(session: Session, subject: str) -> None:
    """Forget what is set for a subject."""
    session.execute(delete(SubjectSettings).where(SubjectSettings.subject == subject))


def _versions(subject: str, deleted: bool) -> Select[SubjectVersion]:
    wanted = select(SubjectVersion).where(SubjectVersion.subject == subject)
    return wanted if deleted else wanted.where(SubjectVersion.deleted.is_(False))


def _stored(
    session: Session, clock: Clock, schema_id: int, content: str, sha256: str, references: Sequence[Reference]
) -> Schema:
    schema = Schema(id=schema_id, sha256=sha256, text=content, created_at=clock())
    schema.references = [
        SchemaReference(position=place, name=used.name, subject=used.subject, version=used.version)
        for place, used in enumerate(references)
    ]
    session.add(schema)
    return schema


def _collect(session: Session, schema: Schema, found: dict[int, str]) -> None:
    for used in references_of(schema):
        inner = session.get(SubjectVersion, (used.subject, used.version))
        if inner is None:
            raise SchemaNotFound(reason=Text(f"{used.subject} {used.version}", f"{used.subject} {used.version}"))
        if inner.schema_id not in found:
            _collect(session, inner.schema, found)
    found.setdefault(schema.id, schema.text)
