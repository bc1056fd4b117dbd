"""Distributions are those of theory: shares, moments, and the exponent that was asked for."""

import math
from collections import Counter
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from upperbound.workload.distributions import ExponentialSource, GaussianSource, HotSetSource, WeightedSource
from upperbound.workload.sources import ListSource, NumberListSource, UniformSource, ValueSource, ZipfSource

DRAWS = 400_000
CHI_SQUARE_9_999 = 27.88
"""The 99.9th percentile of the chi-square distribution with 9 degrees of freedom."""
CHI_SQUARE_999_999 = 1142.85
"""The same with 999 degrees."""


def drawn(source: ValueSource, seed: int = 11, n: int = DRAWS) -> NDArray[np.int64]:
    return np.asarray(source.chunk(np.random.default_rng(seed), n))


def chi_square(values: NDArray[np.int64], low: int, probabilities: NDArray[np.float64]) -> float:
    seen = np.bincount(values - low, minlength=len(probabilities))
    expected = probabilities * len(values)
    return float(((seen - expected) ** 2 / expected).sum())


def likeliest_exponent(ranks: NDArray[np.int64], items: int) -> float:
    """Return the exponent under which ``ranks`` of ``1 … items`` are likeliest.

    There the mean logarithm of the ranks is the one the law expects, which falls as the exponent rises: bisection.
    """
    logs, mean_log = np.log(np.arange(1, items + 1)), float(np.log(ranks).mean())
    low, high = 0.01, 10.0
    for _ in range(60):
        middle = (low + high) / 2
        law = np.exp(-middle * logs)
        low, high = (middle, high) if float((law * logs).sum() / law.sum()) > mean_log else (low, middle)
    return (low + high) / 2


@pytest.mark.parametrize("seed", range(5))
def test_a_range_is_uniform_by_chi_square(seed: int) -> None:
    values = drawn(UniformSource(-500, 499), seed)
    assert chi_square(values, -500, np.full(1000, 0.001)) < CHI_SQUARE_999_999


@pytest.mark.parametrize("exponent", [0.5, 0.8, 0.99, 1.0, 1.2, 2.0, 3.0])
@pytest.mark.parametrize("items", [1_000, 100_000])
def test_the_exponent_of_zipf_is_recovered_within_two_percent(exponent: float, items: int) -> None:
    ranks = drawn(ZipfSource(1, items, exponent))
    assert likeliest_exponent(ranks, items) == pytest.approx(exponent, rel=0.02)


def test_the_recovery_would_notice_an_exponent_that_is_off() -> None:
    ranks = drawn(ZipfSource(1, 1_000, 1.03))
    assert likeliest_exponent(ranks, 1_000) != pytest.approx(1.0, rel=0.02)


@pytest.mark.parametrize("deviations", [2.0, 2.5, 4.0, 10.0])
def test_a_bell_curve_has_the_moments_of_a_normal_one_that_is_cut_off(deviations: float) -> None:
    low, high = -300_000, 700_000
    z = (drawn(GaussianSource(low, high, deviations)) - (low + high) / 2) / ((high - low + 1) / (2 * deviations))
    normal = NormalDist()
    edge = normal.pdf(deviations) / (2 * normal.cdf(deviations) - 1)
    variance = 1 - 2 * deviations * edge
    fourth = 3 * variance - 2 * deviations**3 * edge
    assert z.mean() == pytest.approx(0, abs=5 * math.sqrt(variance / DRAWS))
    assert z.var() == pytest.approx(variance, rel=0.01)
    assert (z**3).mean() == pytest.approx(0, abs=0.05)
    assert (z**4).mean() == pytest.approx(fourth, rel=0.02)
    assert np.abs(z).max() <= deviations


def test_each_value_under_a_bell_curve_is_as_likely_as_its_slice() -> None:
    edges = [NormalDist().cdf(-2.5 + 0.5 * slice_) for slice_ in range(11)]
    probabilities = np.diff(np.array(edges)) / (edges[-1] - edges[0])
    assert chi_square(drawn(GaussianSource(1, 10, 2.5)), 1, probabilities) < CHI_SQUARE_9_999


@pytest.mark.parametrize("decay", [1e-9, 0.5, 2.0, 5.0])
def test_each_value_under_a_falling_curve_is_by_the_same_factor_less_likely(decay: float) -> None:
    probabilities = np.exp(-decay * np.arange(10) / 10)
    values = drawn(ExponentialSource(21, 30, decay))
    assert chi_square(values, 21, probabilities / probabilities.sum()) < CHI_SQUARE_9_999


