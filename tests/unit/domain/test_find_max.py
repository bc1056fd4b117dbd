"""The search finds the knee of a noisy server, names what limits, and can be taken over at any step."""

import json
import random
from collections.abc import Callable
from dataclasses import replace

import pytest

from upperbound.domain.find_max import FindMaxState, MaxType, begin, give_up, observe
from upperbound.domain.find_max_steps import FindMaxPlan, Limiter, Purpose, StepFigures

PLAN = FindMaxPlan(step_duration_s=10)
Server = Callable[[int], StepFigures]
MOST_STEPS = 200


class Slots:
    """A server with ``slots`` that serve for ``service_s`` each, whose throughput wavers by ``noise``.

    A closed system of n clients without think time: min(n, slots) / service_s requests per second, and a latency of
    service_s until every slot is taken and n / throughput from then on.
    """

    def __init__(self, slots: int, *, noise: float = 0.0, seed: int = 0, service_s: float = 0.02) -> None:
        self.slots, self.noise, self.service_s, self.random = slots, noise, service_s, random.Random(seed)

    def __call__(self, threads: int) -> StepFigures:
        per_s = min(threads, self.slots) / self.service_s
        latency_ms = 1000 * threads / per_s * self._factor()
        return figures(per_s * self._factor(), latency_ms)

    def _factor(self) -> float:
        return 1 + self.random.gauss(0, self.noise)


def figures(per_s: float, latency_ms: float = 20.0, **changes: object) -> StepFigures:
    made = StepFigures(8.0, int(8 * per_s), 0, per_s, latency_ms, latency_ms, latency_ms)
    return replace(made, **changes)  # type: ignore[arg-type]  # the tests name fields that exist


def search(server: Server, plan: FindMaxPlan = PLAN, *, steps: int = MOST_STEPS) -> FindMaxState:
    state = begin(plan)
    while state.current is not None and len(state.records) < steps:
        state = observe(plan, state, server(state.current.threads))
    assert len(state.records) < MOST_STEPS, "a search ends"
    return state


