"""Levels and modes: who sets them, and what the catalogue has set already."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.orm import Session

from exchange.text import Text
from registry.access.caller import Caller
from registry.audit.service import note
from registry.clock import Clock
from registry.schema_registry import owners, store
from registry.schema_registry.domain import CATALOGUE_LEVEL, DEFAULT_LEVEL, Level, Mode
from registry.schema_registry.errors import (
    InvalidLevel,
    InvalidMode,
    LevelNotConfigured,
    ModeNotConfigured,
    NotPermitted,
)
from registry.schema_registry.models import GLOBAL


@dataclass(frozen=True, slots=True)
class Config:
    """A compatibility level by name, and whether schemas are normalised; None: not set."""

    level: str | None
    normalize: bool | None = None


def config(session: Session) -> Config:
    """Return what holds for subjects without settings of their own."""
    _own, default = store.settings(session, GLOBAL)
    return Config(default.compatibility or DEFAULT_LEVEL.value, default.normalize)


def subject_config(session: Session, subject: str, *, fallback: bool) -> Config:
    """Return what is set for a subject; with ``fallback``, what holds for it. Errors: LevelNotConfigured."""
    if owners.derived(owners.resource_of(session, subject), subject):
        return Config(CATALOGUE_LEVEL.value)
    own, _default = store.settings(session, subject)
    if own.compatibility is not None or own.normalize is not None:
        return Config(own.compatibility or (config(session).level if fallback else None), own.normalize)
    if not fallback:
        raise LevelNotConfigured(subject=subject)
    return config(session)


def set_config(session: Session, clock: Clock, caller: Caller, subject: str | None, new: Config) -> Config:
    """Set level or normalisation, for a subject or (None) for all. Errors: Forbidden, NotPermitted, InvalidLevel."""
    level = _level(new.level) if new.level is not None else None
    if level is None and new.normalize is None:
        raise InvalidLevel(field="compatibility")
    _must_govern(session, caller, subject)
    values = {"compatibility": level and level.value, "normalize": new.normalize}
    given = {name: value for name, value in values.items() if value is not None}
    store.set_(session, subject or GLOBAL, **given)
    _note(session, clock, caller, "schema.set_config", subject, **given)
    return Config(level.value if level else None, new.normalize)


def delete_config(session: Session, clock: Clock, caller: Caller, subject: str | None) -> Config:
    """Unset level and normalisation; return what they were. Errors: Forbidden, NotPermitted, LevelNotConfigured."""
    _must_govern(session, caller, subject)
    old = config(session) if subject is None else subject_config(session, subject, fallback=False)
    store.set_(session, subject or GLOBAL, compatibility=None, normalize=None)
    _note(session, clock, caller, "schema.delete_config", subject)
    return old


def mode(session: Session) -> str:
    """Return the mode that holds for subjects without one of their own."""
    _own, default = store.settings(session, GLOBAL)
    return default.mode or Mode.READWRITE.value


def subject_mode(session: Session, subject: str, *, fallback: bool) -> str:
    """Return the mode of a subject; with ``fallback``, the one that holds for it. Errors: ModeNotConfigured."""
    own, _default = store.settings(session, subject)
    if own.mode is not None:
        return own.mode
    if not fallback:
        raise ModeNotConfigured(subject=subject)
    return mode(session)


def set_mode(session: Session, clock: Clock, caller: Caller, subject: str | None, name: str, *, force: bool) -> str:
    """Set a mode, for a subject or (None) for all. Errors: Forbidden, NotPermitted, InvalidMode."""
    new = _mode(name)
    _must_govern(session, caller, subject)
    if new is Mode.IMPORT and not force and _has_schemas(session, subject):
        raise NotPermitted(
            field="mode",
            reason=Text(
                "there are schemas already; force=true imports beside them", "已存在 schema；可用 force=true 强制"
            ),
        )
    if new is Mode.READONLY_OVERRIDE and subject is not None:
        raise NotPermitted(field="mode", reason=Text("READONLY_OVERRIDE is for all subjects", "该模式仅可用于全局"))
    store.set_(session, subject or GLOBAL, mode=new.value)
    _note(session, clock, caller, "schema.set_mode", subject, mode=new.value)
    return new.value


def delete_mode(session: Session, clock: Clock, caller: Caller, subject: str | None) -> str:
    """Unset a mode; return what it was. Errors: Forbidden, NotPermitted, ModeNotConfigured."""
    _must_govern(session, caller, subject)
    old = mode(session) if subject is None else subject_mode(session, subject, fallback=False)
    store.set_(session, subject or GLOBAL, mode=None)
    _note(session, clock, caller, "schema.delete_mode", subject)
    return old


def _must_govern(session: Session, caller: Caller, subject: str | None) -> None:
    resource = owners.resource_of(session, subject) if subject else None
    owners.must_write(caller, resource)
    if subject:
        owners.must_not_be_derived(resource, subject)


def _has_schemas(session: Session, subject: str | None) -> bool:
    found = store.subjects(session, prefix=subject or "", deleted=True, offset=0, limit=store.MOST_LISTED)
    return subject in found if subject else bool(found)


def _level(name: str) -> Level:
    try:
        return Level(name.upper())
    except ValueError as exc:
        raise InvalidLevel(field="compatibility") from exc


def _mode(name: str) -> Mode:
    try:
        return Mode(name.upper())
    except ValueError as exc:
        raise InvalidMode(field="mode") from exc


def _note(session: Session, clock: Clock, caller: Caller, action: str, subject: str | None, **facts: object) -> None:
    target = f"subject/{subject}" if subject else "subjects"
    note(session, clock, actor=caller.name, action=action, target=target, facts=facts)
