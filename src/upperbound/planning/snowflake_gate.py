"""The last check before a run on Snowflake: each operation is executed, undone, and has to do what it declares."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from upperbound.clock import Clock
from upperbound.domain.expectation import Attempt, Judgement, judge
from upperbound.domain.sharding import Shard
from upperbound.errors import Problem, TargetMismatch
from upperbound.planning.gate import OPERATION_LIMIT_S, TOTAL_LIMIT_S
from upperbound.planning.pool_values import RunPools
from upperbound.planning.snowflake_plans import plan_for_snowflake
from upperbound.planning.verdicts import EXAMPLES, Tries, problem_of, warning_of
from upperbound.scenario.model import Operation
from upperbound.scenario.run_config import RunConfig
from upperbound.targets.blocking import BlockingOperation
from upperbound.targets.sf_connection import SnowflakeInfo
from upperbound.targets.sf_operation import places
from upperbound.targets.sf_tables import SnowflakeTable
from upperbound.targets.sf_trial import SnowflakeTrial
from upperbound.workload.streams import Row, Workload

_SHOWN: Final = 40
"""Characters of a value that a message shows."""


def try_on_snowflake(
    info: SnowflakeInfo, config: RunConfig, table: SnowflakeTable | None, clock: Clock, pools: RunPools
) -> tuple[str, ...]:
    """Execute each operation of a run that is about to start, undo it, and return what may surprise.

    Parameters are drawn as the first thread of the run draws them. An operation that finds fewer rows than it declares,
    or fails in a way that other values may not, is executed again with other values, some times at most.

    Raises:
        TargetMismatch: operations do not do what they declare; all problems of all of them.
        TargetError: the target cannot be reached, or gives up.
    """
    made = plan_for_snowflake(config, table, group_id=0, clock=clock, pools=pools)
    threads = config.threads
    stream = Workload(made.plans, seed=config.seed).stream(Shard(0, len(threads), 0, max(threads)))
    limited = replace(info, settings=replace(info.settings, statement_timeout_s=OPERATION_LIMIT_S))
    problems: list[Problem] = []
    warnings: list[str] = []
    ends_ns = clock.monotonic_ns() + TOTAL_LIMIT_S * 1_000_000_000
    with SnowflakeTrial(limited, clock) as trial:
        for place, operation in enumerate(config.scenario.workload.operations):
            limit_s = min(OPERATION_LIMIT_S, (ends_ns - clock.monotonic_ns()) / 1e9)
            # What has no share of the mix does not run.
            if operation.weight_pct == 0:
                continue
            if limit_s <= 0:
                warnings.append(f"{operation.label} was not tried before the run: {TOTAL_LIMIT_S} s were over")
                continue
            tried = _Tried(operation, made.operations[place], stream.rows[place], config.table)
            tried.run(trial, clock, limit_s)
            if tried.judgement in (Judgement.AS_EXPECTED, Judgement.UNKNOWN):
                warnings += filter(None, [warning_of(tried.tries(limit_s))])
            else:
                problems.append(tried.problem(f"workload.operations.{place}", limit_s))
    if problems:
        raise TargetMismatch(
            "the operations do not work on the target: each was tried before the run, and undone", problems=problems
        )
    return tuple(warnings)


class _Tried:
    """The executions of one operation."""

    def __init__(
        self, operation: Operation, made: BlockingOperation, rows: Iterator[Row | None], table: str | None
    ) -> None:
        self._operation, self._made, self._rows = operation, made, rows
        self._places = places(operation, table)
        self._attempts: list[Attempt] = []
        self._sent: list[Row] = []
        self.judgement = Judgement.OPEN

    def run(self, trial: SnowflakeTrial, clock: Clock, limit_s: float) -> None:
        """Execute it until it is clear what to say of it."""
        began_ns, left_s = clock.monotonic_ns(), limit_s
        operation = self._operation
        while self.judgement is Judgement.OPEN:
            row = next(self._rows) or ()
            self._sent.append(row)
            self._attempts.append(trial.attempt(self._made, row, left_s))
            left_s = limit_s - (clock.monotonic_ns() - began_ns) / 1e9
            varies = bool(operation.params)
            self.judgement = judge(operation.expected, self._attempts, varies=varies, in_time=left_s > 0)

    def tries(self, limit_s: float) -> Tries:
        """Return the executions and what they come to."""
        return Tries(self._operation, tuple(self._attempts), self.judgement, limit_s)

    def problem(self, where: str, limit_s: float) -> Problem:
        """Return what keeps the run from starting."""
        tries = self.tries(limit_s)
        first = [self._places.index(parameter) for parameter in range(len(self._operation.params))]
        telling = tries.telling[:EXAMPLES]
        return problem_of(
            tries, where, [[_shown(self._sent[attempt][place]) for place in first] for attempt in telling]
        )


def _shown(value: bytes | None) -> str:
    if value is None:
        return "NULL"
    text = value.decode(errors="replace")
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
