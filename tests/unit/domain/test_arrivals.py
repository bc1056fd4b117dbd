"""Schedules hold exactly the arrivals their rate comes to, shares make up the whole, and Poisson is Poisson."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from upperbound.domain.arrivals import BLOCK, ArrivalSchedule, RateCurve, Share

RATES = st.integers(0, 5_000).map(float) | st.floats(0, 5_000, allow_nan=False, allow_subnormal=False)
WHOLE = Share(0, 1)


@st.composite
def curves(draw: st.DrawFn) -> RateCurve:
    """Draw a curve of up to six pieces, steps included, that does not end at zero."""
    spans = draw(st.lists(st.sampled_from([0.0, 0.25, 1.0, 3.0]), max_size=5))
    times = [0.0, *itertools.accumulate(spans)]
    rates = [draw(RATES) for _ in times]
    return RateCurve([*zip(times, rates, strict=True), (times[-1] + 1.0, draw(st.floats(1, 5_000)))])


def due_before(schedule: ArrivalSchedule, until_s: float) -> NDArray[np.int64]:
    """Return what is due before a run time."""
    blocks = [schedule.next_block()]
    while len(blocks[-1]) == BLOCK and blocks[-1][-1] < until_s * 1e9:
        blocks.append(schedule.next_block())
    due = np.concatenate(blocks)
    return due[due < until_s * 1e9]


def kolmogorov_smirnov_p(sorted_uniforms: NDArray[np.float64]) -> float:
    """Return the asymptotic p-value of values that should be uniform on [0, 1]."""
    n = len(sorted_uniforms)
    above = np.arange(1, n + 1) / n - sorted_uniforms
    below = sorted_uniforms - np.arange(n) / n
    reach = max(float(above.max()), float(below.max())) * (math.sqrt(n) + 0.12 + 0.11 / math.sqrt(n))
    return min(1.0, 2 * sum((-1.0) ** (k - 1) * math.exp(-2 * k * k * reach * reach) for k in range(1, 101)))


class TestCurve:
    def test_the_integral_of_lines_and_steps_is_their_area(self) -> None:
        curve = RateCurve([(0, 100), (10, 100), (10, 200), (20, 400)])
        assert [curve.count_until(t) for t in (-1, 0, 10, 15, 20, 21)] == [0, 0, 1000, 2250, 4000, 4400]
        assert [curve.rate_at(t) for t in (-1, 0, 10, 15, 20, 99)] == [100, 100, 200, 300, 400, 400]
        assert curve.peak_per_s == 400

    @given(curves(), st.lists(st.floats(0, 20_000), min_size=1, max_size=20))
    def test_the_inverse_is_the_first_time_the_integral_is_reached(self, curve: RateCurve, counts: list[float]) -> None:
        times = curve.times_of(np.array(counts))
        for count, time_s in zip(counts, times.tolist(), strict=True):
            assert curve.count_until(time_s) == pytest.approx(count, rel=1e-9, abs=1e-6)
            assert count < 1e-3 or curve.count_until(time_s - 1e-3) <= count

    def test_a_pause_holds_no_arrival_and_a_rate_of_zero_for_good_ends_the_schedule(self) -> None:
        paused = RateCurve([(0, 10), (1, 10), (1, 0), (5, 0), (5, 10)])
        assert due_before(ArrivalSchedule(paused, WHOLE), 5.15).tolist() == [
            *range(0, 1_100_000_000, 100_000_000),
            5_100_000_000,
        ]
        ending = RateCurve([(0, 10), (1, 10), (1, 0)])
        schedule = ArrivalSchedule(ending, WHOLE)
        assert len(schedule.next_block()) == 11
        assert len(schedule.next_block()) == 0

    def test_what_follows_a_change_is_flat_and_what_went_before_is_kept(self) -> None:
        curve = RateCurve([(0, 0), (10, 100)]).then(5, 7)
        assert [curve.rate_at(t) for t in (2.5, 4.999_999, 5, 100)] == pytest.approx([25, 50, 7, 7], rel=1e-4)
        assert curve.count_until(6) == pytest.approx(125 + 7)
        assert RateCurve.flat(3).then(0, 5).points == ((0.0, 5),)
        assert RateCurve.flat(3).then(4, 5).count_until(5) == 17

    @pytest.mark.parametrize("points", [[], [(1, 1)], [(0, 1), (2, 1), (1, 1)], [(0, -1)], [(0, math.inf)]])
    def test_what_is_no_rate_over_time_is_refused(self, points: list[tuple[float, float]]) -> None:
        with pytest.raises(ValueError, match=r"rate"):
            RateCurve(points)


class TestConstant:
    @given(st.integers(1, 20_000), st.integers(1, 5))
    def test_a_flat_rate_gives_exactly_its_count_in_every_second(self, rate: int, seconds: int) -> None:
        due = due_before(ArrivalSchedule(RateCurve.flat(rate), WHOLE), seconds)
        assert np.bincount(due // 1_000_000_000).tolist() == [rate] * seconds

    @given(st.integers(1, 20_000))
    def test_the_distances_are_all_alike(self, rate: int) -> None:
        due = ArrivalSchedule(RateCurve.flat(rate), WHOLE).next_block()
        assert np.abs(np.diff(due) - 1e9 / rate).max() <= 1

    @given(curves(), st.integers(1, 7))
    def test_the_shares_together_are_the_whole_and_none_is_given_twice(self, curve: RateCurve, workers: int) -> None:
        whole = due_before(ArrivalSchedule(curve, WHOLE), 3.0)
        shares = [due_before(ArrivalSchedule(curve, Share(index, workers)), 3.0) for index in range(workers)]
        assert np.sort(np.concatenate(shares)).tolist() == whole.tolist()
        assert max(map(len, shares)) - min(map(len, shares)) <= 1

    @given(curves(), st.floats(0.01, 5.0), st.integers(1, 4), st.integers(1, 4), RATES)
    def test_a_change_that_all_are_told_of_leaves_no_gap_and_gives_nothing_twice(
        self, curve: RateCurve, at_s: float, before: int, after: int, rate: float
    ) -> None:
        changed = curve.then(at_s, rate)
        whole = due_before(ArrivalSchedule(changed, WHOLE), at_s + 1)
        parts = [due_before(ArrivalSchedule(curve, Share(i, before)), at_s) for i in range(before)]
        parts += [due_before(ArrivalSchedule(changed, Share(i, after), from_s=at_s), at_s + 1) for i in range(after)]
        assert abs(len(np.concatenate(parts)) - len(whole)) <= 1

    def test_a_share_expects_its_part_of_the_rate(self) -> None:
        schedule = ArrivalSchedule(RateCurve([(0, 100), (10, 300)]), Share(1, 4))
        assert schedule.expected(0, 10) == 500
        assert schedule.expected(5, 4) == 0


class TestPoisson:
    @pytest.mark.parametrize("points", [[(0, 2_000)], [(0, 500), (4, 3_500)], [(0, 4_000), (2, 4_000), (2, 1_000)]])
    def test_the_distances_are_exponential_in_the_integral_of_the_rate(self, points: list[tuple[float, float]]) -> None:
        curve = RateCurve(points)
        due = due_before(ArrivalSchedule(curve, WHOLE, poisson=True, seed=7), 6.0)
        counts = np.array([curve.count_until(t) for t in due / 1e9])
        distances = np.diff(np.concatenate([[0.0], counts]))
        assert kolmogorov_smirnov_p(np.sort(1 - np.exp(-distances))) > 0.01

    def test_several_workers_add_up_to_a_process_of_the_whole_rate(self) -> None:
        curve, chances = RateCurve.flat(3_000), []
        for seed in range(20):
            shares = [due_before(ArrivalSchedule(curve, Share(i, 3), poisson=True, seed=seed), 5.0) for i in range(3)]
            assert [len(share) for share in shares] == pytest.approx([5_000] * 3, abs=300)
            union = np.sort(np.concatenate(shares)) / 1e9
            chances.append(kolmogorov_smirnov_p(np.sort(1 - np.exp(-3_000 * np.diff(union)))))
        # Chances of processes that are Poisson are even themselves; one of twenty may well be small.
        assert kolmogorov_smirnov_p(np.sort(chances)) > 0.05

    def test_arrivals_in_turns_would_not_pass_for_poisson(self) -> None:
        due = due_before(ArrivalSchedule(RateCurve.flat(3_000), WHOLE, poisson=True, seed=1), 5.0)[::3] / 1e9
        assert kolmogorov_smirnov_p(np.sort(1 - np.exp(-1_000 * np.diff(due)))) < 1e-6

    @given(st.integers(0, 2**32), st.integers(1, 5))
    def test_a_seed_gives_the_same_arrivals_again_and_each_worker_others(self, seed: int, workers: int) -> None:
        curve = RateCurve.flat(100)
        first = [
            ArrivalSchedule(curve, Share(i, workers), poisson=True, seed=seed).next_block().tolist()
            for i in range(workers)
        ]
        again = [
            ArrivalSchedule(curve, Share(i, workers), poisson=True, seed=seed).next_block().tolist()
            for i in range(workers)
        ]
        assert first == again
        assert len({due[0] for due in first}) == workers

    def test_it_begins_where_it_is_told_to(self) -> None:
        schedule = ArrivalSchedule(RateCurve.flat(1_000), WHOLE, poisson=True, seed=3, from_s=12.5)
        assert 12.5e9 <= schedule.next_block()[0] < 12.6e9


def test_a_share_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="share 2 is not one of 2"):
        Share(2, 2)
