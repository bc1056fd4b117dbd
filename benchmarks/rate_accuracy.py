"""Whether a rate is offered as asked for: how many arrivals, at which distances, and what happens beyond capacity.

Usage: python benchmarks/rate_accuracy.py [--seconds 30] [--rates 100 1000 10000]

Point lookups at each rate, with constant and with Poisson arrivals. Constant: the arrivals offered have to be within
0.5 % of rate times time, and the 99th percentile of how far sends are from their schedule is printed, wanted below
0.1 ms on an idle machine. Poisson: the number has to be one that chance explains (four standard deviations), and the
distances between arrivals have to be exponential by the test of Kolmogorov and Smirnov. All are read from the query
log; a log has microseconds, so each time gets a random part of one before it is tested.

Then twice the capacity of a server whose capacity is known, threads that sleep for 10 ms, is offered by the command:
the exit code has to be 7, and arrivals, starts and drops have to add up, with the query log as their witness.
"""

import argparse
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow.compute as pc
import pyarrow.dataset as ds
from numpy.typing import NDArray

from _rig import ACCOUNTS, POINT, Bench, bench
from upperbound.domain.figures import PhaseFigures
from upperbound.domain.offered import ArrivalFigures, rate_problems
from upperbound.querylog.parquet import log_folder

BAR_PCT = 0.5
LAG_BAR_MS = 0.1
SMALLEST_CHANCE = 0.001
"""A Kolmogorov-Smirnov test gives less than this once in a thousand runs of a true Poisson process."""
LOOKUP = [
    {"kind": "POINT_LOOKUP", "weight_pct": 100, "sql": POINT.format(aid="$1"), "params": [{"range": [1, ACCOUNTS]}]}
]
SLEEP_S = 0.01
SLEEP = [
    {
        "kind": "GENERIC_SQL",
        "name": "sleep",
        "operation_type": "READ",
        "weight_pct": 100,
        "sql": f"SELECT pg_sleep({SLEEP_S})",
    }
]
THREADS = 16
BACKLOG_S = 1.0


def chance(uniforms: NDArray[np.float64]) -> float:
    """Return the asymptotic chance, by Kolmogorov and Smirnov, that uniform values are as uneven as these."""
    ordered, n = np.sort(uniforms), len(uniforms)
    apart = max(float((np.arange(1, n + 1) / n - ordered).max()), float((ordered - np.arange(n) / n).max()))
    reach = apart * (math.sqrt(n) + 0.12 + 0.11 / math.sqrt(n))
    return min(1.0, 2 * sum((-1.0) ** (k - 1) * math.exp(-2 * k * k * reach * reach) for k in range(1, 101)))


def logged(folder: Path, *columns: str) -> dict[str, NDArray[np.int64]]:
    """Return columns of the measurement's queries in microseconds, in the order they were due, and their workers."""
    log = ds.dataset(log_folder(folder), format="parquet")
    table = log.to_table(columns=["intended_at", "worker_id", *columns], filter=pc.field("phase") == "MEASUREMENT")
    table = table.sort_by("intended_at")
    times = {name: table[name].cast("int64").to_numpy() for name in ("intended_at", *columns)}
    workers = table["worker_id"].cast("string").to_numpy(zero_copy_only=False)
    return {**times, "worker": np.unique(workers, return_inverse=True)[1].astype(np.int64)}


