"""A trend is told from noise, and a measurement that is too short is not judged."""

import numpy as np
import pytest

from upperbound.domain.steadiness import Trend, spread


def noisy(mean: float, slope_per_s: float, seconds: int = 60, seed: int = 7) -> list[float]:
    """Return rates around a line."""
    noise = np.random.default_rng(seed).normal(0, 0.03 * mean, seconds)
    return [mean + slope_per_s * second + noise[second] for second in range(seconds)]


def test_figures_are_those_of_the_seconds() -> None:
    found = spread([8.0, 12.0, 10.0])
    assert found is not None
    assert (found.seconds, found.mean, found.low, found.high) == (3, 10.0, 8.0, 12.0)
    assert found.stddev == pytest.approx(np.std([8, 12, 10]))
    assert found.variation_pct == pytest.approx(100 * found.stddev / 10)
    assert (found.trend, found.change_pct) == (Trend.UNKNOWN, None)
    assert spread([]) is None


@pytest.mark.parametrize(("slope_per_s", "trend"), [(0.0, Trend.STEADY), (4.0, Trend.RISING), (-4.0, Trend.FALLING)])
def test_a_line_is_seen_through_noise(slope_per_s: float, trend: Trend) -> None:
    found = spread(noisy(1000.0, slope_per_s))
    assert found is not None
    assert found.trend is trend
    assert found.change_pct == pytest.approx(slope_per_s * 57 / 10, abs=5)


def test_noise_alone_is_seldom_taken_for_a_trend() -> None:
    judged = [spread(noisy(1000.0, 0.0, seed=seed)) for seed in range(200)]
    false = [one for one in judged if one is not None and one.trend is not Trend.STEADY]
    assert len(false) <= 16, "5 % of 200, and what chance adds"


def test_a_change_that_does_not_matter_is_no_trend() -> None:
    found = spread([1000.0 + second / 100 for second in range(60)])
    assert found is not None
    assert found.trend is Trend.STEADY


def test_a_rate_of_nothing_has_no_trend() -> None:
    found = spread([0.0] * 30)
    assert found is not None
    assert (found.variation_pct, found.trend) == (None, Trend.UNKNOWN)
