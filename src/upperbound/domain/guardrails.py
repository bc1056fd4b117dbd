"""Limits on the workers' own machines: a load generator that starves gives figures of itself.

:func:`evaluate` is pure. What it has to remember from one tick to the next is a :class:`GuardrailState`, which is kept
in the run's row, so that a controller that takes the run over goes on counting where the last one was.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any, Final

HYSTERESIS_POINTS: Final = 5.0
"""How far below its limit, in percent points, a reading must be to count towards the way back."""
MIN_THREADS: Final = 1
"""What backing off leaves to each worker."""
RECORDS_KEPT: Final = 200
"""Records of actions that are kept, newest last; a run that swings about its limit for hours would fill its row."""
DEGRADED_REASON: Final = "SOFT_GUARDRAIL_DEGRADED"
"""Leads the completion reason of a run that carried less than its plan, or went on above its limits."""
EXHAUSTED_REASON: Final = "RESOURCE_EXHAUSTION"
"""Leads the reason of a run that a guardrail has ended."""


class GuardrailMode(StrEnum):
    """What happens to a run whose workers are over a limit."""

    SOFT = "soft"
    """Back off first; fail when enough workers stay over."""
    HARD = "hard"
    """Fail at the first reading over a limit."""


class FailThreshold(StrEnum):
    """How many of the running workers have to be over, for the patience, to fail a run in soft mode."""

    ALL = "all"
    """Every one."""
    MAJORITY = "majority"
    """More than half."""
    ANY = "any"
    """One is enough."""

    def is_reached(self, over: int, workers: int) -> bool:
        """Say whether ``over`` of ``workers`` are enough; none over never is."""
        needed = {FailThreshold.ALL: workers, FailThreshold.MAJORITY: workers // 2 + 1, FailThreshold.ANY: 1}[self]
        return over >= max(1, needed)


class GuardrailLevel(StrEnum):
    """How a worker stands, and by its worst worker a run; in order of severity."""

    NORMAL = "normal"
    """Under its limits."""
    WARNING = "warning"
    """Over a limit, for less than the patience."""
    CRITICAL = "critical"
    """Over for the patience, so that its load was lowered."""
    DEGRADED = "degraded"
    """Over for the patience, and there is nothing left to lower."""


_SEVERITY: Final = list(GuardrailLevel)


@dataclass(frozen=True)
class GuardrailLimits:
    """What a scenario allows; see its ``guardrails`` block."""

    max_cpu_percent: float = 80.0
    max_memory_percent: float = 85.0
    mode: GuardrailMode = GuardrailMode.SOFT
    back_off_percent: float = 20.0
    patience_intervals: int = 3
    fail_threshold: FailThreshold = FailThreshold.ALL


@dataclass(frozen=True)
class Reading:
    """The newest reading of one running worker."""

    worker_id: str
    number: int
    """Of its heartbeat, from 1: a reading that was judged before is no new interval."""
    cpu_pct: float | None
    """Share of the CPU it may use, 0 to 100; None when it cannot be read."""
    memory_pct: float | None
    """Share of the memory it may use, 0 to 100; None when it cannot be read."""
    threads: int
    """Its present target."""

    def over(self, limits: GuardrailLimits) -> str:
        """Say what is over its limit: ``CPU 97 % (limit 80 %)``; empty when nothing is."""
        said = [
            f"{name} {reading:.0f} % (limit {limit:g} %)"
            for name, reading, limit in self._pairs(limits)
            if reading is not None and reading > limit
        ]
        return ", ".join(said)

    def is_calm(self, limits: GuardrailLimits) -> bool:
        """Say whether every reading there is lies clearly below its limit; without any there is no telling."""
        readings = [(reading, limit) for _, reading, limit in self._pairs(limits) if reading is not None]
        return bool(readings) and all(reading <= limit - HYSTERESIS_POINTS for reading, limit in readings)

    def _pairs(self, limits: GuardrailLimits) -> list[tuple[str, float | None, float]]:
        return [
            ("CPU", self.cpu_pct, limits.max_cpu_percent),
            ("memory", self.memory_pct, limits.max_memory_percent),
        ]


@dataclass(frozen=True)
class WorkerGuard:
    """What is remembered of one worker; one at rest is equal to a new one."""

    level: GuardrailLevel = GuardrailLevel.NORMAL
    number: int = 0
    """The reading that was judged last; 0 at rest, where judging one twice changes nothing."""
    over_for: int = 0
    """Intervals over a limit without a break."""
    waited: int = 0
    """Those of them since the last time its load was lowered."""
    calm_for: int = 0
    """Intervals clearly below the limits without a break, counted on the way back."""
    reading: str = ""
    """What was over, in words, when last something was."""


@dataclass(frozen=True)
class GuardrailRecord:
    """One thing that a guardrail did."""

    at_s: float
    """Seconds since START_TIME."""
    action: str
    """``WARNING``, ``SCALE_DOWN``, ``SCALE_OUT``, ``DEGRADED``, ``RECOVERED`` or ``FAILED``."""
    worker_id: str | None
    """None when it was about the whole run."""
    reason: str
    previous: int | None = None
    """Threads before, of a change."""
    new: int | None = None
    """Threads after, of a change."""


@dataclass(frozen=True)
class GuardrailState:
    """Everything a guardrail remembers of a run."""

    workers: Mapping[str, WorkerGuard] = field(default_factory=dict)
    """By worker id; those at rest may be missing."""
    records: tuple[GuardrailRecord, ...] = ()
    """What was done, oldest first; at most :data:`RECORDS_KEPT`."""
    threads_taken: int = 0
    """Threads by which the load was lowered in all, without those that a new worker got; they are not given back."""
    went_on_over: tuple[str, ...] = ()
    """Workers that at some time were over with nothing left to lower."""

    @property
    def level(self) -> GuardrailLevel:
        """The level of the worst worker."""
        levels = [guard.level for guard in self.workers.values()]
        return max(levels, key=_SEVERITY.index, default=GuardrailLevel.NORMAL)

    @property
    def degraded_reason(self) -> str:
        """Say why the run did not carry what was planned; empty when it did."""
        said = [f"{_plural(self.threads_taken, 'thread')} taken back"] if self.threads_taken else []
        if self.went_on_over:
            said.append(f"{', '.join(self.went_on_over)} went on over the limits")
        return f"{DEGRADED_REASON}: {'; '.join(said)}" if said else ""

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON data: ``state``, ``workers_over``, ``workers``, ``actions`` and what was taken."""
        return {
            "state": self.level.value,
            "workers_over": sorted(worker_id for worker_id, guard in self.workers.items() if guard.over_for),
            "workers": {worker_id: asdict(guard) for worker_id, guard in self.workers.items()},
            "actions": [asdict(record) for record in self.records],
            "threads_taken": self.threads_taken,
            "went_on_over": list(self.went_on_over),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any] | None) -> "GuardrailState":
        """Read what :meth:`to_json` wrote; None is a run in which nothing has happened yet.

        Raises :class:`KeyError`, :class:`TypeError` or :class:`ValueError` for anything else.
        """
        if data is None:
            return cls()
        return cls(
            workers={
                worker_id: WorkerGuard(**{**guard, "level": GuardrailLevel(guard["level"])})
                for worker_id, guard in data["workers"].items()
            },
            records=tuple(GuardrailRecord(**record) for record in data["actions"]),
            threads_taken=int(data["threads_taken"]),
            went_on_over=tuple(data["went_on_over"]),
        )