@pytest.mark.parametrize("decay", [1.0, 5.0, 40.0, 1000.0])
def test_a_falling_curve_has_the_mean_of_an_exponential_one_that_is_cut_off(decay: float) -> None:
    places = (drawn(ExponentialSource(0, 10**12 - 1, decay)) + 0.5) / 10**12
    mean = 1 / decay - 1 / math.expm1(decay) if decay < 700 else 1 / decay
    assert places.mean() == pytest.approx(mean, rel=0.01)


@given(st.integers(-(2**63), 2**63 - 1), st.integers(-(2**63), 2**63 - 1), st.integers(0, 2**32))
@settings(deadline=None)
def test_distributions_stay_in_their_range_whatever_its_size(one: int, other: int, seed: int) -> None:
    low, high = min(one, other), max(one, other)
    sources = (GaussianSource(low, high, 2.0), HotSetSource(low, high, 20, 80), ExponentialSource(low, high, 0.5))
    for source in sources:
        values = drawn(source, seed, 200).tolist()
        assert low <= min(values) <= max(values) <= high


@pytest.mark.parametrize(("hot_pct", "access_pct"), [(20, 80), (1, 90), (0.1, 50), (50, 5)])
def test_a_hot_set_gets_its_share_and_is_uniform_within(hot_pct: float, access_pct: float) -> None:
    values = drawn(HotSetSource(1, 1000, hot_pct, access_pct))
    hot_count = round(10 * hot_pct)
    hot, cold = values[values <= hot_count], values[values > hot_count]
    share = access_pct / 100
    assert len(hot) / DRAWS == pytest.approx(share, abs=5 * math.sqrt(share * (1 - share) / DRAWS))
    probabilities = np.where(np.arange(1, 1001) <= hot_count, share / hot_count, (1 - share) / (1000 - hot_count))
    assert chi_square(values, 1, probabilities) < CHI_SQUARE_999_999
    assert (cold.min(), cold.max()) == (hot_count + 1, 1000)


def test_a_hot_set_has_one_value_at_least_and_may_be_all_of_them() -> None:
    assert Counter(drawn(HotSetSource(5, 14, 0.1, 90)).tolist()).most_common(1)[0][0] == 5
    assert set(drawn(HotSetSource(5, 14, 100, 90), n=1000).tolist()) == set(range(5, 15))
    assert set(drawn(HotSetSource(5, 5, 20, 80), n=10).tolist()) == {5}


@pytest.mark.parametrize("scale", [1.0, 0.01, 1e9])
def test_weights_are_shares_of_their_sum(scale: float) -> None:
    weights = [weight * scale for weight in (70, 20, 5, 4, 0.5, 0.1, 0.1, 0.1, 0.1, 0.1)]
    values = drawn(WeightedSource(weights))
    assert chi_square(values, 0, np.array(weights) / sum(weights)) < CHI_SQUARE_9_999


def test_one_weight_is_enough() -> None:
    assert set(drawn(WeightedSource([3.0]), n=10).tolist()) == {0}


def test_a_list_follows_the_source_of_its_indexes_as_numbers_or_as_anything() -> None:
    words = ListSource(["x", "y"], WeightedSource([1, 3])).chunk(np.random.default_rng(4), 1000)
    numbers = NumberListSource([10, 20], WeightedSource([1, 3])).chunk(np.random.default_rng(4), 1000)
    assert [{"x": 10, "y": 20}[str(word)] for word in words] == np.asarray(numbers).tolist()
    assert 0.65 < np.mean(np.asarray(numbers) == 20) < 0.85
    with pytest.raises(ValueError, match="no value"):
        NumberListSource([])


@pytest.mark.parametrize("weights", [[], [1.0, 0.0], [-1.0], [float("nan")]])
def test_weights_must_be_above_nothing(weights: list[float]) -> None:
    with pytest.raises(ValueError, match="every weight"):
        WeightedSource(weights)


@pytest.mark.parametrize(("low", "high", "hot", "access"), [(2, 1, 20, 80), (1, 2, 0, 80), (1, 2, 20, 101)])
def test_a_hot_set_refuses_what_makes_no_sense(low: int, high: int, hot: float, access: float) -> None:
    with pytest.raises(ValueError, match="no hot set"):
        HotSetSource(low, high, hot, access)


@pytest.mark.parametrize(("low", "high", "deviations"), [(2, 1, 2.0), (1, 2, 0.0), (1, 2, float("nan"))])
def test_a_bell_curve_refuses_what_makes_no_sense(low: int, high: int, deviations: float) -> None:
    with pytest.raises(ValueError, match="no bell curve"):
        GaussianSource(low, high, deviations)


@pytest.mark.parametrize(("low", "high", "decay"), [(2, 1, 2.0), (1, 2, 0.0), (1, 2, float("nan"))])
def test_a_falling_curve_refuses_what_makes_no_sense(low: int, high: int, decay: float) -> None:
    with pytest.raises(ValueError, match="no exponential curve"):
        ExponentialSource(low, high, decay)
