"""Runs the migrations on the connection it is given; there is no offline mode and no configuration file."""

from alembic import context

from wxgate.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
