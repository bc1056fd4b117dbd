"""From a run's configuration to a load on Snowflake that is ready to begin."""

import contextlib
import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import psutil
from pydantic import SecretStr

from upperbound.clock import Clock
from upperbound.domain.sharding import Shard
from upperbound.planning.pool_values import RunPools
from upperbound.planning.snowflake_plans import plan_for_snowflake
from upperbound.scenario.run_config import RunConfig
from upperbound.scenario.targets import SnowflakeTarget
from upperbound.targets.blocking import BlockingConnection, BlockingOperation
from upperbound.targets.snowflake import SnowflakeInfo, SnowflakeSessions, open_session, read_table, snowflake_info
from upperbound.workload.streams import ThreadStream, Workload

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class BlockingLoad:
    """What the executor needs to execute a scenario's operations over a driver that blocks."""

    operations: tuple[BlockingOperation, ...]
    connect: Callable[[], BlockingConnection]
    """Opens a session, marked for the warmup."""
    cancel: Callable[[Sequence[BlockingConnection]], int]
    """Cancels what sessions execute."""
    close: Callable[[], None]
    """Gives up what is kept beside the sessions."""
    stream: Callable[[int], ThreadStream]
    """Gives a thread of this worker its work."""
    kinds: tuple[str, ...]
    """By operation."""
    labels: tuple[str, ...]
    """By operation."""
    transactions: frozenset[int]
    """The operations whose attempts are counted: transactions, and those that may be tried again."""
    address: str
    """Where the target is, without anything secret."""


def worker_info(target: SnowflakeTarget, run_id: str, secret: SecretStr | None) -> SnowflakeInfo:
    """Return how this worker logs in: from its own files and environment. Raises :class:`ConfigurationError`."""
    return snowflake_info(target, purpose=f"upperbound:run_id={run_id}:prepare", secret=secret)


def prepare_snowflake(
    config: RunConfig,
    info: SnowflakeInfo,
    *,
    run_id: str,
    worker_id: str,
    group_id: int,
    group_count: int,
    clock: Clock,
    pools: RunPools,
) -> BlockingLoad:
    """Ask the target for the types of its table's columns, and plan this worker's share of the workload.

    Raises:
        StoreError: there are no values of a column that parameters take them from.
        TargetError: the target cannot be reached.
        TargetMismatch: the table is not there any more, or its columns are others.
    """
    table = None
    if config.table is not None:
        with contextlib.closing(open_session(info)) as session:
            table = read_table(session, config.table)
    made = plan_for_snowflake(config, table, group_id=group_id, clock=clock, pools=pools)
    sessions = SnowflakeSessions(info, run_id, worker_id)
    operations = config.scenario.workload.operations
    workload = Workload(made.plans, seed=config.seed)
    threads = max(config.threads)
    return BlockingLoad(
        operations=made.operations,
        connect=sessions.connect,
        cancel=sessions.cancel,
        close=sessions.close,
        stream=lambda thread: workload.stream(Shard(group_id, group_count, thread, threads)),
        kinds=tuple(operation.kind.value for operation in operations),
        labels=tuple(operation.label for operation in operations),
        transactions=frozenset(
            number for number, operation in enumerate(operations) if operation.is_transaction or operation.retry
        ),
        address=info.address,
    )


def pin_to_core(group_id: int) -> None:
    """Keep this process on one core, where the system allows that, with the threads that it has by now.

    Threads that hand the interpreter's lock from core to core get a third of the statements done that they do on one.
    """
    if not hasattr(os, "sched_setaffinity"):
        return
    cores = sorted(os.sched_getaffinity(0))
    core = cores[group_id % len(cores)]
    try:
        for thread in psutil.Process().threads():
            with contextlib.suppress(ProcessLookupError):  # it has ended
                os.sched_setaffinity(thread.id, {core})
    except OSError as error:
        log.warning("this worker is not kept on one core: %s", error)
        return
    log.info("kept on core %d of %d", core, len(cores))
