"""Histograms tell percentiles within 0.1 %, merge without loss, and speak the standard form."""

import base64
import contextlib
import itertools
import statistics
import timeit
from collections.abc import Callable

import numpy as np
import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from upperbound.domain.histogram import (
    COUNTS_LEN,
    HIGHEST_US,
    LOWEST_US,
    SIGNIFICANT_DIGITS,
    Histogram,
    LatencyFigures,
    bucket_index,
    latency_ms,
)

VALUES = st.integers(0, HIGHEST_US)
LATENCIES = st.one_of(st.integers(0, 3_000), st.integers(0, 100_000), VALUES)
SHOWN = (50.0, 90.0, 95.0, 99.0, 99.9)


def standard(values_us: list[int] | NDArray[np.int64] | None = None) -> HdrHistogram:
    """Return the library's own histogram, fed value by value."""
    histogram = HdrHistogram(LOWEST_US, HIGHEST_US, SIGNIFICANT_DIGITS)
    for value in values_us if values_us is not None else []:
        assert histogram.record_value(int(value))
    return histogram


def of(values_us: list[int]) -> Histogram:
    return Histogram.from_values(values_us)


def lognormal(size: int, *, seed: int, median_us: float = 900.0, sigma: float = 1.3) -> NDArray[np.int64]:
    """Return a skewed mix of latencies as a loaded server gives them."""
    return np.random.default_rng(seed).lognormal(np.log(median_us), sigma, size).astype(np.int64)


def raw_percentile(values_us: list[int] | NDArray[np.int64], p: float) -> int:
    """Return the percentile of raw values.

    Asked as a quantile of three decimals: for p99.9, ``np.percentile`` divides by 100 in binary and, at multiples of
    1,000 values, is off by one rank.
    """
    return int(np.quantile(values_us, round(p / 100, 3), method="inverted_cdf"))


class TestLayout:
    def test_there_are_as_many_buckets_as_in_the_standard(self) -> None:
        assert standard().counts_len == COUNTS_LEN

    def test_the_bucket_of_every_edge_is_that_of_the_standard(self) -> None:
        reference = standard()
        edges = [(1 << power) + offset for power in range(32) for offset in (-1, 0, 1)]
        values = np.array([value for value in [*range(4_100), *edges, HIGHEST_US] if value <= HIGHEST_US])
        assert [reference.get_counts_array_index(int(value)) for value in values] == bucket_index(values).tolist()

    @given(st.lists(VALUES))
    def test_the_bucket_of_any_value_is_that_of_the_standard(self, values_us: list[int]) -> None:
        reference = standard()
        expected = [reference.get_counts_array_index(value) for value in values_us]
        assert bucket_index(np.array(values_us, dtype=np.int64)).tolist() == expected

    def test_values_out_of_range_count_at_its_ends(self) -> None:
        extremes = np.array([-(2**63), -1, 0, HIGHEST_US, HIGHEST_US + 1, 2**63 - 1], dtype=np.int64)
        low, high = bucket_index(np.array([0, HIGHEST_US], dtype=np.int64)).tolist()
        assert bucket_index(extremes).tolist() == [low] * 3 + [high] * 3

    @given(VALUES)
    def test_a_bucket_is_never_wider_than_a_thousandth_of_its_values(self, value_us: int) -> None:
        bucket = of([value_us])
        assert bucket.min_us <= value_us <= bucket.max_us
        assert bucket.max_us - bucket.min_us <= value_us / 1_000


