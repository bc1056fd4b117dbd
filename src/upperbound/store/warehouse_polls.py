"""Polls of a run's warehouse: ``WAREHOUSE_POLL_SNAPSHOTS``, what its controller saw of it at one moment."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa

from upperbound.store.database import Database
from upperbound.store.dialects import insert_new, once_each
from upperbound.store.tables import warehouse_poll_snapshots
from upperbound.store.types import store_now


@dataclass(frozen=True)
class WarehousePoll:
    """One look at a warehouse, by ``SHOW WAREHOUSES``."""

    poll_id: str
    """Unique among all polls; given by whoever polls, so that a write may be repeated."""
    run_id: str
    elapsed_s: float
    """Seconds since the run's START_TIME."""
    warehouse: str
    state: str
    """Such as ``STARTED`` or ``SUSPENDED``, in the server's words."""
    size: str | None
    min_clusters: int | None
    """None where the server's edition has no clusters, as all numbers of clusters."""
    max_clusters: int | None
    started_clusters: int | None
    running: int
    """Queries that run."""
    queued: int
    """Queries that wait for the warehouse."""
    scaling_policy: str | None


@dataclass(frozen=True)
class WarehousePollRow(WarehousePoll):
    """A poll as it is stored."""

    polled_at: datetime
    """By the store's clock."""


_POLLS: Final = warehouse_poll_snapshots.c
_ORDER: Final = (_POLLS.polled_at, _POLLS.elapsed_s, _POLLS.poll_id)


class WarehousePollRepository:
    """Writes and reads polls."""

    def __init__(self, database: Database, now: sa.ColumnElement[datetime] | None = None) -> None:
        self._database = database
        self._now = store_now() if now is None else now

    def write(self, poll: WarehousePoll) -> None:
        """Keep a poll; one that is there already (same id) is left as it is."""
        values = {**vars(poll), "polled_at": self._now}
        self._database.run(insert_new(self._database.dialect, warehouse_poll_snapshots, values))

    def series(self, run_id: str, after_s: float = -1.0) -> list[WarehousePollRow]:
        """Return the polls of a run that were made more than ``after_s`` seconds into it, in their order."""
        statement = sa.select(warehouse_poll_snapshots).where(_POLLS.run_id == run_id, _POLLS.elapsed_s > after_s)
        rows = self._database.rows(statement.order_by(*_ORDER))
        return [WarehousePollRow(**row) for row in once_each(self._database.dialect, rows, lambda row: row["poll_id"])]

    def newest(self, run_id: str) -> WarehousePollRow | None:
        """Return the last poll of a run; None when it has none, as a run without a warehouse."""
        statement = sa.select(warehouse_poll_snapshots).where(_POLLS.run_id == run_id)
        rows = self._database.rows(statement.order_by(*(column.desc() for column in _ORDER)).limit(1))
        return WarehousePollRow(**rows[0]) if rows else None
