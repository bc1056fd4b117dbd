"""Whether the value pools that are prepared for a scenario still serve it."""

from typing import Final

from upperbound.domain.diagnosis import Check, CheckArea, CheckList
from upperbound.errors import ConfigurationError, StoreError, TargetError, UpperboundError
from upperbound.orchestrator.pool_sources import open_pool_source
from upperbound.orchestrator.value_pools import Fitness, PoolOrder, judge_pools
from upperbound.scenario.pool_needs import pool_needs
from upperbound.store.engine import open_store

POOLS: Final = "value pools"


def check_pools(store_url: str, order: PoolOrder, *, reachable: bool) -> list[Check]:
    """Check what is prepared against what the scenario needs and what its table is now; no row is read.

    Nothing for a scenario that takes no values from columns. ``reachable`` says whether the target has answered.
    """
    checks, needs = CheckList(CheckArea.TARGET), pool_needs(order.scenario)
    if not needs:
        return []
    columns = ", ".join(need.column for need in needs)
    if order.template is None:
        checks.ok(POOLS, f"{columns}: each run samples its own, as the scenario is no template")
    elif not reachable:
        checks.skip("the target cannot be asked", POOLS)
    else:
        try:
            with open_store(store_url, migrate=False) as store, open_pool_source(order.target) as source:
                fitness = judge_pools(store, source, order, needs)
        except (StoreError, ConfigurationError, TargetError) as error:
            _skip(checks, error)
        else:
            _tell(checks, columns, fitness)
    return checks.checks


def _skip(checks: CheckList, error: UpperboundError) -> None:
    """Leave it to the checks of the store and of the scenario's fit to say what to do."""
    checks.skip(error.message, POOLS)


def _tell(checks: CheckList, columns: str, fitness: Fitness) -> None:
    pools = fitness.coverage.pools
    if fitness.notes:
        checks.warn(POOLS, "\n".join(fitness.notes), fitness.advice)
    elif not pools:
        checks.ok(POOLS, f"{columns}: none prepared, each run samples its own", f"{fitness.advice} keeps them")
    else:
        values = ", ".join(f"{pool.column} {pool.value_count:,} values" for pool in pools)
        oldest = min(pool.sampled_at for pool in pools)
        checks.ok(POOLS, f"{values}, sampled {oldest:%Y-%m-%d %H:%M} UTC; the table is much the same since")
