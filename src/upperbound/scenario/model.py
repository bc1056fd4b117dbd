"""A scenario: the complete description of a run. The same form serves files, the API and the store."""

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from upperbound.domain.guardrails import FailThreshold, GuardrailLimits, GuardrailMode
from upperbound.domain.run_view import LossPolicy
from upperbound.scenario.checks import find_problems
from upperbound.scenario.connection_url import check_url
from upperbound.scenario.fields import CROSS_CHECK, THREADS_MAX, Number, ScenarioModel, Weight, Whole, worded_error
from upperbound.scenario.identifiers import IdentifierError, parse_table
from upperbound.scenario.kinds import (
    TYPE_OF_KIND,
    LoadMode,
    OperationKind,
    OperationType,
    Preset,
    ScalingMode,
    TableType,
)
from upperbound.scenario.params import Param
from upperbound.scenario.presets import fill_weights

EMBEDDED_TABLE = "public.orders"
WORKERS_MAX = 1_000


def _check_name(value: Any) -> Any:
    """Refuse names that a terminal or a report could not show."""
    if isinstance(value, str) and not value.strip():
        raise worded_error("must not be blank")
    if isinstance(value, str) and not value.isprintable():
        raise worded_error("must be one line of printable characters")
    return value


def _check_table(value: Any) -> Any:
    """Accept a table name, with or without its schema."""
    if isinstance(value, str):
        try:
            parse_table(value)
        except IdentifierError as error:
            raise worded_error(error.message, error.hint) from None
    return value


def _check_target_url(value: Any) -> Any:
    """Accept a PostgreSQL connection URL that holds no secret."""
    if isinstance(value, str) and (fault := check_url(value)):
        raise worded_error(fault.message, fault.hint)
    return value


def _no_guardrails_when_empty(value: Any) -> Any:
    """Take an empty block for none: limits that nobody wrote down must not end a run."""
    return None if value == {} else value


Name = Annotated[str, BeforeValidator(_check_name), Field(max_length=200)]
Table = Annotated[str, BeforeValidator(_check_table)]
TargetUrl = Annotated[str, BeforeValidator(_check_target_url)]
Threads = Annotated[Whole, Field(ge=1, le=THREADS_MAX)]
Milliseconds = Annotated[Number, Field(gt=0)]
Percent = Annotated[Number, Field(ge=0, le=100)]
LimitPercent = Annotated[Number, Field(gt=0, le=100)]


class PostgresTarget(ScenarioModel):
    """A PostgreSQL server that is there already."""

    kind: Literal["postgres"] = "postgres"
    """``postgres``."""
    url: TargetUrl
    """Where it is: ``postgresql://user@host:5432/database``. The password comes from PGPASSWORD, ``~/.pgpass`` or a
    service file."""
    table: Table | None = None
    """The table under test, ``schema.table``: what ``{table}`` stands for, and where value pools are sampled."""
    table_type: TableType = TableType.POSTGRES
    """The kind of table."""


class EmbeddedTarget(ScenarioModel):
    """A PostgreSQL server that is started for the run, with a table of orders, and thrown away after it."""

    kind: Literal["embedded"] = "embedded"
    """``embedded``."""
    table: Table = EMBEDDED_TABLE
    """The table that is made and filled."""
    table_type: Literal[TableType.POSTGRES] = TableType.POSTGRES
    """The kind of table."""
    rows: Annotated[Whole, Field(ge=1, le=1_000_000_000)] = 100_000
    """How many rows the table holds when the run starts; their ids are 1 to this number."""
    port: Annotated[Whole, Field(ge=1, le=65_535)] | None = None
    """The port the server listens on; a free one when left out."""


Target = Annotated[PostgresTarget | EmbeddedTarget, Field(discriminator="kind")]


KEY_ALIASES = {"connections": "threads", "min_connections": "min_threads"}
"""Other names of keys, in ``load`` and ``scaling``: a thread is a simulated client with one connection."""


def rename_connections(data: Any) -> Any:
    """Return ``data`` with aliases replaced by the keys they stand for, unless both are there."""
    if not isinstance(data, dict):
        return data
    return {
        KEY_ALIASES[key] if key in KEY_ALIASES and KEY_ALIASES[key] not in data else key: value
        for key, value in data.items()
    }


class ConcurrencyLoad(ScenarioModel):
    """A number of threads that are kept busy."""

    mode: Literal[LoadMode.CONCURRENCY] = LoadMode.CONCURRENCY
    """``CONCURRENCY``: each thread sends its next query when it has the answer to the last."""
    threads: Threads | None = None
    """Simulated clients over all workers, each with a connection of its own; ``connections`` is accepted for it."""
    warmup_seconds: Annotated[Number, Field(ge=0)] = 0.0
    """How long the load runs before measuring starts."""
    duration_seconds: Annotated[Number, Field(gt=0)]
    """How long is measured, after the warmup."""
    think_time_ms: Annotated[Number, Field(ge=0)] = 0.0
    """How long a thread waits between an answer and its next query."""

    @model_validator(mode="before")
    @classmethod
    def _accept_connections(cls, data: Any) -> Any:
        return rename_connections(data)


class AutoScaling(ScenarioModel):
    """As many workers as ``load.threads`` needs on this machine."""

    mode: Literal[ScalingMode.AUTO] = ScalingMode.AUTO
    """``AUTO``."""


class FixedScaling(ScenarioModel):
    """A given number of workers with a given number of threads each."""

    mode: Literal[ScalingMode.FIXED] = ScalingMode.FIXED
    """``FIXED``."""
    min_workers: Annotated[Whole, Field(ge=1, le=WORKERS_MAX)]
    """Worker processes."""
    min_threads: Threads
    """Threads of each worker; ``min_connections`` is accepted for it."""

    @model_validator(mode="before")
    @classmethod
    def _accept_connections(cls, data: Any) -> Any:
        return rename_connections(data)

    @property
    def threads(self) -> int:
        """Threads over all workers."""
        return self.min_workers * self.min_threads


Scaling = Annotated[AutoScaling | FixedScaling, Field(discriminator="mode")]


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
    """One statement of the mix."""

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
    sql: Annotated[str, Field(max_length=100_000)]
    """One statement; ``$1``, ``$2`` … are its parameters and ``{table}`` is the target table, quoted."""
    params: tuple[Param, ...] = ()
    """Where the values of ``$1``, ``$2`` … come from, in this order."""
    slo: OperationSlo | None = None
    """Objectives of this operation."""

    @property
    def label(self) -> str:
        """What results are filed under: the name, or else the kind."""
        return self.name or self.kind.value


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
    load: ConcurrencyLoad
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
        """Threads over all workers, from ``scaling`` when it is FIXED, else from ``load``."""
        if isinstance(self.scaling, FixedScaling):
            return self.scaling.threads
        assert self.load.threads is not None, "AUTO scaling without load.threads does not validate"
        return self.load.threads
