"""The controller sizes threads by what was measured, holds still when it may, and stays within its bounds."""

import json
import math
from dataclasses import replace

from hypothesis import example, given
from hypothesis import strategies as st

from upperbound.domain.qps_control import (
    DEADBAND_RATIO,
    DOWN_PATIENCE,
    GROW_PATIENCE,
    HEADROOM,
    SPARE,
    Interval,
    QpsBounds,
    QpsState,
    Verdict,
    control,
    needed_threads,
)

WIDE = QpsBounds(min_workers=1, max_workers=1, min_threads=1, max_threads=1_000)
MET = Interval(1_000.0, 1_000.0, 10.0, waiting=0, threads=17, workers=1)
"""1,000 per second of 10 ms each: 10 in flight, 17 threads with headroom and spare."""
STARVED = Interval(1_000.0, 400.0, 10.0, waiting=600, threads=4, workers=1)
AT_CEILING = QpsBounds(min_workers=1, max_workers=1, min_threads=1, max_threads=4)

INTERVALS = st.builds(
    Interval,
    target_qps=st.floats(0.1, 1e5),
    achieved_qps=st.floats(0, 1e5),
    mean_service_ms=st.none() | st.floats(0.01, 1e4),
    waiting=st.integers(0, 10**6),
    threads=st.integers(1, 5_000),
    workers=st.integers(1, 5),
    settling=st.booleans(),
    judged=st.booleans(),
)
BOUNDS = st.builds(
    lambda low, more, least, room, patience: QpsBounds(low, low + more, least, least + room, patience),
    st.integers(1, 3),
    st.integers(0, 4),
    st.integers(1, 50),
    st.integers(0, 500),
    st.none() | st.integers(1, 5),
)


def test_threads_follow_littles_law_with_headroom() -> None:
    assert needed_threads(MET) == math.ceil(10 * HEADROOM) + SPARE == 17
    assert needed_threads(replace(MET, waiting=5_000)) == 2 * 15 + SPARE
    assert needed_threads(replace(MET, mean_service_ms=None)) == MET.threads


def test_what_is_enough_changes_nothing() -> None:
    assert control(QpsState(), MET, WIDE).threads == 17
    assert control(QpsState(), replace(MET, threads=19), WIDE).threads == 19
    assert control(QpsState(), replace(MET, threads=15), WIDE).threads == 15


def test_too_few_threads_are_raised_at_once_and_at_most_doubled() -> None:
    assert control(QpsState(), replace(MET, threads=10), WIDE).threads == 17
    assert control(QpsState(), replace(MET, threads=3), WIDE).threads == 6


def test_threads_are_taken_away_only_after_patience_and_then_to_the_most_that_was_needed() -> None:
    state, threads = QpsState(), 100
    for number in range(DOWN_PATIENCE - 1):
        state = control(state, replace(MET, threads=threads, mean_service_ms=20.0 if number == 4 else 10.0), WIDE)
        assert state.threads == threads
    state = control(state, replace(MET, threads=threads), WIDE)
    assert state.threads == 32
    assert state.fewer == ()


def test_one_interval_that_needs_all_threads_begins_the_patience_anew() -> None:
    state = QpsState()
    for number in range(3 * DOWN_PATIENCE):
        busy = number % DOWN_PATIENCE == DOWN_PATIENCE - 1
        state = control(state, replace(MET, threads=100, mean_service_ms=60.0 if busy else 10.0), WIDE)
        assert state.threads == 100


def test_a_worker_is_wanted_when_all_are_at_their_ceiling_and_the_rate_is_missed_twice() -> None:
    bounds = replace(AT_CEILING, max_workers=3)
    first = control(QpsState(), STARVED, bounds)
    assert (first.verdict, first.missed) == (Verdict.STEADY, 1)
    second = control(first, STARVED, bounds)
    assert (second.verdict, second.missed) == (Verdict.ADD_WORKER, 0)
    joining = control(second, replace(STARVED, workers=2, settling=True), bounds)
    assert (joining.verdict, joining.missed) == (Verdict.STEADY, 0)
    assert control(joining, replace(STARVED, workers=2), bounds).threads == 8


