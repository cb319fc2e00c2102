"""Tables of daily certificates, and of the days for which one is due."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from registry.catalogue.models import Resource
from registry.database import Base
from registry.organisation.models import System
from registry.sharing.models import Grant


class CertificateRow(Base):
    """A certificate (日凭证) of one grant and day; what came late makes a further ``revision``, the old ones stay.

    ``content``: SHA-256 of what it says of the day, so that nothing new is issued for nothing new.
    """

    __tablename__ = "certificates"
    __table_args__ = (Index("uq_certificates_day", "grant_id", "day", "revision", unique=True),)

    id: Mapped[int] = mapped_column(primary_key=True)
    grant_id: Mapped[int] = mapped_column(ForeignKey("grants.id"))
    slug: Mapped[str] = mapped_column(ForeignKey("resources.slug"), index=True)
    client_id: Mapped[str] = mapped_column(ForeignKey("systems.client_id"), index=True)
    day: Mapped[date] = mapped_column(index=True)
    revision: Mapped[int]
    issued_at: Mapped[datetime]
    published: Mapped[int]
    landed: Mapped[int]
    differences: Mapped[int]
    content: Mapped[str] = mapped_column(String(64))
    jws: Mapped[str] = mapped_column(Text)
    grant: Mapped[Grant] = relationship(lazy="raise")
    resource: Mapped[Resource] = relationship(lazy="raise")
    system: Mapped[System] = relationship(lazy="raise")


class CertificateDay(Base):
    """A day of which something came for a resource, from a system: publisher or subscriber.

    ``marks`` counts how often it was marked, so that what comes while a certificate is made is not forgotten.
    """

    __tablename__ = "certificate_days"

    slug: Mapped[str] = mapped_column(String(64), primary_key=True)
    client_id: Mapped[str] = mapped_column(String(63), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True, index=True)
    marks: Mapped[int]
