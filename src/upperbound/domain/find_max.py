"""The search for the highest load: steps of threads up to a limit, then an interval around the knee.

Pure: :func:`observe` takes the figures of the step that was made and returns the state with the next one. The state is
kept in the run's row, so that a controller that takes the run over goes on where the last one was.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any, Final

from upperbound.domain.find_max_knee import INTERVAL_Z, is_short, knee_of, noise_ratio, plateau_of
from upperbound.domain.find_max_steps import (
    SOFT,
    FindMaxPlan,
    Level,
    Limiter,
    Purpose,
    Step,
    StepFigures,
    StepRecord,
    judge,
    levels_of,
    step_from_json,
)

REPEATS: Final = 2
"""Steps made again with the threads of the answer."""
MOST_BISECTIONS: Final = 8
"""Numbers of threads tried between the last good and the first bad one; noise may keep them from ever meeting."""
MOST_BACK_OFFS: Final = 3
"""Times in a row that the last good number of threads is tried, until it is good again."""
KNEE_GAP_NOISES: Final = 5.0
"""How many times the noise more threads must have been tried before a throughput counts as all there is."""
EXPECTED_NOISE_RATIO: Final = 0.5
"""Standard deviation of a step's throughput that is expected, as a share of ``qps_stability_pct``."""


class MaxType(StrEnum):
    """What the answer is."""

    TRUE_MAX = "TRUE_MAX"
    """The target's own: more load was tried, and did not pass."""
    BOUNDED_MAX = "BOUNDED_MAX"
    """At least this: the search ended at a bound of its own."""


_BOUNDS: Final = frozenset({Limiter.THREADS, Limiter.TIME, Limiter.GENERATOR})


