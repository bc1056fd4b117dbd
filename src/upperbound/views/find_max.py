"""The search for the highest load of a run, while it goes on and when it is over."""

from typing import TYPE_CHECKING, Literal

from upperbound.domain.find_max import FindMaxState, MaxType
from upperbound.domain.find_max_steps import Limiter, Purpose, StepRecord
from upperbound.views.view import View

if TYPE_CHECKING:
    from upperbound.store.runs import RunRow


class FindMaxStepView(View):
    """One step that was made."""

    step: int
    purpose: Purpose
    """Why it was made: ``climb``, ``back off``, ``confirm``, ``bisect`` or ``repeat``."""
    threads: int
    """Of all workers."""
    seconds: float
    """How long was measured, after the settling part."""
    operations: int
    failed: int
    error_pct: float
    qps: float
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    verdict: Literal["passed", "failed"]
    limiter: Limiter | None
    """What it failed by."""
    reason: str | None
    """The same in words."""


class FindMaxCurrent(View):
    """The step that is being made."""

    step: int
    purpose: Purpose
    threads: int
    settled: bool
    """Whether all its threads are busy, so that it is measured or about to be."""
    elapsed_s: float
    """Since it was decided on."""


class FindMaxView(View):
    """A search; what was found is null until it is over."""

    max_type: MaxType | None
    """``TRUE_MAX``: the target's own; ``BOUNDED_MAX``: at least this, the search ended at a bound of its own."""
    limiter: Limiter | None
    """What keeps the run from more: ``latency``, ``errors``, ``throughput knee``, ``throughput drop``, ``queueing``,
    ``generator``, ``threads`` or ``time``."""
    reason: str | None
    """The same in words."""
    best_threads: int | None
    """The fewest threads that give the highest throughput within the limits; null when no step passed as well."""
    low: int | None
    """The lower end of the interval: with fewer threads there is less throughput."""
    high: int | None
    """Its upper end: from there on there is no more, or a limit is broken; null when the search did not get there."""
    qps: float | None
    """Of the best threads, the mean of their steps; so are the latencies."""
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    noise_pct: float | None
    """Relative standard deviation of a step's throughput, as far as repeated steps told."""
    steps: tuple[FindMaxStepView, ...]
    """In the order they were made."""
    current: FindMaxCurrent | None
    """Null when the search is over, or was cut short."""


def find_max_of(run: "RunRow") -> FindMaxView | None:
    """Return the search of a run; None when it makes none, or has not begun."""
    if run.find_max_state is None:
        return None
    state = FindMaxState.from_json(run.find_max_state)
    answer = state.answer
    return FindMaxView(
        max_type=answer.max_type if answer else None,
        limiter=answer.limiter if answer else None,
        reason=answer.reason if answer else None,
        best_threads=answer.best_threads if answer else None,
        low=answer.low if answer else None,
        high=answer.high if answer else None,
        qps=answer.qps if answer else None,
        p50_ms=answer.p50_ms if answer else None,
        p95_ms=answer.p95_ms if answer else None,
        p99_ms=answer.p99_ms if answer else None,
        noise_pct=answer.noise_pct if answer else None,
        steps=tuple(_step(record) for record in state.records),
        current=_current(state, run.elapsed_s or 0.0),
    )


def generator_alone(view: FindMaxView) -> bool:
    """Say whether a search tells of nothing but its generator: it was the bottleneck before any step passed.

    Steps beyond the best are meant to overload whatever gives in first; they do not spoil the answer.
    """
    return view.limiter is Limiter.GENERATOR and view.best_threads is None


def _step(record: StepRecord) -> FindMaxStepView:
    figures = record.figures
    return FindMaxStepView(
        step=record.step.number,
        purpose=record.step.purpose,
        threads=record.threads,
        seconds=figures.seconds,
        operations=figures.operations,
        failed=figures.failed,
        error_pct=figures.error_pct,
        qps=figures.qps,
        p50_ms=figures.p50_ms,
        p95_ms=figures.p95_ms,
        p99_ms=figures.p99_ms,
        verdict="failed" if record.limiter else "passed",
        limiter=record.limiter,
        reason=record.reason or None,
    )


def _current(state: FindMaxState, elapsed_s: float) -> FindMaxCurrent | None:
    step = state.current
    if step is None:
        return None
    return FindMaxCurrent(
        step=step.number,
        purpose=step.purpose,
        threads=step.threads,
        settled=state.settled_s is not None,
        elapsed_s=max(0.0, elapsed_s - (state.began_s if state.began_s is not None else elapsed_s)),
    )