class TestPercentiles:
    @given(st.lists(LATENCIES, min_size=1, max_size=300), st.sampled_from(SHOWN))
    def test_they_are_those_of_the_raw_values_within_a_thousandth(self, values_us: list[int], p: float) -> None:
        raw = raw_percentile(values_us, p)
        assert raw <= of(values_us).percentile_us(p) <= raw * 1.001

    @pytest.mark.parametrize("workers", [1, 2, 5])
    def test_merged_over_workers_they_are_those_of_the_pooled_raw_values(self, workers: int) -> None:
        parts = [lognormal(20_000, seed=seed, median_us=400.0 * (seed + 1)) for seed in range(workers)]
        merged = Histogram()
        for part in parts:
            one = Histogram()
            one.record_many(part)
            merged += one
        pooled = np.concatenate(parts)
        for p in SHOWN:
            assert merged.percentile_us(p) == pytest.approx(raw_percentile(pooled, p), rel=0.001)

    @given(st.integers(1, 10**7).map(lambda total: total * 10), st.sampled_from([500, 900, 950, 990, 999, 1_000]))
    def test_the_rank_is_exact_where_binary_fractions_are_not(self, total: int, p_thousandths: int) -> None:
        rank = -(-p_thousandths * total // 1_000)
        for values_below, expected_us in ((rank, 1), (rank - 1, 2)):
            histogram = Histogram()
            histogram.counts[[1, 2]] = values_below, total - values_below
            assert histogram.percentile_us(p_thousandths / 10) == expected_us

    def test_several_come_in_the_order_asked_for(self) -> None:
        histogram = of(list(range(1, 101)))
        assert histogram.percentiles_us([99, 1, 50, 100]) == [99, 1, 50, 100]
        assert histogram.percentiles_us([]) == []

    @pytest.mark.parametrize("p", [0, -1, 100.1, float("nan")])
    def test_one_that_is_no_percentile_is_refused(self, p: float) -> None:
        with pytest.raises(ValueError, match="a percentile must be above 0 and at most 100"):
            of([1]).percentile_us(p)


class TestFigures:
    @settings(max_examples=15)  # the library's own mean and deviation take a tenth of a second
    @given(st.lists(LATENCIES, min_size=1, max_size=100))
    def test_minimum_maximum_mean_and_deviation_are_those_of_the_standard(self, values_us: list[int]) -> None:
        ours, reference = of(values_us), standard(values_us)
        assert ours.total == reference.get_total_count() == len(values_us)
        assert ours.min_us == reference.get_min_value()
        assert ours.max_us == (reference.get_max_value() if any(values_us) else 0)
        assert ours.mean_us == pytest.approx(reference.get_mean_value(), rel=1e-9)
        assert ours.stddev_us == pytest.approx(reference.get_stddev(), rel=1e-9, abs=1e-6)

    @given(st.lists(st.integers(1, HIGHEST_US), min_size=1, max_size=100))
    def test_the_mean_is_that_of_the_raw_values_within_a_thousandth(self, values_us: list[int]) -> None:
        assert of(values_us).mean_us == pytest.approx(statistics.fmean(values_us), rel=0.001)

    @pytest.mark.parametrize(
        "ask",
        [
            lambda empty: empty.percentile_us(50),
            lambda empty: empty.min_us,
            lambda empty: empty.max_us,
            lambda empty: empty.mean_us,
            lambda empty: empty.stddev_us,
        ],
    )
    def test_an_empty_histogram_has_none(self, ask: Callable[[Histogram], float]) -> None:
        with pytest.raises(ValueError, match="an empty histogram has no"):
            ask(Histogram())

    def test_latency_figures_of_an_empty_histogram_are_all_none(self) -> None:
        assert set(latency_ms(Histogram()).to_json().values()) == {None}

    @pytest.mark.parametrize(
        ("name", "fewest"), [("p50_ms", 2), ("p90_ms", 10), ("p95_ms", 20), ("p99_ms", 100), ("p999_ms", 1_000)]
    )
    def test_a_percentile_is_shown_from_the_fewest_values_that_can_carry_it(self, name: str, fewest: int) -> None:
        histogram = Histogram()
        histogram.counts[1_000] = fewest - 1
        assert latency_ms(histogram).to_json()[name] is None
        histogram.counts[1_000] += 1
        assert latency_ms(histogram).to_json()[name] == 1.0

    def test_latency_figures_are_milliseconds(self) -> None:
        histogram = of([1_000] * 999 + [2_000])
        assert latency_ms(histogram) == LatencyFigures(
            p50_ms=1.0,
            p90_ms=1.0,
            p95_ms=1.0,
            p99_ms=1.0,
            p999_ms=1.0,
            max_ms=2.0,
            mean_ms=histogram.mean_us / 1_000,
            stddev_ms=histogram.stddev_us / 1_000,
        )
        assert histogram.mean_us == 1_001


class TestMerging:
    @given(st.lists(st.lists(LATENCIES, max_size=50), max_size=6))
    def test_merged_parts_equal_the_single_pass(self, parts: list[list[int]]) -> None:
        merged = Histogram()
        for part in parts:
            merged += of(part)
        assert merged == of(list(itertools.chain(*parts)))

    @given(st.lists(LATENCIES), st.lists(LATENCIES))
    def test_a_sum_is_new_and_leaves_its_terms_alone(self, one: list[int], other: list[int]) -> None:
        left, right = of(one), of(other)
        assert left + right == right + left == of(one + other)
        assert (left, right) == (of(one), of(other))

    @given(st.lists(LATENCIES), st.lists(LATENCIES))
    def test_the_difference_of_two_cumulative_states_is_the_interval_between_them(
        self, before: list[int], between: list[int]
    ) -> None:
        growing = of(before)
        earlier = growing.copy()
        growing.record_many(np.array(between, dtype=np.int64))
        assert growing - earlier == of(between)
        assert earlier == of(before)

    def test_what_is_no_earlier_state_cannot_be_subtracted(self) -> None:
        with pytest.raises(ValueError, match="is not an earlier state"):
            of([1]) - of([2])

    def test_counts_of_another_layout_are_refused(self) -> None:
        with pytest.raises(ValueError, match="counts must have shape"):
            Histogram().add_counts(np.zeros(3, dtype=np.int64))

    def test_counts_are_added(self) -> None:
        histogram = of([7])
        histogram.add_counts(of([7, 9]).counts)
        assert histogram == of([7, 7, 9])

    def test_a_histogram_equals_only_a_histogram_and_is_no_key(self) -> None:
        assert of([1]) != [1]
        with pytest.raises(TypeError, match="unhashable"):
            hash(Histogram())
        assert repr(of([1, 2])) == "Histogram(total=2)"


class TestStandardForm:
    @given(st.lists(LATENCIES, max_size=100))
    def test_the_library_reads_what_we_write(self, values_us: list[int]) -> None:
        read, fed = HdrHistogram.decode(of(values_us).encode()), standard(values_us)
        assert list(read.counts) == list(fed.counts)
        assert read.get_total_count() == fed.get_total_count()
        assert read.get_max_value() == fed.get_max_value()
        assert read.get_min_value() == fed.get_min_value()

    @given(st.lists(LATENCIES, max_size=100))
    def test_we_read_what_the_library_writes(self, values_us: list[int]) -> None:
        assert Histogram.decode(standard(values_us).encode().decode()) == of(values_us)

    @given(st.lists(LATENCIES, max_size=100))
    def test_we_write_byte_for_byte_what_the_library_writes(self, values_us: list[int]) -> None:
        assert of(values_us).encode() == standard(values_us).encode().decode()

    def test_the_library_gives_the_same_percentiles(self) -> None:
        """For totals where its rounding of the rank and our exact one agree; see the docstring of percentiles_us."""
        values = lognormal(10_000, seed=7)
        ours = Histogram()
        ours.record_many(values)
        read = HdrHistogram.decode(ours.encode())
        assert [read.get_value_at_percentile(p) for p in SHOWN] == ours.percentiles_us(SHOWN)

    def test_large_counts_survive(self) -> None:
        histogram = Histogram()
        histogram.counts[[0, 5, COUNTS_LEN - 1]] = [2**40, 1, 2**50]
        assert Histogram.decode(histogram.encode()) == histogram

    def test_a_histogram_of_another_range_or_precision_is_refused(self) -> None:
        for layout in [(1, 3_600_000, 3), (1, HIGHEST_US, 2), (1_000, HIGHEST_US, 3)]:
            with pytest.raises(ValueError, match="cannot be merged with ours"):
                Histogram.decode(HdrHistogram(*layout).encode().decode())

    @given(st.text(max_size=60) | st.binary(max_size=60).map(lambda data: base64.b64encode(data).decode()))
    def test_anything_else_is_refused_as_a_value_error(self, text: str) -> None:
        with pytest.raises(ValueError, match="not an encoded HdrHistogram"):
            Histogram.decode(text)

    @given(st.data())
    def test_a_damaged_form_is_refused_or_read_but_never_breaks_out(self, data: st.DataObject) -> None:
        whole = bytearray(base64.b64decode(of([5, 500, 50_000]).encode()))
        position = data.draw(st.integers(0, len(whole) - 1))
        whole[position] ^= data.draw(st.integers(1, 255))
        with contextlib.suppress(ValueError):
            Histogram.decode(base64.b64encode(whole).decode())


def test_the_recorders_path_is_cheap() -> None:
    """Looser than what is measured (0.3, 0.5, 0.4 ms): it is to fail for a slow algorithm and not for a busy host."""
    values = lognormal(30_000, seed=3)
    histogram = Histogram()
    assert fastest_ms(lambda: bucket_index(values)) < 2
    assert fastest_ms(lambda: histogram.record_many(values)) < 2
    assert fastest_ms(histogram.encode) < 2


def fastest_ms(call: Callable[[], object]) -> float:
    return min(timeit.repeat(call, number=1, repeat=20)) * 1_000
