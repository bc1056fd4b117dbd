"""A scenario: the complete description of a run. The same form serves files, the API and the store."""

from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from upperbound.domain.allocation import nearest_fit, threads_for_rate
from upperbound.domain.expectation import Expect
from upperbound.domain.guardrails import FailThreshold, GuardrailLimits, GuardrailMode
from upperbound.domain.qps_control import HEADROOM, SPARE
from upperbound.domain.run_view import LossPolicy
from upperbound.scenario.checks import find_problems
from upperbound.scenario.fields import (
    CROSS_CHECK,
    Milliseconds,
    Number,
    Percent,
    ScenarioModel,
    Weight,
    Whole,
    worded_error,
)
from upperbound.scenario.kinds import (
    EXPECT_OF_KIND,
    TYPE_OF_KIND,
    Isolation,
    OperationKind,
    OperationType,
    Preset,
)
from upperbound.scenario.loads import FindMaxLoad, Load, QpsLoad
from upperbound.scenario.params import Param
from upperbound.scenario.presets import fill_weights
from upperbound.scenario.retries import Retry
from upperbound.scenario.scaling import AutoScaling, FixedScaling, Scaling
from upperbound.scenario.targets import Target

STATEMENTS_MAX = 100
"""Statements of one operation."""
THREADS_UNSAID = 4
"""Threads at the start of a rate of which neither threads nor an expected latency are known."""


def _check_name(value: Any) -> Any:
    """Refuse names that a terminal or a report could not show."""
    if isinstance(value, str) and not value.strip():
        raise worded_error("must not be blank")
    if isinstance(value, str) and not value.isprintable():
        raise worded_error("must be one line of printable characters")
    return value


def _no_guardrails_when_empty(value: Any) -> Any:
    """Take an empty block for none: limits that nobody wrote down must not end a run."""
    return None if value == {} else value


Name = Annotated[str, BeforeValidator(_check_name), Field(max_length=200)]
StatementText = Annotated[str, Field(max_length=100_000)]
LimitPercent = Annotated[Number, Field(gt=0, le=100)]


class Guardrails(ScenarioModel):
    """Limits on the workers' own machines, so that a starved load generator is not taken for a slow database.

    A scenario without this block, or with an empty one, has none. One key is enough to set them: the others then have
    their defaults. CPU and memory are shares of what the worker may use: its container's where that has a limit, else
    its host's.
    """

    max_cpu_percent: LimitPercent = 80.0
    """Highest use of CPU, in percent."""
    max_memory_percent: LimitPercent = 85.0
    """Highest use of memory, in percent."""
    mode: GuardrailMode = GuardrailMode.SOFT
    """``soft`` lowers the load of workers that are over; ``hard`` fails the run at the first reading over a limit."""
    back_off_percent: LimitPercent = 20.0
    """Share of its threads that is taken from a worker that stays over; at least one, and the last one is left."""
    patience_intervals: Annotated[Whole, Field(ge=1, le=3_600)] = 3
    """How many readings in a row, one a second, must be over before anything is changed, or under for the way back."""
    fail_threshold: FailThreshold = FailThreshold.ALL
    """How many of the running workers, over for the patience, fail a run in ``soft`` mode."""

    def limits(self) -> GuardrailLimits:
        """Return these limits as the domain knows them."""
        return GuardrailLimits(**self.model_dump())


class OperationSlo(ScenarioModel):
    """Objectives of one operation: the run exits with 6 when one is missed."""

    p50_ms: Milliseconds | None = None
    """Highest median latency."""
    p90_ms: Milliseconds | None = None
    """Highest 90th percentile."""
    p95_ms: Milliseconds | None = None
    """Highest 95th percentile."""
    p99_ms: Milliseconds | None = None
    """Highest 99th percentile."""
    p999_ms: Milliseconds | None = None
    """Highest 99.9th percentile."""
    max_ms: Milliseconds | None = None
    """Highest latency of any query."""
    mean_ms: Milliseconds | None = None
    """Highest mean latency."""
    error_pct: Percent | None = None
    """Highest share of failed queries."""
    min_qps: Annotated[Number, Field(gt=0)] | None = None
    """Lowest number of successful queries per second."""


class RunSlo(OperationSlo):
    """Objectives of the run as a whole, over all its operations."""


