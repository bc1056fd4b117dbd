"""Opening a store."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import sqlalchemy as sa
from pydantic import SecretStr

from upperbound.clock import Clock, SystemClock
from upperbound.errors import StoreError, StoreNotMigrated, StoreUnreachable
from upperbound.store.address import StoreAddress, parse_store_url
from upperbound.store.database import SQLITE_BUSY_S, Database
from upperbound.store.events import EventRepository
from upperbound.store.find_max import FindMaxRepository
from upperbound.store.heartbeats import HeartbeatRepository
from upperbound.store.history import HistoryRepository
from upperbound.store.logs import LogRepository
from upperbound.store.migrate import HEAD_REVISION, current_revision, require_head, upgrade
from upperbound.store.query_log import QueryLogRepository
from upperbound.store.results import ResultRepository
from upperbound.store.runs import RunRepository
from upperbound.store.snapshots import SnapshotRepository
from upperbound.store.templates import TemplateRepository
from upperbound.store.types import store_now
from upperbound.store.value_pools import ValuePoolRepository
from upperbound.store.warehouse_polls import WarehousePollRepository

_WAL_RETRY_S: Final = 0.02

BULK_STATEMENT_S: Final = 900
"""How long loading the queries of one worker may take."""


class Store:
    """The control and results store: one repository for each concern, on one pool of connections.

    Safe to use from several threads. Every method of a repository raises :class:`StoreUnreachable` when the store
    cannot be used now and the call may be tried again, and :class:`StoreError` for what waiting does not mend.
    """

    def __init__(self, database: Database, now: sa.ColumnElement[datetime] | None = None) -> None:
        self._database = database
        self._select_now = sa.select(store_now() if now is None else now)
        self.runs: Final = RunRepository(database, now)
        self.events: Final = EventRepository(database, now)
        self.heartbeats: Final = HeartbeatRepository(database, now)
        self.snapshots: Final = SnapshotRepository(database, now)
        self.results: Final = ResultRepository(database, now)
        self.logs: Final = LogRepository(database, now)
        self.find_max: Final = FindMaxRepository(database, now)
        self.warehouse_polls: Final = WarehousePollRepository(database, now)
        self.templates: Final = TemplateRepository(database, now)
        self.value_pools: Final = ValuePoolRepository(database, now)
        self.history: Final = HistoryRepository(database, now)
        self.query_log: Final = QueryLogRepository(
            database, lambda: Database(database.address, statement_s=BULK_STATEMENT_S)
        )

    @property
    def url(self) -> str:
        """The store's URL without a password; a process of this host can open the store with it."""
        return self._database.address.url

    @property
    def password(self) -> SecretStr | None:
        """The password that came with the URL or from ``UPPERBOUND_STORE_PASSWORD``: to hand on in the environment."""
        return self._database.address.password

    @property
    def dialect(self) -> str:
        """``sqlite``, ``postgresql`` or ``snowflake``."""
        return self._database.dialect

    def now(self) -> datetime:
        """Return the store's clock as an aware UTC time."""
        with self._database.connection() as connection:
            moment = connection.execute(self._select_now).scalar_one()
        assert isinstance(moment, datetime)
        return moment

    def warehouse(self) -> str | None:
        """Return the Snowflake warehouse that the store's own statements run on, in upper case; None elsewhere."""
        if self.dialect != "snowflake":
            return None
        with self._database.connection() as connection:
            found = connection.execute(sa.select(sa.func.current_warehouse())).scalar_one()
        return None if found is None else str(found)

    def observe(self, clock: Clock, seen: Callable[[float], None]) -> None:
        """Tell ``seen`` how many seconds each statement from now on has taken; it must return at once."""
        self._database.observe(clock, seen)

    def close(self) -> None:
        """Close the store's connections; may be called more than once."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()


def open_store(
    url: str,
    *,
    migrate: bool | None = None,
    now: sa.ColumnElement[datetime] | None = None,
    clock: Clock | None = None,
) -> Store:
    """Open the store at ``url``: ``sqlite:///path``, ``postgresql://user@host/database`` or ``snowflake://…``.

    ``migrate`` says whether missing tables are made and older ones brought up to date; None does so for SQLite, whose
    file and folder are made too, and leaves every other store to ``upperbound store init``. ``now`` replaces the
    store's clock in tests and simulations.

    Raises :class:`ConfigurationError` for a URL that is none, :class:`StoreNotMigrated` and :class:`StoreVersionError`
    for a schema that is not this version's, :class:`StoreUnreachable` when the store cannot be reached now, and
    :class:`StoreError` when it is no store, may not be written to or refuses the login. No message holds a password.
    """
    address = parse_store_url(url)
    migrate = address.dialect == "sqlite" if migrate is None else migrate
    database = Database(address)
    try:
        _prepare(database, migrate=migrate, only_own=True, clock=clock or SystemClock())
    except BaseException:
        database.close()
        raise
    return Store(database, now)


def init_store(url: str, *, clock: Clock | None = None) -> str | None:
    """Make or update the tables of the store at ``url``, and return the revision it had before, None for an empty one.

    This is ``upperbound store init``: safe to repeat, safe at the same time from several processes, and all or nothing.
    Raises what :func:`open_store` raises.
    """
    database = Database(parse_store_url(url))
    try:
        return _prepare(database, migrate=True, only_own=False, clock=clock or SystemClock())
    finally:
        database.close()


def _prepare(database: Database, *, migrate: bool, only_own: bool, clock: Clock) -> str | None:
    """Make sure that the store has this version's schema; returns the revision found."""
    path = database.address.path
    if path is not None:
        _check_file(path, database.address, create=migrate)
    with database.connection() as connection:
        found = current_revision(connection)
    if found == HEAD_REVISION:
        return found
    if not migrate:
        require_head(found, database.address)
    if path is not None:
        _use_wal(database, clock)
    return upgrade(database, only_own=only_own)


def _check_file(path: Path, address: StoreAddress, *, create: bool) -> None:
    """Make the folder of an SQLite store, or say what stands in the way: SQLite only says that it cannot open it."""
    if path.is_dir():
        raise StoreError(f"{address.shown} is a folder", hint="name a file in it")
    if not create:
        if not path.exists():
            raise StoreNotMigrated(f"{address.shown} does not exist", hint=address.init_hint)
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"{address.shown} cannot be made: {error.strerror or error}: {error.filename}",
            hint="name a file in a folder you may write to, or set UPPERBOUND_HOME",
        ) from error


def _use_wal(database: Database, clock: Clock) -> None:
    """Let readers and one writer work at the same time; the file remembers it.

    While another process makes the same change SQLite answers busy at once, whatever its timeout: hence the loop.
    """
    deadline_ns = clock.monotonic_ns() + int(SQLITE_BUSY_S * 1e9)
    while True:
        try:
            with database.connection() as connection:
                connection.exec_driver_sql("PRAGMA journal_mode = WAL")
        except StoreUnreachable:
            if clock.monotonic_ns() >= deadline_ns:
                raise
            clock.sleep(_WAL_RETRY_S)
        else:
            return
