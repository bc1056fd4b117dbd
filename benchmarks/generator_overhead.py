"""Queries per second of the product against pgbench on the same server, every query recorded, in alternating pairs.

Usage: python benchmarks/generator_overhead.py [--pairs 7] [--seconds 5] [--connections 8 64] [--no-peers]

One worker process stands against ``pgbench -j 1``, two against ``-j 2``, on the same two-statement 90/10 mix, prepared,
over the same Unix socket. The product records every query in its log and histograms all the while; pgbench records
nothing. The processor time per query is the generator's own; that of pgbench and sysbench includes their start.

Then other generators send the same mix, in alternating rounds with one worker, and one table shows them all.
"""

import argparse
import statistics
import sys
from collections.abc import Callable

import psutil

from _peers import Missing, peers
from _rig import Bench, Speed, bench, pairs, print_ratio

BAR = 0.90
"""The median ratio that must be reached."""

Row = tuple[str, int, str, str, str]


def main() -> int:
    """Run the pairs and the peers, print the ratios and the table, and return 1 if a ratio is below the bar."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--connections", type=int, nargs="+", default=[8, 64])
    parser.add_argument("--no-peers", action="store_true", help="leave out the generators other than pgbench")
    given = parser.parse_args()
    passed, table = True, list[Row]()
    with bench() as made:
        for connections in given.connections:
            for jobs in (1, 2):
                median, rows = _against_pgbench(made, connections, jobs, given.pairs, given.seconds)
                passed = passed and median >= BAR
                table += rows
        if not given.no_peers:
            table += _against_peers(made, given.connections, max(1, given.pairs // 2), given.seconds)
    _print_table(table)
    print("passed" if passed else "failed")
    return 0 if passed else 1


def _against_pgbench(made: Bench, connections: int, jobs: int, n: int, seconds: int) -> tuple[float, list[Row]]:
    """Run the pairs of so many workers and print their ratio; return it, and a row for each side."""
    name = f"{jobs} worker(s) against pgbench -j {jobs}, {connections} connections"
    a, b = pairs(
        n,
        lambda: _product(made, jobs, connections, seconds),
        lambda: made.run_pgbench(connections=connections, jobs=jobs, seconds=seconds),
        name,
    )
    median = print_ratio(name, [one.per_s for one in a], [one.per_s for one in b], bar=BAR)
    print_ratio("  processor time per query, ours over pgbench's", [s.cpu_us for s in a], [s.cpu_us for s in b])
    print(f"  load average {psutil.getloadavg()[0]:.1f}", flush=True)
    return median, [
        _row(f"upperbound, {jobs} worker(s)", connections, a, f"{median:.2f} of pgbench -j {jobs}"),
        _row(f"pgbench -j {jobs}", connections, b, ""),
    ]


def _against_peers(made: Bench, connections: list[int], rounds: int, seconds: int) -> list[Row]:
    """Run each peer in alternation with one worker and return its rows."""
    table: list[Row] = []
    for name, run in peers(made).items():
        for number in connections:
            if isinstance(run, Missing):
                table.append((name, number, "missing", "", run.why))
                continue

            def theirs(run: Callable[[int, int], Speed] = run, number: int = number) -> Speed:
                return run(number, seconds)

            def ours(number: int = number) -> Speed:
                return _product(made, 1, number, seconds)

            a, b = pairs(rounds, ours, theirs, f"1 worker against {name}, {number} connections")
            ratio = statistics.median(x.per_s / y.per_s for x, y in zip(a, b, strict=True))
            table.append(_row(name, number, b, f"1 worker sends {ratio:.2f} times as many"))
    return table


def _product(made: Bench, workers: int, connections: int, seconds: int) -> Speed:
    return made.run_product(workers=workers, threads=connections // workers, seconds=seconds).speed


def _row(name: str, connections: int, speeds: list[Speed], note: str) -> Row:
    per_s, cpu_us = (statistics.median(values) for values in zip(*((s.per_s, s.cpu_us) for s in speeds), strict=True))
    return name, connections, f"{per_s:,.0f}", f"{cpu_us:.1f}", note


def _print_table(table: list[Row]) -> None:
    """Print the medians of every generator, by number of connections."""
    width = max(len(row[0]) for row in table)
    print(f"\n{'generator':<{width}}  connections  queries/s  CPU us/query")
    for name, connections, per_s, cpu_us, note in sorted(table, key=lambda row: row[1]):
        print(f"{name:<{width}}  {connections:>11}  {per_s:>9}  {cpu_us:>12}  {note}".rstrip())


if __name__ == "__main__":
    sys.exit(main())
