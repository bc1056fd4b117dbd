"""Run by Alembic: migrates on the connection, and in the transaction, of the caller."""

from alembic import context

from upperbound.store.tables import VERSION_TABLE, metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    # Both dialects can roll DDL back, and the caller has begun the transaction: all of a migration happens, or nothing.
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
