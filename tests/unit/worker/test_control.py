"""A worker's control side takes its orders from the store, reports to it, and ends a load that nobody watches."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
import sqlalchemy as sa

from upperbound.domain.arrivals import Share
from upperbound.domain.backoff import Backoff
from upperbound.domain.events import EventType
from upperbound.domain.figures import KindFigures, PhaseFigures
from upperbound.domain.histogram import Histogram
from upperbound.domain.phases import Phase, PhasePlan
from upperbound.domain.run_state import RunStatus
from upperbound.domain.worker_state import WorkerEvent, WorkerStatus
from upperbound.errors import IllegalTransition, StoreUnreachable
from upperbound.store.engine import Store, open_store
from upperbound.store.events import NewEvent
from upperbound.store.heartbeats import HeartbeatRow
from upperbound.store.runs import NewRun
from upperbound.store.types import UtcTimestamp
from upperbound.testing.manual_clock import ManualClock
from upperbound.testing.waiting import DEADLINE_S, until
from upperbound.worker import control as control_module
from upperbound.worker.control import Control
from upperbound.worker.orders import WorkerOptions
from upperbound.worker.resources import Resources

RUN, WORKER = "run", "worker-1"
PLAN = PhasePlan(warmup_s=3, duration_s=10)


@dataclass
class FakeLoad:
    """A load that does nothing but remember what it was told."""

    stopped: threading.Event = field(default_factory=threading.Event)
    threads: list[int] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    shares: list[Share | None] = field(default_factory=list)
    cancelled: int = 0
    succeeded: int = 0
    failed: int = 0
    active_threads: int = 3
    target_threads: int = 4

    def figures(self, phase: Phase) -> PhaseFigures:
        kind = KindFigures(self.succeeded, self.failed, Histogram.from_values([1000] * self.succeeded))
        return PhaseFigures(phase, seconds=2.0, by_operation={"INSERT": kind})

    def totals(self) -> tuple[int, int]:
        return self.succeeded, self.failed

    def stop(self) -> None:
        self.stopped.set()

    def set_threads(self, threads: int) -> None:
        self.threads.append(threads)

    def set_rate(self, rate_per_s: float) -> None:
        self.rates.append(rate_per_s)

    def set_share(self, share: Share | None) -> None:
        self.shares.append(share)

    def cancel_in_flight(self) -> int:
        self.cancelled += 1
        return 1


class FakeMachine:
    """A machine of which is known what the test says."""

    reading = Resources(None, None)
    begun_anew = 0

    def begin_anew(self) -> None:
        self.begun_anew += 1

    def read(self) -> Resources:
        return self.reading


class Network:
    """What lies between the worker and its store; stands in for the store at the boundary of its repositories."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.down = False
        """Every call fails before it reaches the store."""
        self.loses_answers_of: set[str] = set()
        """Calls of these methods reach the store, and their answers never come."""
        self.hanging: threading.Event | None = None
        """Calls wait for this."""
        self.calls = 0
        self.cut_off = 0
        """Calls that had to wait or were refused."""
        self.before: dict[str, Callable[[], None]] = {}
        """What happens once, just before the next call of a method."""

    def __getattr__(self, name: str) -> "Repository":
        return Repository(self, getattr(self._store, name))


class Repository:
    """One repository behind the network."""

    def __init__(self, network: Network, real: object) -> None:
        self._network, self._real = network, real

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._real, name)

        def call(*args: object, **kwargs: object) -> object:
            network = self._network
            network.calls += 1
            network.before.pop(name, lambda: None)()
            network.cut_off += network.down or network.hanging is not None
            if network.hanging is not None:
                assert network.hanging.wait(DEADLINE_S)
            if network.down:
                raise StoreUnreachable("unplugged by the test")
            answer: object = method(*args, **kwargs)
            if name in network.loses_answers_of:
                raise StoreUnreachable("the answer was lost by the test")
            return answer

        return call


