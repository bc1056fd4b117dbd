"""Runs: ``RUN_STATUS``, and the parent row in ``TEST_RESULTS`` that goes with each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.engine import Connection

from upperbound.domain.phases import Phase
from upperbound.domain.run_state import TERMINAL, RunStatus
from upperbound.errors import RunNotFound, StoreError
from upperbound.store.database import Database
from upperbound.store.events import NewEvent, append_event
from upperbound.store.tables import run_status, test_results
from upperbound.store.types import plus_seconds, seconds_between, store_now
from upperbound.store.value_pools import TEMPLATES_LOCK, link_run

_AMBIGUOUS_SHOWN: Final = 5


@dataclass(frozen=True)
class NewRun:
    """A run to create."""

    run_id: str
    name: str
    scenario: Mapping[str, Any]
    """The complete configuration, as JSON; all that a worker knows of the run."""
    total_workers: int
    worker_targets: Mapping[str, Any] = field(default_factory=dict)
    """Threads by worker id."""
    template_id: str | None = None
    """The template that the scenario comes from; it may be deleted since."""
    template_version: int | None = None
    load_mode: str | None = None
    scaling_mode: str | None = None
    threads: int | None = None
    """Threads of all workers together."""
    value_pools: Sequence[str] = ()
    """Ids of the value pools that it takes values from: they are kept until it has ended."""


@dataclass(frozen=True)
class Rollup:
    """What the live view shows of all workers together."""

    workers_registered: int
    workers_active: int
    workers_completed: int
    total_ops: int
    error_count: int
    current_qps: float


@dataclass(frozen=True)
class RunRow:
    """One row of ``RUN_STATUS``; times are aware and UTC, and every duration is the store's own arithmetic."""

    run_id: str
    template_id: str | None
    template_version: int | None
    name: str
    scenario_config: dict[str, Any]
    status: RunStatus
    phase: Phase
    start_time: datetime | None
    """When every expected worker was ready; never changed once set."""
    warmup_start_time: datetime | None
    warmup_end_time: datetime | None
    """When the measurement begins, by plan; equals the start when there is no warmup."""
    end_time: datetime | None
    total_workers_expected: int
    workers_registered: int
    workers_active: int
    workers_completed: int
    total_ops: int
    error_count: int
    current_qps: float
    worker_targets: dict[str, Any]
    next_sequence_id: int
    find_max_state: dict[str, Any] | None
    qps_controller_state: dict[str, Any] | None
    guardrail_state: dict[str, Any] | None
    completion_reason: str | None
    cancellation_reason: str | None
    lease_owner: str | None
    lease_expires_at: datetime | None
    status_changed_at: datetime
    created_at: datetime
    updated_at: datetime
    now: datetime
    """The store's clock at the moment the row was read."""
    elapsed_s: float | None
    """Seconds since ``start_time``, up to ``end_time`` when the run has ended; None before the start."""
    status_age_s: float
    """Seconds in the present status."""
    lease_remaining_s: float | None
    """Seconds until the lease expires, zero or less when it has; None without a lease."""


