"""Adapters that reported."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from registry.database import UtcDateTime

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INSTANT = UtcDateTime()
STATES = "'running', 'waiting', 'scheduled', 'paused', 'stopped', 'failed'"


def upgrade() -> None:
    op.create_table(
        "running_adapters",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("client_id", sa.String(length=63), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("side", sa.String(length=10), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("resource", sa.String(length=64), nullable=False),
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.Column("version", sa.String(length=40), nullable=False),
        sa.Column("metrics_address", sa.String(length=255), nullable=True),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("error", sa.String(length=64), nullable=True),
        sa.Column("records_total", NUMBER, nullable=False),
        sa.Column("rejected_total", NUMBER, nullable=False),
        sa.Column("records_per_s", sa.Double(), nullable=False),
        sa.Column("lag_records", NUMBER, nullable=True),
        sa.Column("lag_seconds", sa.Double(), nullable=True),
        sa.Column("started_at", INSTANT, nullable=False),
        sa.Column("seen_at", INSTANT, nullable=False),
        sa.CheckConstraint(f"state IN ({STATES})", name=op.f("ck_running_adapters_state")),
        sa.ForeignKeyConstraint(
            ["client_id"], ["systems.client_id"], name=op.f("fk_running_adapters_client_id_systems")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_running_adapters")),
    )
    op.create_index("uq_running_adapters_name", "running_adapters", ["client_id", "name"], unique=True)
    for column in ("resource", "seen_at"):
        op.create_index(op.f(f"ix_running_adapters_{column}"), "running_adapters", [column])
