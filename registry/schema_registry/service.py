"""Registering, looking up, comparing and deleting schemas, by the rules of subjects and of the catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from exchange.text import Text
from registry.access.caller import Caller
from registry.audit.service import note
from registry.catalogue.models import Resource
from registry.clock import Clock
from registry.schema_registry import owners, store
from registry.schema_registry.compatibility import level_faults
from registry.schema_registry.domain import (
    CATALOGUE_LEVEL,
    Level,
    Mode,
    Reference,
    compact,
    effective_level,
    effective_mode,
    fingerprint,
    layout,
)
from registry.schema_registry.errors import (
    IncompatibleSchema,
    InvalidSchema,
    NotPermitted,
    NotTheItems,
    Referenced,
    SchemaNotFound,
    SubjectNotFound,
    SubjectNotSoftDeleted,
    SubjectSoftDeleted,
    VersionNotFound,
    VersionNotSoftDeleted,
    VersionSoftDeleted,
)
from registry.schema_registry.models import Schema, SubjectVersion
from registry.schema_registry.parsing import Parsed, parse

READ_ONLY = (Mode.READONLY, Mode.READONLY_OVERRIDE)


@dataclass(frozen=True, slots=True)
class Given:
    """A schema as a client sends it; id and version only when it is imported."""

    text: str
    references: tuple[Reference, ...] = ()
    normalize: bool = False
    schema_id: int | None = None
    version: int | None = None


@dataclass(frozen=True, slots=True)
class Rules:
    """What holds for a subject: the resource behind it, its level and mode, and whether its schemas are normalised."""

    subject: str
    resource: Resource | None
    level: Level
    mode: Mode
    normalize: bool

    @property
    def derived_from(self) -> Resource | None:
        """The resource whose items the subject's schemas follow from."""
        return self.resource if owners.derived(self.resource, self.subject) else None


def rules_of(session: Session, subject: str) -> Rules:
    """Return what holds for a subject; the catalogue has its own level for what it derives."""
    resource = owners.resource_of(session, subject)
    own, default = store.settings(session, subject)
    derived = owners.derived(resource, subject)
    return Rules(
        subject,
        resource,
        CATALOGUE_LEVEL if derived else effective_level(own.compatibility, default.compatibility),
        effective_mode(own.mode, default.mode),
        bool(own.normalize if own.normalize is not None else default.normalize),
    )


def register(session: Session, clock: Clock, caller: Caller, subject: str, given: Given) -> SubjectVersion:
    """Return the version of the subject that has this schema, made if it is new.

    Errors: Forbidden, NotPermitted (mode), InvalidSchema, IncompatibleSchema, NotTheItems.
    """
    store.lock(session)
    rules = rules_of(session, subject)
    owners.must_write(caller, rules.resource)
    parsed = _read(session, given)
    if rules.derived_from is not None:
        return _of_the_items(session, rules.derived_from, subject, parsed)
    known = _known(session, subject, parsed, given, deleted=False)
    if known is not None and given.schema_id is None:
        return known
    _must_be_writable(subject, rules.mode)
    _must_fit_mode(subject, rules.mode, given)
    if rules.mode is not Mode.IMPORT:
        _must_follow(session, rules, parsed)
    normal = given.normalize or rules.normalize
    row = _added(session, clock, subject, parsed.normal if normal else parsed.raw, given)
    facts = {"version": row.version, "id": row.schema_id}
    note(session, clock, actor=caller.name, action="schema.register", target=f"subject/{subject}", facts=facts)
    return row


def look_up(session: Session, subject: str, given: Given, *, deleted: bool) -> SubjectVersion:
    """Return the version of a subject that has this schema. Errors: SubjectNotFound, SchemaNotFound, InvalidSchema."""
    store.versions(session, subject, deleted=deleted)
    parsed = _read(session, given)
    row = _known(session, subject, parsed, given, deleted=deleted)
    resource = owners.resource_of(session, subject) if row is None else None
    if row is None and resource is not None and owners.derived(resource, subject):
        row = _same_layout(session, resource, subject, parsed)
    if row is None:
        raise SchemaNotFound(reason=subject)
    return row


def compare(session: Session, subject: str, given: Given, version: int | None, *, every: bool) -> list[str]:
    """Return why a schema does not go with a version (None: the latest), or with ``every`` one.

    Errors: VersionNotFound, InvalidSchema. An unknown subject takes any schema, as Confluent's registry has it.
    """
    parsed = _read(session, given)
    try:
        rows = store.versions(session, subject) if every else [store.version(session, subject, version)]
    except SubjectNotFound as exc:
        if every or version is None:
            return []
        raise VersionNotFound(version=version) from exc
    level = rules_of(session, subject).level
    return level_faults(parsed, [parsed_row(session, row.schema) for row in rows], level)


def delete_version(
    session: Session, clock: Clock, caller: Caller, subject: str, number: int | None, *, permanent: bool
) -> int:
    """Delete one version, softly or for good; return its number."""
    resource = _writable(session, caller, subject)
    row = store.version(session, subject, number, deleted=True) if permanent or number else None
    row = row or store.version(session, subject, None)
    if permanent and not row.deleted:
        raise VersionNotSoftDeleted(subject=subject, version=row.version)
    if not permanent and row.deleted:
        raise VersionSoftDeleted(subject=subject, version=row.version)
    _remove(session, clock, caller, resource, [row], permanent=permanent)
    return row.version


