"""Systems over HTTP: what they are, whether they are on, and how they prove themselves."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field, StringConstraints
from sqlalchemy import select

from registry.enforcement.acls import Scope
from registry.organisation import service
from registry.organisation.fields import ClientIdPath, Id
from registry.organisation.models import System
from registry.organisation.reach import tended
from registry.web.access import Authenticated, Registry, SystemAdmin
from registry.web.forms import ClientId, Cursor, Form, Limit, LongName, Page, page

router = APIRouter(prefix="/api/v1", tags=["organisation"])
Pem = Annotated[str, StringConstraints(min_length=1, max_length=10_000)]


class SystemForm(Form):
    """A system to register; ``department_id`` is its department."""

    client_id: Annotated[ClientId, Field(examples=["440604-mz-villages"])]
    department_id: Id
    name: LongName


class SystemPatch(Form):
    """What changes about a system."""

    name: LongName


class KeyForm(Form):
    """A public key of the system's own: as PEM, or as a JWK. RSA from 2048 bits, or EC P-256."""

    pem: Pem | None = None
    jwk: dict[str, Annotated[str, StringConstraints(max_length=2000)]] | None = Field(default=None, max_length=20)


class SystemOut(BaseModel):
    """A system; ``proof`` is how it signs in: secret or key."""

    client_id: str
    department_id: int
    name: str
    active: bool
    proof: str
    created_at: datetime

    @staticmethod
    def of(row: System) -> SystemOut:
        """Return the answer for a row."""
        proof = "key" if row.public_key is not None else "secret"
        return SystemOut(
            client_id=row.client_id,
            department_id=row.department_id,
            name=row.name,
            active=row.active,
            proof=proof,
            created_at=row.created_at,
        )


class NewSystem(SystemOut):
    """A system that was just registered, with its secret, which is told this once."""

    secret: str
    enforced: bool


class NewSecret(BaseModel):
    """A system's new secret, which is told this once."""

    secret: str


class KeyOut(BaseModel):
    """A system's public key, as a JWK."""

    client_id: str
    jwk: dict[str, Any]


class Switched(BaseModel):
    """A system that was switched on or off; ``enforced`` false: the broker is away and follows by itself."""

    client_id: str
    active: bool
    enforced: bool


@router.post("/systems", status_code=201)
def add_system(registry: Registry, caller: SystemAdmin, form: SystemForm) -> NewSystem:
    """Register a system; the answer is the only time that its secret is told."""
    with registry.database.write() as session:
        row, secret = service.add_system(
            session, registry.clock, caller, client_id=form.client_id, department_id=form.department_id, name=form.name
        )
        shown = SystemOut.of(row)
    enforced = registry.enforcer.enforce(Scope(client_id=form.client_id))
    return NewSystem(**shown.model_dump(), secret=secret, enforced=enforced)


@router.get("/systems")
def systems(
    registry: Registry,
    caller: Authenticated,
    department: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None,
    active: Annotated[bool | None, Query()] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[SystemOut]:
    """List the systems of the caller's department; for system and security administrators those of their division."""
    statement = select(System).where(tended(caller, System.department_id))
    if department is not None:
        statement = statement.where(System.department_id == department)
    if active is not None:
        statement = statement.where(System.active == active)
    with registry.database.read() as session:
        return page(session, statement, System.client_id, SystemOut.of, limit=limit, cursor=cursor)


@router.get("/systems/{client_id}")
def system(registry: Registry, caller: Authenticated, client_id: ClientIdPath) -> SystemOut:
    """Return a system of the caller's department; to system and security administrators one of their division."""
    with registry.database.read() as session:
        return SystemOut.of(service.tended_system(session, caller, client_id))


@router.patch("/systems/{client_id}")
def change_system(registry: Registry, caller: SystemAdmin, client_id: ClientIdPath, form: SystemPatch) -> SystemOut:
    """Give a system another name."""
    with registry.database.write() as session:
        return SystemOut.of(service.rename_system(session, registry.clock, caller, client_id, form.name))


@router.post("/systems/{client_id}/secret")
def renew_secret(registry: Registry, caller: Authenticated, client_id: ClientIdPath) -> NewSecret:
    """Give a system a new secret; the old one, or its key, ends at once.

    Security administrators do it, and administrators of the system's department.
    """
    with registry.database.write() as session:
        return NewSecret(secret=service.renew_secret(session, registry.clock, caller, client_id))


@router.put("/systems/{client_id}/key")
def take_key(registry: Registry, caller: Authenticated, client_id: ClientIdPath, form: KeyForm) -> KeyOut:
    """Have a system sign in with its own key (private_key_jwt, RFC 7523); its secret ends at once."""
    with registry.database.write() as session:
        jwk = service.take_key(session, registry.clock, caller, client_id, pem=form.pem, jwk=form.jwk)
        return KeyOut(client_id=client_id, jwk=jwk)


@router.post("/systems/{client_id}/activate")
def activate(registry: Registry, caller: SystemAdmin, client_id: ClientIdPath) -> Switched:
    """Switch a system on: it gets tokens and its ACLs again."""
    return _switch(registry, caller, client_id, active=True)


@router.post("/systems/{client_id}/deactivate")
def deactivate(registry: Registry, caller: SystemAdmin, client_id: ClientIdPath) -> Switched:
    """Switch a system off: no token any more, and all its ACLs are removed."""
    return _switch(registry, caller, client_id, active=False)


def _switch(registry: Registry, caller: SystemAdmin, client_id: str, *, active: bool) -> Switched:
    with registry.database.write() as session:
        service.set_active(session, registry.clock, caller, client_id, active)
    return Switched(client_id=client_id, active=active, enforced=registry.enforcer.enforce(Scope(client_id=client_id)))
