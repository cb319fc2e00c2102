"""Alembic's entry: migrates the connection that ``registry.migrate`` hands over."""

from __future__ import annotations

from alembic import context

from registry.models import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata(),
    render_as_batch=True,
    transactional_ddl=False,  # the caller's transaction holds the whole migration
)
context.run_migrations()
