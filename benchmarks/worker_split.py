"""The same 1,000 threads as 5 workers of 200 and as 2 workers of 500, in alternating pairs.

Usage: python benchmarks/worker_split.py [--pairs 7] [--seconds 8]

The server has a slot for every thread, so that nothing waits for the server: every millisecond that a split costs its
threads is missing from its throughput. Wanted is a median ratio of throughputs within 3 % of 1.
"""

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

from _product import run_product
from _shim import Speed, shim
from upperbound.views.run_summary import RunSummary

BAR = 0.03
SLOTS, SERVICE_MS, SPREAD_PCT = 1000, 500.0, 50.0
SPLITS = ((5, 200), (2, 500))


def main() -> int:
    """Run the pairs, print each, and return 1 if the splits differ by more than wanted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--seconds", type=int, default=8)
    given = parser.parse_args()
    capacity = SLOTS * 1000 / SERVICE_MS
    print(f"a server with {SLOTS} slots of {SERVICE_MS:g} ms, give or take {SPREAD_PCT:g} %: {capacity:,.0f}/s at most")
    ratios = []
    with (
        shim(Speed(SLOTS, SERVICE_MS, spread_pct=SPREAD_PCT, lag_counts=True)) as url,
        tempfile.TemporaryDirectory() as home,
    ):
        for number in range(given.pairs):
            order = SPLITS if number % 2 == 0 else SPLITS[::-1]
            made = {split: _run(Path(home), url, *split, given.seconds) for split in order}
            (first, second) = (made[split].qps or 0.0 for split in SPLITS)
            ratios.append(first / second)
            print(
                f"  pair {number + 1}: 5 x 200 {first:,.1f}/s, 2 x 500 {second:,.1f}/s, ratio {ratios[-1]:.4f}; p95 "
                + " and ".join(f"{made[split].latency.p95_ms or 0:.0f} ms" for split in SPLITS),
                flush=True,
            )
    median = statistics.median(ratios)
    passed = abs(median - 1) <= BAR
    print(
        f"median ratio {median:.4f} of {len(ratios)} pairs (range {min(ratios):.4f} to {max(ratios):.4f}), "
        f"wanted within {100 * BAR:g} % of 1: {'passed' if passed else 'failed'}"
    )
    return 0 if passed else 1


def _run(home: Path, url: str, workers: int, threads: int, seconds: int) -> RunSummary:
    load = {"mode": "CONCURRENCY", "warmup_seconds": 2, "duration_seconds": seconds}
    scaling = {"mode": "FIXED", "min_workers": workers, "min_threads": threads}
    return run_product(home, url, load, scaling=scaling).summary


if __name__ == "__main__":
    sys.exit(main())