@pytest.mark.parametrize("noise", [0.005, 0.02, 0.03])
@pytest.mark.parametrize("slots", [3, 8, 24, 40, 64, 100])
def test_the_interval_holds_the_knee_of_a_noisy_server_in_at_least_19_of_20_searches(slots: int, noise: float) -> None:
    searches, held, widths = 100, 0, []
    for seed in range(searches):
        answer = search(Slots(slots, noise=noise, seed=seed)).answer
        assert answer is not None
        assert answer.high is not None
        held += answer.low <= slots <= answer.high
        widths.append((answer.high - answer.low) / slots)
    assert held >= 0.95 * searches
    assert sorted(widths)[searches // 2] <= (0.3 if slots >= 8 else 1.0), "the interval says something"


def test_the_best_is_at_the_knee_with_the_figures_of_repeated_steps() -> None:
    state = search(Slots(30, noise=0.01, seed=1))
    answer = state.answer
    assert answer is not None
    assert (answer.max_type, answer.limiter) == (MaxType.TRUE_MAX, Limiter.KNEE)
    assert answer.best_threads == pytest.approx(30, rel=0.1)
    assert answer.qps == pytest.approx(1500, rel=0.1)
    assert answer.p95_ms == pytest.approx(20, rel=0.1)
    assert sum(record.threads == answer.best_threads for record in state.records) >= 3


def test_steps_climb_then_back_off_confirm_bisect_and_repeat() -> None:
    purposes = [record.step.purpose for record in search(Slots(30)).records]
    assert list(dict.fromkeys(purposes)) == [
        Purpose.CLIMB,
        Purpose.BACK_OFF,
        Purpose.CONFIRM,
        Purpose.BISECT,
        Purpose.REPEAT,
    ]
    assert [record.threads for record in search(Slots(30)).records][:4] == [5, 15, 25, 35]
    assert purposes.count(Purpose.CONFIRM) == 1
    assert purposes.count(Purpose.REPEAT) == 2


def test_one_bad_step_is_noise_and_the_search_climbs_on() -> None:
    healthy = Slots(60)
    spoiled: list[int] = []

    def server(threads: int) -> StepFigures:
        if threads == 25 and not spoiled:
            spoiled.append(threads)
            return figures(100, 300)
        return healthy(threads)

    state = search(server)
    assert [record.threads for record in state.records][:6] == [5, 15, 25, 15, 25, 35]
    assert state.answer is not None
    assert state.answer.low <= 60 <= (state.answer.high or 0)


def test_what_disturbs_good_steps_as_well_is_waited_for() -> None:
    healthy = Slots(60)
    calls: list[int] = []

    def server(threads: int) -> StepFigures:
        calls.append(threads)
        made = healthy(threads)
        return replace(made, p95_ms=90.0) if 4 <= len(calls) <= 6 else made

    state = search(server)
    purposes = [(record.threads, record.step.purpose) for record in state.records[3:8]]
    assert purposes == [
        (35, Purpose.CLIMB),
        (25, Purpose.BACK_OFF),
        (25, Purpose.BACK_OFF),
        (25, Purpose.BACK_OFF),
        (35, Purpose.CONFIRM),
    ]
    assert state.answer is not None
    assert state.answer.low <= 60 <= (state.answer.high or 0)


def test_a_limit_that_is_broken_while_closing_in_is_seen_twice() -> None:
    healthy = Slots(30)
    spoiled: list[int] = []

    def server(threads: int) -> StepFigures:
        made = healthy(threads)
        if threads % 10 == 5 or threads in spoiled:
            return made
        spoiled.append(threads)
        return replace(made, failed=made.operations)

    state = search(server)
    assert len(spoiled) > 1, "every bisecting step was spoiled once"
    assert state.answer is not None
    assert (state.answer.limiter, state.answer.low <= 30 <= (state.answer.high or 0)) == (Limiter.KNEE, True)


def test_a_knee_below_the_first_step_is_looked_for_below_it() -> None:
    state = search(Slots(2))
    assert state.answer is not None
    assert state.answer.best_threads == 2
    assert state.answer.low <= 2 <= (state.answer.high or 0) <= 5


def test_no_step_has_fewer_threads_than_the_workers_keep() -> None:
    state = search(Slots(2), replace(PLAN, min_threads=4))
    assert min(record.threads for record in state.records) == 4
    assert state.answer is not None
    assert (state.answer.best_threads, state.answer.low) == (4, 0)


@pytest.mark.parametrize(
    ("limiter", "change", "max_type"),
    [
        (Limiter.ERRORS, {"failed": 500}, MaxType.TRUE_MAX),
        (Limiter.ERRORS, {"missing_threads": 3}, MaxType.TRUE_MAX),
        (Limiter.QUEUEING, {"queueing": True}, MaxType.TRUE_MAX),
        (Limiter.GENERATOR, {"client_bound": True}, MaxType.BOUNDED_MAX),
        (Limiter.LATENCY, {"p95_ms": 90.0}, MaxType.TRUE_MAX),
    ],
)
def test_a_limit_on_the_slope_is_closed_in_on_and_named(
    limiter: Limiter, change: dict[str, object], max_type: MaxType
) -> None:
    def server(threads: int) -> StepFigures:
        made = figures(50.0 * threads)
        return replace(made, **change) if threads > 41 else made  # type: ignore[arg-type]  # as above

    state = search(server)
    answer = state.answer
    assert answer is not None
    assert (answer.limiter, answer.max_type) == (limiter, max_type)
    assert (answer.low, answer.high) == (41, 42)
    assert answer.best_threads == 41
    assert answer.reason


def test_a_throughput_that_falls_is_named_and_its_peak_is_the_answer() -> None:
    def server(threads: int) -> StepFigures:
        per_s = 50.0 * threads if threads <= 40 else 2000.0 * 0.97 ** (threads - 40)
        return figures(per_s)

    answer = search(server).answer
    assert answer is not None
    assert answer.limiter in (Limiter.KNEE, Limiter.QPS_DROP)
    assert answer.best_threads == pytest.approx(40, abs=3)
    assert answer.low <= 40 <= (answer.high or 0)


def test_a_bound_on_threads_that_holds_gives_a_lower_bound() -> None:
    state = search(Slots(100), replace(PLAN, max_threads=42))
    answer = state.answer
    assert answer is not None
    assert (answer.max_type, answer.limiter, answer.high) == (MaxType.BOUNDED_MAX, Limiter.THREADS, None)
    assert answer.best_threads == 42
    assert answer.low <= 42
    assert max(record.threads for record in state.records) == 42


def test_a_search_without_a_passing_step_has_no_best() -> None:
    answer = search(lambda _: figures(0.0, failed=10)).answer
    assert answer is not None
    assert (answer.best_threads, answer.low, answer.high, answer.limiter) == (None, 0, 1, Limiter.ERRORS)


def test_steps_in_which_nothing_was_done_do_not_pass_for_a_knee() -> None:
    answer = search(lambda _: figures(0.0)).answer
    assert answer is not None
    assert (answer.best_threads, answer.limiter) == (None, Limiter.ERRORS)
    assert "no operation succeeded" in answer.reason


@pytest.mark.parametrize("steps", [0, 2, 4])
def test_time_that_runs_out_before_a_confirmed_failure_gives_a_lower_bound(steps: int) -> None:
    state = give_up(PLAN, search(Slots(30), steps=steps))
    assert state.current is None
    assert state.answer is not None
    assert (state.answer.max_type, state.answer.limiter) == (MaxType.BOUNDED_MAX, Limiter.TIME)
    assert state.answer.high is None


def test_time_that_runs_out_while_closing_in_gives_a_wider_interval() -> None:
    state = give_up(PLAN, search(Slots(30), steps=8))
    assert state.confirmed
    assert state.answer is not None
    assert state.answer.max_type is MaxType.TRUE_MAX
    assert state.answer.low <= 30 <= (state.answer.high or 0)
    assert give_up(PLAN, state) == state, "an answer stands"


def test_a_search_goes_on_from_what_was_written_after_any_step() -> None:
    through_json = Slots(30, noise=0.03, seed=4)
    state = begin(PLAN)
    while state.current is not None:
        state = FindMaxState.from_json(json.loads(json.dumps(state.to_json())))
        assert state.current is not None
        state = observe(PLAN, state, through_json(state.current.threads))
    assert state == search(Slots(30, noise=0.03, seed=4))
    assert FindMaxState.from_json(json.loads(json.dumps(state.to_json()))) == state


def test_a_search_that_is_over_takes_no_figures() -> None:
    with pytest.raises(ValueError, match="over"):
        observe(PLAN, search(Slots(30)), figures(1.0))