class RunRepository:
    """Reads and changes runs; every method is one transaction."""

    def __init__(self, database: Database, now: sa.ColumnElement[datetime] | None = None) -> None:
        self._database = database
        self._now = now = store_now() if now is None else now
        runs = run_status.c
        self._select = sa.select(
            run_status,
            now.label("now"),
            seconds_between(sa.func.coalesce(runs.end_time, now), runs.start_time).label("elapsed_s"),
            seconds_between(now, runs.status_changed_at).label("status_age_s"),
            seconds_between(runs.lease_expires_at, now).label("lease_remaining_s"),
        )
        self._select_one = self._select.where(runs.run_id == sa.bindparam("run"))

    def create(self, run: NewRun) -> None:
        """Write the run as PREPARED, and its parent result, in one transaction.

        Raises :class:`StoreError` when the id is taken or a value pool is gone; then nothing is changed.
        """
        now = self._now
        with self._database.transaction(lock=TEMPLATES_LOCK if run.value_pools else None) as connection:
            try:
                connection.execute(
                    sa.insert(run_status).values(
                        run_id=run.run_id,
                        template_id=run.template_id,
                        template_version=run.template_version,
                        name=run.name,
                        scenario_config=dict(run.scenario),
                        status=RunStatus.PREPARED,
                        phase=Phase.PREPARING,
                        total_workers_expected=run.total_workers,
                        worker_targets=dict(run.worker_targets),
                        status_changed_at=now,
                        created_at=now,
                        updated_at=now,
                    )
                )
                connection.execute(
                    sa.insert(test_results).values(
                        test_id=run.run_id,
                        run_id=run.run_id,
                        name=run.name,
                        status=RunStatus.PREPARED.value,
                        phase=Phase.PREPARING,
                        load_mode=run.load_mode,
                        scaling_mode=run.scaling_mode,
                        threads=run.threads,
                        worker_count=run.total_workers,
                        created_at=now,
                        updated_at=now,
                    )
                )
            except exc.IntegrityError:
                raise StoreError(f"a run {run.run_id} exists already", hint="give the new run another id") from None
            link_run(connection, run.run_id, run.value_pools)

    def get(self, run_id: str) -> RunRow:
        """Return one run. Raises :class:`RunNotFound`."""
        rows = self._database.rows(self._select_one, {"run": run_id})
        if not rows:
            raise _not_found(run_id)
        return RunRow(**rows[0])

    def resolve(self, id_or_prefix: str) -> str:
        """Return the id of the run that is called so, or whose id alone begins so.

        Raises :class:`RunNotFound` when there is none, and when there are several.
        """
        runs = run_status.c
        matches = sa.select(runs.run_id).where(
            sa.or_(runs.run_id == id_or_prefix, runs.run_id.startswith(id_or_prefix, autoescape=True))
        )
        found = [
            row["run_id"] for row in self._database.rows(matches.order_by(runs.run_id).limit(_AMBIGUOUS_SHOWN + 1))
        ]
        # LIKE ignores case on SQLite.
        found = [run_id for run_id in found if run_id.startswith(id_or_prefix)]
        if id_or_prefix in found:
            return id_or_prefix
        if not found or not id_or_prefix:
            raise _not_found(id_or_prefix)
        if len(found) > 1:
            more = ", …" if len(found) > _AMBIGUOUS_SHOWN else ""
            raise RunNotFound(
                f"several runs begin with {id_or_prefix!r}: {', '.join(found[:_AMBIGUOUS_SHOWN])}{more}",
                hint="give more of the id",
            )
        return str(found[0])

    def list(self, limit: int = 50, offset: int = 0, status: RunStatus | None = None) -> list[RunRow]:
        """Return runs, the newest first, of one status or of all."""
        statement = self._select.order_by(run_status.c.created_at.desc(), run_status.c.run_id.desc())
        if status is not None:
            statement = statement.where(run_status.c.status == status)
        return [RunRow(**row) for row in self._database.rows(statement.limit(limit).offset(offset))]

    def transition(
        self,
        run_id: str,
        *,
        expected: RunStatus,
        to: RunStatus,
        phase: Phase | None = None,
        completion_reason: str | None = None,
        cancellation_reason: str | None = None,
        event: NewEvent | None = None,
        holder: str | None = None,
    ) -> bool:
        """Change the status if it still is ``expected``, and say whether it was changed.

        ``event`` is appended in the same transaction: nobody sees the one without the other. A terminal status sets
        END_TIME, once. None leaves phase and reasons as they are. RUNNING is reached by :meth:`mark_running`, which
        also sets the run's clock: asking for it here raises :class:`ValueError`. A ``holder`` changes nothing when the
        lease is another's by now; this holds wherever there is one. Raises :class:`RunNotFound`. When the
        answer is lost with the connection, a second call says False although the first one succeeded: read the run to
        tell.
        """
        if to is RunStatus.RUNNING:
            raise ValueError("a run becomes RUNNING by mark_running")
        changes: dict[str, Any] = {"status": to}
        if to is not expected:
            changes["status_changed_at"] = self._now
        if to in TERMINAL:
            changes["end_time"] = sa.func.coalesce(run_status.c.end_time, self._now)
        optional = {"phase": phase, "completion_reason": completion_reason, "cancellation_reason": cancellation_reason}
        changes |= {name: value for name, value in optional.items() if value is not None}
        return self._change(run_id, changes, run_status.c.status == expected, event=event, holder=holder)

    def mark_running(
        self, run_id: str, warmup_s: float, event: NewEvent | None = None, *, holder: str | None = None
    ) -> bool:
        """Change STARTING to RUNNING, set START_TIME if it is not set, and plan the warmup from it.

        ``event`` is appended in the same transaction.

        Returns whether the run was STARTING. The phase becomes WARMUP, or MEASUREMENT when ``warmup_s`` is zero. Raises
        :class:`RunNotFound`, and :class:`ValueError` for a negative warmup.
        """
        if warmup_s < 0:
            raise ValueError(f"warmup_s must be zero or more, not {warmup_s}")
        start = sa.func.coalesce(run_status.c.start_time, self._now)
        changes = {
            "status": RunStatus.RUNNING,
            "status_changed_at": self._now,
            "phase": Phase.WARMUP if warmup_s > 0 else Phase.MEASUREMENT,
            "start_time": start,
            "warmup_start_time": start,
            "warmup_end_time": plus_seconds(start, sa.bindparam("warmup", float(warmup_s), sa.Double())),
        }
        return self._change(run_id, changes, run_status.c.status == RunStatus.STARTING, event=event, holder=holder)

    def replace_config(self, run_id: str, scenario: Mapping[str, Any]) -> bool:
        """Write another configuration for a run that is still PREPARED; False, and no change, for any other.

        Raises :class:`RunNotFound`.
        """
        prepared = run_status.c.status == RunStatus.PREPARED
        return self._change(run_id, {"scenario_config": dict(scenario)}, prepared, mirror=False)

    def unattended(self) -> Sequence[tuple[str, str | None]]:
        """Return the runs that are on their way, or not fully processed, and whose lease has run out, the oldest first.

        Each with who held it last; None when that controller gave it back.
        """
        runs = run_status.c
        on_the_way = sa.and_(
            runs.status != RunStatus.PREPARED,
            sa.or_(runs.status.not_in(TERMINAL), runs.phase != Phase.COMPLETED),
        )
        free = sa.or_(runs.lease_owner.is_(None), runs.lease_expires_at <= self._now)
        statement = sa.select(runs.run_id, runs.lease_owner).where(on_the_way, free)
        rows = self._database.rows(statement.order_by(runs.created_at, runs.run_id))
        return [(row["run_id"], row["lease_owner"]) for row in rows]

    def leases(self, run_ids: Sequence[str]) -> Mapping[str, float | None]:
        """Return for how many seconds the leases of these runs are held still, by run id; None without a lease."""
        runs = run_status.c
        remaining = seconds_between(runs.lease_expires_at, self._now).label("remaining_s")
        statement = sa.select(runs.run_id, remaining).where(runs.run_id.in_(list(run_ids)))
        return {row["run_id"]: row["remaining_s"] for row in self._database.rows(statement)}

    def set_phase(self, run_id: str, phase: Phase, event: NewEvent | None = None, *, holder: str | None = None) -> bool:
        """Move on to a phase and say whether that changed it; a run that is there or beyond stays as it is.

        ``event`` is appended in the same transaction, once: with the change. A controller that was held up may write
        when another has long brought the run further. Raises :class:`RunNotFound`.
        """
        phases = list(Phase)
        earlier = run_status.c.phase.in_(phases[: phases.index(phase)])
        return self._change(run_id, {"phase": phase}, earlier, event=event, holder=holder)

    def update_rollup(self, run_id: str, rollup: Rollup, *, holder: str | None = None) -> None:
        """Write what all workers have done together. Raises :class:`RunNotFound`."""
        self._change(run_id, vars(rollup), sa.true(), mirror=False, holder=holder)

    def set_targets(self, run_id: str, targets: Mapping[str, int], *, holder: str | None = None) -> None:
        """Set the threads of some workers, by worker id, and leave those of the others. Raises :class:`RunNotFound`."""
        self._set_targets(run_id, targets, {}, holder=holder)

    def set_guardrails(
        self,
        run_id: str,
        state: Mapping[str, Any],
        targets: Mapping[str, int],
        events: Sequence[NewEvent] = (),
        *,
        seen: RunRow | None = None,
        holder: str | None = None,
    ) -> bool:
        """Write what the guardrails remember with the targets they have changed and what tells of them.

        All of it or nothing. Nothing, if ``seen`` is given, unless the run is RUNNING with the targets and the
        guardrails' state that it had then: what was decided on an older row, or was carried out before, is not done
        (again). Says whether it was written. Raises :class:`RunNotFound`.
        """
        return self._set_targets(
            run_id,
            targets,
            {"guardrail_state": dict(state)},
            expected=seen.worker_targets if seen else None,
            guarded=seen,
            events=events,
            holder=holder,
        )

    def resize(
        self,
        run_id: str,
        *,
        expected: Mapping[str, int],
        targets: Mapping[str, int],
        events: Sequence[NewEvent],
        next_sequence: int | None = None,
        holder: str | None = None,
    ) -> bool:
        """Set targets and append the events that announce them, in one transaction; workers without one yet join.

        Changes nothing and returns False unless the run is RUNNING, its targets are ``expected``, and the next event's
        number is ``next_sequence``, if that is given: somebody else has changed the run meanwhile, or this very call
        was carried out before. Raises :class:`RunNotFound`.
        """
        return self._set_targets(
            run_id, targets, {}, expected=expected, events=events, next_sequence=next_sequence, holder=holder
        )

    def set_find_max(
        self,
        run_id: str,
        state: Mapping[str, Any],
        targets: Mapping[str, int],
        events: Sequence[NewEvent] = (),
        *,
        holder: str | None = None,
    ) -> None:
        """Write how far the search for the highest load is, with the targets of its next step and what tells of them.

        All of it or nothing. Raises :class:`RunNotFound`.
        """
        self._set_targets(run_id, targets, {"find_max_state": dict(state)}, events=events, holder=holder)

    def set_qps_control(
        self,
        run_id: str,
        state: Mapping[str, Any],
        targets: Mapping[str, int],
        events: Sequence[NewEvent] = (),
        *,
        expected: Mapping[str, int],
        holder: str | None = None,
    ) -> bool:
        """Write what sizes the threads of a rate remembers, with the targets it has changed and what tells of them.

        Nothing of it unless the run is RUNNING and its targets are ``expected``; says whether it was written. Raises
        :class:`RunNotFound`.
        """
        changes = {"qps_controller_state": dict(state)}
        return self._set_targets(run_id, targets, changes, expected=expected, events=events, holder=holder)

    def _set_targets(
        self,
        run_id: str,
        targets: Mapping[str, int],
        changes: Mapping[str, Any],
        *,
        expected: Mapping[str, int] | None = None,
        guarded: RunRow | None = None,
        events: Sequence[NewEvent] = (),
        next_sequence: int | None = None,
        holder: str | None = None,
    ) -> bool:
        runs = run_status.c
        with self._database.transaction() as connection:
            query = sa.select(
                runs.status,
                runs.worker_targets,
                runs.total_workers_expected,
                runs.lease_owner,
                runs.next_sequence_id,
                runs.guardrail_state,
            )
            row = connection.execute(query.where(runs.run_id == run_id).with_for_update()).first()
            if row is None:
                raise _not_found(run_id)
            if holder is not None and row.lease_owner != holder:
                return False
            if next_sequence is not None and row.next_sequence_id != next_sequence:
                return False
            if guarded is not None and row.guardrail_state != guarded.guardrail_state:
                return False
            before = row.worker_targets or {}
            if expected is not None and (row.status != RunStatus.RUNNING or before != expected):
                return False
            merged = {**before, **targets}
            workers = max(row.total_workers_expected, len(merged))
            values = {**changes, "worker_targets": merged, "total_workers_expected": workers, "updated_at": self._now}
            connection.execute(sa.update(run_status).where(runs.run_id == run_id).values(values))
            for event in events:
                append_event(connection, self._now, run_id, event)
        return True

    def acquire_lease(self, run_id: str, owner: str, ttl_s: float) -> bool:
        """Become the one controller that acts on the run for ``ttl_s`` seconds, and say whether that succeeded.

        A lease is held in the half-open interval [acquired, expiry): at the expiry itself another owner may take it.
        The present owner gets it anew. Raises :class:`RunNotFound`.
        """
        runs = run_status.c
        free = sa.or_(runs.lease_owner.is_(None), runs.lease_owner == owner, runs.lease_expires_at <= self._now)
        return self._write_lease(run_id, owner, ttl_s, free)

    def extend_lease(self, run_id: str, owner: str, ttl_s: float) -> bool:
        """Hold the lease for ``ttl_s`` seconds from now on; False when it is another's or has expired.

        After False the caller must stop acting on the run. Raises :class:`RunNotFound`.
        """
        held = sa.and_(run_status.c.lease_owner == owner, run_status.c.lease_expires_at > self._now)
        return self._write_lease(run_id, owner, ttl_s, held)

    def release_lease(self, run_id: str, owner: str) -> bool:
        """Give the lease back; False, and no change, when it is another's. Raises :class:`RunNotFound`."""
        changes = {"lease_owner": None, "lease_expires_at": None}
        return self._change(run_id, changes, run_status.c.lease_owner == owner, mirror=False)

    def _write_lease(self, run_id: str, owner: str, ttl_s: float, condition: sa.ColumnElement[bool]) -> bool:
        if not ttl_s > 0:
            raise ValueError(f"ttl_s must be more than zero, not {ttl_s}")
        expiry = plus_seconds(self._now, sa.bindparam("ttl", float(ttl_s), sa.Double()))
        return self._change(run_id, {"lease_owner": owner, "lease_expires_at": expiry}, condition, mirror=False)

    def _change(
        self,
        run_id: str,
        changes: Mapping[str, Any],
        condition: sa.ColumnElement[bool],
        *,
        mirror: bool = True,
        event: NewEvent | None = None,
        holder: str | None = None,
    ) -> bool:
        """Change the run's row where ``condition`` holds, with the event that goes with it, and say whether it did."""
        statement = sa.update(run_status).where(run_status.c.run_id == run_id, condition)
        if holder is not None:
            # A controller that was held up in the middle of its tick finds out here, and not a second later.
            statement = statement.where(run_status.c.lease_owner == holder)
        with self._database.transaction() as connection:
            changed = connection.execute(statement.values({**changes, "updated_at": self._now})).rowcount == 1
            if changed and mirror:
                self._mirror(connection, run_id)
            if changed and event is not None:
                append_event(connection, self._now, run_id, event)
            if not changed:
                self._require(connection, run_id)
        return changed

    def _mirror(self, connection: Connection, run_id: str) -> None:
        """Let the parent result say what the run's row says: there is no moment at which the two disagree."""
        mirrored = ("status", "phase", "start_time", "end_time", "updated_at")
        one_run = run_status.c.run_id == run_id
        connection.execute(
            sa.update(test_results)
            .where(test_results.c.test_id == run_id)
            .values({name: sa.select(run_status.c[name]).where(one_run).scalar_subquery() for name in mirrored})
        )

    def _require(self, connection: Connection, run_id: str) -> None:
        if connection.execute(sa.select(run_status.c.run_id).where(run_status.c.run_id == run_id)).first() is None:
            raise _not_found(run_id)


def _not_found(run_id: str) -> RunNotFound:
    return RunNotFound(f"there is no run {run_id!r} in the store", hint="`upperbound runs list` shows them")
