"""Which value pools a scenario needs."""

from upperbound.domain.value_pools import PoolNeed
from upperbound.scenario.identifiers import POSTGRES, Naming, parse_column, parse_table
from upperbound.scenario.model import Scenario
from upperbound.scenario.params import Param, PoolParam, elements, spread_of


def pool_needs(scenario: Scenario) -> tuple[PoolNeed, ...]:
    """Return one need for each column that parameters take values of, in the order in which they come first.

    Parameters of one column share its values: as many are needed as the one that wants most asks for. The choice and
    the order of the values are random, so the first of them are what a smaller pool would be.
    """
    table, naming = scenario.target.table, scenario.target.naming
    if table is None:
        return ()
    limits: dict[str, int] = {}
    for operation in scenario.workload.operations:
        for param in elements(operation.params):
            if (source := pool_source(param, naming)) is not None:
                column, limit = source
                limits[column] = max(limit, limits.get(column, 0))
    return tuple(PoolNeed(parse_table(table, naming).quoted, column, limit) for column, limit in limits.items())


def pool_source(param: Param, naming: Naming = POSTGRES) -> tuple[str, int] | None:
    """Return the column, in its true case, and the limit of a parameter that takes values of one; None for others."""
    if isinstance(param, PoolParam):
        return parse_column(param.pool, naming), param.limit
    spread = spread_of(param)
    if spread is None or spread.pool is None:
        return None
    return parse_column(spread.pool, naming), spread.limit
