"""The open loop against a real server: what is due is sent, and its wait is told from its service."""

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal

import numpy as np
import psycopg
import pytest
from numpy.typing import NDArray

from upperbound.clock import SystemClock
from upperbound.domain.arrivals import RateCurve, Share
from upperbound.domain.offered import ArrivalFigures
from upperbound.domain.outcomes import Outcome
from upperbound.domain.phases import Phase
from upperbound.domain.sharding import Shard
from upperbound.loadgen.backlog import Pace
from upperbound.loadgen.errors_table import ErrorTable
from upperbound.loadgen.open_loop import OpenLoopExecutor
from upperbound.loadgen.opening import Connection
from upperbound.loadgen.operations import Operation, Statement
from upperbound.querylog.records import RECORD, RECORD_DTYPE
from upperbound.testing.waiting import DEADLINE_S, until
from upperbound.workload.streams import OperationPlan, Workload

S = 1_000_000_000


@dataclass
class Sink:
    """Keeps every record."""

    parts: list[bytes] = field(default_factory=list)

    def swap(self, buffer: bytearray, used_bytes: int, statement_ids: bytes | None = None) -> bytearray:
        self.parts.append(bytes(buffer[:used_bytes]))
        return bytearray(len(buffer))

    @property
    def records(self) -> NDArray[np.void]:
        return np.frombuffer(b"".join(self.parts), RECORD_DTYPE)


class Rig:
    """An executor that offers one statement, with everything around it."""

    def __init__(self, url: str, statement: str, rate_per_s: float, *, backlog_s: float = 10.0) -> None:
        workload = Workload([OperationPlan(Decimal(100), ())], seed=1)

        def connect() -> Connection:
            connection = psycopg.Connection.connect(url, autocommit=True)
            connection.pgconn.prepare(b"ub0", statement.encode())
            return connection

        self.sink = Sink()
        self.executor = OpenLoopExecutor(
            pace=Pace(RateCurve.flat(rate_per_s), Share(0, 1), poisson=False, seed=1, backlog_s=backlog_s),
            operations=[Operation((Statement(b"ub0", None),))],
            stream=lambda thread: workload.stream(Shard(0, 1, thread, 8)),
            connect=connect,
            sink=self.sink,
            errors=ErrorTable(),
            buffer_bytes=64 * RECORD.size,
        )
        self.thread = threading.Thread(target=self.executor.run)
        self.start_ns = 0

    def start(self, threads: int, *, warmup_s: float = 0.0, stop_after_s: float | None = None) -> None:
        self.executor.open(threads, lambda _: None)
        self.start_ns = SystemClock().monotonic_ns() + S // 20
        self.executor.plan(self.start_ns, self.start_ns + int(warmup_s * S))
        if stop_after_s is not None:
            self.executor.stop_at(self.start_ns + int(stop_after_s * S))
        self.thread.start()
        self.executor.begin()

    def finish(self, *, stop: bool = True) -> tuple[NDArray[np.void], ArrivalFigures]:
        """Return the records, and what became of the arrivals of the measurement."""
        if stop:
            self.executor.stop()
        self.thread.join(DEADLINE_S)
        assert not self.thread.is_alive(), "the loop does not drain"
        self.executor.close()
        return self.sink.records, self.executor.arrivals[Phase.MEASUREMENT]


@pytest.fixture
def admin(fresh_database: str) -> Iterator["psycopg.Connection[tuple[object, ...]]"]:
    with psycopg.connect(fresh_database, autocommit=True) as connection:
        yield connection


