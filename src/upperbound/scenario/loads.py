"""What a run does to its target, and for how long: one model for each load mode."""

from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field, model_validator

from upperbound.domain.stages import Change
from upperbound.scenario.aliases import rename_connections
from upperbound.scenario.fields import Bound, Milliseconds, Number, Percent, ScenarioModel, Threads, Whole
from upperbound.scenario.kinds import Arrivals, LoadMode

RATE_MAX: Final = 10_000_000.0
"""Operations per second of one run."""
SEARCH_STEPS: Final = 100
"""Steps that a search without a highest number of threads has time for, unless its duration is given."""
CLOSING_STEPS: Final = 20
"""Steps set aside for what comes after the first bad one: to confirm it, to bisect, and to repeat the best."""

Seconds = Annotated[Number, Field(ge=0)]
Rate = Annotated[Number, Field(gt=0, le=RATE_MAX)]


class Stage(ScenarioModel):
    """A change of the load in mid-run: what it comes to, when, and how fast."""

    at: Seconds
    """When it begins, in seconds from the start of the measurement."""
    threads: Threads | None = None
    """Threads over all workers that it comes to, in ``CONCURRENCY``; ``connections`` is accepted for it."""
    target_qps: Rate | None = None
    """Operations per second over all workers that it comes to, in ``QPS``."""
    ramp_seconds: Seconds = 0.0
    """How long it takes to get there, in a straight line; 0 for at once."""

    @model_validator(mode="before")
    @classmethod
    def _accept_connections(cls, data: Any) -> Any:
        return rename_connections(data)


def changes_of(stages: tuple[Stage, ...]) -> tuple[Change, ...]:
    """Return stages as the domain knows them, each of them with what it comes to."""
    return tuple(
        Change(stage.at, goal, stage.ramp_seconds)
        for stage in stages
        if (goal := stage.target_qps if stage.threads is None else float(stage.threads)) is not None
    )


Stages = Annotated[tuple[Stage, ...], Field(max_length=1_000)]


class ConcurrencyLoad(ScenarioModel):
    """A number of threads that are kept busy."""

    mode: Literal[LoadMode.CONCURRENCY] = LoadMode.CONCURRENCY
    """``CONCURRENCY``: each thread sends its next query when it has the answer to the last."""
    threads: Threads | None = None
    """Simulated clients over all workers, each with a connection of its own; ``connections`` is accepted for it."""
    warmup_seconds: Seconds = 0.0
    """How long the load runs before measuring starts."""
    duration_seconds: Annotated[Number, Field(gt=0)]
    """How long is measured, after the warmup."""
    think_time_ms: Annotated[Number, Field(ge=0)] = 0.0
    """How long a thread waits between an answer and its next query."""
    stages: Stages = ()
    """Changes of the number of threads in the measurement, in the order of their times."""

    @model_validator(mode="before")
    @classmethod
    def _accept_connections(cls, data: Any) -> Any:
        return rename_connections(data)

    @property
    def changes(self) -> tuple[Change, ...]:
        """The stages, as changes of the number of threads."""
        return changes_of(self.stages)


class QpsLoad(ScenarioModel):
    """A rate that is offered, whether or not the target keeps up."""

    mode: Literal[LoadMode.QPS] = LoadMode.QPS
    """``QPS``: operations arrive by a schedule; one that finds every thread busy waits, and its wait counts."""
    target_qps: Rate
    """Operations per second over all workers."""
    arrivals: Arrivals = Arrivals.CONSTANT
    """When operations arrive."""
    threads: Threads | None = None
    """Threads over all workers to begin with; from ``expected_latency_ms``, or else 4, when left out. The number is
    corrected in the run, within the bounds of ``scaling``. ``connections`` is accepted for it."""
    expected_latency_ms: Milliseconds | None = None
    """How long one operation is expected to take: with it the threads at the start fit the rate, and a rate that the
    bounds of ``scaling`` do not allow is refused before the run."""
    max_backlog_seconds: Annotated[Number, Field(gt=0, le=3_600)] = 10.0
    """How much of the schedule may wait for a free thread, in seconds of its rate; what arrives beyond is dropped and
    counted."""
    warmup_seconds: Seconds = 0.0
    """How long the load runs before measuring starts."""
    duration_seconds: Annotated[Number, Field(gt=0)]
    """How long is measured, after the warmup."""
    stages: Stages = ()
    """Changes of the rate in the measurement, in the order of their times."""

    @model_validator(mode="before")
    @classmethod
    def _accept_connections(cls, data: Any) -> Any:
        return rename_connections(data)

    @property
    def changes(self) -> tuple[Change, ...]:
        """The stages, as changes of the rate."""
        return changes_of(self.stages)

    @property
    def think_time_ms(self) -> float:
        """Always 0: a thread waits for the next arrival, not after an answer."""
        return 0.0


