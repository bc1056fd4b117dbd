"""Worker heartbeats: ``WORKER_HEARTBEATS``, one row per worker."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import exc

from upperbound.domain.phases import Phase
from upperbound.domain.worker_state import TERMINAL, WorkerStatus
from upperbound.errors import RunNotFound
from upperbound.store.database import Database
from upperbound.store.dialects import Write, insert_new, upsert
from upperbound.store.tables import worker_heartbeats
from upperbound.store.types import seconds_between, store_now


@dataclass(frozen=True)
class Heartbeat:
    """What a worker says of itself."""

    run_id: str
    worker_id: str
    group_id: int
    status: WorkerStatus
    phase: Phase
    active_threads: int = 0
    target_threads: int = 0
    cpu_pct: float | None = None
    memory_pct: float | None = None
    queries: int = 0
    """Operations that succeeded, warmup included."""
    errors: int = 0
    last_error: str | None = None
    detail: str | None = None
    """What it is doing, for people: how many connections are open, say."""


@dataclass(frozen=True)
class HeartbeatRow(Heartbeat):
    """A heartbeat as it is stored."""

    last_heartbeat: datetime | None = None
    heartbeat_count: int = 0
    age_s: float = 0.0
    """Seconds since the last heartbeat, by the store's clock."""


class HeartbeatRepository:
    """Writes and reads heartbeats."""

    def __init__(self, database: Database, now: sa.ColumnElement[datetime] | None = None) -> None:
        self._database = database
        now = store_now() if now is None else now
        columns = worker_heartbeats.c
        given = {column.name: sa.bindparam(f"given_{column.name}", type_=column.type) for column in columns}
        del given["last_heartbeat"], given["heartbeat_count"]
        self._upsert = upsert(
            database.dialect,
            worker_heartbeats,
            {**given, "last_heartbeat": now},
            keys=("run_id", "worker_id"),
            on_insert={"heartbeat_count": 1},
            on_update={"heartbeat_count": columns.heartbeat_count + 1},
            # A write whose answer was lost may arrive after later ones: what has ended does not come back.
            update_where=sa.or_(columns.status.not_in(TERMINAL), columns.status == given["status"]),
        )
        self._claim = insert_new(
            database.dialect,
            worker_heartbeats,
            {**given, "last_heartbeat": now, "heartbeat_count": 1},
            keys=("run_id", "worker_id"),
        )
        others = [column for column in columns if column.name != "worker_group_id"]
        self._list = (
            sa.select(
                *others,
                columns.worker_group_id.label("group_id"),
                seconds_between(now, columns.last_heartbeat).label("age_s"),
            )
            .where(columns.run_id == sa.bindparam("run"))
            .order_by(columns.worker_group_id, columns.worker_id)
        )

    def upsert(self, heartbeat: Heartbeat) -> None:
        """Write the worker's row: the store's time, and one more heartbeat. Raises :class:`RunNotFound`.

        The row of a worker that has said COMPLETED or FAILED keeps that status: another one leaves the row as it is.
        """
        self._write(self._upsert, heartbeat)

    def claim(self, heartbeat: Heartbeat) -> bool:
        """Write the worker's first row and say whether that succeeded: False, and no change, when it has one.

        Of all who would start a worker, one may: whoever claims it first. When the answer is lost with the connection
        nobody may, as a second call says False although the first one succeeded. Raises :class:`RunNotFound`.
        """
        return self._write(self._claim, heartbeat) == 1

    def _write(self, write: Write, heartbeat: Heartbeat) -> int:
        values = {f"given_{name}": value for name, value in vars(heartbeat).items()}
        values["given_worker_group_id"] = values.pop("given_group_id")
        with self._database.connection() as connection:
            try:
                return write.run(connection, values)
            except exc.IntegrityError:
                raise RunNotFound(f"there is no run {heartbeat.run_id!r} to be a worker of") from None

    def list(self, run_id: str) -> list[HeartbeatRow]:
        """Return the newest heartbeat of every worker of the run, in order of group id."""
        return [HeartbeatRow(**row) for row in self._database.rows(self._list, {"run": run_id})]
