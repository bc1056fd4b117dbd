"""From the request to stop a run to the last query that starts, over many runs of two workers.

Usage: python benchmarks/stop_latency.py [--runs 50] [--bar-s 2.0]

Each run is stopped a little later in its second than the one before, so that every place between two polls of a worker
is met. Request and queries are stamped by the same host's clock.
"""

import argparse
import statistics
import sys
import threading

import numpy as np
import pyarrow.compute as pc
import pyarrow.dataset as ds

from _rig import Bench, bench, closed_loop, mix
from upperbound.clock import SystemClock
from upperbound.domain.phases import Phase
from upperbound.launchers.local import LocalLauncher
from upperbound.orchestrator.service import Orchestrator, RunRequest
from upperbound.orchestrator.stopping import request_stop
from upperbound.querylog.parquet import log_folder
from upperbound.scenario.loader import load_scenario
from upperbound.store.engine import Store, open_store
from upperbound.store.runs import RunRow


def main() -> int:
    """Stop the runs, print the distribution, and return 1 if its p99 is above the bar."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--bar-s", type=float, default=2.0)
    given = parser.parse_args()
    with bench() as made, open_store(f"sqlite:///{made.home}/upperbound.db") as store:
        latencies = [_stop_once(made, store, 0.3 + (number % 10) / 10) for number in range(given.runs)]
    p99 = float(np.quantile(latencies, 0.99))
    print(
        f"stop latency over {given.runs} runs: p50 {statistics.median(latencies):.3f} s, p99 {p99:.3f} s, "
        f"max {max(latencies):.3f} s, wanted at most {given.bar_s} s at p99: "
        f"{'passed' if p99 <= given.bar_s else 'failed'}"
    )
    return 0 if p99 <= given.bar_s else 1


def _stop_once(made: Bench, store: Store, after_s: float) -> float:
    """Ask a run to stop ``after_s`` into its measurement; return how much later its last query started, in seconds."""
    clock = SystemClock()
    scenario = load_scenario(made.scenario(closed_loop(30), 2, 4, mix()), ["load.warmup_seconds=0"]).scenario
    orchestrator = Orchestrator(store, LocalLauncher(), clock, made.home)
    run_id = orchestrator.create_run(RunRequest(scenario, made.url, made.server.password))
    asked_us: list[float] = []

    def ask() -> None:
        clock.sleep(after_s)
        asked_us.append(clock.utc_now().timestamp() * 1e6)
        request_stop(store, run_id, "the benchmark")

    asking = threading.Thread(target=ask)

    def on_tick(run: RunRow) -> None:
        if run.phase is Phase.MEASUREMENT and asking.ident is None:
            asking.start()

    orchestrator.start_run(run_id)
    run = orchestrator.drive(run_id, on_tick)
    asking.join()
    if run.status != "CANCELLED":
        raise SystemExit(f"run {run_id} ended {run.status}: {run.completion_reason}")
    log = ds.dataset(log_folder(orchestrator.run_folder(run_id)), format="parquet")
    last_us = float(pc.max(log.to_table(columns=["started_at"])["started_at"]).cast("int64").as_py())
    return max(0.0, (last_us - asked_us[0]) / 1e6)


if __name__ == "__main__":
    sys.exit(main())
