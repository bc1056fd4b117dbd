"""The last check before a run: each operation is executed once, undone, and has to do what it declares.

A statement that the server can prepare may still find nothing, break a constraint, or wait for a lock for ever. A run
would measure that for minutes; the gate tells it before.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Final

import psycopg

from upperbound.clock import Clock
from upperbound.domain.expectation import Attempt, Judgement, judge
from upperbound.domain.sharding import Shard
from upperbound.errors import Problem, TargetMismatch, TargetUnreachable
from upperbound.planning.parameter_plans import TableValues, plan_operation
from upperbound.planning.pool_values import RunPools, sample_now
from upperbound.planning.verdicts import EXAMPLES, Tries, problem_of, warning_of
from upperbound.scenario.model import Operation
from upperbound.scenario.run_config import RunConfig
from upperbound.scenario.transactions import transaction_control
from upperbound.targets.pg_operation import OperationShape, describe_operations
from upperbound.targets.pg_trial import BoundStatement, Trial
from upperbound.targets.pg_types import pg_type
from upperbound.targets.pg_words import said
from upperbound.targets.postgres import ConnInfo
from upperbound.workload.streams import OperationPlan, Row, Workload

OPERATION_LIMIT_S: Final = 10
"""How long the tries of one operation may take; what is slower is not judged."""
TOTAL_LIMIT_S: Final = 60
"""How long all tries may take; operations that are left then are not tried."""
POOL_VALUES: Final = 1_000
"""Values of a pool to draw from: a handful is needed here, and a large pool takes long to sample and to load."""


def try_operations(target: ConnInfo, config: RunConfig, clock: Clock, pools: RunPools | None = None) -> tuple[str, ...]:
    """Execute each operation of a run that is about to start, roll it back, and return what may surprise.

    Parameters are drawn as the first thread of the run draws them, from values of its ``pools``; None samples some for
    the tries alone. An operation whose execution finds fewer rows than it declares, or fails in a way that other values
    may not, is executed again with other values, some times at most.

    Raises:
        TargetMismatch: operations do not do what they declare; all problems of all of them.
        TargetError: the target cannot be reached, or gives up.
    """
    try:
        with Trial(target, clock) as trial:
            return _Gate(trial, config, clock, pools).run()
    except psycopg.OperationalError as error:
        raise TargetUnreachable(
            f"PostgreSQL at {target.address} gave up while the operations were tried before the run: {said(error)}",
            hint="see the server's log; a table that is locked has to be free",
        ) from None


class _Gate:
    """The tries of one run's operations over one connection."""

    def __init__(self, trial: Trial, config: RunConfig, clock: Clock, pools: RunPools | None) -> None:
        self._trial, self._config, self._clock, self._pools = trial, config, clock, pools
        self._operations = config.scenario.workload.operations
        self._problems: list[Problem] = []
        self._warnings: list[str] = []

    def run(self) -> tuple[str, ...]:
        shapes = describe_operations(self._trial.connection, self._operations, self._config.table)
        rows = self._rows(shapes)
        ends_ns = self._clock.monotonic_ns() + TOTAL_LIMIT_S * 1_000_000_000
        for place, (operation, shape) in enumerate(zip(self._operations, shapes, strict=True)):
            # What has no share of the mix does not run.
            if operation.weight_pct == 0 or place not in rows:
                continue
            limit_s = min(OPERATION_LIMIT_S, (ends_ns - self._clock.monotonic_ns()) / 1e9)
            if limit_s <= 0:
                self._warnings.append(f"{operation.label} was not tried before the run: {TOTAL_LIMIT_S} s were over")
                continue
            self._try(place, operation, _Execution(operation, shape, rows[place]), limit_s)
        if self._problems:
            raise TargetMismatch(
                "the operations do not work on the target: each was tried before the run, and undone",
                problems=self._problems,
            )
        return tuple(self._warnings)

    def _rows(self, shapes: Sequence[OperationShape]) -> dict[int, Iterator[Row | None]]:
        """Return the rows of parameters of each operation, as the first thread draws them; none where there is none."""
        connection, config = self._trial.connection, self._config
        pools = self._pools or sample_now(connection, config.scenario, config.seed, most=POOL_VALUES)
        values = TableValues(connection, config, 0, self._clock, pools)
        plans, drawn = list[OperationPlan](), list[int]()
        for place, (operation, shape) in enumerate(zip(self._operations, shapes, strict=True)):
            try:
                types = [pg_type(oid) for oid in shape.param_oids]
                plans.append(plan_operation(operation, types, values, places=shape.places))
                drawn.append(place)
            except TargetMismatch as error:
                plans.append(OperationPlan(operation.weight_pct, ()))
                self._problems += [replace(problem, where=_where(place)) for problem in error.problems]
        threads = self._config.threads
        stream = Workload(plans, seed=self._config.seed).stream(Shard(0, len(threads), 0, max(threads)))
        return {place: stream.rows[place] for place in drawn}

    def _try(self, place: int, operation: Operation, execution: "_Execution", limit_s: float) -> None:
        """Execute an operation until it is clear what to say of it, and say it."""
        began_ns = self._clock.monotonic_ns()
        judgement, left_s = Judgement.OPEN, limit_s
        while judgement is Judgement.OPEN:
            try:
                execution.attempt(self._trial, left_s)
            except (ArithmeticError, ValueError, TypeError) as error:
                said_so = f"{operation.label}: a value that params draw cannot be sent: {error}"
                self._problems.append(Problem(f"{_where(place)}.params", said_so))
                return
            left_s = limit_s - (self._clock.monotonic_ns() - began_ns) / 1e9
            judgement = judge(operation.expected, execution.attempts, varies=bool(operation.params), in_time=left_s > 0)
        tries = Tries(operation, tuple(execution.attempts), judgement, limit_s)
        if judgement in (Judgement.AS_EXPECTED, Judgement.UNKNOWN):
            self._warnings += filter(None, [warning_of(tries)])
        else:
            examples = execution.readable(self._trial, tries.telling[:EXAMPLES])
            self._problems.append(problem_of(tries, _where(place), examples))


class _Execution:
    """The executions of one operation."""

    def __init__(self, operation: Operation, shape: OperationShape, rows: Iterator[Row | None]) -> None:
        self._shape, self._rows = shape, rows
        control = transaction_control(operation)
        self._begin = control.begin if control else "BEGIN"
        self.attempts: list[Attempt] = []
        self._sent: list[Row] = []

    def attempt(self, trial: Trial, limit_s: float) -> None:
        """Execute it with its next row of parameters; raises what an encoder does when a value is none of its type."""
        row = next(self._rows) or ()
        self._sent.append(row)
        values = iter(row)
        statements = [
            BoundStatement(statement.text, statement.param_oids, tuple(islice(values, len(statement.param_oids))))
            for statement in self._shape.statements
        ]
        self.attempts.append(trial.attempt(statements, limit_s, begin=self._begin))

    def readable(self, trial: Trial, attempts: Sequence[int]) -> list[list[str]]:
        """Return the parameters of some attempts."""
        oids = self._shape.param_oids
        where = [self._shape.places.index(parameter) for parameter in range(len(oids))]
        return [trial.readable(oids, [self._sent[attempt][place] for place in where]) for attempt in attempts]


def _where(place: int) -> str:
    return f"workload.operations.{place}"
