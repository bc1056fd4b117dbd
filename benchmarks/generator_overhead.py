"""Queries per second of the product against pgbench on the same server, every query recorded, in alternating pairs.

Usage: python benchmarks/generator_overhead.py [--pairs 7] [--seconds 5] [--connections 8]

One worker process stands against ``pgbench -j 1``, two against ``-j 2``, on the same two-statement 90/10 mix, prepared,
over the same Unix socket. The product records every query in its log and histograms all the while; pgbench records
nothing. The processor time per query is the generator's own; that of pgbench includes its start.
"""

import argparse
import sys

from _rig import Speed, bench, pairs, print_ratio

BAR = 0.80
"""The median ratio that must be reached."""


def main() -> int:
    """Run the pairs, print the ratios, and return 1 if one is below the bar."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--connections", type=int, default=8)
    given = parser.parse_args()
    passed = True
    with bench() as made:
        for jobs in (1, 2):

            def ours(jobs: int = jobs) -> Speed:
                threads = given.connections // jobs
                return made.run_product(workers=jobs, threads=threads, seconds=given.seconds).speed

            def theirs(jobs: int = jobs) -> Speed:
                return made.run_pgbench(connections=given.connections, jobs=jobs, seconds=given.seconds)

            a, b = pairs(given.pairs, ours, theirs, f"{jobs} worker(s) against -j {jobs}")
            median = print_ratio(
                f"{jobs} worker(s) against pgbench -j {jobs}, {given.connections} connections",
                [one.per_s for one in a],
                [one.per_s for one in b],
                bar=BAR,
            )
            print_ratio("  processor time per query, ours over pgbench's", [s.cpu_us for s in a], [s.cpu_us for s in b])
            passed = passed and median >= BAR
    print("passed" if passed else "failed")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