class Rig:
    """A control side with a store, a clock and a load around it."""

    def __init__(self, store: Store, store_clock: list[datetime]) -> None:
        self.store, self._store_clock = store, store_clock
        self.clock = ManualClock()
        self.network = Network(store)
        self.load = FakeLoad()
        self.machine = FakeMachine()
        self.control = Control(
            cast("Store", self.network), self.clock, WorkerOptions(store.url, RUN, WORKER, 1, 2), PLAN, self.machine
        )

    def advance(self, seconds: float) -> None:
        """Let time pass, here and at the store, and the control side take notice of it."""
        self._store_clock[0] += timedelta(seconds=seconds)
        self.clock.advance(seconds)
        self.settle()

    def settle(self) -> None:
        """Wait until the control side has looked at everything twice from the beginning, or tried to."""
        if self.network.hanging is None:
            enough = self.network.calls + (3 if self.network.down else 8)
            until(lambda: self.network.calls >= enough, "the control side has looked")

    def unplug(self) -> None:
        """Let the store be away, and wait until the control side has met that: a call may be on its way back."""
        before, self.network.down = self.network.cut_off, True
        until(lambda: self.network.cut_off > before, "a call is refused")

    def freeze(self) -> threading.Event:
        """Let the store hang until the event that is returned, and wait until the control side hangs with it."""
        before, self.network.hanging = self.network.cut_off, threading.Event()
        until(lambda: self.network.cut_off > before, "a call hangs")
        return self.network.hanging

    def mark_running(self) -> None:
        assert self.store.runs.mark_running(RUN, PLAN.warmup_s)

    def begin(self) -> None:
        """Bring worker and run to RUNNING."""
        self.control.start()
        for event in (WorkerEvent.CONFIGURED, WorkerEvent.CONNECTED):
            self.control.advance(event)
        self.mark_running()
        self.store.events.append(RUN, EventType.START, {})
        until(self.control.started.is_set, "the start is seen")
        self.control.advance(WorkerEvent.START)
        self.control.attach(self.load)
        self.settle()

    def stop_event(self) -> None:
        data = {"reason": "x", "initiated_by": "x", "drain_timeout_seconds": 120.0}
        self.store.events.append(RUN, EventType.STOP, data)

    @property
    def heartbeat(self) -> HeartbeatRow:
        rows = self.store.heartbeats.list(RUN)
        assert [row.worker_id for row in rows] == [WORKER]
        return rows[0]

    @property
    def snapshots(self) -> list[tuple[int, Phase, int]]:
        return [(row.sequence, row.phase, row.operations) for row in self.store.snapshots.series(RUN)]


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    monkeypatch.setattr(control_module, "POLL_S", 0.005)
    monkeypatch.setattr(control_module, "START_POLL_S", 0.005)
    monkeypatch.setattr(control_module, "AWAY_FIRST_S", 0.005)
    monkeypatch.setattr(control_module, "AWAY_MOST_S", 0.02)
    moment = [datetime(2026, 1, 1, 12, tzinfo=UTC)]
    now: sa.BindParameter[datetime] = sa.bindparam(None, callable_=lambda: moment[0], type_=UtcTimestamp())
    with open_store(f"sqlite:///{tmp_path}/store.db", now=now) as store:
        store.runs.create(NewRun(RUN, "a run", {}, 2))
        store.runs.transition(RUN, expected=RunStatus.PREPARED, to=RunStatus.STARTING)
        made = Rig(store, moment)
        yield made
        made.network.down = False
        made.network.loses_answers_of.clear()
        if made.network.hanging is not None:
            made.network.hanging.set()
        made.control.finish(0.0)


# The start


