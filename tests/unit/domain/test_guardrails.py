"""What guardrails make of readings: patience, back-off, the way back, and when a run has to fail."""

import json
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upperbound.domain.guardrails import (
    RECORDS_KEPT,
    Exhausted,
    FailThreshold,
    GuardrailLevel,
    GuardrailLimits,
    GuardrailMode,
    GuardrailState,
    Reading,
    ScaleDown,
    Verdict,
    WarnWorker,
    evaluate,
)

SOFT = GuardrailLimits()
HARD = replace(SOFT, mode=GuardrailMode.HARD)
CALM, BAND, OVER = 50.0, 78.0, 95.0
"""CPU percent below the limit of 80, below it by less than the hysteresis, and above it."""


@dataclass
class Fleet:
    """Workers that send one reading a second and apply what they are told."""

    threads: dict[str, int]
    limits: GuardrailLimits = SOFT
    state: GuardrailState = field(default_factory=GuardrailState)
    second: int = 0

    def step(self, *cpu_pct: float | None, memory_pct: float | None = 30.0) -> list[Verdict]:
        """Let a second pass with these readings of CPU, one per worker."""
        self.second += 1
        readings = [
            Reading(worker_id, self.second, cpu, memory_pct, self.threads[worker_id])
            for worker_id, cpu in zip(self.threads, cpu_pct, strict=True)
        ]
        self.state, verdicts = evaluate(self.state, readings, self.limits, float(self.second))
        again, nothing = evaluate(self.state, readings, self.limits, float(self.second))
        if not any(isinstance(verdict, Exhausted) for verdict in verdicts):
            assert (again, nothing) == (self.state, []), "a reading counts once"
        self.threads |= {verdict.worker_id: verdict.new for verdict in verdicts if isinstance(verdict, ScaleDown)}
        return verdicts


def fleet(*threads: int, limits: GuardrailLimits = SOFT) -> Fleet:
    return Fleet({f"worker-{number}": count for number, count in enumerate(threads)}, limits)


def actions(state: GuardrailState) -> list[tuple[float, str, str | None]]:
    return [(record.at_s, record.action, record.worker_id) for record in state.records]


def test_nothing_over_leaves_no_trace() -> None:
    workers = fleet(10, 10)
    assert [workers.step(CALM, BAND) for _ in range(5)] == [[]] * 5
    assert workers.state == GuardrailState()


def test_a_reading_at_the_limit_is_not_over_it() -> None:
    workers = fleet(10, 10)
    workers.step(80.0, CALM, memory_pct=85.0)
    assert workers.state.level is GuardrailLevel.NORMAL


def test_entering_warning_is_said_once() -> None:
    workers = fleet(10, 10)
    assert workers.step(OVER, CALM) == [WarnWorker("worker-0", "CPU 95 % (limit 80 %)")]
    assert workers.step(OVER, CALM) == []
    assert workers.state.level is GuardrailLevel.WARNING
    assert workers.state.to_json()["workers_over"] == ["worker-0"]


def test_memory_has_a_limit_of_its_own_and_both_are_named() -> None:
    workers = fleet(10)
    assert workers.step(OVER, memory_pct=91.0) == [
        WarnWorker("worker-0", "CPU 95 % (limit 80 %), memory 91 % (limit 85 %)")
    ]


def test_after_the_patience_the_one_that_is_over_gives_up_a_fifth_of_its_threads() -> None:
    workers = fleet(10, 10)
    assert [len(workers.step(OVER, CALM)) for _ in range(2)] == [1, 0]
    assert workers.step(OVER, CALM) == [ScaleDown("worker-0", 10, 8, "CPU 95 % (limit 80 %) for 3 intervals")]
    assert workers.state.level is GuardrailLevel.CRITICAL
    assert (workers.state.records[-1].previous, workers.state.records[-1].new) == (10, 8)


def test_it_gives_up_more_only_after_another_patience() -> None:
    workers = fleet(10, 10)
    taken = [
        (workers.second, verdict.new)
        for _ in range(9)
        for verdict in workers.step(OVER, CALM)
        if isinstance(verdict, ScaleDown)
    ]
    assert taken == [(3, 8), (6, 7), (9, 6)]


@pytest.mark.parametrize(
    ("threads", "percent", "new"), [(2, 20.0, 1), (4, 20.0, 3), (100, 20.0, 80), (3, 100.0, 1), (10, 0.1, 9)]
)
def test_backing_off_takes_at_least_one_thread_and_leaves_one(threads: int, percent: float, new: int) -> None:
    workers = fleet(threads, 5, limits=replace(SOFT, back_off_percent=percent, patience_intervals=1))
    (_, lowered) = workers.step(OVER, CALM)
    assert isinstance(lowered, ScaleDown)
    assert lowered.new == new


def test_with_nothing_left_to_take_the_run_goes_on_degraded_and_says_so_once() -> None:
    workers = fleet(2, 5)
    verdicts = [verdict for _ in range(12) for verdict in workers.step(OVER, CALM)]
    assert [type(verdict) for verdict in verdicts] == [WarnWorker, ScaleDown]
    assert workers.state.level is GuardrailLevel.DEGRADED
    assert actions(workers.state) == [
        (1, "WARNING", "worker-0"),
        (3, "SCALE_DOWN", "worker-0"),
        (6, "DEGRADED", "worker-0"),
    ]
    assert workers.state.degraded_reason == (
        "SOFT_GUARDRAIL_DEGRADED: 1 thread taken back; worker-0 went on over the limits"
    )


def test_a_break_starts_the_patience_anew() -> None:
    workers = fleet(10, 10)
    for cpu in (OVER, OVER, BAND, OVER, OVER):
        assert not any(isinstance(verdict, ScaleDown) for verdict in workers.step(cpu, CALM))
    assert any(isinstance(verdict, ScaleDown) for verdict in workers.step(OVER, CALM))


