"""Signatures of receipts and the keys that made them; daily certificates, and the days that are due."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from registry.database import UtcDateTime

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INSTANT = UtcDateTime()


def upgrade() -> None:
    op.add_column("receipts", sa.Column("kid", sa.String(length=43), nullable=True))
    op.add_column("receipts", sa.Column("signature", sa.String(length=86), nullable=True))
    op.create_index("ix_receipts_day", "receipts", ["resource", "side", "client_id", "at"])
    op.create_table(
        "receipt_keys",
        sa.Column("client_id", sa.String(length=63), nullable=False),
        sa.Column("kid", sa.String(length=43), nullable=False),
        sa.Column("jwk", sa.JSON(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("ended_at", INSTANT, nullable=True),
        sa.Column("ended_by", sa.String(length=80), nullable=True),
        sa.ForeignKeyConstraint(["client_id"], ["systems.client_id"], name=op.f("fk_receipt_keys_client_id_systems")),
        sa.PrimaryKeyConstraint("client_id", "kid", name=op.f("pk_receipt_keys")),
    )
    op.create_table(
        "certificates",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("grant_id", NUMBER, nullable=False),
        sa.Column("slug", sa.String(length=64), nullable=False),
        sa.Column("client_id", sa.String(length=63), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("revision", NUMBER, nullable=False),
        sa.Column("issued_at", INSTANT, nullable=False),
        sa.Column("published", NUMBER, nullable=False),
        sa.Column("landed", NUMBER, nullable=False),
        sa.Column("differences", NUMBER, nullable=False),
        sa.Column("content", sa.String(length=64), nullable=False),
        sa.Column("jws", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["grant_id"], ["grants.id"], name=op.f("fk_certificates_grant_id_grants")),
        sa.ForeignKeyConstraint(["slug"], ["resources.slug"], name=op.f("fk_certificates_slug_resources")),
        sa.ForeignKeyConstraint(["client_id"], ["systems.client_id"], name=op.f("fk_certificates_client_id_systems")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_certificates")),
    )
    op.create_index("uq_certificates_day", "certificates", ["grant_id", "day", "revision"], unique=True)
    for column in ("slug", "client_id", "day"):
        op.create_index(op.f(f"ix_certificates_{column}"), "certificates", [column])
    op.create_table(
        "certificate_days",
        sa.Column("slug", sa.String(length=64), nullable=False),
        sa.Column("client_id", sa.String(length=63), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("marks", NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("slug", "client_id", "day", name=op.f("pk_certificate_days")),
    )
    op.create_index(op.f("ix_certificate_days_day"), "certificate_days", ["day"])
