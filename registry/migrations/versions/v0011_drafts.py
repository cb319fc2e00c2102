"""A draft has no subject, which all may read: it gets one when it is published."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

RESOURCES = sa.table("resources", sa.column("topic"), sa.column("lifecycle"))
VERSIONS = sa.table("subject_versions", sa.column("subject"), sa.column("version"))
REFERENCES = sa.table("schema_references", sa.column("subject"), sa.column("version"))


def upgrade() -> None:
    drafts = sa.select(RESOURCES.c.topic + "-value").where(RESOURCES.c.lifecycle.in_(["draft", "submitted"]))
    referred_to = sa.exists().where(
        REFERENCES.c.subject == VERSIONS.c.subject, REFERENCES.c.version == VERSIONS.c.version
    )
    op.execute(sa.delete(VERSIONS).where(VERSIONS.c.subject.in_(drafts), ~referred_to))
