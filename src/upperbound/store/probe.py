"""A try-out of a store that leaves nothing behind: whether it can be reached, and written to by this user."""

import os
import secrets
from dataclasses import dataclass

import sqlalchemy as sa

from upperbound.clock import Clock
from upperbound.domain.phases import Phase
from upperbound.domain.run_state import RunStatus
from upperbound.errors import StoreError
from upperbound.store.address import parse_store_url
from upperbound.store.database import Database
from upperbound.store.migrate import HEAD_REVISION, current_revision, refuse_newer
from upperbound.store.tables import run_status
from upperbound.store.types import store_now


@dataclass(frozen=True)
class StoreState:
    """What is at a store's address."""

    shown: str
    """The URL without a password."""
    exists: bool
    """False for an SQLite file that the first run will make."""
    revision: str | None
    """The schema's revision; None without one."""
    migrates_itself: bool
    """Opening it for a run makes or updates its tables."""

    @property
    def is_current(self) -> bool:
        """Whether the tables are of this version."""
        return self.revision == HEAD_REVISION


def look_at_store(url: str) -> StoreState:
    """Say what is at ``url``; nothing is made or changed.

    Raises :class:`ConfigurationError` for a URL that is none and a schema that is newer than this version knows,
    :class:`StoreUnreachable` when the store cannot be reached, and :class:`StoreError` when it is no store, or when the
    file could not be made.
    """
    address = parse_store_url(url)
    itself = address.dialect == "sqlite"
    if address.path is not None and not address.path.exists():
        folder = next(folder for folder in address.path.parents if folder.exists())
        if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
            raise StoreError(
                f"{address.shown} cannot be made: no file or folder can be made in {folder}",
                hint="name a file in a folder you may write to, or set UPPERBOUND_HOME",
            )
        return StoreState(address.url, exists=False, revision=None, migrates_itself=True)
    if address.path is not None and address.path.is_dir():
        raise StoreError(f"{address.shown} is a folder", hint="name a file in it")
    database = Database(address)
    try:
        with database.connection() as connection:
            revision = current_revision(connection)
    finally:
        database.close()
    refuse_newer(revision, address)
    return StoreState(address.url, exists=True, revision=revision, migrates_itself=itself)


def try_write(url: str, clock: Clock) -> float:
    """Insert, change and delete a run in a transaction that is rolled back, and return the seconds it took.

    Raises what :meth:`Database.transaction` raises, :class:`StoreError` when this user may not write.
    """
    database = Database(parse_store_url(url))
    run_id = f"doctor-{secrets.token_hex(8)}"
    now = store_now()
    insert = sa.insert(run_status).values(
        run_id=run_id,
        name="doctor",
        scenario_config={},
        status=RunStatus.PREPARED,
        phase=Phase.PREPARING,
        total_workers_expected=0,
        worker_targets={},
        status_changed_at=now,
        created_at=now,
        updated_at=now,
    )
    mine = run_status.c.run_id == run_id
    try:
        # A connection is there before the time is taken.
        database.rows(sa.select(sa.literal(1)))
        started_ns = clock.monotonic_ns()
        with database.transaction() as connection:
            connection.execute(insert)
            connection.execute(sa.update(run_status).where(mine).values(name="doctor again"))
            connection.execute(sa.delete(run_status).where(mine))
            transaction = connection.get_transaction()
            assert transaction is not None, "it was begun above"
            transaction.rollback()
        return (clock.monotonic_ns() - started_ns) / 1e9
    finally:
        database.close()