@dataclass(frozen=True)
class WarnWorker:
    """Append GUARDRAIL_WARNING: a worker is over a limit, and nothing is changed yet."""

    worker_id: str
    reason: str


@dataclass(frozen=True)
class ScaleDown:
    """Append SCALE_DOWN: a worker shall use fewer threads."""

    worker_id: str
    previous: int
    new: int
    """The target from now on; absolute."""
    detail: str
    """What was over, in words."""


@dataclass(frozen=True)
class AddWorker:
    """Let one more worker carry what was taken from those that are over."""

    worker_id: str
    """Of the new worker."""
    new: int
    """Its threads."""


@dataclass(frozen=True)
class Exhausted:
    """The run has to fail."""

    reason: str
    """Names the workers and their readings."""


Verdict = WarnWorker | ScaleDown | AddWorker | Exhausted
"""Anything :func:`evaluate` may ask for."""


def evaluate(
    state: GuardrailState,
    readings: Sequence[Reading],
    limits: GuardrailLimits,
    at_s: float,
    new_worker: str | None = None,
) -> tuple[GuardrailState, list[Verdict]]:
    """Judge the newest reading of each running worker and return what is remembered from now on and what is to be done.

    ``readings`` holds the workers that count: those that send load and are not lost. ``at_s`` is the time since the
    run's start. Each reading counts once, however often it is shown. A worker returns to normal when it was
    :data:`HYSTERESIS_POINTS` below its limits for the patience; threads that were taken from it stay taken.
    What is taken from some goes to ``new_worker`` if one may be added. :class:`Exhausted` comes alone.
    """
    guards = {reading.worker_id: _judge(state.workers.get(reading.worker_id), reading, limits) for reading in readings}
    judged = replace(state, workers={worker_id: guard for worker_id, guard in guards.items() if guard != WorkerGuard()})
    patience = 1 if limits.mode is GuardrailMode.HARD else limits.patience_intervals
    over = [reading for reading in readings if guards[reading.worker_id].over_for >= patience]
    threshold = FailThreshold.ANY if limits.mode is GuardrailMode.HARD else limits.fail_threshold
    if threshold.is_reached(len(over), len(readings)):
        reason = _exhausted(over, guards, len(readings), patience)
        return _with(judged, GuardrailRecord(at_s, "FAILED", None, reason)), [Exhausted(reason)]
    verdicts: list[Verdict] = []
    for worker_id, guard in guards.items():
        before = state.workers.get(worker_id, WorkerGuard()).level
        if before is GuardrailLevel.NORMAL and guard.level is GuardrailLevel.WARNING:
            judged = _with(judged, GuardrailRecord(at_s, "WARNING", worker_id, guard.reading))
            verdicts.append(WarnWorker(worker_id, guard.reading))
        elif before is not GuardrailLevel.NORMAL and guard.level is GuardrailLevel.NORMAL:
            judged = _with(judged, GuardrailRecord(at_s, "RECOVERED", worker_id, "under its limits again"))
    for reading in over:
        judged, lowered = _back_off(judged, reading, limits, at_s)
        verdicts += lowered
    taken = sum(verdict.previous - verdict.new for verdict in verdicts if isinstance(verdict, ScaleDown))
    if taken and new_worker is not None and len(over) < len(readings):
        record = GuardrailRecord(at_s, "SCALE_OUT", new_worker, "carries what was taken back", 0, taken)
        judged = _with(replace(judged, threads_taken=judged.threads_taken - taken), record)
        verdicts.append(AddWorker(new_worker, taken))
    return judged, verdicts


