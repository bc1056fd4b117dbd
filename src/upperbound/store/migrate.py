"""The schema's revision: read, compared with ours, and brought up to it."""

from collections.abc import Sequence
from importlib import resources
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from upperbound import __version__
from upperbound.errors import StoreError, StoreNotMigrated, StoreVersionError
from upperbound.store.address import StoreAddress
from upperbound.store.database import Database
from upperbound.store.snowflake.migrate import has_version_table, make_tables
from upperbound.store.tables import VERSION_TABLE

if TYPE_CHECKING:
    from alembic.config import Config

REVISIONS: Final[Sequence[str]] = ("0001", "0002", "0003", "0004", "0005", "0006", "0007")
"""Every revision of the schema that this version knows, oldest first; known here so that opening a store needs no
Alembic.
"""
HEAD_REVISION: Final = REVISIONS[-1]

_ADVISORY_LOCK: Final = 7_310_846_151_920_114_043
"""PostgreSQL's lock under which one process at a time migrates; any number that nobody else uses."""


def check_revision(database: Database) -> None:
    """Raise :class:`StoreNotMigrated` or :class:`StoreVersionError` unless the store has this version's schema."""
    with database.connection() as connection:
        found = current_revision(connection)
    require_head(found, database.address)


def require_head(found: str | None, address: StoreAddress) -> None:
    """Raise unless the revision ``found`` is this version's."""
    refuse_newer(found, address)
    if found is None:
        raise StoreNotMigrated(f"{address.shown} has no tables of Upperbound", hint=address.init_hint)
    if found != HEAD_REVISION:
        raise StoreNotMigrated(
            f"{address.shown} has schema revision {found}, and Upperbound {__version__} needs {HEAD_REVISION}",
            hint=address.init_hint,
        )


def refuse_newer(found: str | None, address: StoreAddress) -> None:
    """Raise :class:`StoreVersionError` for a revision that this version does not know."""
    if found is not None and found not in REVISIONS:
        raise StoreVersionError(
            f"{address.shown} has schema revision {found}, which is newer than this Upperbound {__version__} knows "
            f"({HEAD_REVISION})",
            hint="upgrade Upperbound to the version that wrote the store, or name another store with --store",
        )


def current_revision(connection: Connection) -> str | None:
    """Return the schema's revision; None when the store has no tables of ours."""
    if connection.dialect.name == "snowflake":
        if not has_version_table(connection):
            return None
    elif not sa.inspect(connection).has_table(VERSION_TABLE):
        return None
    version = sa.table(VERSION_TABLE, sa.column("version_num", sa.Text))
    found = connection.execute(sa.select(version.c.version_num)).scalar_one_or_none()
    return None if found is None else str(found)


def upgrade(database: Database, *, only_own: bool = False) -> str | None:
    """Bring the schema to this version's revision, and return the revision it had before.

    It is one transaction, but on Snowflake, where what was begun is gone on with by another call.
    Any number of processes may call this at once: one migrates, the others wait and find it done. With ``only_own`` an
    SQLite file that already holds another program's tables is left alone (:class:`StoreError`). Raises
    :class:`StoreVersionError` when the store is newer.
    """
    if database.dialect == "snowflake":
        return _upgrade_snowflake(database)
    with database.transaction() as connection:
        if database.dialect == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_ADVISORY_LOCK)))
        before = current_revision(connection)
        refuse_newer(before, database.address)
        if before == HEAD_REVISION:
            return before
        if only_own and before is None and (others := sa.inspect(connection).get_table_names()):
            raise StoreError(
                f"{database.address.shown} holds tables of another program: {', '.join(sorted(others)[:3])}",
                hint=f"name another file, or, to add our tables to this one, {database.address.init_hint}",
            )
        run_alembic(connection)
    return before


def _upgrade_snowflake(database: Database) -> str | None:
    with database.connection() as connection:
        before = current_revision(connection)
        refuse_newer(before, database.address)
        if before != HEAD_REVISION:
            make_tables(connection, run_alembic, before)
    return before


def run_alembic(connection: Connection) -> None:
    """Apply every revision that is missing, on a connection whose transaction the caller commits."""
    from alembic import command

    command.upgrade(alembic_config(connection), "head")


def alembic_config(connection: Connection | None = None) -> "Config":
    """Return Alembic's configuration for the revisions in this package."""
    from alembic.config import Config

    config = Config()
    folder = str(resources.files("upperbound.store") / "migrations")
    config.set_main_option("script_location", folder.replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
