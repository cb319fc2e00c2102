"""Differences that reconciliation found, and receipts found by batch."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from registry.database import UtcDateTime

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INSTANT = UtcDateTime()


def upgrade() -> None:
    op.drop_index("ix_receipts_resource", "receipts")
    op.create_index("ix_receipts_resource", "receipts", ["resource", "side", "client_id", "number"])
    op.create_index("ix_receipts_batch", "receipts", ["batch", "side"])
    op.create_table(
        "differences",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("slug", sa.String(length=64), nullable=False),
        sa.Column("client_id", sa.String(length=63), nullable=False),
        sa.Column("batch", sa.String(length=64), nullable=False),
        sa.Column("landing", sa.String(length=200), nullable=True),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("owner", sa.String(length=20), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("records", NUMBER, nullable=False),
        sa.Column("published_at", INSTANT, nullable=True),
        sa.Column("opened_at", INSTANT, nullable=False),
        sa.Column("closed_at", INSTANT, nullable=True),
        sa.Column("closed_by", sa.String(length=80), nullable=True),
        sa.Column("evidence", sa.String(length=1000), nullable=True),
        sa.ForeignKeyConstraint(["slug"], ["resources.slug"], name=op.f("fk_differences_slug_resources")),
        sa.ForeignKeyConstraint(["client_id"], ["systems.client_id"], name=op.f("fk_differences_client_id_systems")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_differences")),
    )
    op.create_index("uq_differences", "differences", ["slug", "client_id", "batch", "kind"], unique=True)
    for column in ("slug", "client_id", "closed_at"):
        op.create_index(op.f(f"ix_differences_{column}"), "differences", [column])
