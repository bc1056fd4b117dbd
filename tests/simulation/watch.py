"""The invariants, checked against the tables after every write, past the code that is being tested."""

import json
import sqlite3
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tests.simulation.world import Thread, Violation, World

from upperbound.domain.phases import Phase
from upperbound.domain.run_state import TERMINAL, TRANSITIONS, RunStatus
from upperbound.domain.worker_state import TERMINAL as WORKER_TERMINAL
from upperbound.domain.worker_state import WorkerStatus

PHASES = list(Phase)
CLOCK_STEP_S = 0.002
"""The store keeps times in milliseconds."""
STEPS = frozenset((source, target) for (source, _event), target in TRANSITIONS.items())

STARTED = frozenset({RunStatus.RUNNING, RunStatus.STOPPING, RunStatus.COMPLETED})

_ROW = """
select r.status, r.phase, r.start_time, r.end_time, r.lease_owner, r.lease_expires_at, r.next_sequence_id,
       t.status, t.phase, t.operations, r.completion_reason, r.cancellation_reason, r.guardrail_state
from run_status r join test_results t on t.test_id = r.run_id where r.run_id = ?
"""
_EVENTS = """
select sequence_id, event_type, json_extract(event_data, '$.worker_id'), json_extract(event_data, '$.step_id'),
       created_at
from run_control_events where run_id = ? order by sequence_id
"""


@dataclass(frozen=True)
class Row:
    """What the invariants look at in a run's row and its parent result."""

    status: RunStatus
    phase: Phase
    start_time: str | None
    end_time: str | None
    lease_owner: str | None
    lease_expires_at: str | None
    next_sequence: int
    parent_status: str
    parent_phase: str
    operations: int | None
    completion_reason: str | None
    cancellation_reason: str | None
    guardrail_state: str | None


@dataclass
class Reported:
    """What a worker has got into the store: the truth that a result can be held against."""

    warmup: int = 0
    measured: int = 0
    sequence: int = 0
    final: int | None = None
    """From its own result, which is what counts once it is there."""

    @property
    def operations(self) -> int:
        return self.measured if self.final is None else self.final


