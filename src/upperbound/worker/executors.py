"""Which executor carries a scenario's load."""

import functools
import logging
from collections.abc import Callable

from upperbound.domain.arrivals import RateCurve, Share
from upperbound.domain.stages import profile
from upperbound.loadgen.backlog import Pace
from upperbound.loadgen.compiled_executor import CompiledExecutor
from upperbound.loadgen.compiled_library import CompiledUnavailable, compiled_loop
from upperbound.loadgen.errors_table import ErrorTable
from upperbound.loadgen.event_loop import EventLoopExecutor
from upperbound.loadgen.executor import Executor
from upperbound.loadgen.open_loop import OpenLoopExecutor
from upperbound.loadgen.open_threads import OpenThreadExecutor
from upperbound.loadgen.recorder import BUFFER_BYTES, Recorder
from upperbound.loadgen.thread_executor import ThreadExecutor
from upperbound.scenario.kinds import Arrivals
from upperbound.scenario.loads import QpsLoad
from upperbound.scenario.model import Scenario
from upperbound.scenario.run_config import RunConfig
from upperbound.worker.preparation import PreparedLoad
from upperbound.worker.snowflake_preparation import BlockingLoad

log = logging.getLogger(__name__)


def is_open_loop(scenario: Scenario) -> bool:
    """Say whether operations are due by a schedule, and not when a thread is free."""
    return isinstance(scenario.load, QpsLoad)


def make_executor(
    config: RunConfig, prepared: PreparedLoad | BlockingLoad, recorder: Recorder, errors: ErrorTable, *, group_id: int
) -> Executor:
    """Return what sends the operations of ``prepared``: by a schedule when the scenario says a rate, else in a loop."""
    load = config.scenario.load
    seed = config.seed + group_id
    if isinstance(prepared, BlockingLoad):
        return _threads(config, prepared, recorder, errors, group_id=group_id)
    if isinstance(load, QpsLoad):
        return OpenLoopExecutor(
            pace=_pace(load, config, group_id),
            operations=prepared.operations,
            stream=prepared.stream,
            connect=prepared.connect,
            sink=recorder,
            errors=errors,
            buffer_bytes=BUFFER_BYTES,
            seed=seed,
        )
    return closed_executor()(
        operations=prepared.operations,
        stream=prepared.stream,
        connect=prepared.connect,
        sink=recorder,
        errors=errors,
        buffer_bytes=BUFFER_BYTES,
        think_ns=int(load.think_time_ms * 1e6),
        seed=seed,
    )


def _threads(
    config: RunConfig, prepared: BlockingLoad, recorder: Recorder, errors: ErrorTable, *, group_id: int
) -> ThreadExecutor:
    """Return what sends over a driver that blocks."""
    load = config.scenario.load
    make = (
        functools.partial(OpenThreadExecutor, pace=_pace(load, config, group_id))
        if isinstance(load, QpsLoad)
        else (functools.partial(ThreadExecutor, think_ns=int(load.think_time_ms * 1e6)))
    )
    return make(
        operations=prepared.operations,
        stream=prepared.stream,
        connect=prepared.connect,
        cancel=prepared.cancel,
        sink=recorder,
        errors=errors,
        buffer_bytes=BUFFER_BYTES,
        seed=config.seed + group_id,
    )


def _pace(load: QpsLoad, config: RunConfig, group_id: int) -> Pace:
    """Return what a worker offers of a rate."""
    planned = len(config.threads)
    return Pace(
        curve=rate_curve(load),
        # A worker that joins later has no share until all hear of it at once: else the rate would be exceeded.
        share=Share(group_id, planned) if group_id < planned else None,
        poisson=load.arrivals is Arrivals.POISSON,
        seed=config.seed,
        backlog_s=load.max_backlog_seconds,
    )


def closed_executor() -> Callable[..., EventLoopExecutor]:
    """Return what makes a closed loop: the compiled one, or where that cannot be the one in Python, with a warning."""
    try:
        return functools.partial(CompiledExecutor, compiled=compiled_loop())
    except CompiledUnavailable as why:
        log.warning("the compiled part of the measuring loop is not used, and the load takes more CPU: %s", why)
        return EventLoopExecutor


def rate_curve(load: QpsLoad) -> RateCurve:
    """Return the rate of the whole run over its time, with the stages of the scenario."""
    total_s = load.warmup_seconds + load.duration_seconds
    return RateCurve(profile(load.target_qps, load.changes, warmup_s=load.warmup_seconds, total_s=total_s).points)