def test_the_start_is_learnt_from_the_event_and_lies_where_the_store_says(rig: Rig) -> None:
    rig.control.start()
    rig.settle()
    rig.mark_running()
    rig.advance(2.0)
    assert not rig.control.started.is_set()
    rig.store.events.append(RUN, EventType.START, {})
    until(rig.control.started.is_set, "the start is seen")
    order = rig.control.order
    assert order.start_ns == rig.clock.monotonic_ns() - 2_000_000_000
    assert order.measurement_start_ns - order.start_ns == 3_000_000_000
    assert order.stop_ns - order.start_ns == 13_000_000_000


def test_the_start_is_learnt_from_the_run_itself_within_five_seconds_when_the_event_is_missed(rig: Rig) -> None:
    rig.control.start()
    rig.settle()
    rig.mark_running()
    rig.advance(4.9)
    assert not rig.control.started.is_set()
    rig.advance(0.1)
    until(rig.control.started.is_set, "the start is seen")
    assert rig.control.order.start_ns == rig.clock.monotonic_ns() - 5_000_000_000


def test_a_start_before_the_worker_first_looked_is_seen_at_once(rig: Rig) -> None:
    rig.mark_running()
    rig.store.events.append(RUN, EventType.START, {})
    rig.store.events.append(RUN, EventType.SET_PHASE, {"phase": "MEASUREMENT"})
    rig.control.start()
    until(rig.control.started.is_set, "the start is seen")
    assert not rig.control.stopped.is_set()


def test_there_is_no_order_before_the_start(rig: Rig) -> None:
    with pytest.raises(RuntimeError, match="not started"):
        _ = rig.control.order
    assert rig.control.phase() is Phase.PREPARING


# The stop


def test_a_stop_event_stops_the_load(rig: Rig) -> None:
    rig.begin()
    assert not rig.load.stopped.is_set()
    rig.stop_event()
    assert rig.load.stopped.wait(DEADLINE_S)
    assert rig.control.phase() is Phase.COOLDOWN


@pytest.mark.parametrize("status", [RunStatus.CANCELLING, RunStatus.STOPPING, RunStatus.FAILED, RunStatus.CANCELLED])
def test_a_run_that_is_over_or_about_to_be_stops_the_load_without_an_event(rig: Rig, status: RunStatus) -> None:
    rig.begin()
    rig.store.runs.transition(RUN, expected=RunStatus.RUNNING, to=status)
    rig.advance(5.0)
    assert rig.load.stopped.wait(DEADLINE_S)
    assert not rig.control.store_lost


def test_a_stop_before_the_start_is_kept_for_the_load_that_comes(rig: Rig) -> None:
    rig.stop_event()
    rig.control.start()
    assert rig.control.stopped.wait(DEADLINE_S)
    rig.control.attach(rig.load)
    assert rig.load.stopped.is_set()


def test_a_signal_stops_the_load(rig: Rig) -> None:
    rig.begin()
    rig.control.request_stop()
    assert rig.load.stopped.wait(DEADLINE_S)
    assert rig.control.stopped.wait(DEADLINE_S)


def test_a_signal_stops_the_load_at_once_although_the_store_hangs(rig: Rig) -> None:
    rig.begin()
    rig.freeze()
    rig.control.request_stop()
    assert rig.load.stopped.is_set()
    assert rig.control.is_stopping


def test_a_signal_before_the_load_is_there_stops_it_when_it_comes(rig: Rig) -> None:
    rig.control.request_stop()
    rig.control.attach(rig.load)
    assert rig.load.stopped.is_set()


def test_queries_in_flight_are_cancelled_until_they_end_from_shortly_before_the_drain_timeout_on(rig: Rig) -> None:
    rig.begin()
    rig.stop_event()
    assert rig.load.stopped.wait(DEADLINE_S)
    rig.advance(109.5)
    assert rig.load.cancelled == 0
    rig.advance(0.5)
    until(lambda: rig.load.cancelled, "the queries are cancelled")
    rig.advance(0.9)
    assert rig.load.cancelled == 1
    rig.advance(0.1)
    assert rig.load.cancelled == 2


