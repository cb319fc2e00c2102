"""Divisions, departments, systems, users, resources, schemas, requests, grants, receipts, leases."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from registry.database import UtcDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INSTANT = UtcDateTime()
ACTIVE = sa.text("state = 'active'")


def upgrade() -> None:
    op.create_table(
        "divisions",
        sa.Column("code", sa.String(length=6), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("parent", sa.String(length=6), nullable=True),
        sa.Column("level", sa.String(length=10), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=True),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.ForeignKeyConstraint(["parent"], ["divisions.code"], name=op.f("fk_divisions_parent")),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_divisions")),
    )
    op.create_index(op.f("ix_divisions_parent"), "divisions", ["parent"], unique=False)
    op.create_table(
        "leases",
        sa.Column("task", sa.String(length=40), nullable=False),
        sa.Column("holder", sa.String(length=200), nullable=False),
        sa.Column("until", INSTANT, nullable=False),
        sa.Column("succeeded_at", INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("task", name=op.f("pk_leases")),
    )
    op.create_table(
        "receipt_offsets",
        sa.Column("topic", sa.String(length=249), nullable=False),
        sa.Column("partition", NUMBER, autoincrement=False, nullable=False),
        sa.Column("next_offset", NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("topic", "partition", name=op.f("pk_receipt_offsets")),
    )
    op.create_table(
        "receipts",
        sa.Column("number", NUMBER, nullable=False),
        sa.Column("client_id", sa.String(length=63), nullable=False),
        sa.Column("side", sa.String(length=10), nullable=False),
        sa.Column("id", sa.String(length=200), nullable=False),
        sa.Column("resource", sa.String(length=64), nullable=False),
        sa.Column("topic", sa.String(length=249), nullable=False),
        sa.Column("adapter", sa.String(length=200), nullable=False),
        sa.Column("batch", sa.String(length=64), nullable=False),
        sa.Column("count", NUMBER, nullable=False),
        sa.Column("deletes", NUMBER, nullable=False),
        sa.Column("digest", sa.String(length=32), nullable=False),
        sa.Column("schema_id", NUMBER, nullable=False),
        sa.Column("at", NUMBER, nullable=False),
        sa.Column("partition", NUMBER, nullable=True),
        sa.Column("first_offset", NUMBER, nullable=True),
        sa.Column("last_offset", NUMBER, nullable=True),
        sa.Column("landing", sa.String(length=200), nullable=True),
        sa.Column("received_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_receipts")),
    )
    op.create_index("ix_receipts_resource", "receipts", ["resource", "side", "client_id"], unique=False)
    op.create_index("uq_receipts_author", "receipts", ["client_id", "side", "id"], unique=True)
    op.create_table(
        "schemas",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("subject", sa.String(length=120), nullable=False),
        sa.Column("version", NUMBER, nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_schemas")),
        sa.UniqueConstraint("subject", "sha256", name=op.f("uq_schemas_subject_sha256")),
        sa.UniqueConstraint("subject", "version", name=op.f("uq_schemas_subject_version")),
    )
    op.create_table(
        "departments",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("uscc", sa.String(length=18), nullable=False),
        sa.Column("name", sa.String(length=256), nullable=False),
        sa.Column("division", sa.String(length=6), nullable=False),
        sa.ForeignKeyConstraint(["division"], ["divisions.code"], name=op.f("fk_departments_division")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_departments")),
        sa.UniqueConstraint("uscc", name=op.f("uq_departments_uscc")),
    )
    op.create_index(op.f("ix_departments_division"), "departments", ["division"], unique=False)
    op.create_table(
        "systems",
        sa.Column("client_id", sa.String(length=63), nullable=False),
        sa.Column("department_id", NUMBER, nullable=False),
        sa.Column("name", sa.String(length=256), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("secret_sha256", sa.String(length=64), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["department_id"], ["departments.id"], name=op.f("fk_systems_department_id")),
        sa.PrimaryKeyConstraint("client_id", name=op.f("pk_systems")),
    )
    op.create_index(op.f("ix_systems_department_id"), "systems", ["department_id"], unique=False)
    op.create_table(
        "users",
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("department_id", NUMBER, nullable=True),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("password_hash", sa.String(length=256), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["department_id"], ["departments.id"], name=op.f("fk_users_department_id")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_users")),
    )
    op.create_index(op.f("ix_users_department_id"), "users", ["department_id"], unique=False)
    op.create_table(
        "resources",
        sa.Column("slug", sa.String(length=64), nullable=False),
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("summary", sa.String(length=1000), nullable=False),
        sa.Column("department_id", NUMBER, nullable=False),
        sa.Column("source_system", sa.String(length=63), nullable=False),
        sa.Column("sharing_type", NUMBER, nullable=False),
        sa.Column("sharing_condition", sa.String(length=500), nullable=True),
        sa.Column("update_cycle", sa.String(length=20), nullable=False),
        sa.Column("partitions", NUMBER, nullable=False),
        sa.Column("topic", sa.String(length=100), nullable=False),
        sa.Column("lifecycle", sa.String(length=20), nullable=False),
        sa.Column("version", NUMBER, nullable=False),
        sa.Column("revision", NUMBER, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("published_at", INSTANT, nullable=True),
        sa.Column("published_version", NUMBER, nullable=True),
        sa.CheckConstraint("lifecycle IN ('draft', 'published', 'withdrawn')", name=op.f("ck_resources_lifecycle")),
        sa.CheckConstraint("sharing_type IN (1, 2, 3)", name=op.f("ck_resources_sharing_type")),
        sa.ForeignKeyConstraint(["department_id"], ["departments.id"], name=op.f("fk_resources_department_id")),
        sa.ForeignKeyConstraint(["source_system"], ["systems.client_id"], name=op.f("fk_resources_source_system")),
        sa.PrimaryKeyConstraint("slug", name=op.f("pk_resources")),
        sa.UniqueConstraint("code", name=op.f("uq_resources_code")),
        sa.UniqueConstraint("topic", name=op.f("uq_resources_topic")),
    )
    op.create_index(op.f("ix_resources_department_id"), "resources", ["department_id"], unique=False)
    op.create_index(op.f("ix_resources_lifecycle"), "resources", ["lifecycle"], unique=False)
    op.create_index(op.f("ix_resources_source_system"), "resources", ["source_system"], unique=False)
    op.create_table(
        "requests",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("slug", sa.String(length=64), nullable=False),
        sa.Column("client_id", sa.String(length=63), nullable=False),
        sa.Column("purpose", sa.String(length=1000), nullable=False),
        sa.Column("legal_basis", sa.String(length=1000), nullable=False),
        sa.Column("reason", sa.String(length=1000), nullable=True),
        sa.Column("until", INSTANT, nullable=True),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("answer", sa.String(length=1000), nullable=True),
        sa.Column("requested_by", sa.String(length=80), nullable=False),
        sa.Column("answered_by", sa.String(length=80), nullable=True),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("answered_at", INSTANT, nullable=True),
        sa.Column("revision", NUMBER, nullable=False),
        sa.CheckConstraint("state IN ('waiting', 'approved', 'refused')", name=op.f("ck_requests_state")),
        sa.ForeignKeyConstraint(["client_id"], ["systems.client_id"], name=op.f("fk_requests_client_id")),
        sa.ForeignKeyConstraint(["slug"], ["resources.slug"], name=op.f("fk_requests_slug")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_requests")),
    )
    op.create_index(op.f("ix_requests_client_id"), "requests", ["client_id"], unique=False)
    op.create_index(op.f("ix_requests_slug"), "requests", ["slug"], unique=False)
    op.create_index(op.f("ix_requests_state"), "requests", ["state"], unique=False)
    op.create_table(
        "resource_versions",
        sa.Column("slug", sa.String(length=64), nullable=False),
        sa.Column("version", NUMBER, autoincrement=False, nullable=False),
        sa.Column("items", sa.JSON(), nullable=False),
        sa.Column("schema_id", NUMBER, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["schema_id"], ["schemas.id"], name=op.f("fk_resource_versions_schema_id")),
        sa.ForeignKeyConstraint(["slug"], ["resources.slug"], name=op.f("fk_resource_versions_slug")),
        sa.PrimaryKeyConstraint("slug", "version", name=op.f("pk_resource_versions")),
    )
    op.create_index(op.f("ix_resource_versions_schema_id"), "resource_versions", ["schema_id"], unique=False)
    op.create_table(
        "grants",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("request_id", NUMBER, nullable=False),
        sa.Column("slug", sa.String(length=64), nullable=False),
        sa.Column("client_id", sa.String(length=63), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("until", INSTANT, nullable=True),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("ended_at", INSTANT, nullable=True),
        sa.Column("end_reason", sa.String(length=1000), nullable=True),
        sa.Column("ended_by", sa.String(length=80), nullable=True),
        sa.Column("revision", NUMBER, nullable=False),
        sa.CheckConstraint("state IN ('active', 'revoked', 'expired')", name=op.f("ck_grants_state")),
        sa.ForeignKeyConstraint(["client_id"], ["systems.client_id"], name=op.f("fk_grants_client_id")),
        sa.ForeignKeyConstraint(["request_id"], ["requests.id"], name=op.f("fk_grants_request_id")),
        sa.ForeignKeyConstraint(["slug"], ["resources.slug"], name=op.f("fk_grants_slug")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_grants")),
        sa.UniqueConstraint("request_id", name=op.f("uq_grants_request_id")),
    )
    op.create_index(op.f("ix_grants_slug"), "grants", ["slug"], unique=False)
    op.create_index(op.f("ix_grants_state"), "grants", ["state"], unique=False)
    op.create_index(op.f("ix_grants_until"), "grants", ["until"], unique=False)
    op.create_index(
        "uq_grants_active", "grants", ["client_id", "slug"], unique=True, sqlite_where=ACTIVE, postgresql_where=ACTIVE
    )


def downgrade() -> None:
    op.drop_table("grants")
    op.drop_table("resource_versions")
    op.drop_table("requests")
    op.drop_table("resources")
    op.drop_table("users")
    op.drop_table("systems")
    op.drop_table("departments")
    op.drop_table("schemas")
    op.drop_table("receipts")
    op.drop_table("receipt_offsets")
    op.drop_table("leases")
    op.drop_table("divisions")
