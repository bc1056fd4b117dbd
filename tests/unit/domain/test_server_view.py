"""Figures of the server's view are those of a plain recount, and those that little is known behind are withheld."""

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from upperbound.domain.server_view import (
    NO_CLUSTER,
    Calls,
    cache,
    clusters,
    error_counts,
    kind_times,
    overhead_series,
    queue,
    spread,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray


def calls(n: int, **columns: Any) -> Calls:
    """So many calls of the measurement that all succeeded and are matched, unless ``columns`` say otherwise."""
    usual: dict[str, NDArray[Any]] = {
        "measured": np.ones(n, bool),
        "kind": np.full(n, "POINT_LOOKUP"),
        "succeeded": np.ones(n, bool),
        "reached": np.ones(n, bool),
        "matched": np.ones(n, bool),
        "comparable": np.ones(n, bool),
        "started_s": np.arange(n) / 10,
        "service_ms": np.full(n, 12.5),
        "elapsed_ms": np.full(n, 10),
        "execution_ms": np.full(n, 8),
        "overload_ms": np.zeros(n, np.int64),
        "provisioning_ms": np.zeros(n, np.int64),
        "repair_ms": np.zeros(n, np.int64),
        "cluster": np.ones(n, np.int64),
        "on_warehouse": np.ones(n, bool),
        "bytes_scanned": np.full(n, 100),
        "cache_pct": np.full(n, np.nan),
    }
    return Calls(**(usual | {name: np.asarray(values) for name, values in columns.items()}))


@given(st.lists(st.floats(-5, 1000, allow_nan=False), min_size=1, max_size=300))
def test_a_spread_is_that_of_the_sorted_values(values: list[float]) -> None:
    found, ordered = spread(np.array(values)), sorted(values)
    assert (found.count, found.min_ms, found.max_ms) == (len(values), ordered[0], ordered[-1])
    assert found.mean_ms == pytest.approx(math.fsum(values) / len(values))
    for percentile, told, fewest in ((50, found.p50_ms, 2), (95, found.p95_ms, 20), (99, found.p99_ms, 100)):
        expected = ordered[math.ceil(percentile * len(values) / 100) - 1] if len(values) >= fewest else None
        assert told == expected


def test_of_nothing_there_is_no_figure() -> None:
    empty = calls(0)
    assert spread(empty.elapsed_ms).mean_ms is None
    assert kind_times(empty).withheld == "no call has reached the server"
    assert queue(empty).any.share_pct is None
    assert clusters(empty) == []
    assert cache(empty).without_warehouse_pct is None
    assert overhead_series(empty).points == ()


def test_overhead_is_what_the_client_saw_beyond_the_server() -> None:
    times = kind_times(calls(100, service_ms=np.arange(100) + 10.25))
    assert (times.overhead.min_ms, times.overhead.p50_ms, times.overhead.max_ms) == (0.25, 49.25, 99.25)
    assert times.server.p99_ms == 10


def test_whole_milliseconds_of_the_server_may_make_it_negative() -> None:
    assert kind_times(calls(1, service_ms=[9.6])).overhead.min_ms == pytest.approx(-0.4)


def test_transactions_tries_and_failures_have_no_overhead() -> None:
    mixed = calls(
        6,
        comparable=[True, False, True, True, True, True],
        succeeded=[True, True, False, True, True, True],
        matched=[True, True, True, False, True, True],
    )
    times = kind_times(mixed)
    assert (times.coverage.reached, times.coverage.matched) == (6, 5)
    assert (times.overhead.count, times.server.count, times.left_out) == (3, 3, 1)


def test_calls_that_never_arrived_are_not_missing() -> None:
    lost = calls(4, reached=[True, True, True, False], matched=[True, True, True, False])
    assert lost.coverage.pct == 100


@pytest.mark.parametrize(("known", "shown"), [(99, False), (100, True)])
def test_percentiles_are_withheld_below_half(known: int, shown: bool) -> None:
    some = calls(200, matched=np.arange(200) < known)
    times, waited, (cluster,), series = kind_times(some), queue(some), clusters(some), overhead_series(some)
    told = (times.server.p50_ms, times.overhead.p95_ms, waited.any.times.p50_ms, cluster.elapsed.p50_ms)
    assert [figure is not None for figure in told] == [shown] * 4
    assert bool(series.points) == shown
    assert (times.withheld is None) == (series.withheld is None) == shown
    assert (times.server.count, times.server.max_ms) == (known, 10), "what is known is counted all the same"


def test_waiting_is_told_by_its_reason_and_together() -> None:
    waited = queue(
        calls(10, overload_ms=[50] * 4 + [0] * 6, provisioning_ms=[0] * 3 + [7] + [0] * 6, repair_ms=[0] * 9 + [1])
    )
    assert (waited.overload.calls, waited.overload.share_pct, waited.overload.times.p50_ms) == (4, 40.0, 0)
    assert (waited.provisioning.calls, waited.repair.calls) == (1, 1)
    assert (waited.any.calls, waited.any.times.max_ms) == (5, 57)


def test_clusters_share_the_calls() -> None:
    spread_out = calls(
        100,
        cluster=[1] * 50 + [2] * 30 + [NO_CLUSTER] * 20,
        elapsed_ms=[10] * 50 + [40] * 30 + [1] * 20,
        overload_ms=[0] * 50 + [30] * 15 + [0] * 35,
    )
    first, second, none = clusters(spread_out)
    assert [one.number for one in (first, second, none)] == [1, 2, None]
    assert [one.share_pct for one in (first, second, none)] == [50, 30, 20]
    assert (second.elapsed.p95_ms, second.waited.calls, second.waited.share_pct) == (40, 15, 50)
    assert first.waited.calls == 0


def test_caches_are_told_apart_as_far_as_they_can_be() -> None:
    answered = cache(
        calls(
            5,
            on_warehouse=[True, True, True, False, False],
            bytes_scanned=[100, 100, 0, 0, 0],
            execution_ms=[8, 8, 8, 0, 5],
            cache_pct=[50, 100, 0, 0, 0],
        )
    )
    assert (answered.without_warehouse, answered.without_warehouse_pct) == (1, 20)
    assert (answered.scanning, answered.local_pct) == (2, 75)
    assert cache(calls(5)).local_pct is None, "not told is not zero"


def test_the_series_has_every_call_in_the_second_it_started_in() -> None:
    started = [0.0, 0.5, 0.999, 2.0, 2.1]
    series = overhead_series(calls(5, started_s=started, service_ms=[11, 12, 13, 30, 31]))
    assert series.step_s == 1
    assert [(point.elapsed_s, point.count, point.p50_ms) for point in series.points] == [(0, 3, 2), (2, 2, 20)]
    assert all(point.p95_ms is None for point in series.points), "five calls carry no p95"


@given(st.lists(st.floats(0, 20_000, allow_nan=False), min_size=1, max_size=200))
def test_a_long_series_has_a_bounded_number_of_points_and_loses_no_call(started: list[float]) -> None:
    series = overhead_series(calls(len(started), started_s=started))
    assert sum(point.count for point in series.points) == len(started)
    assert len(series.points) <= 3600 + 1
    assert [point.elapsed_s for point in series.points] == sorted(point.elapsed_s for point in series.points)


def test_errors_are_counted_by_code() -> None:
    counted = error_counts(["000604", "200001", "000604", "000625"])
    assert [(one.code, one.count) for one in counted] == [("000604", 2), ("000625", 1), ("200001", 1)]
    assert error_counts([]) == []
