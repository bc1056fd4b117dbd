"""Every moment of a run belongs to exactly one phase."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upperbound.domain.phases import Phase, PhasePlan

PLAN = PhasePlan(warmup_s=5, duration_s=20)


@pytest.mark.parametrize(
    ("elapsed_s", "phase"),
    [
        (-0.1, Phase.WARMUP),
        (0.0, Phase.WARMUP),
        (math.nextafter(5.0, 0), Phase.WARMUP),
        (5.0, Phase.MEASUREMENT),
        (math.nextafter(25.0, 0), Phase.MEASUREMENT),
        (25.0, Phase.COOLDOWN),
        (1e9, Phase.COOLDOWN),
    ],
)
def test_intervals_are_half_open(elapsed_s: float, phase: Phase) -> None:
    assert PLAN.phase_at(elapsed_s) is phase


def test_a_run_with_warmup_starts_in_it_and_lasts_for_both() -> None:
    assert PLAN.first_phase is Phase.WARMUP
    assert PLAN.total_s == 25


@pytest.mark.parametrize("elapsed_s", [-1.0, 0.0, 19.9])
def test_without_warmup_the_measurement_starts_at_once(elapsed_s: float) -> None:
    plan = PhasePlan(warmup_s=0, duration_s=20)
    assert plan.first_phase is Phase.MEASUREMENT
    assert plan.phase_at(elapsed_s) is Phase.MEASUREMENT


@given(
    st.floats(0, 1e6),
    st.floats(0.001, 1e6),
    st.lists(st.floats(-1, 3e6), min_size=2),
)
def test_phases_follow_each_other_and_never_come_back(warmup_s: float, duration_s: float, times: list[float]) -> None:
    plan = PhasePlan(warmup_s, duration_s)
    order = [list(Phase).index(plan.phase_at(elapsed_s)) for elapsed_s in sorted(times)]
    assert order == sorted(order)


@pytest.mark.parametrize(
    ("warmup_s", "duration_s"), [(-1, 10), (0, 0), (0, -1), (math.nan, 10), (5, math.nan), (math.inf, 1), (0, math.inf)]
)
def test_impossible_lengths_are_refused(warmup_s: float, duration_s: float) -> None:
    with pytest.raises(ValueError, match="_s must be"):
        PhasePlan(warmup_s, duration_s)
