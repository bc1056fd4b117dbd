"""Control events: ``RUN_CONTROL_EVENTS``, an append-only log per run."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from upperbound.domain.events import EventType
from upperbound.errors import RunNotFound
from upperbound.store.database import Database
from upperbound.store.tables import run_control_events, run_status
from upperbound.store.types import store_now


@dataclass(frozen=True)
class EventRow:
    """One control event."""

    event_id: str
    run_id: str
    sequence: int
    """1 for the first event of a run, and dense."""
    type: EventType
    scope: str
    """``RUN``, ``WORKER_GROUP`` or ``WORKER``."""
    data: dict[str, Any]
    created_at: datetime


@dataclass(frozen=True)
class NewEvent:
    """An event to append."""

    type: EventType
    data: Mapping[str, Any]
    scope: str = "RUN"


_ONE_RUN = run_status.c.run_id == sa.bindparam("run")
_TAKE = sa.update(run_status).where(_ONE_RUN).values(next_sequence_id=run_status.c.next_sequence_id + 1)
_TAKEN = sa.select(run_status.c.next_sequence_id - 1).where(_ONE_RUN)


def append_event(connection: Connection, now: sa.ColumnElement[datetime], run_id: str, event: NewEvent) -> int:
    """Append an event within a transaction that may do more, and return its sequence number.

    Raises :class:`RunNotFound`.
    """
    # The update locks the run's row until the commit, which is what makes writers take turns.
    if connection.execute(_TAKE, {"run": run_id}).rowcount != 1:
        raise RunNotFound(f"there is no run {run_id!r} to send {event.type} to")
    sequence = int(connection.execute(_TAKEN, {"run": run_id}).scalar_one())
    connection.execute(
        sa.insert(run_control_events).values(
            event_id=str(uuid.uuid4()),
            run_id=run_id,
            sequence_id=sequence,
            event_type=event.type,
            scope=event.scope,
            event_data=dict(event.data),
            created_at=now,
        )
    )
    return sequence


class EventRepository:
    """Appends to and reads the event log."""

    def __init__(self, database: Database, now: sa.ColumnElement[datetime] | None = None) -> None:
        self._database = database
        self._now = store_now() if now is None else now
        events = run_control_events.c
        self._after = (
            sa.select(
                events.event_id,
                events.run_id,
                events.sequence_id.label("sequence"),
                events.event_type.label("type"),
                events.scope,
                events.event_data.label("data"),
                events.created_at,
            )
            .where(events.run_id == sa.bindparam("run"), events.sequence_id > sa.bindparam("sequence"))
            .order_by(events.sequence_id)
            .limit(sa.bindparam("most", type_=sa.Integer))
        )

    def append(self, run_id: str, event_type: EventType, data: Mapping[str, Any], scope: str = "RUN") -> int:
        """Append an event and return its sequence number.

        The number is taken and the event inserted in one transaction: numbers of a run are unique and without gaps,
        also when writers race or die. Raises :class:`RunNotFound`.
        """
        with self._database.transaction() as connection:
            return append_event(connection, self._now, run_id, NewEvent(event_type, data, scope))

    def after(self, run_id: str, sequence: int = 0, limit: int = 1000) -> list[EventRow]:
        """Return the run's events with a number above ``sequence`` in order, at most ``limit``.

        Fewer than ``limit`` means that the caller has caught up. A run that does not exist has no events.
        """
        rows = self._database.rows(self._after, {"run": run_id, "sequence": sequence, "most": limit})
        return [EventRow(**row) for row in rows]

    def all(self, run_id: str) -> list[EventRow]:
        """Return every event of the run in order."""
        events: list[EventRow] = []
        while page := self.after(run_id, events[-1].sequence if events else 0):
            events += page
        return events
