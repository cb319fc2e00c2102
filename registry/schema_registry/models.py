"""Tables of schemas, of the subjects that they are versions of, and of what is set for subjects."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from registry.database import Base

LONGEST_SUBJECT = 255  # a topic's 249 characters and "-value"
GLOBAL = ""  # what is set for no subject of its own


class Schema(Base):
    """An Avro schema; its id is global, is what each record carries, and never means another text.

    ``sha256`` is that of the canonical text and the references, so the same schema has one id under all subjects.
    """

    __tablename__ = "schemas"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    sha256: Mapped[str] = mapped_column(String(64), unique=True)
    text: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime]
    references: Mapped[list[SchemaReference]] = relationship(
        lazy="selectin", order_by="SchemaReference.position", cascade="all"
    )


class SchemaReference(Base):
    """A version of a subject that a schema takes named types from."""

    __tablename__ = "schema_references"
    __table_args__ = (Index("ix_schema_references_subject", "subject", "version"),)

    schema_id: Mapped[int] = mapped_column(ForeignKey("schemas.id"), primary_key=True, autoincrement=False)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str] = mapped_column(String(LONGEST_SUBJECT))
    subject: Mapped[str] = mapped_column(String(LONGEST_SUBJECT))
    version: Mapped[int]


class SubjectVersion(Base):
    """A schema as one version of a subject; a soft deleted one is kept until it is deleted for good."""

    __tablename__ = "subject_versions"

    subject: Mapped[str] = mapped_column(String(LONGEST_SUBJECT), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    schema_id: Mapped[int] = mapped_column(ForeignKey("schemas.id"), index=True)
    deleted: Mapped[bool]
    created_at: Mapped[datetime]
    schema: Mapped[Schema] = relationship(lazy="joined", innerjoin=True)


class SubjectSettings(Base):
    """What is set for one subject, or for all (GLOBAL); null: not set."""

    __tablename__ = "subject_settings"

    subject: Mapped[str] = mapped_column(String(LONGEST_SUBJECT), primary_key=True)
    compatibility: Mapped[str | None] = mapped_column(String(20))
    mode: Mapped[str | None] = mapped_column(String(20))
    normalize: Mapped[bool | None]
