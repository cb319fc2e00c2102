"""Compatibility levels and modes, for all subjects or one; and whether a schema would be taken."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from registry.schema_registry import governing, service
from registry.schema_registry.forms import Normalize, SchemaForm, Subject, Verdict, Version
from registry.schema_registry.governing import Config
from registry.web.access import Authenticated, Registry

router = APIRouter()
Fallback = Annotated[bool, Query(alias="defaultToGlobal", description="what holds, if nothing is set for the subject")]
Force = Annotated[bool, Query(description="IMPORT although there are schemas")]
Verbose = Annotated[bool, Query(description="with the reasons")]


class ConfigForm(BaseModel):
    """What is set; groups, aliases, metadata and rule sets are not kept here and must be absent or null."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)
    compatibility: Annotated[str | None, Field(max_length=40, examples=["FULL_TRANSITIVE"])] = None
    compatibility_level: Annotated[str | None, Field(alias="compatibilityLevel", max_length=40)] = None
    normalize: bool | None = None
    alias: None = None
    compatibility_group: Annotated[None, Field(alias="compatibilityGroup")] = None
    default_metadata: Annotated[None, Field(alias="defaultMetadata")] = None
    override_metadata: Annotated[None, Field(alias="overrideMetadata")] = None
    default_rules: Annotated[None, Field(alias="defaultRuleSet")] = None
    override_rules: Annotated[None, Field(alias="overrideRuleSet")] = None

    def config(self) -> Config:
        """Return what is set."""
        return Config(self.compatibility or self.compatibility_level, self.normalize)


class ConfigSet(BaseModel):
    """What was set."""

    compatibility: Annotated[str | None, Field(examples=["FULL_TRANSITIVE"])] = None
    normalize: bool | None = None


class ConfigOut(BaseModel):
    """What is set, or holds."""

    compatibility_level: Annotated[
        str | None, Field(serialization_alias="compatibilityLevel", examples=["BACKWARD"])
    ] = None
    normalize: bool | None = None

    @staticmethod
    def of(config: Config) -> ConfigOut:
        """Return the answer for a config."""
        return ConfigOut(compatibility_level=config.level, normalize=config.normalize)


class ModeForm(BaseModel):
    """A mode."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    mode: Annotated[str, Field(max_length=40, examples=["READWRITE"])]


class ModeOut(BaseModel):
    """A mode."""

    mode: Annotated[str, Field(examples=["READWRITE"])]


SHORT: dict[str, Any] = {"response_model_exclude_none": True}


@router.get("/config", **SHORT)
def config(registry: Registry, _caller: Authenticated) -> ConfigOut:
    """Return the level that holds for subjects without one of their own."""
    with registry.database.read() as session:
        return ConfigOut.of(governing.config(session))


@router.put("/config", **SHORT)
def set_config(registry: Registry, caller: Authenticated, form: ConfigForm) -> ConfigSet:
    """Set the level for all subjects; a system administrator of the whole node does this."""
    with registry.database.write() as session:
        new = governing.set_config(session, registry.clock, caller, None, form.config())
        return ConfigSet(compatibility=new.level, normalize=new.normalize)


@router.delete("/config", **SHORT)
def delete_config(registry: Registry, caller: Authenticated) -> ConfigOut:
    """Go back to BACKWARD for all subjects; the level that held is answered."""
    with registry.database.write() as session:
        return ConfigOut.of(governing.delete_config(session, registry.clock, caller, None))


@router.get("/config/{subject}", **SHORT)
def subject_config(
    registry: Registry, _caller: Authenticated, subject: Subject, fallback: Fallback = False
) -> ConfigOut:
    """Return the level of one subject."""
    with registry.database.read() as session:
        return ConfigOut.of(governing.subject_config(session, subject, fallback=fallback))


@router.put("/config/{subject}", **SHORT)
def set_subject_config(registry: Registry, caller: Authenticated, subject: Subject, form: ConfigForm) -> ConfigSet:
    """Set the level of one subject; who may register under it does this."""
    with registry.database.write() as session:
        new = governing.set_config(session, registry.clock, caller, subject, form.config())
        return ConfigSet(compatibility=new.level, normalize=new.normalize)


@router.delete("/config/{subject}", **SHORT)
def delete_subject_config(registry: Registry, caller: Authenticated, subject: Subject) -> ConfigOut:
    """Let one subject follow the level of all; the level that it had is answered."""
    with registry.database.write() as session:
        return ConfigOut.of(governing.delete_config(session, registry.clock, caller, subject))


@router.get("/mode")
def mode(registry: Registry, _caller: Authenticated) -> ModeOut:
    """Return the mode that holds for subjects without one of their own."""
    with registry.database.read() as session:
        return ModeOut(mode=governing.mode(session))


@router.put("/mode")
def set_mode(registry: Registry, caller: Authenticated, form: ModeForm, force: Force = False) -> ModeOut:
    """Set the mode for all subjects; a system administrator of the whole node does this."""
    with registry.database.write() as session:
        return ModeOut(mode=governing.set_mode(session, registry.clock, caller, None, form.mode, force=force))


@router.delete("/mode")
def delete_mode(registry: Registry, caller: Authenticated) -> ModeOut:
    """Go back to READWRITE for all subjects; the mode that held is answered."""
    with registry.database.write() as session:
        return ModeOut(mode=governing.delete_mode(session, registry.clock, caller, None))


@router.get("/mode/{subject}")
def subject_mode(registry: Registry, _caller: Authenticated, subject: Subject, fallback: Fallback = False) -> ModeOut:
    """Return the mode of one subject."""
    with registry.database.read() as session:
        return ModeOut(mode=governing.subject_mode(session, subject, fallback=fallback))


@router.put("/mode/{subject}")
def set_subject_mode(
    registry: Registry, caller: Authenticated, subject: Subject, form: ModeForm, force: Force = False
) -> ModeOut:
    """Set the mode of one subject; who may register under it does this."""
    with registry.database.write() as session:
        return ModeOut(mode=governing.set_mode(session, registry.clock, caller, subject, form.mode, force=force))


@router.delete("/mode/{subject}")
def delete_subject_mode(registry: Registry, caller: Authenticated, subject: Subject) -> ModeOut:
    """Let one subject follow the mode of all; the mode that it had is answered."""
    with registry.database.write() as session:
        return ModeOut(mode=governing.delete_mode(session, registry.clock, caller, subject))


@router.post("/compatibility/subjects/{subject}/versions/{version}", **SHORT)
def compare(
    registry: Registry,
    _caller: Authenticated,
    subject: Subject,
    version: Version,
    form: SchemaForm,
    verbose: Verbose = False,
    normalize: Normalize = False,
) -> Verdict:
    """Tell whether a schema goes with one version, or `latest`, under the level that holds."""
    given = form.given(normalize=normalize)
    with registry.database.read() as session:
        faults = service.compare(session, subject, given, version, every=False)
    return Verdict(is_compatible=not faults, messages=faults if verbose else None)


@router.post("/compatibility/subjects/{subject}/versions", **SHORT)
def compare_all(
    registry: Registry,
    _caller: Authenticated,
    subject: Subject,
    form: SchemaForm,
    verbose: Verbose = False,
    normalize: Normalize = False,
) -> Verdict:
    """Tell whether a schema may follow what is there, under the level that holds."""
    given = form.given(normalize=normalize)
    with registry.database.read() as session:
        faults = service.compare(session, subject, given, None, every=True)
    return Verdict(is_compatible=not faults, messages=faults if verbose else None)
