"""Tables of resources and their versions."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from registry.database import Base
from registry.organisation.models import Department
from registry.schema_registry.models import Schema


class Resource(Base):
    """A catalogue entry (信息资源); ``slug`` is its code as addresses and topics write it.

    ``quality`` and ``kept``: of the last 30 days that are over, the share of rows that broke no rule, and the share of
    days at whose end the data were fresh; None: nothing to judge by.
    """

    __tablename__ = "resources"
    __table_args__ = (
        CheckConstraint("sharing_type IN (1, 2, 3)", name="sharing_type"),
        CheckConstraint("lifecycle IN ('draft', 'submitted', 'published', 'withdrawn')", name="lifecycle"),
        CheckConstraint("level IN (1, 2, 3, 4)", name="level"),
        Index("ix_resources_name", "name", "slug"),
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
    classification: Mapped[str] = mapped_column(String(40), index=True)
    level: Mapped[int] = mapped_column(default=1)
    sharing_method: Mapped[str | None] = mapped_column(String(20))
    format_kind: Mapped[str] = mapped_column(String(20), default="database")
    format_type: Mapped[str] = mapped_column(String(20), default="other")
    open: Mapped[bool] = mapped_column(default=False)
    open_condition: Mapped[str | None] = mapped_column(String(500))
    related: Mapped[list[str]] = mapped_column(JSON, default=list)
    service_items: Mapped[list[str]] = mapped_column(JSON, default=list)
    timestamp_column: Mapped[str | None] = mapped_column(String(63))
    load: Mapped[str] = mapped_column(String(20), default="full")
    physical_deletes: Mapped[bool] = mapped_column(default=False)
    changed_at: Mapped[datetime | None]
    last_data_at: Mapped[datetime | None]
    note: Mapped[str | None] = mapped_column(String(1000))
    quality: Mapped[float | None]
    kept: Mapped[float | None]
    department: Mapped[Department] = relationship(lazy="joined", innerjoin=True)

    __mapper_args__ = {"version_id_col": revision}  # noqa: RUF012 (SQLAlchemy reads it)


class ResourceVersion(Base):
    """One version of a resource: its items, the schema derived from them, and its description (``details``)."""

    __tablename__ = "resource_versions"

    slug: Mapped[str] = mapped_column(ForeignKey("resources.slug"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    items: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    schema_id: Mapped[int] = mapped_column(ForeignKey("schemas.id"), index=True)
    created_at: Mapped[datetime]
    details: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    schema: Mapped[Schema] = relationship(lazy="joined", innerjoin=True)


class Classification(Base):
    """A node of the directory tree (信息资源分类): its code begins with its parent's."""

    __tablename__ = "classifications"

    code: Mapped[str] = mapped_column(String(40), primary_key=True)
    parent: Mapped[str | None] = mapped_column(ForeignKey("classifications.code"), index=True)
    en: Mapped[str] = mapped_column(String(128))
    zh: Mapped[str] = mapped_column(String(128))


class ResourceWords(Base):
    """What a resource is found by: its words, normalised.

    PostgreSQL has a trigram index on them, SQLite the FTS5 table ``resource_search``, which triggers keep equal.
    """

    __tablename__ = "resource_words"
    __table_args__ = (
        Index(
            "ix_resource_words_words", "words", postgresql_using="gin", postgresql_ops={"words": "gin_trgm_ops"}
        ).ddl_if(dialect="postgresql"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(ForeignKey("resources.slug"), unique=True)
    words: Mapped[str] = mapped_column(Text)


class ResourceLabel(Base):
    """A normalised label of a resource's present items: what two resources are compared by (一数一源)."""

    __tablename__ = "resource_labels"

    label: Mapped[str] = mapped_column(String(128), primary_key=True)
    slug: Mapped[str] = mapped_column(ForeignKey("resources.slug"), primary_key=True, index=True)