def _judge(before: WorkerGuard | None, reading: Reading, limits: GuardrailLimits) -> WorkerGuard:
    guard = before or WorkerGuard()
    if reading.number == guard.number:
        return guard
    if said := reading.over(limits):
        level = GuardrailLevel.WARNING if guard.level is GuardrailLevel.NORMAL else guard.level
        return WorkerGuard(level, reading.number, guard.over_for + 1, guard.waited + 1, 0, said)
    if guard.level is GuardrailLevel.NORMAL:
        return WorkerGuard()
    calm_for = guard.calm_for + 1 if reading.is_calm(limits) else 0
    if calm_for >= limits.patience_intervals:
        return WorkerGuard()
    return WorkerGuard(guard.level, reading.number, 0, 0, calm_for, guard.reading)


def _back_off(
    state: GuardrailState, reading: Reading, limits: GuardrailLimits, at_s: float
) -> tuple[GuardrailState, list[Verdict]]:
    """Lower the load of a worker that is over, unless it was lowered less than the patience ago."""
    worker_id, guard = reading.worker_id, state.workers[reading.worker_id]
    if guard.waited < limits.patience_intervals:
        return state, []
    if reading.threads <= MIN_THREADS:
        if guard.level is GuardrailLevel.DEGRADED:
            return state, []
        state = _with(state, GuardrailRecord(at_s, "DEGRADED", worker_id, f"{guard.reading}; nothing left to lower"))
        went_on = tuple(dict.fromkeys((*state.went_on_over, worker_id)))
        return _guarded(replace(state, went_on_over=went_on), worker_id, level=GuardrailLevel.DEGRADED), []
    take = max(1, int(reading.threads * limits.back_off_percent / 100))
    new = max(MIN_THREADS, reading.threads - take)
    reason = f"{guard.reading} for {_plural(guard.over_for, 'interval')}"
    record = GuardrailRecord(at_s, "SCALE_DOWN", worker_id, reason, reading.threads, new)
    state = _with(replace(state, threads_taken=state.threads_taken + reading.threads - new), record)
    state = _guarded(state, worker_id, level=GuardrailLevel.CRITICAL, waited=0)
    return state, [ScaleDown(worker_id, reading.threads, new, reason)]


def _exhausted(over: Sequence[Reading], guards: Mapping[str, WorkerGuard], workers: int, patience: int) -> str:
    named = " | ".join(f"{reading.worker_id} {guards[reading.worker_id].reading}" for reading in over)
    share = f"{len(over)} of {_plural(workers, 'worker')}"
    return f"{EXHAUSTED_REASON}: {share} over for {_plural(patience, 'interval')}: {named}"


def _with(state: GuardrailState, record: GuardrailRecord) -> GuardrailState:
    return replace(state, records=(*state.records, record)[-RECORDS_KEPT:])


def _guarded(state: GuardrailState, worker_id: str, **changes: Any) -> GuardrailState:
    return replace(state, workers={**state.workers, worker_id: replace(state.workers[worker_id], **changes)})


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
