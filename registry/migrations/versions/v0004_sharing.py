"""The whole life of requests and grants, authorities, notices, webhooks and objections."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from registry.database import UtcDateTime

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INSTANT = UtcDateTime()
STANDING = sa.text("state IN ('active', 'suspended')")
REQUEST_STATES = "'reviewing', 'waiting', 'escalated', 'disputed', 'approved', 'refused', 'withdrawn'"
OBJECTION_STATES = "'raised', 'accepted', 'marked', 'verified', 'corrected', 'closed', 'archived'"
PURPOSES = {
    "行政依据": "administrative_basis",
    "工作参考": "work_reference",
    "数据校核": "data_verification",
    "业务协同": "collaboration",
}
OTHER = "work_reference"  # the widest of the four; the words themselves go into the note


def upgrade() -> None:
    _requests()
    _grants()
    _authorities()
    _notices()
    _objections()


def _requests() -> None:
    with op.batch_alter_table("requests") as table:
        table.add_column(sa.Column("batch", sa.String(length=36), nullable=True))
        table.add_column(sa.Column("renews", NUMBER, nullable=True))
        table.add_column(sa.Column("items", sa.JSON(), nullable=True))
        table.add_column(sa.Column("rows", sa.String(length=1000), nullable=True))
        table.add_column(sa.Column("expected_volume", NUMBER, nullable=True))
        table.add_column(sa.Column("contact", sa.String(length=200), nullable=True))
        table.add_column(sa.Column("due_at", INSTANT, nullable=True))
        table.add_column(sa.Column("reminded_at", INSTANT, nullable=True))
        table.add_column(sa.Column("escalated_at", INSTANT, nullable=True))
        table.add_column(sa.Column("dispute", sa.String(length=1000), nullable=True))
        table.add_column(sa.Column("final", sa.Boolean(), nullable=False, server_default=sa.false()))
        table.drop_constraint(op.f("ck_requests_state"), type_="check")
        table.create_check_constraint(op.f("ck_requests_state"), f"state IN ({REQUEST_STATES})")
    with op.batch_alter_table("requests") as table:
        table.alter_column("final", existing_type=sa.Boolean(), server_default=None, existing_nullable=False)
        table.create_index(op.f("ix_requests_batch"), ["batch"], unique=False)
        table.create_index(op.f("ix_requests_due_at"), ["due_at"], unique=False)
    rows = sa.table("requests", sa.column("purpose", sa.String), sa.column("reason", sa.String))
    free = rows.c.purpose.not_in(PURPOSES)
    op.execute(rows.update().where(free, rows.c.reason.is_(None)).values(reason=rows.c.purpose))
    op.execute(rows.update().where(free).values(purpose=OTHER))
    for word, code in PURPOSES.items():
        op.execute(rows.update().where(rows.c.purpose == word).values(purpose=code))


def _grants() -> None:
    op.drop_index("uq_grants_active", table_name="grants")
    with op.batch_alter_table("grants") as table:
        table.drop_constraint(op.f("ck_grants_state"), type_="check")
        table.create_check_constraint(op.f("ck_grants_state"), "state IN ('active', 'suspended', 'revoked', 'expired')")
    op.create_index(
        "uq_grants_standing",
        "grants",
        ["client_id", "slug"],
        unique=True,
        sqlite_where=STANDING,
        postgresql_where=STANDING,
    )


def _authorities() -> None:
    op.create_table(
        "authorities",
        sa.Column("division", sa.String(length=12), nullable=False),
        sa.Column("department_id", NUMBER, nullable=False),
        sa.Column("named_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["department_id"], ["departments.id"], name=op.f("fk_authorities_department_id")),
        sa.ForeignKeyConstraint(["division"], ["divisions.code"], name=op.f("fk_authorities_division")),
        sa.PrimaryKeyConstraint("division", name=op.f("pk_authorities")),
    )
    op.create_index(op.f("ix_authorities_department_id"), "authorities", ["department_id"], unique=False)


def _notices() -> None:
    op.create_table(
        "notices",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("department_id", NUMBER, nullable=False),
        sa.Column("client_id", sa.String(length=63), nullable=True),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("subject", sa.String(length=60), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("published_at", INSTANT, nullable=True),
        sa.Column("delivered_at", INSTANT, nullable=True),
        sa.ForeignKeyConstraint(["client_id"], ["systems.client_id"], name=op.f("fk_notices_client_id")),
        sa.ForeignKeyConstraint(["department_id"], ["departments.id"], name=op.f("fk_notices_department_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notices")),
    )
    op.create_index(op.f("ix_notices_department_id"), "notices", ["department_id"], unique=False)
    op.create_index("ix_notices_unpublished", "notices", ["client_id", "published_at"], unique=False)
    op.create_index("ix_notices_undelivered", "notices", ["client_id", "delivered_at"], unique=False)
    op.create_table(
        "webhooks",
        sa.Column("client_id", sa.String(length=63), nullable=False),
        sa.Column("url", sa.String(length=500), nullable=False),
        sa.Column("salt", sa.String(length=64), nullable=False),
        sa.Column("since", NUMBER, nullable=False),
        sa.Column("attempts", NUMBER, nullable=False),
        sa.Column("next_attempt_at", INSTANT, nullable=False),
        sa.Column("last_error", sa.String(length=200), nullable=True),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["client_id"], ["systems.client_id"], name=op.f("fk_webhooks_client_id")),
        sa.PrimaryKeyConstraint("client_id", name=op.f("pk_webhooks")),
    )


def _objections() -> None:
    op.create_table(
        "objections",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("slug", sa.String(length=64), nullable=False),
        sa.Column("client_id", sa.String(length=63), nullable=False),
        sa.Column("key", sa.String(length=500), nullable=True),
        sa.Column("items", sa.String(length=500), nullable=True),
        sa.Column("complaint", sa.String(length=1000), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("founded", sa.Boolean(), nullable=True),
        sa.Column("finding", sa.String(length=1000), nullable=True),
        sa.Column("result", sa.String(length=1000), nullable=True),
        sa.Column("due_at", INSTANT, nullable=True),
        sa.Column("overdue", sa.Boolean(), nullable=False),
        sa.Column("marked_at", INSTANT, nullable=True),
        sa.Column("raised_by", sa.String(length=80), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("changed_at", INSTANT, nullable=False),
        sa.Column("revision", NUMBER, nullable=False),
        sa.CheckConstraint(f"state IN ({OBJECTION_STATES})", name=op.f("ck_objections_state")),
        sa.ForeignKeyConstraint(["client_id"], ["systems.client_id"], name=op.f("fk_objections_client_id")),
        sa.ForeignKeyConstraint(["slug"], ["resources.slug"], name=op.f("fk_objections_slug")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_objections")),
    )
    for column in ("client_id", "due_at", "slug", "state"):
        op.create_index(op.f(f"ix_objections_{column}"), "objections", [column], unique=False)