def search_seconds(load: dict[str, Any]) -> float:
    """Return how long a search may take that does not say: its steps up to ``max_threads``, and those that close in.

    ``load`` holds the fields of a :class:`FindMaxLoad` that come before ``duration_seconds``, checked.
    """
    most, start = load.get("max_threads"), load.get("start_threads", 1)
    steps = SEARCH_STEPS if most is None else -(-max(0, most - start) // load.get("increment", 1)) + 1
    return float((steps + CLOSING_STEPS) * load.get("step_duration_seconds", 1.0))


class FindMaxLoad(ScenarioModel):
    """A search for the highest number of threads that the target serves well."""

    mode: Literal[LoadMode.FIND_MAX_CONCURRENCY] = LoadMode.FIND_MAX_CONCURRENCY
    """``FIND_MAX_CONCURRENCY``: raises the threads step by step until one goes badly, then closes in on the knee."""
    start_threads: Threads = 5
    """Threads of the first step, over all workers; ``start_connections`` is accepted for it."""
    increment: Annotated[Whole, Field(ge=1, le=100_000)] = 10
    """Threads that each step has more than the one before."""
    step_duration_seconds: Annotated[Number, Field(gt=0)] = 30.0
    """How long each step lasts."""
    qps_stability_pct: Annotated[Number, Field(gt=0, le=100)] = 5.0
    """A step is bad when its throughput is this much below that of the best step before."""
    latency_stability_pct: Annotated[Number, Field(gt=0)] = 20.0
    """A step is bad when its 95th percentile is this much above that of the first step."""
    max_error_rate_pct: Percent = 1.0
    """A step is bad when a larger share of its operations fails."""
    max_threads: Bound = None
    """The most threads a step may have; no limit when left out, null or -1. ``max_connections`` is accepted for it."""
    think_time_ms: Annotated[Number, Field(ge=0)] = 0.0
    """How long a thread waits between an answer and its next query."""
    warmup_seconds: Seconds = 0.0
    """How long the load of the first step runs before it begins."""
    duration_seconds: Annotated[Number, Field(gt=0)] = Field(default_factory=search_seconds)
    """The longest the whole search may take; when left out or null, what the steps up to ``max_threads`` need, or 100
    steps without it, and 20 steps more to close in."""

    @model_validator(mode="before")
    @classmethod
    def _accept_connections(cls, data: Any) -> Any:
        data = rename_connections(data)
        if isinstance(data, dict) and data.get("duration_seconds", 0) is None:
            return {key: value for key, value in data.items() if key != "duration_seconds"}
        return data

    @property
    def stages(self) -> tuple[Stage, ...]:
        """Always empty: the search decides on its steps."""
        return ()

    @property
    def changes(self) -> tuple[Change, ...]:
        """Always empty."""
        return ()


def mode_when_unsaid(data: Any) -> Any:
    """Return the input form of a load with its mode: ``CONCURRENCY`` when there is none."""
    return {"mode": LoadMode.CONCURRENCY, **data} if isinstance(data, dict) and "mode" not in data else data


Load = Annotated[
    ConcurrencyLoad | QpsLoad | FindMaxLoad, Field(discriminator="mode"), BeforeValidator(mode_when_unsaid)
]