def test_a_fault_of_the_control_side_stops_the_load_and_is_said(rig: Rig) -> None:
    rig.begin()
    rig.store.events.append(RUN, EventType.STOP, {"drain_timeout_seconds": "soon"})
    assert rig.load.stopped.wait(DEADLINE_S)
    rig.advance(1.0)
    until(lambda: "control side: could not convert" in (rig.heartbeat.last_error or ""), "the fault is reported")


# The store goes away


def test_a_store_that_is_away_for_less_than_a_minute_changes_nothing(rig: Rig) -> None:
    rig.begin()
    for _ in range(2):
        rig.unplug()
        rig.advance(59.9)
        rig.network.down = False
        rig.settle()
        rig.advance(0.1)
    assert not rig.load.stopped.is_set()
    assert not rig.control.store_lost


def test_a_store_that_is_away_for_a_minute_ends_the_load(rig: Rig) -> None:
    rig.begin()
    rig.unplug()
    rig.advance(60.0)
    assert rig.load.stopped.wait(DEADLINE_S)
    assert rig.control.store_lost


def test_a_store_that_hangs_leaves_no_gap_in_the_snapshots(rig: Rig) -> None:
    rig.begin()
    until(lambda: len(rig.snapshots) == 1, "the first snapshot is written")
    frozen = rig.freeze()
    rig.advance(0.5)
    for _ in range(3):
        rig.clock.advance(1.0)
        rig.control.look(rig.clock.monotonic_ns())
    assert len(rig.snapshots) == 1
    rig.network.hanging = None
    frozen.set()
    until(lambda: [row[0] for row in rig.snapshots] == [1, 2, 3, 4], "the snapshots of the hang are written")


def test_a_store_that_hangs_for_a_minute_ends_the_load_although_no_call_returns(rig: Rig) -> None:
    rig.begin()
    frozen = rig.freeze()
    try:
        rig.advance(60.0)
        assert rig.load.stopped.wait(DEADLINE_S)
        assert rig.control.store_lost
    finally:
        rig.network.hanging = None
        frozen.set()


def test_a_store_that_was_never_there_ends_the_wait_for_the_start(rig: Rig) -> None:
    rig.network.down = True
    rig.control.start()
    rig.settle()
    rig.advance(60.0)
    assert rig.control.stopped.wait(DEADLINE_S)
    assert rig.control.store_lost


def test_writes_wait_for_the_store_and_happen_in_order_once(rig: Rig) -> None:
    rig.begin()
    done: list[int] = []
    rig.unplug()

    def write(number: int) -> None:
        rig.network.runs.get(RUN)
        done.append(number)

    for number in range(3):
        rig.control.write_soon(partial(write, number))
    rig.advance(30.0)
    assert done == []
    rig.network.down = False
    until(lambda: len(done) == 3, "the writes happen")
    rig.settle()
    assert done == [0, 1, 2]


def test_writes_that_wait_at_the_end_are_done_before_the_last_heartbeat(rig: Rig) -> None:
    rig.begin()
    rig.unplug()
    rig.settle()
    seen: list[WorkerStatus] = []

    def write() -> None:
        rig.network.runs.get(RUN)
        seen.append(rig.heartbeat.status)

    rig.control.write_soon(write)
    rig.control.advance(WorkerEvent.STOP)
    rig.control.advance(WorkerEvent.DRAINED)
    rig.network.down = False
    assert rig.control.finish(10.0)
    assert len(seen) == 1
    assert seen[0] is not WorkerStatus.COMPLETED, "whoever sees COMPLETED must find the result"
    assert rig.heartbeat.status is WorkerStatus.COMPLETED


