"""Daily certificates over HTTP: to both sides of a grant, and those above them; the keys to everybody."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from sqlalchemy import Select, or_, select

from exchange.certificate import opened
from exchange.text import Text
from registry.access.caller import Caller
from registry.catalogue.models import Resource
from registry.certificates.models import CertificateRow
from registry.errors import NotFound
from registry.organisation.models import Department, System
from registry.organisation.reach import seen
from registry.web.access import Authenticated, Registry
from registry.web.forms import NO_NUL, Cursor, Limit, Number, Page, page

router = APIRouter(prefix="/api/v1", tags=["reconciliation"])

JWS = "eyJhbGciOiJFZERTQSIsImtpZCI6Ii4uLiIsInR5cCI6ImV4Y2hhbmdlLWNlcnRpZmljYXRlK2p3cyJ9.eyJ2ZXJzaW9uIjoxfQ.c2ln"


class CertificateOut(BaseModel):
    """A certificate in a list; ``published``, ``landed``: records; ``differences``: open ones when it was issued."""

    id: int
    resource: Annotated[str, Field(examples=["307440000-000001"])]
    grant_id: int
    client_id: str
    day: date
    revision: int
    issued_at: datetime
    published: int
    landed: int
    differences: int

    @staticmethod
    def of(row: CertificateRow) -> CertificateOut:
        """Return the answer for a row."""
        return CertificateOut(**_listed(row))


class CertificateFile(CertificateOut):
    """A certificate whole: ``jws`` is what is signed, ``certificate`` the same to be read."""

    jws: Annotated[str, Field(examples=[JWS])]
    certificate: dict[str, Any]


class Jwks(BaseModel):
    """Public keys (RFC 7517)."""

    keys: list[dict[str, str]]


@router.get("/certificates")
def certificates(
    registry: Registry,
    caller: Authenticated,
    resource: Annotated[str | None, Query(max_length=64, pattern=NO_NUL)] = None,
    client_id: Annotated[str | None, Query(max_length=63, pattern=NO_NUL)] = None,
    day: Annotated[date | None, Query(description="of that day (UTC+8)")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[CertificateOut]:
    """List the certificates of the caller's resources and grants, oldest first."""
    statement = _visible(caller)
    for column, word in (
        (CertificateRow.slug, resource),
        (CertificateRow.client_id, client_id),
        (CertificateRow.day, day),
    ):
        if word is not None:
            statement = statement.where(column == word)
    with registry.database.read() as session:
        return page(session, statement, CertificateRow.id, CertificateOut.of, limit=limit, cursor=cursor)


@router.get("/certificates/{certificate_id}")
def certificate(registry: Registry, caller: Authenticated, certificate_id: Number) -> CertificateFile:
    """Return a certificate with its signature, to either side: kept as a file, it is verified without the registry."""
    with registry.database.read() as session:
        row = session.scalar(_visible(caller).where(CertificateRow.id == certificate_id))
    if row is None:
        raise NotFound(kind=Text("certificate", "日凭证"), name=certificate_id)
    return CertificateFile(**_listed(row), jws=row.jws, certificate=opened(row.jws))


@router.get("/certificate-keys")
def certificate_keys(registry: Registry) -> Jwks:
    """Return the public keys of certificates; ones that signed earlier stay."""
    return Jwks(**registry.certificates.jwks())


def _visible(caller: Caller) -> Select[CertificateRow]:
    own = select(Department.id).where(seen(caller, Department.id))
    return (
        select(CertificateRow)
        .join(Resource, Resource.slug == CertificateRow.slug)
        .join(System, System.client_id == CertificateRow.client_id)
        .where(or_(Resource.department_id.in_(own), System.department_id.in_(own)))
    )


def _listed(row: CertificateRow) -> dict[str, Any]:
    said = {name: getattr(row, name) for name in CertificateOut.model_fields if name != "resource"}
    return {**said, "resource": row.slug}
