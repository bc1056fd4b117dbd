"""Preparing a worker's load with value pools that are sampled from the target, without a store in between."""

from typing import Any

from upperbound.planning.pool_values import sample_now
from upperbound.scenario.params import POOL_LIMIT_MAX
from upperbound.scenario.run_config import RunConfig
from upperbound.targets.postgres import ConnInfo, open_connection
from upperbound.worker.preparation import PreparedLoad
from upperbound.worker.preparation import prepare as prepare_with


def prepare(config: RunConfig, target: ConnInfo, **options: Any) -> PreparedLoad:
    """Return what a worker prepares for a run whose pools were sampled just now."""
    with open_connection(target) as connection:
        pools = sample_now(connection, config.scenario, config.seed, most=POOL_LIMIT_MAX)
    return prepare_with(config, target, pools=pools, **options)
