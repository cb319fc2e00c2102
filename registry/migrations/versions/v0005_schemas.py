"""Schemas apart from the subjects that use them: one id for a text, soft deletion, references, levels and modes."""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op

from registry.database import UtcDateTime
from registry.schema_registry.domain import fingerprint

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INSTANT = UtcDateTime()
SUBJECT = sa.String(length=255)


def upgrade() -> None:
    op.create_table(
        "subject_versions",
        sa.Column("subject", SUBJECT, nullable=False),
        sa.Column("version", NUMBER, autoincrement=False, nullable=False),
        sa.Column("schema_id", NUMBER, nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["schema_id"], ["schemas.id"], name=op.f("fk_subject_versions_schema_id")),
        sa.PrimaryKeyConstraint("subject", "version", name=op.f("pk_subject_versions")),
    )
    op.create_index(op.f("ix_subject_versions_schema_id"), "subject_versions", ["schema_id"], unique=False)
    op.create_table(
        "schema_references",
        sa.Column("schema_id", NUMBER, autoincrement=False, nullable=False),
        sa.Column("position", NUMBER, autoincrement=False, nullable=False),
        sa.Column("name", SUBJECT, nullable=False),
        sa.Column("subject", SUBJECT, nullable=False),
        sa.Column("version", NUMBER, nullable=False),
        sa.ForeignKeyConstraint(["schema_id"], ["schemas.id"], name=op.f("fk_schema_references_schema_id")),
        sa.PrimaryKeyConstraint("schema_id", "position", name=op.f("pk_schema_references")),
    )
    op.create_index("ix_schema_references_subject", "schema_references", ["subject", "version"], unique=False)
    op.create_table(
        "subject_settings",
        sa.Column("subject", SUBJECT, nullable=False),
        sa.Column("compatibility", sa.String(length=20), nullable=True),
        sa.Column("mode", sa.String(length=20), nullable=True),
        sa.Column("normalize", sa.Boolean(), nullable=True),
        sa.PrimaryKeyConstraint("subject", name=op.f("pk_subject_settings")),
    )
    op.execute(
        sa.text(
            "INSERT INTO subject_versions (subject, version, schema_id, deleted, created_at)"
            " SELECT subject, version, id, :no, created_at FROM schemas"
        ).bindparams(sa.bindparam("no", False, sa.Boolean()))
    )
    _fingerprint(op.get_bind())
    with op.batch_alter_table("schemas") as table:
        table.drop_constraint(op.f("uq_schemas_subject_sha256"), type_="unique")
        table.drop_constraint(op.f("uq_schemas_subject_version"), type_="unique")
        table.drop_column("subject")
        table.drop_column("version")
        table.create_unique_constraint(op.f("uq_schemas_sha256"), ["sha256"])
    if op.get_bind().dialect.name == "postgresql":  # ids are given by hand, in the order of writing
        op.alter_column("schemas", "id", existing_type=NUMBER, existing_nullable=False, server_default=None)
        op.execute("DROP SEQUENCE IF EXISTS schemas_id_seq")


def _fingerprint(connection: sa.Connection) -> None:
    """Give each schema the fingerprint of its canonical text; of twins, whose ids are both in records, one has it."""
    schemas = sa.table("schemas", sa.column("id"), sa.column("sha256"), sa.column("text"))
    seen: set[str] = set()
    for row in connection.execute(sa.select(schemas.c.id, schemas.c.text).order_by(schemas.c.id)).all():
        schema = json.loads(row.text)
        sha256 = fingerprint(schema)
        if sha256 in seen:
            sha256 = fingerprint({"twin": row.id, "schema": schema})
        seen.add(sha256)
        connection.execute(sa.update(schemas).where(schemas.c.id == row.id).values(sha256=sha256))
