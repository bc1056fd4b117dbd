"""The steps of a search for the highest load: what is asked for, what was measured, and how one step is judged."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Final

SETTLE_SHARE: Final = 0.2
"""Share of a step, from the moment all its threads are busy, that is left out of its figures."""
WINDOW_RATIO: Final = 0.8
"""A step shows a knee only against one with at most this share of its threads: closer ones differ by noise alone."""


class Limiter(StrEnum):
    """What keeps a run from more load."""

    LATENCY = "latency"
    """The p95 rose above its limit against the first step."""
    ERRORS = "errors"
    """More operations failed than are allowed, or connections could not be had."""
    KNEE = "throughput knee"
    """More threads gave no more operations per second."""
    QPS_DROP = "throughput drop"
    """More threads gave clearly fewer operations per second than the best step before."""
    QUEUEING = "queueing"
    """The target queued queries instead of running them."""
    GENERATOR = "generator"
    """The load generator was at its end before the target was."""
    THREADS = "threads"
    """The most threads that were allowed were reached."""
    TIME = "time"
    """The time for the search ran out."""


SOFT: Final = frozenset({Limiter.KNEE, Limiter.QPS_DROP})
"""Verdicts that compare throughputs: the step itself was sound."""


class Purpose(StrEnum):
    """Why a step is made."""

    CLIMB = "climb"
    """More threads than before."""
    BACK_OFF = "back off"
    """The last good number of threads again, to see it good still after the failure."""
    CONFIRM = "confirm"
    """The number of threads that failed again: one failure may be noise."""
    BISECT = "bisect"
    """Between the last good and the first bad number of threads."""
    REPEAT = "repeat"
    """The answer again, so that its figures rest on more than one step."""


@dataclass(frozen=True)
class FindMaxPlan:
    """The settings of a search; see the scenario's ``load`` block."""

    start_threads: int = 5
    increment: int = 10
    step_duration_s: float = 30.0
    qps_stability_pct: float = 5.0
    """Throughputs that differ by no more count as equal; what a throughput may lose against the best step."""
    latency_stability_pct: float = 20.0
    """How far the p95 may rise above that of the first step."""
    max_error_rate_pct: float = 1.0
    max_threads: int | None = None
    """Never use more; None for no limit."""
    min_threads: int = 1
    """Never use fewer: those that the workers keep in any case."""

    @property
    def settle_s(self) -> float:
        """Seconds at the begin of a step, counted from when all its threads are busy, that are left out."""
        return SETTLE_SHARE * self.step_duration_s


@dataclass(frozen=True)
class StepFigures:
    """What was measured in one step after its settling part."""

    seconds: float
    operations: int
    """Those that succeeded."""
    failed: int
    qps: float
    """Successful operations per second."""
    p50_ms: float | None = None
    p95_ms: float | None = None
    p99_ms: float | None = None
    client_bound: bool = False
    """The figures describe the generator and not the target."""
    queueing: bool = False
    """The target reported queued queries."""
    missing_threads: int = 0
    """Threads that had no connection to work with."""

    @property
    def error_pct(self) -> float:
        """Failed operations in percent of all; 0 when there were none."""
        attempts = self.operations + self.failed
        return 100.0 * self.failed / attempts if attempts else 0.0


@dataclass(frozen=True)
class Step:
    """A step to make."""

    number: int
    """From 1."""
    threads: int
    """Of all workers."""
    purpose: Purpose


