"""What is merged of a server's minutes is true of the statements behind them, which nobody sees."""

import statistics
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upperbound.domain.phases import Phase
from upperbound.domain.server_minutes import Distribution, ServerMinute, merge_minutes

MINUTE = datetime(2026, 1, 1, tzinfo=UTC)
TIMES = st.lists(st.integers(0, 60_000).map(float), min_size=1, max_size=40)


def quantile(values: list[float], ratio: float) -> float:
    """As the server has it: between values (PERCENTILE_CONT)."""
    ordered = sorted(values)
    place = ratio * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def distribution(values: list[float]) -> Distribution:
    percentiles = (quantile(values, 0.5), quantile(values, 0.9), quantile(values, 0.99))
    return Distribution(sum(values), min(values), *percentiles, max(values))


def minute(values: list[float], failed: int = 0) -> ServerMinute:
    told = distribution(values) if values else None
    return ServerMinute(MINUTE, "worker-0", Phase.MEASUREMENT, "UPDATE", len(values), told, told, told, failed, 1)


@given(st.lists(TIMES, min_size=1, max_size=8))
def test_calls_means_and_extremes_are_those_of_all_statements_together(groups: list[list[float]]) -> None:
    merged = merge_minutes(minute(values) for values in groups)
    everything = [value for values in groups for value in values]
    assert merged.calls == len(everything)
    assert merged.elapsed is not None
    assert merged.elapsed.mean_ms == pytest.approx(statistics.fmean(everything))
    assert (merged.elapsed.min_ms, merged.elapsed.max_ms) == (min(everything), max(everything))


@given(st.lists(TIMES, min_size=1, max_size=8))
def test_ranges_are_from_the_least_to_the_most_that_groups_have(groups: list[list[float]]) -> None:
    elapsed = merge_minutes(minute(values) for values in groups).elapsed
    assert elapsed is not None
    for between, ratio in ((elapsed.median, 0.5), (elapsed.p90, 0.9), (elapsed.p99, 0.99)):
        own = [quantile(values, ratio) for values in groups]
        assert (between.lowest_ms, between.highest_ms) == (min(own), max(own))


@given(TIMES)
def test_of_one_group_everything_is_known(values: list[float]) -> None:
    elapsed = merge_minutes([minute(values)]).elapsed
    assert elapsed is not None
    assert elapsed.p90.lowest_ms == elapsed.p90.highest_ms == quantile(values, 0.9)


def test_a_range_is_no_bound_but_the_extremes_are() -> None:
    groups = [[0.0, 100.0], [0.0, 100.0]]
    elapsed = merge_minutes(minute(values) for values in groups).elapsed
    assert elapsed is not None
    together = quantile([value for values in groups for value in values], 0.9)
    assert elapsed.p90.highest_ms < together <= elapsed.max_ms


def test_a_group_that_does_not_tell_a_quantity_leaves_it_unknown() -> None:
    told, silent = minute([1.0, 3.0], failed=2), minute([5.0])
    silent = ServerMinute(MINUTE, "w", Phase.WARMUP, None, 1, None, silent.execution, None, 1, 0)
    merged = merge_minutes([told, silent])
    assert (merged.calls, merged.failed, merged.throttled) == (3, 3, 1)
    assert merged.elapsed is None
    assert merged.execution is not None
    assert merged.execution.max_ms == 5.0


def test_of_nothing_nothing_is_said() -> None:
    merged = merge_minutes([])
    assert (merged.calls, merged.elapsed) == (0, None)
