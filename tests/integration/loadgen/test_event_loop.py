"""The measuring loop against a real server: what it sends, records, and does when connections break."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import partial
from itertools import repeat

import numpy as np
import psycopg
import pytest
from tests.integration.loadgen.rigs import Rig, Sink

from upperbound.clock import SystemClock
from upperbound.domain.outcomes import Outcome
from upperbound.domain.sharding import Shard
from upperbound.errors import TargetUnreachable
from upperbound.loadgen import event_loop
from upperbound.loadgen.compiled_executor import CompiledExecutor
from upperbound.loadgen.compiled_library import compiled_loop
from upperbound.loadgen.errors_table import ErrorTable
from upperbound.loadgen.event_loop import EventLoopExecutor
from upperbound.loadgen.opening import Connection
from upperbound.loadgen.operations import Operation, Statement
from upperbound.querylog.records import RECORD
from upperbound.testing.waiting import DEADLINE_S, until
from upperbound.workload.streams import OperationPlan, ThreadStream, Workload

Make = Callable[..., EventLoopExecutor]


@pytest.fixture(params=["python", "compiled"])
def loop(request: pytest.FixtureRequest) -> Make:
    """Makes an executor: each of the two loops has to do what is shown here."""
    return EventLoopExecutor if request.param == "python" else partial(CompiledExecutor, compiled=compiled_loop())


def rig(url: str, loop: Make, *statements: str, think_ns: int = 0, refuse: Callable[[], bool] = lambda: False) -> Rig:
    """Return an executor that sends the statements in equal shares."""
    share = Decimal(100) / len(statements)
    plans = [OperationPlan(share, ()) for _ in statements]
    workload = Workload(plans, seed=1)

    def connect() -> Connection:
        if refuse():
            raise TargetUnreachable("refused by the test")
        connection = psycopg.Connection.connect(url, autocommit=True)
        for index, statement in enumerate(statements):
            connection.pgconn.prepare(b"ub%d" % index, statement.encode())
        return connection

    sink, errors = Sink(), ErrorTable()
    executor = loop(
        operations=[Operation((Statement(b"ub%d" % index, None),)) for index in range(len(statements))],
        stream=lambda thread: workload.stream(Shard(0, 1, thread, 8)),
        connect=connect,
        sink=sink,
        errors=errors,
        buffer_bytes=64 * RECORD.size,
        think_ns=think_ns,
    )
    return Rig(executor, sink, errors)


@pytest.fixture
def admin(fresh_database: str) -> Iterator["psycopg.Connection[tuple[object, ...]]"]:
    with psycopg.connect(fresh_database, autocommit=True) as connection:
        yield connection


def test_every_thread_sends_and_every_query_is_recorded(loop: Make, fresh_database: str) -> None:
    load = rig(fresh_database, loop, "SELECT 1", "SELECT generate_series(1, 5)")
    load.start(4)
    until(lambda: len(load.sink.parts) >= 5, "records arrive")
    records = load.finish()
    assert set(records["thread"].tolist()) == {0, 1, 2, 3}
    assert (records["outcome"] == Outcome.OK).all()
    assert set(records["rows"][records["operation"] == 1].tolist()) == {5}
    assert (records["end_ns"] > records["start_ns"]).all()
    assert (records["intended_ns"] == records["start_ns"]).all()


def test_what_the_loop_is_held_up_by_between_two_looks_is_lag_and_nothing_from_before_the_send_is(
    loop: Make, fresh_database: str, admin: "psycopg.Connection[tuple[object, ...]]"
) -> None:
    admin.execute("CREATE TABLE answered ()")
    held = list[int]()

    def answers() -> int:
        return admin.execute("SELECT FROM answered").rowcount

    def stream(thread: int) -> ThreadStream:
        # Makes the housekeeping last, in the beginning and when a thread is added, while an answer is there.
        if thread > 0:
            before = answers()
            until(lambda: answers() >= max(1, before), "the query in flight is answered")
            since_ns = SystemClock().monotonic_ns()
            for _ in range(100):
                admin.execute("SELECT 1")
            held.append(SystemClock().monotonic_ns() - since_ns)
        return ThreadStream(repeat(0), (repeat(None),))

    def connect() -> Connection:
        connection = psycopg.Connection.connect(fresh_database, autocommit=True)
        connection.pgconn.prepare(b"ub0", b"INSERT INTO answered DEFAULT VALUES")
        return connection

    sink = Sink()
    executor = loop(
        operations=[Operation((Statement(b"ub0", None),))],
        stream=stream,
        connect=connect,
        sink=sink,
        errors=ErrorTable(),
        buffer_bytes=64 * RECORD.size,
    )
    load = Rig(executor, sink, ErrorTable())
    executor.open(1, lambda _: None)
    executor.begin()
    executor.set_threads(2)
    load.run()
    until(lambda: len(sink.parts) >= 2, "records arrive")
    executor.set_threads(3)
    until(lambda: len(held) == 2, "the loop was held up again")
    records = load.finish()
    assert (records["lag_ns"] <= records["end_ns"] - records["start_ns"]).all()
    assert records["lag_ns"].max() >= held[1]


def test_no_query_starts_after_the_planned_stop_and_those_in_flight_are_kept(loop: Make, fresh_database: str) -> None:
    load = rig(fresh_database, loop, "SELECT pg_sleep(0.05)")
    stop_ns = SystemClock().monotonic_ns() + 400_000_000
    load.executor.stop_at(stop_ns)
    load.start(4)
    assert load.thread is not None
    load.thread.join(DEADLINE_S)
    records = load.finish()
    assert records["start_ns"].max() < stop_ns
    assert records["end_ns"].max() > stop_ns
    assert load.executor.stop_ns == stop_ns


def test_an_error_is_counted_under_its_class_and_the_thread_goes_on(loop: Make, fresh_database: str) -> None:
    load = rig(fresh_database, loop, "SELECT 1 / (random() * 0)::int", "SELECT 1")
    load.start(1)
    until(lambda: len(load.sink.parts) >= 2, "records arrive")
    records = load.finish()
    failed = records["outcome"] != Outcome.OK
    assert failed.any()
    assert (~failed).any()
    entry = load.errors.entries[int(records["error"][failed][0]) - 1]
    assert (entry.code, entry.message) == ("22012", "division by zero")


def test_a_killed_backend_costs_one_failed_query_and_its_thread_comes_back(
    loop: Make, fresh_database: str, admin: "psycopg.Connection[tuple[object, ...]]"
) -> None:
    load = rig(fresh_database, loop, "SELECT pg_sleep(0.01)")
    load.start(3)
    until(lambda: bool(load.sink.parts), "records arrive")
    own = admin.info.backend_pid
    killed = admin.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> %s LIMIT 1",
        [own],
    ).fetchall()
    assert killed == [(True,)]
    killed_ns = SystemClock().monotonic_ns()
    until(lambda: load.executor.active_threads == 3 and len(load.sink.records) > 0, "the thread is back")
    until(
        lambda: {0, 1, 2} == set(load.sink.records["thread"][load.sink.records["start_ns"] > killed_ns].tolist()),
        "all three threads send again",
    )
    records = load.finish()
    assert int((records["outcome"] == Outcome.CONNECTION_LOST).sum()) == 1
    assert int((records["outcome"] != Outcome.OK).sum()) == 1


def test_a_target_that_stays_away_ends_the_load_with_the_reason(
    loop: Make, fresh_database: str, admin: "psycopg.Connection[tuple[object, ...]]", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_loop, "TARGET_LOST_NS", 1_000_000_000)
    gone = threading.Event()
    load = rig(fresh_database, loop, "SELECT pg_sleep(0.01)", refuse=gone.is_set)
    load.start(2)
    until(lambda: bool(load.sink.parts), "records arrive")
    gone.set()
    admin.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    assert load.thread is not None
    load.thread.join(DEADLINE_S)
    assert isinstance(load.failure, TargetUnreachable)
    assert "refused by the test" in str(load.failure)
    load.executor.close()


def test_threads_are_added_and_retired_without_cutting_a_query(loop: Make, fresh_database: str) -> None:
    load = rig(fresh_database, loop, "SELECT pg_sleep(0.02)")
    load.start(2)
    load.executor.set_threads(6)
    until(lambda: load.executor.active_threads == 6, "six threads are connected")
    until(lambda: len(set(load.sink.records["thread"].tolist())) == 6, "six threads have sent")
    load.executor.set_threads(1)
    lowered_ns = SystemClock().monotonic_ns()
    until(lambda: load.executor.active_threads == 1, "one thread is left")
    until(lambda: bool((load.sink.records["start_ns"] > lowered_ns + 1_000_000_000).any()), "a second has passed")
    records = load.finish()
    assert (records["outcome"] == Outcome.OK).all()
    late = records["start_ns"] > lowered_ns + 1_000_000_000
    assert set(records["thread"][late].tolist()) == {0}


def test_think_time_separates_an_answer_from_the_next_query(loop: Make, fresh_database: str) -> None:
    load = rig(fresh_database, loop, "SELECT 1", think_ns=20_000_000)
    load.start(2)
    until(lambda: len(load.sink.records) >= 20, "twenty records arrive")
    records = load.finish()
    for thread in (0, 1):
        own = np.sort(records[records["thread"] == thread], order="start_ns")
        pauses = own["start_ns"][1:] - own["end_ns"][:-1]
        assert (pauses >= 20_000_000).all()
        assert np.median(pauses) < 30_000_000, "a thread rests much longer than it was told"


def test_a_query_larger_than_the_socket_takes_arrives_whole(loop: Make, fresh_database: str) -> None:
    size = 8 * 1024 * 1024
    plans = [OperationPlan(Decimal(100), ())]
    workload = Workload(plans, seed=1)

    def connect() -> Connection:
        connection = psycopg.Connection.connect(fresh_database, autocommit=True)
        connection.pgconn.prepare(
            b"ub0", b"SELECT length($1::text) FROM generate_series(1, length($1::text) / 1000000)"
        )
        return connection

    def stream(thread: int) -> ThreadStream:
        plain = workload.stream(Shard(0, 1, thread, 1))
        return ThreadStream(plain.operations, (repeat((b"x" * size,)),))

    sink = Sink()
    executor = loop(
        operations=[Operation((Statement(b"ub0", [0], may_block=True),))],
        stream=stream,
        connect=connect,
        sink=sink,
        errors=ErrorTable(),
        buffer_bytes=64 * RECORD.size,
    )
    load = Rig(executor, sink, ErrorTable())
    load.start(1)
    until(lambda: len(sink.records) >= 3, "three records arrive")
    records = load.finish()
    assert (records["outcome"] == Outcome.OK).all()
    assert set(records["rows"].tolist()) == {8}


def test_an_answer_larger_than_one_read_arrives_whole(loop: Make, fresh_database: str) -> None:
    load = rig(fresh_database, loop, "SELECT repeat('x', 1000000) FROM generate_series(1, 8)")
    load.start(2)
    until(lambda: len(load.sink.records) >= 4, "four answers arrive")
    records = load.finish()
    assert (records["outcome"] == Outcome.OK).all()
    assert set(records["rows"].tolist()) == {8}


def test_a_stall_of_the_server_is_in_the_latency(
    loop: Make, fresh_database: str, admin: "psycopg.Connection[tuple[object, ...]]"
) -> None:
    admin.execute("CREATE TABLE stalled (id int)")
    load = rig(fresh_database, loop, "SELECT count(*) FROM stalled")
    load.start(2)
    until(lambda: bool(load.sink.parts), "records arrive")
    with admin.transaction():
        admin.execute("LOCK TABLE stalled IN ACCESS EXCLUSIVE MODE")
        with contextlib.suppress(psycopg.errors.QueryCanceled):
            admin.execute("SELECT pg_sleep(0.5)")
    records = load.finish()
    assert (records["end_ns"] - records["start_ns"]).max() >= 490_000_000


def test_the_loop_says_how_busy_it_was(loop: Make, fresh_database: str) -> None:
    load = rig(fresh_database, loop, "SELECT pg_sleep(0.05)")
    load.start(1)
    until(lambda: len(load.sink.records) >= 5, "records arrive")
    load.finish()
    times = load.executor.times
    assert times.wall_ns > 200_000_000
    assert times.waited_ns / times.wall_ns > 0.8