def offer(made: Bench, rate: float, arrivals: str, seconds: int, workers: int) -> bool:
    """Offer one rate, print what came of it, and say whether it was as asked for."""
    load = {
        "mode": "QPS",
        "target_qps": rate,
        "arrivals": arrivals,
        "warmup_seconds": 2,
        "duration_seconds": seconds,
    }
    run = made.run_load(load, LOOKUP, workers=workers, threads=THREADS // workers)
    found = PhaseFigures.from_json(run.figures).arrivals
    assert found is not None, "an open loop has arrivals"
    times = logged(run.run_folder, "started_at")
    due, sent = times["intended_at"], times["started_at"]
    if len(due) != found.started:
        raise SystemExit(f"the log holds {len(due)} queries, {found.started} were started")
    off_pct = 100 * (found.offered / (rate * seconds) - 1)
    lag_ms = np.percentile(sent - due, [50, 99]) / 1000
    said = (
        f"{rate:>7,.0f}/s {arrivals:<8} on {workers}: {found.offered:>7,} offered ({off_pct:+.3f} %), "
        f"{found.started:,} started, {found.late:,} late, {found.dropped} dropped; "
        f"sent p50 {lag_ms[0]:.3f} ms, p99 {lag_ms[1]:.3f} ms after due"
    )
    if arrivals == "constant":
        # Of each worker for itself: that they agree on when the run began, to some microseconds, is no part of a rate.
        own = [np.diff(due[times["worker"] == worker]) - workers * 1e6 / rate for worker in range(workers)]
        uneven_us = float(np.percentile(np.abs(np.concatenate(own)), 99))
        gaps_us = np.abs(np.diff(np.sort(sent)).astype(np.float64) - 1e6 / rate)
        good = abs(off_pct) <= BAR_PCT and uneven_us <= 2
        said += f"; due p99 {uneven_us:.1f} us off even, sends p99 {np.percentile(gaps_us, 99) / 1000:.3f} ms off even"
    else:
        dithered = np.sort(due + np.random.default_rng(1).random(len(due)))
        p = chance(1 - np.exp(-rate * np.diff(dithered) / 1e6))
        expected = rate * seconds
        good = p >= SMALLEST_CHANCE and abs(found.offered - expected) <= 4 * math.sqrt(expected)
        said += f"; Kolmogorov-Smirnov p = {p:.3f}"
    good = good and not rate_problems(found, poisson=arrivals == "poisson")
    print(f"{said}: {'passed' if good else 'failed'}", flush=True)
    return good


def overload(made: Bench, seconds: int) -> bool:
    """Offer twice what 8 threads that sleep can do, and hold every number of the result against the query log."""
    threads = 8
    closed = made.run_load(
        {"mode": "CONCURRENCY", "warmup_seconds": 1, "duration_seconds": 5}, SLEEP, threads=threads
    ).speed.per_s
    rate = round(2 * closed)
    load = {
        "mode": "QPS",
        "target_qps": rate,
        "max_backlog_seconds": BACKLOG_S,
        "warmup_seconds": 2,
        "duration_seconds": seconds,
    }
    result, code = command(made, load, threads)
    arrivals = result["arrivals"]
    found = ArrivalFigures(*(arrivals[name] for name in ("expected", "offered", "started", "late", "dropped")))
    due = logged(Path(result["query_log"]["path"]).parent)["intended_at"]
    checks = {
        "exit code 7": code == 7,
        "the rate is said not to be offered": arrivals["rate_offered"] is False and bool(arrivals["problems"]),
        "the generator was not the bottleneck": result["generator"]["client_bound"] is False,
        "offered is rate times time": abs(found.offered - rate * seconds) <= BAR_PCT / 100 * rate * seconds,
        "started is what the log holds": found.started == len(due) == arrivals["completed"],
        "the backlog was full at the end": abs(found.unstarted - rate * BACKLOG_S) <= 0.02 * rate * BACKLOG_S,
        "started, dropped and left over are all": found.started + found.dropped + arrivals["unstarted"]
        == found.offered,
        "started is what the server can do": abs(found.started / (closed * seconds) - 1) <= 0.05,
    }
    response_ms, service_ms = result["response_time"]["p50_ms"], result["latency"]["p50_ms"]
    print(
        f"{rate:,}/s where {closed:,.0f}/s are possible: {found.offered:,} offered, {found.started:,} started, "
        f"{found.dropped:,} dropped, {found.unstarted:,} left waiting; response time p50 {response_ms:,.0f} ms, "
        f"service time p50 {service_ms:.1f} ms; exit {code}"
    )
    for problem in arrivals["problems"]:
        print(f"  said: {problem}")
    for name, good in checks.items():
        print(f"  {name}: {'passed' if good else 'failed'}")
    return all(checks.values())


def command(made: Bench, load: dict[str, object], threads: int) -> tuple[dict[str, Any], int]:
    """Run the command as a user would, and return its JSON and its exit code."""
    scenario, out = made.scenario(load, 1, threads, SLEEP), made.home / "result.json"
    program = str(Path(sys.executable).with_name("upperbound"))
    done = subprocess.run(
        [program, "run", str(scenario), "--quiet", "--json", str(out), "--set", f"target.url={made.url}"],
        env={**made.environment, "UPPERBOUND_HOME": str(made.home)},
        capture_output=True,
        text=True,
        check=False,
    )
    if not out.exists():
        raise SystemExit(f"the command exits with {done.returncode}: {done.stderr}")
    result: dict[str, Any] = json.loads(out.read_text())
    return result, done.returncode


def main() -> int:
    """Offer every rate and the overload; return 1 if one was not as asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--rates", type=float, nargs="+", default=[100, 1_000, 10_000])
    given = parser.parse_args()
    with bench() as made:
        cases = [(rate, arrivals, 1) for rate in given.rates for arrivals in ("constant", "poisson")]
        cases += [(max(given.rates), "constant", 2)]
        passed = [offer(made, rate, arrivals, given.seconds, workers) for rate, arrivals, workers in cases]
        passed.append(overload(made, max(5, given.seconds // 3)))
        print(
            f"sends within {LAG_BAR_MS} ms of their schedule at p99 are wanted on an idle machine; this one's load is "
            f"{psutil.getloadavg()[0]:.1f}"
        )
    print("passed" if all(passed) else "failed")
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