class Operation(ScenarioModel):
    """One operation of the mix: a statement, or several that belong together."""

    kind: OperationKind
    """What it does."""
    name: Annotated[Name, Field(max_length=80)] | None = None
    """What it is called in results; needed when two operations are of the same kind."""
    operation_type: OperationType = Field(
        default_factory=lambda data: TYPE_OF_KIND.get(data["kind"], OperationType.READ)
    )
    """READ or WRITE; follows from the kind, and must be given for GENERIC_SQL only."""
    weight_pct: Weight
    """Its share of all operations; the weights of a scenario add up to 100.00. A preset gives what is left out."""
    sql: StatementText | None = None
    """One statement; ``$1``, ``$2`` … are its parameters and ``{table}`` is the target table, quoted. Exactly one of
    ``sql`` and ``statements`` is given."""
    statements: Annotated[tuple[StatementText, ...], Field(max_length=STATEMENTS_MAX)] = ()
    """Several statements, executed in this order as one transaction; for GENERIC_SQL only. ``$1`` is the same value in
    all of them."""
    autocommit: Annotated[bool, Field(strict=True)] = False
    """``true`` lets each of ``statements`` commit by itself, without a transaction around them."""
    isolation: Isolation | None = None
    """Isolation level of the transaction; the server's default when left out."""
    retry: Retry = Field(default_factory=dict)
    """How many more attempts an execution may have at most, 1 to 50, by the outcome of the last: ``{deadlock: 3}``. The
    values of its parameters stay."""
    params: tuple[Param, ...] = ()
    """Where the values of ``$1``, ``$2`` … come from, in this order."""
    expect: Expect | None = None
    """How many rows an execution returns or affects, those of several statements summed up: ``rows`` (at least one),
    ``one``, ``none`` or ``any``; ``rows`` when left out, and ``any`` for GENERIC_SQL. Each operation is executed before
    the run and undone: a run does not start when one does not do what it declares."""
    slo: OperationSlo | None = None
    """Objectives of this operation."""

    @property
    def label(self) -> str:
        """What results are filed under: the name, or else the kind."""
        return self.name or self.kind.value

    @property
    def expected(self) -> Expect:
        """What is expected, also when the scenario leaves it to the kind."""
        return self.expect or EXPECT_OF_KIND[self.kind]

    @property
    def texts(self) -> tuple[str, ...]:
        """The statements as they are written, in order: ``sql``, or ``statements``."""
        return self.statements if self.sql is None else (self.sql,)

    @property
    def is_transaction(self) -> bool:
        """Whether BEGIN and COMMIT are sent around the statements."""
        return bool(self.statements) and not self.autocommit


class Workload(ScenarioModel):
    """The mix of operations."""

    preset: Preset = Preset.CUSTOM
    """A mix that gives weights to operations which have none."""
    operations: Annotated[tuple[Operation, ...], Field(min_length=1, max_length=1_000)]
    """The operations."""
    seed: Annotated[Whole, Field(ge=0)] | None = None
    """Makes the order of operations and their values the same in each run; drawn anew, and kept in the result, when
    left out."""

    @model_validator(mode="before")
    @classmethod
    def _apply_preset(cls, data: Any) -> Any:
        return fill_weights(data)


class Scenario(ScenarioModel):
    """The complete description of a run."""

    name: Name
    """What the run is called in lists and reports."""
    target: Target
    """The database and table under test."""
    load: Load
    """How much load, and for how long."""
    scaling: Scaling = AutoScaling()
    """How the threads are spread over worker processes."""
    guardrails: Annotated[Guardrails | None, BeforeValidator(_no_guardrails_when_empty)] = None
    """Limits on the workers' own machines; none when left out or empty."""
    on_worker_loss: LossPolicy = LossPolicy.FAIL
    """``fail`` ends the run when a worker is lost; with ``continue`` the others go on, the lost one's threads are not
    moved to them, and the result says what was lost. ``continue`` also starts without workers that are not ready in
    time; they join later."""
    workload: Workload
    """The mix of operations."""
    slo: RunSlo | None = None
    """Objectives of the run as a whole."""
    tags: dict[str, str] = Field(default_factory=dict)
    """Free words to find the run by."""

    @model_validator(mode="after")
    def _check_as_a_whole(self) -> Self:
        data = self.model_dump()
        for operation, dumped in zip(self.workload.operations, data["workload"]["operations"], strict=True):
            if "operation_type" not in operation.model_fields_set:
                del dumped["operation_type"]
        if problems := find_problems(data):
            raise PydanticCustomError(CROSS_CHECK, "{problems}", {"problems": "; ".join(map(str, problems))})
        return self

    @property
    def threads(self) -> int:
        """Threads over all workers at the start.

        Those of ``scaling`` when it is FIXED, else of the load's mode. A rate that says nothing of them has what
        Little's law with headroom makes of it and the expected latency, or :data:`THREADS_UNSAID`, within the bounds.
        """
        if isinstance(self.scaling, FixedScaling):
            return self.scaling.threads
        if isinstance(self.load, FindMaxLoad):
            return self.load.start_threads
        if self.load.threads is not None:
            return self.load.threads
        assert isinstance(self.load, QpsLoad), "CONCURRENCY without a number of threads does not validate"
        latency_ms, bounds = self.load.expected_latency_ms, self.scaling.bounds
        wanted = THREADS_UNSAID
        if latency_ms is not None:
            wanted = threads_for_rate(self.load.target_qps, latency_ms * HEADROOM) + SPARE
        return nearest_fit(wanted, bounds)