def test_the_way_back_takes_the_patience_well_below_the_limit() -> None:
    workers = fleet(10, 10)
    for _ in range(3):
        workers.step(OVER, CALM)
    for cpu in (BAND, BAND, BAND, BAND, CALM, CALM, BAND, CALM, CALM):
        workers.step(cpu, CALM)
        assert workers.state.level is GuardrailLevel.CRITICAL
    assert workers.step(CALM, CALM) == []
    assert workers.state.level is GuardrailLevel.NORMAL
    assert workers.state.records[-1].action == "RECOVERED"
    assert workers.state.workers == {}
    assert workers.state.degraded_reason == "SOFT_GUARDRAIL_DEGRADED: 2 threads taken back"


def test_a_worker_that_swings_about_its_limit_warns_once() -> None:
    workers = fleet(10, 10)
    verdicts = [verdict for cpu in [OVER, BAND] * 20 for verdict in workers.step(cpu, CALM)]
    assert [type(verdict) for verdict in verdicts] == [WarnWorker]


def test_readings_that_cannot_be_taken_change_nothing() -> None:
    workers = fleet(10, 10)
    assert [workers.step(None, None, memory_pct=None) for _ in range(5)] == [[]] * 5
    for _ in range(3):
        workers.step(OVER, CALM)
    for _ in range(5):
        workers.step(None, None, memory_pct=None)
    assert workers.state.level is GuardrailLevel.CRITICAL, "no reading is no sign of recovery"


@pytest.mark.parametrize(
    ("threshold", "over", "fails"),
    [
        (FailThreshold.ALL, 3, True),
        (FailThreshold.ALL, 2, False),
        (FailThreshold.MAJORITY, 2, True),
        (FailThreshold.MAJORITY, 1, False),
        (FailThreshold.ANY, 1, True),
        (FailThreshold.ANY, 0, False),
    ],
)
def test_enough_workers_over_for_the_patience_fail_the_run(threshold: FailThreshold, over: int, fails: bool) -> None:
    workers = fleet(8, 8, 8, limits=replace(SOFT, fail_threshold=threshold))
    cpu = [OVER] * over + [CALM] * (3 - over)
    verdicts = [workers.step(*cpu) for _ in range(3)]
    assert not any(isinstance(verdict, Exhausted) for early in verdicts[:2] for verdict in early)
    assert any(isinstance(verdict, Exhausted) for verdict in verdicts[2]) == fails


def test_half_of_an_even_number_is_no_majority() -> None:
    assert not FailThreshold.MAJORITY.is_reached(2, 4)
    assert FailThreshold.MAJORITY.is_reached(3, 4)


def test_workers_that_get_over_one_after_the_other_fail_the_run_though_some_were_lowered_meanwhile() -> None:
    workers = fleet(10, 10)
    for _ in range(4):
        workers.step(OVER, CALM)
    assert workers.threads == {"worker-0": 8, "worker-1": 10}
    verdicts = [workers.step(OVER, OVER) for _ in range(3)]
    assert verdicts[-1] == [
        Exhausted(
            "RESOURCE_EXHAUSTION: 2 of 2 workers over for 3 intervals: "
            "worker-0 CPU 95 % (limit 80 %) | worker-1 CPU 95 % (limit 80 %)"
        )
    ]
    assert workers.state.records[-1].action == "FAILED"


def test_hard_mode_fails_at_the_first_reading_of_one_worker() -> None:
    workers = fleet(10, 10, limits=HARD)
    assert workers.step(CALM, BAND) == []
    assert workers.step(CALM, OVER) == [
        Exhausted("RESOURCE_EXHAUSTION: 1 of 2 workers over for 1 interval: worker-1 CPU 95 % (limit 80 %)")
    ]


def test_no_worker_is_no_exhaustion() -> None:
    assert evaluate(GuardrailState(), [], HARD, 1.0) == (GuardrailState(), [])


def test_a_worker_that_is_gone_is_forgotten_and_what_was_done_is_not() -> None:
    workers = fleet(10, 10)
    for _ in range(3):
        workers.step(OVER, CALM)
    del workers.threads["worker-0"]
    workers.step(CALM)
    assert workers.state.level is GuardrailLevel.NORMAL
    assert workers.state.threads_taken == 2


def test_records_are_bounded() -> None:
    workers = fleet(10, 10, limits=replace(SOFT, patience_intervals=2))
    for _ in range(RECORDS_KEPT):
        for cpu in (OVER, CALM, CALM):
            workers.step(cpu, CALM)
    assert len(workers.state.records) == RECORDS_KEPT


@given(
    st.lists(st.tuples(*[st.none() | st.floats(0, 100)] * 3), max_size=30),
    st.sampled_from(FailThreshold),
    st.integers(1, 4),
)
def test_the_state_survives_the_row_and_targets_only_fall(
    readings: list[tuple[float | None, ...]], threshold: FailThreshold, patience: int
) -> None:
    workers = fleet(1, 5, 40, limits=replace(SOFT, fail_threshold=threshold, patience_intervals=patience))
    for cpu in readings:
        before = dict(workers.threads)
        workers.step(*cpu)
        assert all(1 <= workers.threads[worker_id] <= before[worker_id] for worker_id in before)
        assert GuardrailState.from_json(json.loads(json.dumps(workers.state.to_json()))) == workers.state
    assert workers.state.threads_taken == 46 - sum(workers.threads.values())


def test_a_run_in_which_nothing_has_happened_has_no_row_to_read() -> None:
    assert GuardrailState.from_json(None) == GuardrailState()
