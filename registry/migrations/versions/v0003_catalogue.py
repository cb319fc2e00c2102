"""Every item of the catalogue guide, the directory tree, search, and labels to compare resources by."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.exc import DBAPIError

from registry.catalogue.errors import NoTrigrams
from registry.catalogue.words import label_keys, texts_of, words_of
from registry.database import UtcDateTime

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INSTANT = UtcDateTime()
SLUG = sa.String(length=64)

# (name, type, what rows that are there already get)
COLUMNS = (
    ("classification", sa.String(length=40), ""),
    ("level", NUMBER, "1"),
    ("format_kind", sa.String(length=20), "database"),
    ("format_type", sa.String(length=20), "other"),
    ("open", sa.Boolean(), sa.false()),
    ("related", sa.JSON(), "[]"),
    ("service_items", sa.JSON(), "[]"),
    ("load", sa.String(length=20), "full"),
    ("physical_deletes", sa.Boolean(), sa.false()),
)
OPTIONAL = (
    ("sharing_method", sa.String(length=20)),
    ("open_condition", sa.String(length=500)),
    ("timestamp_column", sa.String(length=63)),
    ("changed_at", INSTANT),
    ("last_data_at", INSTANT),
    ("note", sa.String(length=1000)),
)
INDEXES = (
    ("ix_resources_name", ["name", "slug"]),
    ("ix_resources_classification", ["classification"]),
)


KEPT = ("name", "summary", "source_system", "sharing_type", "sharing_condition", "sharing_method", "update_cycle")
SINCE = {
    "format_kind": "database",
    "format_type": "other",
    "open": False,
    "open_condition": None,
    "related": [],
    "service_items": [],
    "timestamp_column": None,
    "load": "full",
    "physical_deletes": False,
}
NOT_SHARED = 3


def upgrade() -> None:
    _resources()
    with op.batch_alter_table("resource_versions") as table:
        table.add_column(sa.Column("details", sa.JSON(), nullable=False, server_default="{}"))
    with op.batch_alter_table("resource_versions") as table:
        table.alter_column("details", existing_type=sa.JSON(), existing_nullable=False, server_default=None)
    op.create_table(
        "classifications",
        sa.Column("code", sa.String(length=40), nullable=False),
        sa.Column("parent", sa.String(length=40), nullable=True),
        sa.Column("en", sa.String(length=128), nullable=False),
        sa.Column("zh", sa.String(length=128), nullable=False),
        sa.ForeignKeyConstraint(["parent"], ["classifications.code"], name=op.f("fk_classifications_parent")),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_classifications")),
    )
    op.create_index(op.f("ix_classifications_parent"), "classifications", ["parent"], unique=False)
    op.create_table(
        "resource_labels",
        sa.Column("label", sa.String(length=128), nullable=False),
        sa.Column("slug", SLUG, nullable=False),
        sa.ForeignKeyConstraint(["slug"], ["resources.slug"], name=op.f("fk_resource_labels_slug")),
        sa.PrimaryKeyConstraint("label", "slug", name=op.f("pk_resource_labels")),
    )
    op.create_index(op.f("ix_resource_labels_slug"), "resource_labels", ["slug"], unique=False)
    op.create_table(
        "resource_words",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("slug", SLUG, nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["slug"], ["resources.slug"], name=op.f("fk_resource_words_slug")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_resource_words")),
        sa.UniqueConstraint("slug", name=op.f("uq_resource_words_slug")),
    )
    if op.get_bind().dialect.name == "postgresql":
        _trigrams()
    else:
        _fts()
    _describe(op.get_bind())


def _resources() -> None:
    with op.batch_alter_table("resources") as table:
        table.drop_constraint(op.f("ck_resources_lifecycle"), type_="check")
        table.create_check_constraint(
            op.f("ck_resources_lifecycle"), "lifecycle IN ('draft', 'submitted', 'published', 'withdrawn')"
        )
        for name, kind, default in COLUMNS:
            table.add_column(sa.Column(name, kind, nullable=False, server_default=default))
        for name, optional in OPTIONAL:
            table.add_column(sa.Column(name, optional, nullable=True))
        table.create_check_constraint(op.f("ck_resources_level"), "level IN (1, 2, 3, 4)")
    with op.batch_alter_table("resources") as table:
        for name, kind, _default in COLUMNS:
            table.alter_column(name, existing_type=kind, existing_nullable=False, server_default=None)
    for name, columns in INDEXES:
        op.create_index(op.f(name), "resources", columns, unique=False)


def _trigrams() -> None:
    connection = op.get_bind()
    try:
        with connection.begin_nested():
            connection.execute(sa.text("CREATE EXTENSION IF NOT EXISTS pg_trgm"))
    except DBAPIError as exc:
        raise NoTrigrams(reason=type(exc.orig).__name__) from exc
    op.execute("CREATE INDEX ix_resource_words_words ON resource_words USING gin (words gin_trgm_ops)")


def _fts() -> None:
    """The search table has no text of its own: the triggers tell it what to forget and what to learn."""
    op.execute(
        "CREATE VIRTUAL TABLE resource_search"
        " USING fts5(words, content='resource_words', content_rowid='id', tokenize='trigram')"
    )
    learn = "INSERT INTO resource_search(rowid, words) VALUES (new.id, new.words);"
    forget = "INSERT INTO resource_search(resource_search, rowid, words) VALUES ('delete', old.id, old.words);"
    for event, steps in (("INSERT", learn), ("DELETE", forget), ("UPDATE", f"{forget} {learn}")):
        op.execute(f"CREATE TRIGGER resource_words_{event.lower()} AFTER {event} ON resource_words BEGIN {steps} END")


def _describe(connection: sa.Connection) -> None:
    """Give what is registered already its class, level, words and labels, and each version its description."""
    resources, versions, departments, words, labels = (
        sa.table(
            "resources", *map(sa.column, ("slug", "code", "version", "department_id", "classification", "level", *KEPT))
        ),
        sa.table(
            "resource_versions",
            sa.column("slug"),
            sa.column("version"),
            *(sa.column(n, sa.JSON()) for n in ("items", "details")),
        ),
        sa.table("departments", sa.column("id"), sa.column("name")),
        sa.table("resource_words", sa.column("slug"), sa.column("words")),
        sa.table("resource_labels", sa.column("slug"), sa.column("label")),
    )
    named = sa.select(resources, versions.c["items"], departments.c.name.label("department")).where(
        versions.c.slug == resources.c.slug,
        versions.c.version == resources.c.version,
        departments.c.id == resources.c.department_id,
    )
    for row in connection.execute(named).mappings().all():
        mine = resources.c.slug == row["slug"]
        items = [(item["name"], item["label"]) for item in row["items"]]
        details = {name: row[name] for name in KEPT} | SINCE
        found = {
            "classification": row["code"].partition("/")[0],
            "level": max((item.get("sensitivity", 1) for item in row["items"]), default=1),
        }
        method = None if row["sharing_type"] == NOT_SHARED else "platform"
        connection.execute(sa.update(resources).where(mine).values(**found, sharing_method=method))
        of_row = sa.update(versions).where(versions.c.slug == row["slug"])
        connection.execute(of_row.values(details={**details, "sharing_method": method}))
        text = words_of([row["code"], row["department"], *texts_of(details, items)])
        connection.execute(sa.insert(words).values(slug=row["slug"], words=text))
        for label in sorted(label_keys(label for _, label in items)):
            connection.execute(sa.insert(labels).values(slug=row["slug"], label=label))