def test_no_state_is_published_before_a_write_that_was_asked_for_before_it(rig: Rig) -> None:
    rig.begin()
    seen: list[WorkerStatus] = []

    def end() -> None:
        """Between the control side's writes and its heartbeat, the worker ends."""
        rig.control.write_soon(lambda: seen.append(rig.heartbeat.status))
        rig.control.advance(WorkerEvent.STOP)
        rig.control.advance(WorkerEvent.DRAINED)

    rig.network.before["get"] = end
    rig.advance(5.0)
    until(lambda: rig.heartbeat.status is WorkerStatus.COMPLETED, "the end is reported")
    assert len(seen) == 1
    assert seen[0] is WorkerStatus.RUNNING


def test_a_write_that_can_never_succeed_does_not_hold_up_the_heartbeats(rig: Rig) -> None:
    rig.begin()

    def fail() -> None:
        raise ValueError("no row of that kind")

    rig.control.write_soon(fail)
    assert rig.load.stopped.wait(DEADLINE_S)
    before = rig.heartbeat.heartbeat_count
    rig.advance(1.0)
    until(lambda: rig.heartbeat.heartbeat_count > before, "heartbeats go on")
    assert "no row of that kind" in (rig.heartbeat.last_error or "")


def test_the_end_waits_for_the_store_only_as_long_as_it_is_told(rig: Rig) -> None:
    rig.begin()
    rig.unplug()
    before_ns = rig.clock.monotonic_ns()
    assert not rig.control.finish(7.0), "the worker must not say that it is clean"
    assert 7.0 <= (rig.clock.monotonic_ns() - before_ns) / 1e9 < 8.0
    assert rig.heartbeat.status is WorkerStatus.RUNNING


# Reports


def test_a_heartbeat_says_how_far_the_worker_is(rig: Rig) -> None:
    rig.control.start()
    rig.control.report("2 of 4 connections open")
    rig.control.advance(WorkerEvent.CONFIGURED)
    until(lambda: rig.store.heartbeats.list(RUN) and rig.heartbeat.status is WorkerStatus.CONNECTING, "the heartbeat")
    beat = rig.heartbeat
    assert (beat.detail, beat.phase, beat.group_id) == ("2 of 4 connections open", Phase.PREPARING, 1)
    assert (beat.active_threads, beat.target_threads, beat.queries, beat.errors) == (0, 0, 0, 0)


def test_a_heartbeat_comes_each_second_and_with_each_change_of_state(rig: Rig) -> None:
    rig.begin()
    before = rig.heartbeat.heartbeat_count
    rig.settle()
    assert rig.heartbeat.heartbeat_count == before, "no time has passed"
    for second in range(1, 4):
        rig.advance(1.0)
        assert rig.heartbeat.heartbeat_count == before + second
    rig.control.advance(WorkerEvent.STOP)
    until(lambda: rig.heartbeat.status is WorkerStatus.DRAINING, "the change is reported")


def test_a_heartbeat_carries_the_progress_of_the_load_and_the_last_error(rig: Rig) -> None:
    rig.begin()
    rig.load.succeeded, rig.load.failed = 100, 5
    rig.advance(4.0)
    beat = rig.heartbeat
    assert (beat.status, beat.phase) == (WorkerStatus.RUNNING, Phase.MEASUREMENT)
    assert (beat.queries, beat.errors, beat.active_threads, beat.target_threads) == (100, 5, 3, 4)
    rig.control.advance(WorkerEvent.FAIL, error="the disk is full")
    rig.control.finish(1.0)
    assert (rig.heartbeat.status, rig.heartbeat.last_error) == (WorkerStatus.FAILED, "the disk is full")
    assert rig.heartbeat.phase is Phase.COMPLETED


def test_a_worker_that_loads_its_log_says_so_and_takes_no_snapshot_any_more(rig: Rig) -> None:
    rig.begin()
    until(lambda: len(rig.snapshots) == 1, "the first snapshot is written")
    rig.control.begin_loading()
    for _ in range(3):
        rig.advance(1.0)
    until(lambda: rig.heartbeat.phase is Phase.PROCESSING, "the heartbeat tells of it")
    assert len(rig.snapshots) == 1