def test_exactly_what_is_due_is_sent_each_when_it_is_due(fresh_database: str) -> None:
    load = Rig(fresh_database, "SELECT 1", 500)
    load.start(4, stop_after_s=1.0)
    records, arrivals = load.finish(stop=False)
    due = np.sort(records["intended_ns"]) - load.start_ns
    # On a busy machine the last ones may find the load stopped before they were sent.
    assert due.tolist() == [k * S // 500 for k in range(len(due))]
    assert len(due) == arrivals.started == 500 - arrivals.unstarted >= 450
    assert (arrivals.offered, arrivals.dropped) == (500, 0)
    assert (records["start_ns"] >= records["intended_ns"]).all()
    assert (records["outcome"] == Outcome.OK).all()


def test_free_threads_take_turns(fresh_database: str) -> None:
    load = Rig(fresh_database, "SELECT 1", 400)
    load.start(4, stop_after_s=1.0)
    records, _ = load.finish(stop=False)
    counts = np.bincount(records["thread"], minlength=4)
    assert counts.min() >= 0.4 * counts.max()


def test_what_finds_every_thread_busy_waits_and_its_wait_counts(
    fresh_database: str, admin: "psycopg.Connection[tuple[object, ...]]"
) -> None:
    admin.execute("CREATE TABLE stalled (id int)")
    load = Rig(fresh_database, "SELECT count(*) FROM stalled", 200)
    load.start(2)
    until(lambda: len(load.sink.records) >= 20, "records arrive")
    with admin.transaction():
        admin.execute("LOCK TABLE stalled IN ACCESS EXCLUSIVE MODE")
        with contextlib.suppress(psycopg.errors.QueryCanceled):
            admin.execute("SELECT pg_sleep(0.5)")
    until(lambda: bool((load.sink.records["intended_ns"][-1] - load.start_ns) > 0), "records arrive after the stall")
    until(lambda: len(load.sink.records) >= 200, "the backlog is worked off")
    records, arrivals = load.finish()
    response, service = records["end_ns"] - records["intended_ns"], records["end_ns"] - records["start_ns"]
    # In half a second a hundred were due; two of them were sent before the stall and waited in the server.
    assert (response > 100_000_000).sum() >= 70
    assert (service > 100_000_000).sum() <= 40
    assert arrivals.late >= 70
    assert arrivals.dropped == 0


def test_what_finds_the_backlog_full_is_dropped_and_counted(fresh_database: str) -> None:
    load = Rig(fresh_database, "SELECT pg_sleep(0.05)", 1_000, backlog_s=0.1)
    load.start(2, stop_after_s=1.0)
    records, arrivals = load.finish(stop=False)
    assert arrivals.offered == 1_000
    assert arrivals.started == len(records) <= 42
    assert arrivals.unstarted <= 100
    assert arrivals.dropped == 1_000 - arrivals.started - arrivals.unstarted
    assert arrivals.dropped >= 850


def test_a_warmup_that_falls_behind_leaves_the_measurement_an_empty_backlog(fresh_database: str) -> None:
    load = Rig(fresh_database, "SELECT pg_sleep(0.1)", 1_000)
    load.start(2, warmup_s=0.5, stop_after_s=1.0)
    records, arrivals = load.finish(stop=False)
    warmup = load.executor.arrivals[Phase.WARMUP]
    border = load.start_ns + S // 2
    started_later = records[records["start_ns"] >= border + S // 50]
    assert (started_later["intended_ns"] >= border).all()
    assert warmup.offered == arrivals.offered == 500
    assert warmup.unstarted >= 450
    assert warmup.started + arrivals.started == len(records)


def test_more_threads_and_another_rate_take_effect_in_mid_run(fresh_database: str) -> None:
    load = Rig(fresh_database, "SELECT pg_sleep(0.02)", 20)
    load.start(1)
    until(lambda: len(load.sink.records) >= 5, "records arrive")
    load.executor.set_threads(6)
    load.executor.set_rate(150)
    until(lambda: set(load.sink.records["thread"].tolist()) == set(range(6)), "every thread is used")
    load.executor.set_threads(2)
    load.executor.set_rate(30)
    until(lambda: load.executor.active_threads == 2, "the others are closed")
    seen = len(load.sink.records)
    until(lambda: len(load.sink.records) >= seen + 10, "records arrive")
    records, arrivals = load.finish()
    assert arrivals.dropped == 0
    assert set(records["thread"][-5:].tolist()) <= {0, 1}
    assert abs(arrivals.offered - arrivals.expected) <= 4
    assert arrivals.started == len(records)


def test_a_lost_connection_is_counted_once_and_the_others_go_on(
    fresh_database: str, admin: "psycopg.Connection[tuple[object, ...]]"
) -> None:
    load = Rig(fresh_database, "SELECT pg_sleep(0.01)", 100)
    load.start(3)
    until(lambda: len(load.sink.records) >= 10, "records arrive")
    admin.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(0.01)%' "
        "AND pid <> pg_backend_pid()"
    )
    until(lambda: load.executor.active_threads < 3, "the loss is seen")
    until(lambda: load.executor.active_threads == 3, "the connections are open again")
    seen = len(load.sink.records)
    until(lambda: len(load.sink.records) >= seen + 20, "records arrive")
    records, arrivals = load.finish()
    assert 0 <= (records["outcome"] != Outcome.OK).sum() <= 3
    assert arrivals.started == len(records)
    assert len(np.unique(records["intended_ns"])) == len(records)


def test_waiting_for_the_next_arrival_is_not_being_busy(fresh_database: str) -> None:
    load = Rig(fresh_database, "SELECT 1", 100)
    load.start(1, stop_after_s=1.0)
    load.finish(stop=False)
    times = load.executor.times
    assert times.waited_ns / times.wall_ns > 0.3