@dataclass(frozen=True)
class Answer:
    """What a search has found."""

    max_type: MaxType
    limiter: Limiter
    reason: str
    """What limits, in words."""
    best_threads: int | None
    """The fewest threads that give the highest throughput within the limits; None when no step passed."""
    low: int
    """With fewer threads there is less throughput: the lower end of the interval."""
    high: int | None
    """With more there is no more, or a limit is broken: its upper end; None when the search did not get there."""
    qps: float | None
    """Of the best: the mean of its steps. So are the latencies."""
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    noise_pct: float
    """Relative standard deviation of a step's throughput, as far as repeated steps told."""
    steps: int
    """How many were made."""

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON data."""
        return {**asdict(self), "max_type": self.max_type.value, "limiter": self.limiter.value}


@dataclass(frozen=True)
class FindMaxState:
    """Everything a search remembers."""

    current: Step | None
    """The step that is being made; None when the search is over."""
    began_s: float | None = None
    """When the current step was decided on, in seconds since START_TIME; None before anybody was told of it."""
    settled_s: float | None = None
    """When its figures begin; None until all its threads are busy."""
    records: tuple[StepRecord, ...] = ()
    """Those that were made, the oldest first."""
    bad_threads: int | None = None
    """Where a step has failed, to be confirmed or confirmed; None while all is well."""
    limiter: Limiter | None = None
    """By what it failed."""
    reason: str = ""
    """The same in words."""
    confirmed: bool = False
    """Whether the failure was seen twice."""
    answer: Answer | None = None
    """What was found; None while the search goes on."""

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON data."""
        return {
            "current": asdict(self.current) if self.current else None,
            "began_s": self.began_s,
            "settled_s": self.settled_s,
            "records": [record.to_json() for record in self.records],
            "bad_threads": self.bad_threads,
            "limiter": self.limiter.value if self.limiter else None,
            "reason": self.reason,
            "confirmed": self.confirmed,
            "answer": self.answer.to_json() if self.answer else None,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "FindMaxState":
        """Read what :meth:`to_json` wrote. Raises :class:`KeyError`, :class:`TypeError` or :class:`ValueError`."""
        answer = data["answer"]
        return cls(
            current=step_from_json(data["current"]) if data["current"] else None,
            began_s=data["began_s"],
            settled_s=data["settled_s"],
            records=tuple(StepRecord.from_json(record) for record in data["records"]),
            bad_threads=data["bad_threads"],
            limiter=Limiter(data["limiter"]) if data["limiter"] else None,
            reason=data["reason"],
            confirmed=data["confirmed"],
            answer=Answer(**{**answer, "max_type": MaxType(answer["max_type"]), "limiter": Limiter(answer["limiter"])})
            if answer
            else None,
        )


def begin(plan: FindMaxPlan) -> FindMaxState:
    """Return the state before the first step."""
    return FindMaxState(Step(1, _within(plan, plan.start_threads), Purpose.CLIMB))


def observe(plan: FindMaxPlan, state: FindMaxState, figures: StepFigures) -> FindMaxState:
    """Judge the current step by its figures and return the state with the next step, or with the answer.

    Raises :class:`ValueError` when the search is over.
    """
    step = state.current
    if step is None:
        raise ValueError("the search is over")
    limiter, reason = judge(plan, state.records, step.threads, figures)
    record = StepRecord(step, figures, limiter, reason)
    state = replace(state, records=(*state.records, record), current=None, began_s=None, settled_s=None)
    match step.purpose:
        case Purpose.CLIMB:
            return _after_climb(plan, state, record)
        case Purpose.BACK_OFF:
            return _after_back_off(state, record)
        case Purpose.CONFIRM:
            return _after_confirm(plan, state, record)
        case Purpose.BISECT:
            return _close_in(plan, state)
        case Purpose.REPEAT:
            return _repeat(plan, state)


def give_up(plan: FindMaxPlan, state: FindMaxState, limiter: Limiter = Limiter.TIME) -> FindMaxState:
    """Return the state with the answer that what was measured allows, when the search cannot go on."""
    if state.answer is not None:
        return state
    if not state.confirmed:
        state = replace(state, bad_threads=None, limiter=limiter, reason="the time for the search ran out")
    return _conclude(plan, replace(state, current=None))


# The stages ---------------------------------------------------------------------------------------------------------


def _after_climb(plan: FindMaxPlan, state: FindMaxState, record: StepRecord) -> FindMaxState:
    if record.limiter is None:
        return _climb_on(plan, state, record.threads)
    state = replace(state, bad_threads=record.threads, limiter=record.limiter, reason=record.reason)
    good = [level.threads for level in levels_of(state.records) if level.failure is None]
    if good:
        return _make(state, good[-1], Purpose.BACK_OFF)
    return _make(state, record.threads, Purpose.CONFIRM)


def _after_back_off(state: FindMaxState, record: StepRecord) -> FindMaxState:
    """Try the failure again, once what was good before is good again: till then something else disturbs."""
    again = [earlier.step.purpose for earlier in state.records[-MOST_BACK_OFFS:]]
    if record.limiter is not None and again != [Purpose.BACK_OFF] * MOST_BACK_OFFS:
        return _make(state, record.threads, Purpose.BACK_OFF)
    return _make(state, state.bad_threads or record.threads, Purpose.CONFIRM)


def _after_confirm(plan: FindMaxPlan, state: FindMaxState, record: StepRecord) -> FindMaxState:
    """Close in when the failure was seen again; else it was noise, and the search climbs on."""
    if record.limiter is None:
        return _climb_on(plan, replace(state, bad_threads=None, limiter=None, reason=""), record.threads)
    state = replace(state, limiter=record.limiter, reason=record.reason, confirmed=True)
    return _close_in(plan, state)


def _climb_on(plan: FindMaxPlan, state: FindMaxState, threads: int) -> FindMaxState:
    following = _within(plan, threads + plan.increment)
    if following > threads:
        return _make(state, following, Purpose.CLIMB)
    bound = f"{threads} threads are the most that were allowed"
    return _repeat(plan, replace(state, limiter=Limiter.THREADS, reason=bound))


def _close_in(plan: FindMaxPlan, state: FindMaxState) -> FindMaxState:
    """Bisect between the most threads that fall short of what is possible and the fewest that do not, or fail."""
    last = state.records[-1]
    doubtful = last.step.purpose is Purpose.BISECT and last.limiter is not None and last.limiter not in SOFT
    if doubtful and sum(record.threads == last.threads for record in state.records) == 1:
        return _make(state, last.threads, Purpose.BISECT)
    bracket = _bracket(plan, state)
    state = replace(state, bad_threads=bracket.high, limiter=bracket.limiter, reason=bracket.reason)
    bisected = {record.threads for record in state.records if record.step.purpose is Purpose.BISECT}
    resolution = max(1, int(_noise(plan, state) * bracket.high))
    gaps = [(bracket.low, bracket.high)]
    # What lies just above was skipped by the climb: the peak may be there. One look is enough unless it turns down.
    if bracket.above is not None and (bracket.falls or not any(threads > bracket.high for threads in bisected)):
        gaps.insert(0, (bracket.high, bracket.above))
    for low, high in gaps:
        if high - low > resolution and len(bisected) < MOST_BISECTIONS:
            return _make(state, (low + high) // 2, Purpose.BISECT)
    return _repeat(plan, state)


def _repeat(plan: FindMaxPlan, state: FindMaxState) -> FindMaxState:
    """Measure the best again, and answer when that was done often enough."""
    made = [record for record in state.records if record.step.purpose is Purpose.REPEAT]
    best = made[0].threads if made else _best(plan, state)
    if best is None or len(made) >= REPEATS:
        return _conclude(plan, state)
    return _make(state, best, Purpose.REPEAT)


def _make(state: FindMaxState, threads: int, purpose: Purpose) -> FindMaxState:
    return replace(state, current=Step(len(state.records) + 1, threads, purpose))


# What is known ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Bracket:
    """Where the answer lies after a confirmed failure: above ``low``, up to ``high``."""

    low: int
    high: int
    limiter: Limiter
    reason: str
    above: int | None = None
    """The next number of threads above ``high`` that was measured, when ``high`` gives all the throughput."""
    falls: bool = False
    """Whether throughput is lower again there, so that ``high`` stands alone."""


def _bracket(plan: FindMaxPlan, state: FindMaxState) -> _Bracket:
    """Return the bracket as the steps so far show it.

    A number of threads ends it when it breaks a limit, or when it gives all the throughput that is possible: then more
    threads only wait.
    """
    levels = levels_of(state.records)
    broken = next((level for level in levels if not level.is_sound), None)
    noise = _noise(plan, state)
    comparable = [level for level in levels if level.is_sound or level.failure is Limiter.LATENCY]
    full = _fullest(comparable, noise)
    end = broken if full is None or (broken is not None and broken.threads <= full.threads) else full
    end = end or next((level for level in reversed(levels) if level.failure is not None), levels[-1])
    low = max((level.threads for level in levels if level.threads < end.threads), default=plan.min_threads - 1)
    if end is not full:
        return _Bracket(low, end.threads, end.failure or Limiter.KNEE, _last_reason(end))
    above = next((level for level in comparable if level.threads > end.threads), None)
    return _Bracket(
        low,
        end.threads,
        Limiter.KNEE,
        f"more than {end.threads} threads give no more queries/s",
        above=above.threads if above else None,
        falls=above is not None and is_short(above, plateau_of(comparable), noise),
    )


def _fullest(comparable: Sequence[Level], noise: float) -> Level | None:
    """Return the fewest threads that give all the throughput there is.

    None when there is no telling: the levels above are missing, or too close to have shown any gain.
    """
    if not comparable:
        return None
    peak = plateau_of(comparable)
    full = next(level for level in comparable if not is_short(level, peak, noise))
    seen_enough = comparable[-1].threads >= full.threads * (1 + KNEE_GAP_NOISES * noise)
    return full if seen_enough else None


def _best(plan: FindMaxPlan, state: FindMaxState) -> int | None:
    """Return the fewest threads that give the highest throughput within the limits; None when none keep them."""
    sound = [level for level in levels_of(state.records) if level.is_sound]
    if state.limiter not in SOFT and state.bad_threads is not None:
        return max((level.threads for level in sound if level.threads < state.bad_threads), default=None)
    if not sound:
        return None
    peak = plateau_of(sound)
    noise = _noise(plan, state)
    return next((level.threads for level in sound if not is_short(level, peak, noise)), sound[-1].threads)


def _conclude(plan: FindMaxPlan, state: FindMaxState) -> FindMaxState:
    limiter = state.limiter or Limiter.TIME
    repeated = next((record.threads for record in state.records if record.step.purpose is Purpose.REPEAT), None)
    best = repeated or _best(plan, state)
    level = next((level for level in levels_of(state.records) if level.threads == best), None)
    low, high = _interval(plan, state, limiter, best or 0)
    answer = Answer(
        max_type=MaxType.BOUNDED_MAX if limiter in _BOUNDS else MaxType.TRUE_MAX,
        limiter=limiter,
        reason=state.reason,
        best_threads=best,
        low=low,
        high=high,
        qps=level.qps if level else None,
        p50_ms=_mean_ms(level, "p50_ms"),
        p95_ms=_mean_ms(level, "p95_ms"),
        p99_ms=_mean_ms(level, "p99_ms"),
        noise_pct=100 * _noise(plan, state),
        steps=len(state.records),
    )
    return replace(state, answer=answer)


def _interval(plan: FindMaxPlan, state: FindMaxState, limiter: Limiter, best: int) -> tuple[int, int | None]:
    """Return the ends of the answer: of the knee, of the bracket of a limit, or an open one at a bound."""
    noise = _noise(plan, state)
    levels = levels_of(state.records)
    sound = [level for level in levels if level.is_sound]
    knee = knee_of(sound, noise) if sound else None
    if limiter in SOFT and knee is not None:
        return min(knee.low, best), max(knee.high, best)
    if state.bad_threads is None:
        return (min(knee.low, best) if knee else best), None
    below = [level for level in sound if level.threads < state.bad_threads]
    if limiter is Limiter.LATENCY or limiter in SOFT:
        # A limit may lie beyond the knee: only what gives less throughput is surely below it.
        peak = plateau_of([level for level in levels if level in sound or level.failure is Limiter.LATENCY])
        below = [level for level in below if is_short(level, peak, noise, INTERVAL_Z)]
    return max((level.threads for level in below), default=0), state.bad_threads


def _noise(plan: FindMaxPlan, state: FindMaxState) -> float:
    return noise_ratio(state.records, EXPECTED_NOISE_RATIO * plan.qps_stability_pct / 100)


def _within(plan: FindMaxPlan, threads: int) -> int:
    threads = max(threads, plan.min_threads)
    return threads if plan.max_threads is None else min(threads, plan.max_threads)


def _last_reason(level: Level) -> str:
    return next((record.reason for record in reversed(level.records) if record.reason), "")


def _mean_ms(level: Level | None, name: str) -> float | None:
    values = [getattr(record.figures, name) for record in level.counted] if level else []
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