def delete_subject(session: Session, clock: Clock, caller: Caller, subject: str, *, permanent: bool) -> list[int]:
    """Delete all versions of a subject, softly (with what is set for it) or for good; return their numbers."""
    resource = _writable(session, caller, subject)
    rows = store.versions(session, subject, deleted=True)
    alive = [row for row in rows if not row.deleted]
    if permanent and alive:
        raise SubjectNotSoftDeleted(subject=subject)
    if not permanent and not alive:
        raise SubjectSoftDeleted(subject=subject)
    going = rows if permanent else alive
    _remove(session, clock, caller, resource, going, permanent=permanent)
    store.unset_all(session, subject)
    return [row.version for row in going]


def parsed_row(session: Session, schema: Schema) -> Parsed:
    """Return a stored schema, parsed."""
    return parse(schema.text, store.used_texts(session, store.references_of(schema)))


def _read(session: Session, given: Given) -> Parsed:
    try:
        used = store.used_texts(session, given.references)
    except (SubjectNotFound, VersionNotFound, SchemaNotFound) as exc:
        raise InvalidSchema(field="references", reason=exc.message()) from exc
    return parse(given.text, used)


def _known(session: Session, subject: str, parsed: Parsed, given: Given, *, deleted: bool) -> SubjectVersion | None:
    for content in (parsed.raw, parsed.normal):
        found = store.find(session, subject, fingerprint(content, given.references), deleted=deleted)
        if found is not None or not given.normalize:
            return found
    for row in reversed(store.alive(session, subject, deleted=deleted)):
        if parsed_row(session, row.schema).normal == parsed.normal:
            return row
    return None


def _of_the_items(session: Session, resource: Resource, subject: str, parsed: Parsed) -> SubjectVersion:
    found = _same_layout(session, resource, subject, parsed)
    if found is None:
        raise NotTheItems(resource=resource.code)
    return found


def _same_layout(session: Session, resource: Resource, subject: str, parsed: Parsed) -> SubjectVersion | None:
    """Return the newest version of the resource whose bytes and defaults are the same."""
    own = owners.catalogued_ids(session, resource)
    wanted = layout(parsed.normal)
    rows = [row for row in store.alive(session, subject) if row.schema_id in own]
    return next((row for row in reversed(rows) if layout(parsed_row(session, row.schema).normal) == wanted), None)


def _must_be_writable(subject: str, mode: Mode) -> None:
    if mode in READ_ONLY:
        raise NotPermitted(
            field="mode", reason=Text(f"subject {subject} is in read-only mode", f"主体 {subject} 处于只读模式")
        )


def _must_fit_mode(subject: str, mode: Mode, given: Given) -> None:
    if (mode is Mode.IMPORT) != (given.schema_id is not None):
        raise NotPermitted(
            field="mode",
            reason=Text(
                f"subject {subject}: an id is given in IMPORT mode, and only there",
                f"主体 {subject}：仅在 IMPORT 模式下须指定 id",
            ),
        )


def _must_follow(session: Session, rules: Rules, parsed: Parsed) -> None:
    if rules.level is Level.NONE:
        return
    rows = store.alive(session, rules.subject, last=not rules.level.transitive)
    faults = level_faults(parsed, [parsed_row(session, row.schema) for row in rows], rules.level)
    if faults:
        raise IncompatibleSchema(subject=rules.subject, level=rules.level.value, reason="; ".join(faults))


def _added(session: Session, clock: Clock, subject: str, schema: Any, given: Given) -> SubjectVersion:
    if given.schema_id is not None:
        _must_be_free(session, subject, fingerprint(schema, given.references), given)
    return store.add(
        session,
        clock,
        subject,
        compact(schema),
        schema,
        given.references,
        schema_id=given.schema_id,
        version=given.version,
    )


def _must_be_free(session: Session, subject: str, sha256: str, given: Given) -> None:
    held = session.get(Schema, given.schema_id)
    other = store.by_fingerprint(session, sha256)
    taken = given.version is not None and session.get(SubjectVersion, (subject, given.version)) is not None
    if taken or (held is not None and held.sha256 != sha256) or (other is not None and other.id != given.schema_id):
        raise NotPermitted(
            field="id",
            reason=Text("id or version is taken by another schema", "该 id 或版本已属于其他 schema"),
        )


def _writable(session: Session, caller: Caller, subject: str) -> Resource | None:
    store.lock(session)
    rules = rules_of(session, subject)
    owners.must_write(caller, rules.resource)
    _must_be_writable(subject, rules.mode)
    return rules.resource


def _remove(
    session: Session,
    clock: Clock,
    caller: Caller,
    resource: Resource | None,
    rows: Sequence[SubjectVersion],
    *,
    permanent: bool,
) -> None:
    subject = rows[0].subject
    fixed = owners.catalogued_ids(session, resource) if resource is not None else set()
    for row in rows:
        if row.schema_id in fixed:
            owners.must_not_be_derived(resource, subject)
        if store.users_of(session, subject, row.version):
            raise Referenced(field="version", subject=subject, version=row.version)
    store.remove(session, rows, permanent=permanent)
    action = "schema.delete_permanently" if permanent else "schema.delete"
    facts = {"versions": [row.version for row in rows]}
    note(session, clock, actor=caller.name, action=action, target=f"subject/{subject}", facts=facts)
