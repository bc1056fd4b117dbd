"""Percentiles merged over two workers against those of the pooled raw query log, on a skewed mix of latencies.

Usage: python benchmarks/percentile_truth.py [--seconds 10]

Lookups, some scans and a rare sleep make a distribution with a long tail. The merged histogram's percentiles are
compared with the order statistics (type 1 of Hyndman and Fan) of every latency in the Parquet log; the wanted
difference is at most 0.1 %.
"""

import argparse
import math
import sys

import numpy as np
import pyarrow.compute as pc
import pyarrow.dataset as ds
from numpy.typing import NDArray

from _rig import ACCOUNTS, bench
from upperbound.domain.figures import PhaseFigures
from upperbound.querylog.parquet import log_folder

BAR_PCT = 0.1
PERCENTILES = (50.0, 90.0, 95.0, 99.0, 99.9)

AID = [{"range": [1, ACCOUNTS]}]
OPERATIONS = [
    {"kind": "POINT_LOOKUP", "weight_pct": 89, "params": AID, "sql": "SELECT * FROM pgbench_accounts WHERE aid = $1"},
    {
        "kind": "RANGE_SCAN",
        "weight_pct": 10,
        "params": AID,
        "sql": "SELECT sum(abalance) FROM pgbench_accounts WHERE aid BETWEEN $1 AND $1 + 2000",
    },
    {
        "kind": "GENERIC_SQL",
        "name": "sleep",
        "operation_type": "READ",
        "weight_pct": 1,
        "params": [{"choice": [0.002, 0.005, 0.02, 0.08]}],
        "sql": "SELECT pg_sleep($1::double precision)",
    },
]


def main() -> int:
    """Run once, print each pair, and return 1 if one is further apart than wanted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=10)
    given = parser.parse_args()
    worst = 0.0
    with bench() as made:
        run = made.run_product(workers=2, threads=8, seconds=given.seconds, operations=OPERATIONS)
        log = ds.dataset(log_folder(run.run_folder), format="parquet")
        merged = PhaseFigures.from_json(run.figures)
        for operation in ["all", *merged.by_operation]:
            wanted = (pc.field("phase") == "MEASUREMENT") & (pc.field("outcome") == "ok")
            if operation != "all":
                wanted &= pc.field("operation") == operation
            raw = np.sort(log.to_table(columns=["service_us"], filter=wanted)["service_us"].to_numpy())
            histogram = merged.histogram if operation == "all" else merged.by_operation[operation].histogram
            if histogram.total != len(raw):
                raise SystemExit(f"{operation}: the histogram counts {histogram.total}, the log holds {len(raw)}")
            for percentile in PERCENTILES:
                exact = _order_statistic(raw, percentile)
                found = histogram.percentile_us(percentile)
                apart = 100 * abs(found - exact) / exact
                worst = max(worst, apart)
                name = f"p{percentile:g}"
                print(f"{operation:>13} {name:>6}: merged {found:>9,} us, raw {exact:>9,} us, apart {apart:.3f} %")
    passed = worst <= BAR_PCT
    print(f"largest difference {worst:.3f} %, wanted at most {BAR_PCT} %: {'passed' if passed else 'failed'}")
    return 0 if passed else 1


def _order_statistic(ordered: NDArray[np.int64], percentile: float) -> int:
    rank = math.ceil(round(percentile * 10) * len(ordered) / 1000)
    return int(ordered[max(rank, 1) - 1])


if __name__ == "__main__":
    sys.exit(main())
