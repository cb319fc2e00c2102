"""Tables of resources, their versions and their schemas."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from registry.database import Base
from registry.organisation.models import Department


class Resource(Base):
    """A catalogue entry (信息资源); ``slug`` is its code as addresses and topics write it."""

    __tablename__ = "resources"
    __table_args__ = (
        CheckConstraint("sharing_type IN (1, 2, 3)", name="sharing_type"),
        CheckConstraint("lifecycle IN ('draft', 'published', 'withdrawn')", name="lifecycle"),
    )

    slug: Mapped[str] = mapped_column(String(64), primary_key=True)
    code: Mapped[str] = mapped_column(String(64), unique=True)
    name: Mapped[str] = mapped_column(String(128))
    summary: Mapped[str] = mapped_column(String(1000))
    department_id: Mapped[int] = mapped_column(ForeignKey("departments.id"), index=True)
    source_system: Mapped[str] = mapped_column(ForeignKey("systems.client_id"), index=True)
    sharing_type: Mapped[int]
    sharing_condition: Mapped[str | None] = mapped_column(String(500))
    update_cycle: Mapped[str] = mapped_column(String(20))
    partitions: Mapped[int]
    topic: Mapped[str] = mapped_column(String(100), unique=True)
    lifecycle: Mapped[str] = mapped_column(String(20), index=True)
    version: Mapped[int]
    revision: Mapped[int] = mapped_column()
    created_at: Mapped[datetime]
    published_at: Mapped[datetime | None]
    published_version: Mapped[int | None]
    department: Mapped[Department] = relationship(lazy="joined", innerjoin=True)

    __mapper_args__ = {"version_id_col": revision}  # noqa: RUF012 (SQLAlchemy reads it)


class Schema(Base):
    """An Avro schema; its id is global and is what each record carries."""

    __tablename__ = "schemas"
    __table_args__ = (UniqueConstraint("subject", "sha256"), UniqueConstraint("subject", "version"))

    id: Mapped[int] = mapped_column(primary_key=True)
    subject: Mapped[str] = mapped_column(String(120))
    version: Mapped[int]
    sha256: Mapped[str] = mapped_column(String(64))
    text: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime]


class ResourceVersion(Base):
    """The items of one version of a resource, and the schema derived from them."""

    __tablename__ = "resource_versions"

    slug: Mapped[str] = mapped_column(ForeignKey("resources.slug"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    items: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    schema_id: Mapped[int] = mapped_column(ForeignKey("schemas.id"), index=True)
    created_at: Mapped[datetime]
    schema: Mapped[Schema] = relationship(lazy="joined", innerjoin=True)