def test_without_bounds_a_worker_is_added_only_while_the_one_before_has_helped() -> None:
    unbounded = replace(AT_CEILING, max_workers=9, patience_intervals=None)
    state = QpsState()
    for _ in range(GROW_PATIENCE):
        state = control(state, STARVED, unbounded)
    assert (state.verdict, state.achieved_before) == (Verdict.ADD_WORKER, 400.0)
    no_help, help_ = (replace(STARVED, threads=8, workers=2, achieved_qps=qps) for qps in (401.0, 700.0))
    for interval, verdict in ((no_help, Verdict.STEADY), (help_, Verdict.ADD_WORKER)):
        following = state
        for _ in range(GROW_PATIENCE):
            following = control(following, interval, unbounded)
        assert following.verdict is verdict


def test_no_worker_is_wanted_while_threads_may_still_grow_or_the_rate_is_met() -> None:
    bounds = replace(AT_CEILING, max_workers=3)
    growing = replace(STARVED, threads=2)
    met = replace(STARVED, achieved_qps=980.0)
    for interval in (growing, met):
        state = QpsState()
        for _ in range(GROW_PATIENCE + 2):
            state = control(state, interval, bounds)
            assert state.verdict is Verdict.STEADY


def test_at_every_bound_the_limit_is_reached_after_the_scenarios_patience() -> None:
    state, verdicts = QpsState(), []
    for _ in range(4):
        state = control(state, STARVED, AT_CEILING)
        verdicts.append(state.verdict)
    assert verdicts == [Verdict.STEADY, Verdict.STEADY, *[Verdict.BOUNDS_LIMIT_REACHED] * 2]


def test_neither_a_warmup_nor_endless_patience_ends_at_the_bounds() -> None:
    state = QpsState()
    for _ in range(10):
        state = control(state, replace(STARVED, judged=False), AT_CEILING)
        assert state.verdict is Verdict.STEADY
    assert control(state, STARVED, AT_CEILING).verdict is Verdict.STEADY, "the patience begins with the measurement"
    for _ in range(10):
        state = control(state, STARVED, replace(AT_CEILING, patience_intervals=None))
        assert state.verdict is Verdict.STEADY


@given(st.lists(INTERVALS, max_size=12), BOUNDS)
def test_it_stays_within_bounds_and_survives_being_written_down(intervals: list[Interval], bounds: QpsBounds) -> None:
    state = QpsState()
    for interval in intervals:
        state = control(state, interval, bounds)
        assert QpsState.from_json(json.loads(json.dumps(state.to_json()))) == state
        if not interval.settling:
            assert interval.workers * bounds.min_threads <= state.threads <= interval.workers * bounds.max_threads
            assert state.threads <= max(2 * interval.threads, interval.workers * bounds.min_threads)
        else:
            assert state.threads == interval.threads
        if state.verdict is Verdict.ADD_WORKER:
            assert interval.workers < bounds.max_workers
        if state.verdict is Verdict.BOUNDS_LIMIT_REACHED:
            assert interval.workers >= bounds.max_workers
            assert interval.judged
    assert QpsState.from_json(None) == QpsState()


AT_THE_EDGE = [1.0625 if second % 8 == 7 and second < 40 else 1.0 for second in range(60)]
"""Of 164 threads 132 are just within the deadband: every eighth second they seem to be wanted, and 124 in between."""


@given(
    st.floats(1, 20_000),
    st.floats(0.1, 50),
    st.integers(1, 900),
    st.lists(st.floats(0.93, 1.07), min_size=60, max_size=60),
)
@example(rate=4762.0, service_ms=17.0, threads=164, noise=AT_THE_EDGE)
def test_a_steady_server_is_met_by_a_steady_number_of_threads(
    rate: float, service_ms: float, threads: int, noise: list[float]
) -> None:
    state, history = QpsState(), []
    for factor in noise:
        capacity = threads / service_ms * 1e3
        interval = Interval(rate, min(rate, capacity), service_ms * factor, 0, threads, 1)
        state = control(state, interval, WIDE)
        threads = state.threads
        history.append(threads)
    settled = history[30:]
    # Threads at the edge of the deadband may be held by noise for longer, and are given back once.
    assert settled == sorted(settled, reverse=True), "noise of the service time asks for no more threads"
    assert len(set(settled)) <= 2, "and moves them once at most"
    in_flight = rate * service_ms / 1e3
    if in_flight * HEADROOM * 1.1 + SPARE < WIDE.max_threads:
        assert settled[-1] >= in_flight * HEADROOM * 0.93 * (1 - DEADBAND_RATIO) - 1
