"""The operations of a run on Snowflake: how they are executed, and where the values of their parameters come from."""

from dataclasses import dataclass, replace

from upperbound.clock import Clock
from upperbound.errors import Problem, TargetMismatch
from upperbound.planning.parameter_plans import TableValues, plan_operation
from upperbound.planning.pool_values import RunPools
from upperbound.scenario.run_config import RunConfig
from upperbound.targets.blocking import BlockingOperation
from upperbound.targets.sf_operation import blocking_operation, parameter_types, places
from upperbound.targets.sf_tables import SnowflakeTable
from upperbound.workload.streams import OperationPlan


@dataclass(frozen=True)
class SnowflakePlans:
    """What the threads of a worker execute, by operation."""

    operations: tuple[BlockingOperation, ...]
    plans: tuple[OperationPlan, ...]


def plan_for_snowflake(
    config: RunConfig, table: SnowflakeTable | None, *, group_id: int, clock: Clock, pools: RunPools
) -> SnowflakePlans:
    """Return every operation of a run as one worker executes it; ``table`` is the one under test.

    Raises:
        TargetMismatch: parameters cannot be produced from what the table holds; all problems at once.
        StoreError: there are no values of a column that parameters take them from.
    """
    values = TableValues(None, config, group_id, clock, pools)
    made: list[BlockingOperation] = []
    plans: list[OperationPlan] = []
    problems: list[Problem] = []
    for number, operation in enumerate(config.scenario.workload.operations):
        try:
            types = parameter_types(operation, table)
            stand = places(operation, config.table)
            plans.append(plan_operation(operation, [kind.encoder for kind in types], values, places=stand))
            made.append(blocking_operation(operation, config.table, types))
        except TargetMismatch as error:
            found = error.problems or (Problem("", error.message, error.hint),)
            where = f"workload.operations.{number}"
            problems += [replace(one, where=f"{where}.{one.where}".rstrip(".")) for one in found]
    if problems:
        raise TargetMismatch("the parameters do not fit the table", problems=problems)
    return SnowflakePlans(tuple(made), tuple(plans))