@dataclass
class Watch:
    """Looks at one run after every write; raises :class:`Violation`."""

    world: World
    connection: sqlite3.Connection
    run_id: str
    before: Row | None = None
    owners: dict[str, str] = field(default_factory=dict)
    """Lease owner by controller process."""
    tick_began_s: dict[str, float] = field(default_factory=dict)
    reported: dict[str, Reported] = field(default_factory=dict)
    reported_when_read: dict[str, int] = field(default_factory=dict)
    """By controller thread: what all workers had reported when it read their results."""
    worker_status: dict[str, WorkerStatus] = field(default_factory=dict)
    stops: list[tuple[int, str | None]] = field(default_factory=list)
    """Sequence number of each STOP, and the worker it is for; None for all."""
    stages_begin_s: tuple[float, ...] = ()
    """When each stage of the scenario begins, in seconds since the run's start."""
    checks: int = 0
    unfenced: int = 0
    """Writes by a controller that had been held up for longer than its lease."""

    def row(self) -> Row:
        """Read the run's row, past the store's code."""
        found = self.connection.execute(_ROW, (self.run_id,)).fetchone()
        return Row(RunStatus(found[0]), Phase(found[1]), *found[2:])

    # What is looked at -----------------------------------------------------------------------------------------

    def wrote(self, thread: Thread, what: str, args: Any, kwargs: Any) -> None:
        """Check everything that a write may have changed."""
        self.checks += 1
        repository = what.partition(".")[0]
        if repository == "snapshots":
            self._snapshot(args[0])
        elif repository == "heartbeats":
            self._heartbeats()
        elif what == "results.write_child":
            self._child(args[0])
        elif what == "results.finish_parent":
            self._result(thread, args[1])
        if repository in {"runs", "events", "results"}:
            self.check_run(what)
        if repository in {"runs", "events"}:
            self._events()

    def check_run(self, what: str) -> None:
        """Compare the run's row with what it was before."""
        before, row = self.before, self.row()
        self.before = row
        if (row.parent_status, row.parent_phase) != (row.status.value, row.phase.value):
            raise Violation(f"the run is {row.status}/{row.phase}, its result {row.parent_status}/{row.parent_phase}")
        if (row.status in TERMINAL) is not (row.end_time is not None):
            raise Violation(f"{row.status} with END_TIME {row.end_time}")
        if row.status in STARTED and row.start_time is None:
            raise Violation(f"{row.status} without START_TIME")
        if before is None:
            return
        if row.status is not before.status:
            if before.status in TERMINAL:
                raise Violation(f"{what}: terminal {before.status} became {row.status}")
            if (before.status, row.status) not in STEPS:
                raise Violation(f"{what}: illegal transition from {before.status} to {row.status}")
        if before.start_time not in {None, row.start_time}:
            raise Violation(f"{what}: START_TIME {before.start_time} became {row.start_time}")
        if before.end_time not in {None, row.end_time}:
            raise Violation(f"{what}: END_TIME {before.end_time} became {row.end_time}")
        if (row.operations or 0) < (before.operations or 0):
            raise Violation(f"{what}: the result counted {before.operations} operations and counts {row.operations}")
        if PHASES.index(row.phase) < PHASES.index(before.phase):
            raise Violation(f"{what}: phase {before.phase} went back to {row.phase} while {row.status}")
        self._lease(what, before, row)

    def _lease(self, what: str, before: Row, row: Row) -> None:
        taken = row.lease_owner not in {None, before.lease_owner}
        now = self.world.store_now().replace(tzinfo=None).isoformat(sep=" ", timespec="milliseconds")
        if taken and before.lease_owner is not None and (before.lease_expires_at or "") > now:
            raise Violation(f"{what}: a lease held by {before.lease_owner} until {before.lease_expires_at} was taken")

    def controller_writes(self, thread: Thread, what: str, lease_s: float) -> None:
        """One owner at a time: a controller writes only while the lease is its own.

        A process that was held up between taking the lease and its write is the one exception that no lease can
        prevent; what it writes then must do no harm, which is what the other invariants see.
        """
        began_s = self.tick_began_s.get(thread.name)
        if began_s is None:
            return
        row = self.row()
        now = self.world.store_now().replace(tzinfo=None).isoformat(sep=" ", timespec="milliseconds")
        if row.lease_owner == self.owners.get(thread.name) and (row.lease_expires_at or "") > now:
            return
        if self.world.now_s - began_s >= lease_s - 0.01:
            self.unfenced += 1
            return
        raise Violation(f"{thread.name} does {what} although the lease is {row.lease_owner}'s")

    def _events(self) -> None:
        found = self.connection.execute(_EVENTS, (self.run_id,)).fetchall()
        sequences = [sequence for sequence, *_ in found]
        row = self.row()
        if sequences != list(range(1, row.next_sequence)):
            raise Violation(f"sequence numbers are {sequences}, and the next one is {row.next_sequence}")
        self.stops = [(sequence, worker_id) for sequence, event_type, worker_id, *_ in found if event_type == "STOP"]
        told = [
            (int(step_id.removeprefix("stage-")), worker_id, created_at)
            for *_, worker_id, step_id, created_at in found
            if (step_id or "").startswith("stage-")
        ]
        self._stages(row, told)
        self._guardrails(row, [event_type for _, event_type, *_ in found])

    def _stages(self, row: Row, told: list[tuple[int, str, str]]) -> None:
        """Each stage is told to a worker at most once, in its turn, and not before its time."""
        if len({(stage, worker_id) for stage, worker_id, _ in told}) < len(told):
            raise Violation(f"a stage was told twice: {told}")
        if told != sorted(told, key=lambda each: each[0]):
            raise Violation(f"a stage was told after a later one: {told}")
        for stage, _, created_at in told:
            passed = datetime.fromisoformat(created_at) - datetime.fromisoformat(row.start_time or "")
            if passed.total_seconds() < self.stages_begin_s[stage] - CLOCK_STEP_S:
                raise Violation(f"stage {stage} was told {passed.total_seconds():.3f} s into the run, before its time")

    def _guardrails(self, row: Row, event_types: list[str]) -> None:
        """What the guardrails have done is told of, each action once."""
        done = Counter(action["action"] for action in json.loads(row.guardrail_state or '{"actions": []}')["actions"])
        for action, event_type in (("WARNING", "GUARDRAIL_WARNING"), ("SCALE_DOWN", "SCALE_DOWN")):
            if event_types.count(event_type) != done[action]:
                raise Violation(
                    f"guardrails have {done[action]} times done {action}, and told of {event_types.count(event_type)}"
                )

    def _heartbeats(self) -> None:
        for worker_id, value in self.connection.execute(
            "select worker_id, status from worker_heartbeats where run_id = ?", (self.run_id,)
        ):
            status, before = WorkerStatus(value), self.worker_status.get(worker_id)
            if before in WORKER_TERMINAL and status is not before:
                raise Violation(f"{worker_id} was {before} and is {status} again")
            self.worker_status[worker_id] = status

    # Totals -----------------------------------------------------------------------------------------------------

    def _snapshot(self, snapshot: Any) -> None:
        known = self.reported.setdefault(snapshot.worker_id, Reported())
        if snapshot.phase is Phase.MEASUREMENT and snapshot.sequence > known.sequence:
            known.sequence, known.measured = snapshot.sequence, snapshot.operations

    def _child(self, child: Any) -> None:
        if child.figures is not None:
            known = self.reported.setdefault(child.worker_id, Reported())
            known.final = child.operations
        stored = self.connection.execute(
            "select operations from test_results where test_id = ?", (child.test_id,)
        ).fetchone()
        final = self.reported.get(child.worker_id, Reported()).final
        if final is not None and stored[0] != final:
            raise Violation(f"{child.worker_id} had written its result of {final} operations, now it has {stored[0]}")

    def reported_in_all(self) -> int:
        """Return how many operations of the measurement all workers have reported."""
        return sum(known.operations for known in self.reported.values())

    def reported_by_lost_workers(self) -> int:
        """Return how many operations those have reported that never wrote their own result."""
        return sum(known.measured for known in self.reported.values() if known.final is None)

    def remember_reported(self, thread: Thread) -> None:
        """Note what had been reported when a controller read the workers' results."""
        self.reported_when_read[thread.name] = self.reported_in_all()

    def _result(self, thread: Thread, result: Any) -> None:
        """A total counts everything that was reported when it was made, and nothing that was not."""
        least, most = self.reported_when_read.get(thread.name, 0), self.reported_in_all()
        if not least <= result.operations <= most:
            raise Violation(
                f"the result counts {result.operations} operations, the workers had reported {least} to {most}"
            )

    # Deliberate faults ------------------------------------------------------------------------------------------

    def take_sequence(self) -> int:
        """Take the next sequence number, in a transaction of its own."""
        sequence = self.row().next_sequence
        self.connection.execute(
            "update run_status set next_sequence_id = ? where run_id = ?", (sequence + 1, self.run_id)
        )
        return sequence

    def insert_event(self, sequence: int, event_type: str, data: str) -> None:
        """Insert an event, in a transaction of its own."""
        self.connection.execute(
            "insert into run_control_events (event_id, run_id, sequence_id, event_type, scope, event_data, created_at)"
            " values (?, ?, ?, ?, 'RUN', ?, ?)",
            (f"{self.run_id}-{sequence}", self.run_id, sequence, event_type, data, "2026-03-01 12:00:00.000"),
        )