def test_snapshots_come_each_second_under_the_phase_of_the_plan(rig: Rig) -> None:
    rig.begin()
    for second in range(1, 6):
        rig.load.succeeded = 10 * second
        rig.advance(1.0)
    warmup, measurement = Phase.WARMUP, Phase.MEASUREMENT
    expected = [(1, warmup, 0), (2, warmup, 10), (3, warmup, 20), (4, measurement, 30), (5, measurement, 40)]
    assert rig.snapshots == [*expected, (6, measurement, 50)]
    rows = rig.store.snapshots.series(RUN)
    assert [row.elapsed_s for row in rows] == [0, 1, 2, 3, 4, 5]
    last = rows[-1]
    assert (last.qps, last.p50_ms, last.active_threads, last.group_id, last.group_count) == (25.0, 1.0, 3, 1, 2)
    assert PhaseFigures.from_json(last.figures) == rig.load.figures(Phase.MEASUREMENT)


def test_while_draining_the_measurement_is_reported(rig: Rig) -> None:
    rig.begin()
    rig.advance(13.0)
    rig.stop_event()
    assert rig.load.stopped.wait(DEADLINE_S)
    rig.advance(1.0)
    assert rig.snapshots[-1][1] is Phase.MEASUREMENT
    assert rig.heartbeat.phase is Phase.COOLDOWN


def test_a_snapshot_whose_answer_was_lost_is_in_the_store_once(rig: Rig) -> None:
    rig.begin()
    rig.network.loses_answers_of.add("write")
    rig.advance(1.0)
    rig.network.loses_answers_of.clear()
    rig.advance(1.0)
    sequences = [sequence for sequence, _, _ in rig.snapshots]
    assert sequences == [1, 2, 3]


def test_the_snapshots_of_an_outage_are_written_when_the_store_is_back(rig: Rig) -> None:
    rig.begin()
    rig.unplug()
    for second in range(1, 31):
        rig.load.succeeded = second
        rig.advance(1.0)
    assert len(rig.snapshots) == 1
    rig.network.down = False
    until(lambda: len(rig.snapshots) == 31, "all snapshots are there")
    assert [(sequence, operations) for sequence, _, operations in rig.snapshots] == [(i + 1, i) for i in range(31)]
    assert [row.elapsed_s for row in rig.store.snapshots.series(RUN)] == [float(i) for i in range(31)]


def test_snapshots_do_not_pile_up_for_a_store_that_has_been_given_up(rig: Rig) -> None:
    rig.begin()
    rig.unplug()
    for _ in range(61):
        rig.advance(1.0)
    assert rig.control.store_lost
    rig.advance(100.0)
    rig.network.down = False
    until(lambda: len(rig.snapshots) >= 61, "what was kept is written")
    for _ in range(5):
        rig.advance(1.0)
    assert [sequence for sequence, _, _ in rig.snapshots] == list(range(1, 62))


