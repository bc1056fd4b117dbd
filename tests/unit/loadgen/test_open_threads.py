"""A rate over a driver that blocks: what is due is sent, and its wait is told from its service."""

import numpy as np
from tests.unit.loadgen.blocking_server import Rig, S, Server

from upperbound.domain.arrivals import RateCurve, Share
from upperbound.domain.phases import Phase
from upperbound.loadgen.backlog import Pace
from upperbound.loadgen.open_threads import OpenThreadExecutor
from upperbound.testing.waiting import until


def rig(server: Server, rate_per_s: float, *, backlog_s: float = 10.0, share: Share | None = None) -> Rig:
    pace = Pace(RateCurve.flat(rate_per_s), share or Share(0, 1), poisson=False, seed=1, backlog_s=backlog_s)
    return Rig(server, make=OpenThreadExecutor, pace=pace)


def offered(made: Rig) -> OpenThreadExecutor:
    assert isinstance(made.executor, OpenThreadExecutor)
    return made.executor


def test_what_is_due_is_sent_in_its_order_and_none_of_it_twice() -> None:
    server = Server(answer_s=0.005)
    made = rig(server, 100)
    with made.running(4):
        until(lambda: len(server.seen) >= 50, "fifty operations")
    records = np.sort(made.records, order="intended_ns")
    assert len(set(records["intended_ns"].tolist())) == len(records) == len(server.seen)
    assert (np.diff(records["intended_ns"]) == S // 100).all(), "one each hundredth of a second"
    assert (records["start_ns"] >= records["intended_ns"]).all()
    figures = offered(made).arrivals[Phase.MEASUREMENT]
    assert figures.started == len(records)
    assert figures.dropped == 0


def test_a_wait_for_a_thread_counts_as_response_time_and_not_as_service() -> None:
    server = Server(answer_s=0.1)
    made = rig(server, 50)
    with made.running(1):
        until(lambda: len(server.seen) >= 8, "eight operations")
    records = np.sort(made.records, order="start_ns")
    waits = records["start_ns"] - records["intended_ns"]
    services = records["end_ns"] - records["start_ns"]
    assert waits[-1] > 4 * services[-1], "one thread carries ten a second, and fifty are due"
    assert offered(made).arrivals[Phase.MEASUREMENT].late > 0


def test_arrivals_that_find_the_backlog_full_are_dropped_and_counted() -> None:
    server = Server(answer_s=0.1)
    made = rig(server, 200, backlog_s=0.05)
    with made.running(1):
        until(lambda: len(server.seen) >= 5, "five operations")
    figures = offered(made).arrivals[Phase.MEASUREMENT]
    assert figures.dropped > 0
    assert figures.offered >= figures.started + figures.dropped


def test_what_waits_of_the_warmup_is_never_sent() -> None:
    server = Server(answer_s=0.05)
    made = rig(server, 200)
    with made.running(2, warmup_s=0.5):
        until(lambda: sum(one.phase is Phase.MEASUREMENT for one in server.seen) > 5, "the measurement")
    border_ns = made.start_ns + S // 2
    measured = made.records[made.records["intended_ns"] >= border_ns]
    assert len(measured) == sum(one.phase is Phase.MEASUREMENT for one in server.seen)
    assert measured["start_ns"].min() - border_ns < S // 4, "the measurement begins with an empty backlog"


def test_another_rate_and_another_share_hold_at_once() -> None:
    server = Server(answer_s=0.001)
    made = rig(server, 1)
    with made.running(4):
        offered(made).set_rate(200)
        until(lambda: len(server.seen) > 40, "more operations", deadline_s=20)
        offered(made).set_share(None)
        sent = len(server.seen)
        until(lambda: offered(made).times.wall_ns > 0, "a round of housekeeping")
        assert len(server.seen) <= sent + 4


def test_the_rate_goes_on_while_threads_come_and_go() -> None:
    server = Server(answer_s=0.01)
    made = rig(server, 100)
    with made.running(1):
        made.executor.set_threads(6)
        until(lambda: made.executor.active_threads == 6, "more threads", deadline_s=5)
        before = len(server.seen)
        until(lambda: len(server.seen) > before + 20, "operations")
        made.executor.set_threads(2)
        until(lambda: len(server.open) == 2, "fewer threads", deadline_s=5)
        before = len(server.seen)
        until(lambda: len(server.seen) > before + 20, "operations")
    assert len(made.records) == len(server.seen)
