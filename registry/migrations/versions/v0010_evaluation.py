"""What is kept of each day, evaluations with their appeals, and what adapters say of quality and columns."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from registry.database import UtcDateTime

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INSTANT = UtcDateTime()


def upgrade() -> None:
    _columns()
    _history()
    _evaluations()


def _columns() -> None:
    op.add_column("resources", sa.Column("quality", sa.Double(), nullable=True))
    op.add_column("resources", sa.Column("kept", sa.Double(), nullable=True))
    op.add_column("requests", sa.Column("answer_due_at", INSTANT, nullable=True))
    op.add_column("requests", sa.Column("first_answered_at", INSTANT, nullable=True))
    op.create_index(op.f("ix_requests_answer_due_at"), "requests", ["answer_due_at"])
    op.add_column("objections", sa.Column("late", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("running_adapters", sa.Column("read_total", NUMBER, nullable=True))
    op.add_column("running_adapters", sa.Column("findings", sa.JSON(), nullable=True))
    op.add_column("running_adapters", sa.Column("undeclared", sa.JSON(), nullable=True))


def _history() -> None:
    op.create_table(
        "resource_days",
        sa.Column("slug", sa.String(length=64), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("department_id", NUMBER, nullable=False),
        sa.Column("freshness", sa.String(length=10), nullable=True),
        sa.Column("data_at", INSTANT, nullable=True),
        sa.Column("published", NUMBER, nullable=False),
        sa.Column("read", NUMBER, nullable=False),
        sa.Column("rejected", NUMBER, nullable=False),
        sa.Column("warned", NUMBER, nullable=False),
        sa.ForeignKeyConstraint(["slug"], ["resources.slug"], name=op.f("fk_resource_days_slug_resources")),
        sa.PrimaryKeyConstraint("slug", "day", name=op.f("pk_resource_days")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_resource_days_day"), "resource_days", ["day"])
    op.create_table(
        "quality_days",
        sa.Column("slug", sa.String(length=64), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("item", sa.String(length=63), nullable=False),
        sa.Column("rule", sa.String(length=40), nullable=False),
        sa.Column("action", sa.String(length=10), nullable=False),
        sa.Column("count", NUMBER, nullable=False),
        sa.ForeignKeyConstraint(["slug"], ["resources.slug"], name=op.f("fk_quality_days_slug_resources")),
        sa.PrimaryKeyConstraint("slug", "day", "item", "rule", "action", name=op.f("pk_quality_days")),
    )
    op.create_table(
        "grant_months",
        sa.Column("slug", sa.String(length=64), nullable=False),
        sa.Column("client_id", sa.String(length=63), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("records", NUMBER, nullable=False),
        sa.Column("last_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("slug", "client_id", "month", name=op.f("pk_grant_months")),
    )
    op.create_table(
        "history_marks",
        sa.Column("name", sa.String(length=20), nullable=False),
        sa.Column("number", NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_history_marks")),
    )


def _evaluations() -> None:
    op.create_table(
        "evaluations",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("period", sa.String(length=7), nullable=False),
        sa.Column("since", sa.Date(), nullable=False),
        sa.Column("until", sa.Date(), nullable=False),
        sa.Column("final", sa.Boolean(), nullable=False),
        sa.Column("method", sa.JSON(), nullable=False),
        sa.Column("made_by", sa.String(length=80), nullable=False),
        sa.Column("made_at", INSTANT, nullable=False),
        sa.Column("appeals_until", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_evaluations")),
    )
    op.create_table(
        "evaluation_scores",
        sa.Column("evaluation_id", NUMBER, nullable=False),
        sa.Column("department_id", NUMBER, nullable=False),
        sa.Column("place", NUMBER, nullable=False),
        sa.Column("rank", NUMBER, nullable=True),
        sa.Column("score", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(
            ["evaluation_id"], ["evaluations.id"], name=op.f("fk_evaluation_scores_evaluation_id_evaluations")
        ),
        sa.ForeignKeyConstraint(
            ["department_id"], ["departments.id"], name=op.f("fk_evaluation_scores_department_id_departments")
        ),
        sa.PrimaryKeyConstraint("evaluation_id", "department_id", name=op.f("pk_evaluation_scores")),
    )
    op.create_table(
        "evaluation_figures",
        sa.Column("evaluation_id", NUMBER, nullable=False),
        sa.Column("department_id", NUMBER, nullable=False),
        sa.Column("indicator", sa.String(length=20), nullable=False),
        sa.Column("base", sa.Double(), nullable=False),
        sa.Column("met", sa.Double(), nullable=False),
        sa.Column("corrected_base", sa.Double(), nullable=True),
        sa.Column("corrected_met", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(
            ["evaluation_id"], ["evaluations.id"], name=op.f("fk_evaluation_figures_evaluation_id_evaluations")
        ),
        sa.ForeignKeyConstraint(
            ["department_id"], ["departments.id"], name=op.f("fk_evaluation_figures_department_id_departments")
        ),
        sa.PrimaryKeyConstraint("evaluation_id", "department_id", "indicator", name=op.f("pk_evaluation_figures")),
    )
    op.create_table(
        "evaluation_appeals",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("evaluation_id", NUMBER, nullable=False),
        sa.Column("department_id", NUMBER, nullable=False),
        sa.Column("indicator", sa.String(length=20), nullable=False),
        sa.Column("reason", sa.String(length=1000), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("answer", sa.String(length=1000), nullable=True),
        sa.Column("raised_by", sa.String(length=80), nullable=False),
        sa.Column("raised_at", INSTANT, nullable=False),
        sa.Column("answered_by", sa.String(length=80), nullable=True),
        sa.Column("answered_at", INSTANT, nullable=True),
        sa.CheckConstraint("state IN ('open', 'upheld', 'corrected')", name=op.f("ck_evaluation_appeals_state")),
        sa.ForeignKeyConstraint(
            ["evaluation_id"], ["evaluations.id"], name=op.f("fk_evaluation_appeals_evaluation_id_evaluations")
        ),
        sa.ForeignKeyConstraint(
            ["department_id"], ["departments.id"], name=op.f("fk_evaluation_appeals_department_id_departments")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_evaluation_appeals")),
    )
    op.create_index(
        "uq_evaluation_appeals_figure",
        "evaluation_appeals",
        ["evaluation_id", "department_id", "indicator"],
        unique=True,
    )