def test_a_store_that_is_away_is_left_alone_for_longer_each_time(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    backoff = Backoff(1.0, 4.0, lambda: 1.0)
    monkeypatch.setattr(rig.control, "_backoff", backoff)
    rig.network.down = True
    waits += [rig.control._look_after() for _ in range(4)]
    rig.network.down = False
    waits.append(rig.control._look_after())
    rig.network.down = True
    waits.append(rig.control._look_after())
    assert waits == [1.0, 2.0, 4.0, 4.0, control_module.START_POLL_S, 1.0]


# Targets and states


def test_a_target_is_applied_by_the_worker_it_is_for_once(rig: Rig) -> None:
    rig.begin()
    for worker, threads in (("worker-0", 9), (WORKER, 6), (WORKER, 2)):
        rig.store.events.append(RUN, EventType.SET_WORKER_TARGET, {"worker_id": worker, "target_threads": threads})
    until(lambda: len(rig.load.threads) == 2, "the targets are applied")
    rig.settle()
    assert rig.load.threads == [6, 2]


def test_a_rate_that_is_set_before_the_load_is_there_holds_from_its_beginning(rig: Rig) -> None:
    for rate in (100, 250):
        rig.store.events.append(RUN, EventType.SET_WORKER_TARGET, {"target_qps": rate}, scope="RUN")
    rig.begin()
    until(lambda: rig.load.rates == [250.0], "the load is told of the newest")
    rig.store.events.append(RUN, EventType.SET_WORKER_TARGET, {"target_qps": 70.5}, scope="RUN")
    until(lambda: rig.load.rates == [250.0, 70.5], "the load is told of the next")
    assert rig.load.threads == []


def test_a_rate_is_shared_by_the_workers_that_are_said_to(rig: Rig) -> None:
    def say(*worker_ids: str) -> None:
        rig.store.events.append(RUN, EventType.SET_WORKER_TARGET, {"sharing": worker_ids}, scope="RUN")

    say("worker-0", WORKER)
    rig.begin()
    until(lambda: rig.load.shares == [Share(1, 2)], "what was said before the load was there holds for it")
    say("worker-0", WORKER, "worker-2")
    say("worker-0", "worker-2")
    say(WORKER)
    until(lambda: len(rig.load.shares) == 4, "the load is told")
    assert rig.load.shares[1:] == [Share(1, 3), None, Share(0, 1)]


def target(rig: Rig, threads: int, scope: str = "WORKER", **data: Any) -> None:
    rig.store.events.append(RUN, EventType.SET_WORKER_TARGET, {"target_threads": threads, **data}, scope)


def test_events_reach_those_whom_their_scope_names(rig: Rig) -> None:
    rig.begin()
    target(rig, 11, worker_id="worker-0")
    target(rig, 12, "WORKER_GROUP", worker_group_id=0)
    target(rig, 13)
    target(rig, 5, "WORKER_GROUP", worker_group_id=1)
    target(rig, 6, worker_id=WORKER)
    target(rig, 7, "RUN")
    until(lambda: len(rig.load.threads) == 3, "the targets are applied")
    rig.settle()
    assert rig.load.threads == [5, 6, 7]


def test_a_stop_for_another_worker_does_not_stop_this_one(rig: Rig) -> None:
    rig.begin()
    rig.store.events.append(RUN, EventType.STOP, {"worker_id": "worker-0"}, "WORKER")
    rig.settle()
    assert not rig.load.stopped.is_set()
    rig.store.events.append(RUN, EventType.STOP, {"worker_id": WORKER}, "WORKER")
    assert rig.load.stopped.wait(DEADLINE_S)


def test_a_guardrail_lowers_the_threads_of_the_worker_it_names(rig: Rig) -> None:
    rig.begin()
    for worker, new in (("worker-0", 1), (WORKER, 3)):
        data = {"worker_id": worker, "previous": 4, "new": new, "reason": "guardrail", "detail": "CPU 95 %"}
        rig.store.events.append(RUN, EventType.SCALE_DOWN, data, "WORKER")
    until(lambda: rig.load.threads, "the target is applied")
    rig.settle()
    assert rig.load.threads == [3]


def test_a_ramp_is_walked_in_steps_of_at_most_a_second_also_while_the_store_is_away(rig: Rig) -> None:
    rig.begin()
    target(rig, 14, worker_id=WORKER, ramp_seconds=5)
    rig.settle()
    rig.advance(1.0)
    until(lambda: rig.load.threads == [6], "the first step")
    rig.unplug()
    for expected in ([6, 8], [6, 8, 10]):
        rig.advance(1.0)
        assert rig.load.threads == expected
    rig.network.down = False
    rig.advance(10.0)
    assert rig.load.threads == [6, 8, 10, 14]


def test_a_newer_target_replaces_a_ramp(rig: Rig) -> None:
    rig.begin()
    target(rig, 14, worker_id=WORKER, ramp_seconds=10)
    rig.settle()
    rig.advance(5.0)
    until(lambda: rig.load.threads == [9], "half of the way")
    target(rig, 2, worker_id=WORKER)
    until(lambda: rig.load.threads == [9, 2], "the newer target holds")
    rig.advance(20.0)
    assert rig.load.threads == [9, 2]


def test_a_target_whose_event_was_missed_is_found_in_the_row_within_five_seconds(rig: Rig) -> None:
    rig.begin()
    rig.store.runs.set_targets(RUN, {"worker-0": 1, WORKER: 2})
    rig.advance(4.9)
    assert rig.load.threads == []
    rig.advance(0.1)
    until(lambda: rig.load.threads == [2], "the target of the row holds")


def test_a_target_that_is_set_while_the_row_is_read_is_not_taken_back_by_it(rig: Rig) -> None:
    def resize(before: dict[str, int], threads: int) -> None:
        event = NewEvent(EventType.SET_WORKER_TARGET, {"worker_id": WORKER, "target_threads": threads}, scope="WORKER")
        assert rig.store.runs.resize(RUN, expected=before, targets={WORKER: threads}, events=[event])

    rig.begin()
    resize({}, 6)
    until(lambda: rig.load.threads == [6], "the first target")

    def between_row_and_events() -> None:
        rig.network.before["after"] = lambda: resize({WORKER: 6}, 2)

    rig.network.before["get"] = between_row_and_events
    rig.advance(5.0)
    until(lambda: rig.load.threads[-1] == 2, "the newer target")
    rig.settle()
    assert rig.load.threads == [6, 2]


def test_all_orders_there_are_have_been_followed_before_the_first_heartbeat(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control_module, "EVENTS_AT_ONCE", 3)
    for threads in range(1, 7):
        target(rig, threads, worker_id=WORKER)
    rig.control.attach(rig.load)
    followed: list[int] = []
    rig.network.before["upsert"] = lambda: followed.extend(rig.load.threads)
    rig.control.start()
    until(lambda: rig.store.heartbeats.list(RUN), "the first heartbeat")
    assert followed == [1, 2, 3, 4, 5, 6]


def test_the_target_of_the_plan_is_no_change(rig: Rig) -> None:
    rig.store.runs.set_targets(RUN, {WORKER: rig.load.target_threads})
    rig.begin()
    rig.advance(5.0)
    assert rig.load.threads == []


def test_a_worker_that_was_lowered_before_it_joined_begins_with_what_the_row_says(rig: Rig) -> None:
    rig.store.runs.set_targets(RUN, {WORKER: 2})
    rig.begin()
    until(lambda: rig.load.threads == [2], "the target of the row holds")


def test_a_worker_that_is_taken_out_of_the_run_ends_although_the_event_was_missed(rig: Rig) -> None:
    rig.begin()
    rig.store.runs.set_targets(RUN, {WORKER: 0})
    rig.advance(5.0)
    assert rig.load.stopped.wait(DEADLINE_S)


def test_a_heartbeat_carries_what_the_machine_uses(rig: Rig) -> None:
    rig.machine.reading = Resources(91.5, 12.25)
    rig.begin()
    assert (rig.heartbeat.cpu_pct, rig.heartbeat.memory_pct) == (91.5, 12.25)
    assert rig.machine.begun_anew == 1, "what was used before the load is not the load's"
    rig.machine.reading = Resources(None, None)
    rig.advance(1.0)
    until(lambda: rig.heartbeat.cpu_pct is None, "what cannot be read is left open")


def test_an_event_that_the_state_does_not_allow_changes_nothing(rig: Rig) -> None:
    with pytest.raises(IllegalTransition):
        rig.control.advance(WorkerEvent.DRAINED)
    assert rig.control.status is WorkerStatus.STARTING
