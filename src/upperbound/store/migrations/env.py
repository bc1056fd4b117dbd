"""Run by Alembic: migrates on the connection, and in the transaction, of the caller."""

from alembic import context

from upperbound.store.tables import VERSION_TABLE, metadata

connection = context.config.attributes["connection"]
if connection.dialect.name == "snowflake":
    import upperbound.store.snowflake.alembic_impl  # noqa: F401 - Alembic finds it by the dialect's name

context.configure(
    connection=connection,
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    # SQLite and PostgreSQL roll DDL back, and the caller has begun the transaction: all of a migration happens, or
    # nothing. On Snowflake each statement commits by itself, and each revision is recorded when it is complete.
    transactional_ddl=connection.dialect.name != "snowflake",
)
with context.begin_transaction():
    context.run_migrations()