@dataclass(frozen=True)
class StepRecord:
    """A step that was made."""

    step: Step
    figures: StepFigures
    limiter: Limiter | None
    """What it failed by; None when it passed."""
    reason: str
    """Why it failed, in words; empty when it passed."""

    @property
    def threads(self) -> int:
        """Of all workers."""
        return self.step.threads

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON data."""
        return {
            "step": asdict(self.step),
            "figures": asdict(self.figures),
            "limiter": self.limiter.value if self.limiter else None,
            "reason": self.reason,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "StepRecord":
        """Read what :meth:`to_json` wrote."""
        limiter = data["limiter"]
        return cls(
            step_from_json(data["step"]),
            StepFigures(**data["figures"]),
            Limiter(limiter) if limiter else None,
            data["reason"],
        )


def step_from_json(data: Mapping[str, Any]) -> Step:
    """Read a step that was written as its fields."""
    return Step(data["number"], data["threads"], Purpose(data["purpose"]))


@dataclass(frozen=True)
class Level:
    """Everything measured with one number of threads."""

    threads: int
    records: tuple[StepRecord, ...]

    @property
    def counted(self) -> tuple[StepRecord, ...]:
        """Its steps, without those that failed where at least as many passed: something else disturbed them."""
        return tuple(record for record in self.records if record.limiter is None or self.failure is not None)

    @property
    def count(self) -> int:
        """How many steps count."""
        return len(self.counted)

    @property
    def qps(self) -> float:
        """The mean of the steps that count."""
        return sum(record.figures.qps for record in self.counted) / self.count

    @property
    def failure(self) -> Limiter | None:
        """What most of its steps failed by, the latest first; None when at least half of them passed."""
        failures = [record.limiter for record in self.records if record.limiter is not None]
        return failures[-1] if 2 * len(failures) > len(self.records) else None

    @property
    def is_sound(self) -> bool:
        """Whether it keeps every limit but those that compare throughputs."""
        failure = self.failure
        return failure is None or failure in SOFT


def levels_of(records: Sequence[StepRecord]) -> list[Level]:
    """Return the records by number of threads, the fewest first."""
    by_threads: dict[int, list[StepRecord]] = {}
    for record in records:
        by_threads.setdefault(record.threads, []).append(record)
    return [Level(threads, tuple(by_threads[threads])) for threads in sorted(by_threads)]


def judge(
    plan: FindMaxPlan, earlier: Sequence[StepRecord], threads: int, figures: StepFigures
) -> tuple[Limiter | None, str]:
    """Say whether a step with these figures passes after the ``earlier`` ones, and if not, by what and why.

    Absolute limits come first: what they find is no matter of comparison.
    """
    if figures.missing_threads:
        return Limiter.ERRORS, f"{figures.missing_threads} of {threads} threads had no connection"
    if figures.error_pct > plan.max_error_rate_pct:
        return Limiter.ERRORS, f"{figures.error_pct:.1f} % errors (limit {plan.max_error_rate_pct:g} %)"
    if not figures.operations:
        return Limiter.ERRORS, "no operation succeeded while the step was measured"
    if figures.client_bound:
        return Limiter.GENERATOR, "the generator was the bottleneck"
    if figures.queueing:
        return Limiter.QUEUEING, "the target queued queries"
    fewer = [level for level in levels_of(earlier) if level.threads < threads and level.failure is None]
    if not fewer:
        return None, ""
    best = max(fewer, key=lambda level: level.qps)
    if figures.qps < best.qps * (1 - plan.qps_stability_pct / 100):
        lost = 100 * (1 - figures.qps / best.qps)
        return Limiter.QPS_DROP, f"{lost:.1f} % fewer queries/s than {best.threads} threads gave"
    if said := _latency_rise(plan, earlier, figures):
        return Limiter.LATENCY, said
    compared = [level for level in fewer if level.threads <= WINDOW_RATIO * threads]
    if compared and figures.qps <= compared[-1].qps * (1 + plan.qps_stability_pct / 100):
        return Limiter.KNEE, f"no more queries/s than with {compared[-1].threads} threads"
    return None, ""


def _latency_rise(plan: FindMaxPlan, earlier: Sequence[StepRecord], figures: StepFigures) -> str:
    """Say how far the p95 is above its limit; empty when it is not, or when there is nothing to compare."""
    first = next((record.figures.p95_ms for record in earlier if record.figures.p95_ms is not None), None)
    if first is None or figures.p95_ms is None or figures.p95_ms <= first * (1 + plan.latency_stability_pct / 100):
        return ""
    rise = 100 * (figures.p95_ms / first - 1) if first else 100.0
    limit = f"limit {plan.latency_stability_pct:g} %"
    return f"p95 {figures.p95_ms:.2f} ms, {rise:.0f} % above the first step ({limit})"
