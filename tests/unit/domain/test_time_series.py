"""Stretches of a run take what was done between the snapshots nearest to their ends, and lose and invent nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upperbound.domain.phases import Phase, PhasePlan
from upperbound.domain.time_series import Mark, step_for, stretches

PLAN = PhasePlan(warmup_s=2.0, duration_s=6.0)


def marks(worker: int, times: list[float], rate: float = 100.0, phase: Phase = Phase.MEASUREMENT) -> list[Mark]:
    """Return the marks of a worker that does so much in a second, begun at the first of ``times``."""
    begin = times[0]
    return [
        Mark(f"worker-{worker}", number, phase, at_s, round(rate * (at_s - begin)), 0, 4, 4)
        for number, at_s in enumerate(times)
    ]


def test_snapshots_that_are_a_little_late_make_no_dip_and_no_spike() -> None:
    own = marks(0, [2.0, 3.02, 3.97, 5.04, 6.01, 6.95, 8.0])
    found = stretches(own, PLAN, 1.0)
    assert [(one.begin_s, one.end_s) for one in found] == [(2 + n, 3 + n) for n in range(6)]
    assert [one.qps for one in found] == pytest.approx([100.0] * 6, rel=0.02)


def test_workers_are_added_up_whenever_they_took_their_snapshots() -> None:
    own = [*marks(0, [2.0, 3.1, 4.1, 5.1, 6.1]), *marks(1, [2.0, 2.8, 3.8, 4.8, 5.8], rate=50.0)]
    found = stretches(own, PLAN, 1.0)
    assert [round(one.qps) for one in found] == [150] * 4
    assert all(len(one.spans) == 2 for one in found)


def test_snapshots_that_are_missing_are_filled_with_the_rate_across_the_gap() -> None:
    found = stretches(marks(0, [2.0, 3.0, 7.0, 8.0]), PLAN, 1.0)
    assert [one.qps for one in found] == pytest.approx([100.0] * 6)


def test_a_worker_counts_only_while_it_was_there() -> None:
    late = marks(1, [4.0, 5.0, 6.0])
    found = stretches([*marks(0, [2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]), *late], PLAN, 1.0)
    assert [len(one.spans) for one in found] == [1, 1, 2, 2, 1, 1]


def test_phases_are_kept_apart() -> None:
    warmup = marks(0, [0.0, 1.0, 2.0], phase=Phase.WARMUP)
    found = stretches([*warmup, *marks(0, [2.0, 3.0, 4.0])], PLAN, 1.0)
    assert [one.phase for one in found] == [Phase.WARMUP] * 2 + [Phase.MEASUREMENT] * 2


def test_a_rest_that_is_too_short_to_tell_anything_is_part_of_the_stretch_before() -> None:
    assert [one.end_s for one in stretches(marks(0, [2.0, 4.0, 6.3]), PLAN, 2.0)] == [4.0, 6.0]
    assert [one.end_s for one in stretches(marks(0, [2.0, 4.0, 6.9]), PLAN, 2.0)] == [4.0, 6.0, 6.9]


def test_a_worker_that_counts_anew_is_followed_from_there() -> None:
    before = marks(0, [2.0, 3.0, 4.0])
    restarted = [
        Mark("worker-0", 10 + number, Phase.MEASUREMENT, 5.0 + number, 7 * number, 0, 4, 4) for number in range(3)
    ]
    found = stretches([*before, *restarted], PLAN, 1.0)
    assert [round(one.qps) for one in found if one.spans] == [7, 7]


def test_nothing_comes_of_nothing() -> None:
    assert stretches([], PLAN, 1.0) == []
    assert stretches(marks(0, [2.0]), PLAN, 1.0) == []
    with pytest.raises(ValueError, match="step_s"):
        stretches([], PLAN, 0.5)


@given(st.lists(st.floats(0.6, 1.4), min_size=3, max_size=40), st.integers(1, 5))
def test_all_that_was_done_is_in_some_stretch(gaps: list[float], step: int) -> None:
    times = [2.0]
    for gap in gaps:
        times.append(times[-1] + gap)
    own = marks(0, times)
    found = stretches(own, PhasePlan(2.0, 60.0), float(step))
    done = sum(one.qps * (one.end_s - one.begin_s) for one in found)
    # A rate is that of the nearest snapshots; over the whole they differ by at most what was done in a gap at each end.
    assert done == pytest.approx(own[-1].operations, abs=2 * 1.4 * 100 + 1)


@pytest.mark.parametrize(("points", "step"), [(300, 1.0), (8, 1.0), (4, 2.0), (3, 3.0)])
def test_a_step_is_whole_and_long_enough_for_the_points(points: int, step: float) -> None:
    assert step_for(PLAN, points) == step
