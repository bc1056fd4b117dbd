"""What a worker does before it opens its connections, for ``value_pools.py``: a process of its own, as a worker is.

Says when it is up, its imports included, and begins when it is told to, so that all of them load at the same moment.
Prints as JSON how long it took to load the run's pools and to prepare the work, and how much memory that needed.
"""

import itertools
import json
import resource
import sys

import psutil

from upperbound.clock import SystemClock
from upperbound.planning.pool_values import load_pools
from upperbound.scenario.run_config import RunConfig
from upperbound.store.engine import open_store
from upperbound.targets.postgres import ConnInfo
from upperbound.worker.main import SWITCH_INTERVAL_S
from upperbound.worker.preparation import prepare

ROWS = 1_000
"""Rows of parameters that each thread draws."""


def main(url: str, run_id: str, group: int, workers: int) -> None:
    """Load, prepare, draw, and print."""
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    clock, process = SystemClock(), psutil.Process()
    print("up", flush=True)
    sys.stdin.readline()
    with open_store(url, migrate=False) as store:
        config = RunConfig.model_validate(store.runs.get(run_id).scenario_config)
        before, begun_ns, cpu_s = process.memory_info().rss, clock.monotonic_ns(), _cpu_s(process)
        pools = load_pools(store.value_pools, store.value_pools.of_run(run_id))
        loaded_ns, cpu_s = clock.monotonic_ns(), _cpu_s(process) - cpu_s
        prepared = prepare(config, ConnInfo(config.target_url or ""), group_id=group, group_count=workers, pools=pools)
        for thread in range(config.threads[group]):
            for _ in itertools.islice(prepared.stream(thread).rows[0], ROWS):
                pass
        done_ns, after = clock.monotonic_ns(), process.memory_info().rss
    print(
        json.dumps(
            {
                "name": f"worker-{group}",
                "load_s": (loaded_ns - begun_ns) / 1e9,
                "load_cpu_s": cpu_s,
                "prepare_s": (done_ns - loaded_ns) / 1e9,
                "values_mib": pools.nbytes / 2**20,
                "before_mib": before / 2**20,
                "grown_mib": (after - before) / 2**20,
                "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10,
            }
        ),
        flush=True,
    )


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
