"""Former names of divisions, nodes, dissolved departments, keys of systems, and the life of an account."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from registry.database import UtcDateTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INSTANT = UtcDateTime()
SHORT, LONG = sa.String(length=6), sa.String(length=12)
THREE = ("system_admin", "security_admin", "auditor")


def upgrade() -> None:
    _divisions_and_nodes()
    _departments()
    _systems()
    _users()
    op.create_table(
        "former_passwords",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("user", sa.String(length=63), nullable=False),
        sa.Column("password_hash", sa.String(length=256), nullable=False),
        sa.ForeignKeyConstraint(["user"], ["users.name"], name=op.f("fk_former_passwords_user")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_former_passwords")),
    )
    op.create_index(op.f("ix_former_passwords_user"), "former_passwords", ["user"], unique=False)
    op.create_table(
        "assertions",
        sa.Column("client_id", sa.String(length=63), nullable=False),
        sa.Column("jti_sha256", sa.String(length=64), nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("client_id", "jti_sha256", name=op.f("pk_assertions")),
    )
    op.create_index(op.f("ix_assertions_expires_at"), "assertions", ["expires_at"], unique=False)


def _divisions_and_nodes() -> None:
    with op.batch_alter_table("divisions") as table:
        table.alter_column("code", existing_type=SHORT, type_=LONG, existing_nullable=False)
        table.alter_column("parent", existing_type=SHORT, type_=LONG, existing_nullable=True)
        table.alter_column(
            "level", existing_type=sa.String(length=10), type_=sa.String(length=20), existing_nullable=False
        )
    op.create_table(
        "division_names",
        sa.Column("code", LONG, nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(["code"], ["divisions.code"], name=op.f("fk_division_names_code")),
        sa.PrimaryKeyConstraint("code", "valid_to", name=op.f("pk_division_names")),
    )
    op.create_table(
        "nodes",
        sa.Column("code", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("division", LONG, nullable=False),
        sa.Column("parent", sa.String(length=40), nullable=True),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["division"], ["divisions.code"], name=op.f("fk_nodes_division")),
        sa.ForeignKeyConstraint(["parent"], ["nodes.code"], name=op.f("fk_nodes_parent")),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_nodes")),
    )
    op.create_index(op.f("ix_nodes_division"), "nodes", ["division"], unique=False)
    op.create_index(op.f("ix_nodes_parent"), "nodes", ["parent"], unique=False)


def _departments() -> None:
    with op.batch_alter_table("departments") as table:
        table.alter_column("division", existing_type=SHORT, type_=LONG, existing_nullable=False)
        table.add_column(sa.Column("node", sa.String(length=40), nullable=True))
        table.add_column(sa.Column("valid_to", sa.Date(), nullable=True))
        table.add_column(sa.Column("successor_id", NUMBER, nullable=True))
        table.add_column(sa.Column("revision", NUMBER, nullable=False, server_default="1"))
        table.create_foreign_key(op.f("fk_departments_node"), "nodes", ["node"], ["code"])
        table.create_foreign_key(op.f("fk_departments_successor_id"), "departments", ["successor_id"], ["id"])
        table.create_index(op.f("ix_departments_node"), ["node"], unique=False)
        table.create_index(op.f("ix_departments_successor_id"), ["successor_id"], unique=False)
    _no_default("departments", "revision", NUMBER)


def _systems() -> None:
    with op.batch_alter_table("systems") as table:
        table.alter_column("secret_sha256", existing_type=sa.String(length=64), nullable=True)
        table.add_column(sa.Column("public_key", sa.JSON(), nullable=True))
        table.add_column(sa.Column("revision", NUMBER, nullable=False, server_default="1"))
    _no_default("systems", "revision", NUMBER)


def _users() -> None:
    with op.batch_alter_table("users") as table:
        table.add_column(sa.Column("duty", sa.String(length=20), nullable=True))
        table.add_column(sa.Column("division", LONG, nullable=True))
        table.add_column(sa.Column("email", sa.String(length=254), nullable=True))
        table.add_column(sa.Column("subject", sa.String(length=255), nullable=True))
        table.add_column(sa.Column("password_at", INSTANT, nullable=True))
        table.add_column(sa.Column("must_change", sa.Boolean(), nullable=False, server_default=sa.false()))
        table.add_column(sa.Column("failures", NUMBER, nullable=False, server_default="0"))
        table.add_column(sa.Column("locked_until", INSTANT, nullable=True))
        table.add_column(sa.Column("revision", NUMBER, nullable=False, server_default="1"))
        table.create_foreign_key(op.f("fk_users_division"), "divisions", ["division"], ["code"])
        table.create_index(op.f("ix_users_division"), ["division"], unique=False)
        table.create_unique_constraint(op.f("uq_users_email"), ["email"])
        table.create_unique_constraint(op.f("uq_users_subject"), ["subject"])
    users = sa.table("users", sa.column("role"), sa.column("duty"), sa.column("created_at"), sa.column("password_at"))
    op.execute(users.update().values(password_at=users.c.created_at))
    op.execute(users.update().where(users.c.role.in_(THREE)).values(duty=users.c.role))
    with op.batch_alter_table("users") as table:
        table.alter_column("password_at", existing_type=INSTANT, nullable=False)
        table.alter_column("must_change", existing_type=sa.Boolean(), server_default=None, existing_nullable=False)
        table.alter_column("failures", existing_type=NUMBER, server_default=None, existing_nullable=False)
        table.alter_column("revision", existing_type=NUMBER, server_default=None, existing_nullable=False)


def _no_default(table_name: str, column: str, kind: sa.types.TypeEngine[int]) -> None:
    with op.batch_alter_table(table_name) as table:
        table.alter_column(column, existing_type=kind, server_default=None, existing_nullable=False)
