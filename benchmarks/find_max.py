"""Searches for the highest load against servers whose capacity is known, and one against PostgreSQL.

Usage: python benchmarks/find_max.py [--runs 20] [--parallel 6] [--step-seconds 6] [--seed 1] [--no-postgres]

Each run is a whole run of the product against a server of its own with k slots of 200 ms, whose speed wavers by 2 %
(standard deviation, drawn anew each half second); k is drawn from 8 to 60 by the run's seed. A run is right when the
interval it answers with holds k. Wanted are 19 of 20. What is looked for is the knee of the throughput: the p95 may
rise by half, because a machine that does other things as well moves it by more than the usual 20 %. The runs go on side
by side, a few at a time: the load is small, and what they take from each other is noise as well. The search against
PostgreSQL has no known answer; its steps are shown.
"""

import argparse
import itertools
import multiprocessing
import random
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from _product import Made, run_product
from _rig import bench, mix
from _shim import Speed, shim
from upperbound.report.find_max import find_max_result
from upperbound.views.find_max import FindMaxView

BAR = 0.95
"""The share of searches that must hold the true knee."""
START_BAR_S = 1.0
"""How long after its decision a step may begin."""
SERVICE_MS = 200.0
WOBBLE_PCT = 2.0
LATENCY_STABILITY_PCT = 50.0
POSTGRES_STABILITY_PCT = 100.0
"""A p95 of a tenth of a millisecond doubles by what else the machine does."""
FEWEST_SLOTS, MOST_SLOTS = 8, 60


@dataclass(frozen=True)
class Found:
    """What one search found."""

    seed: int
    slots: int
    view: FindMaxView
    slowest_start_s: float

    @property
    def holds(self) -> bool:
        """Whether the interval holds the true knee."""
        low, high = self.view.low, self.view.high
        return low is not None and high is not None and low <= self.slots <= high


def search(seed: int, step_s: float) -> Found:
    """Make one search against a server drawn from ``seed``."""
    slots = random.Random(seed).randint(FEWEST_SLOTS, MOST_SLOTS)
    load = {
        "mode": "FIND_MAX_CONCURRENCY",
        "step_duration_seconds": step_s,
        "warmup_seconds": 1,
        "latency_stability_pct": LATENCY_STABILITY_PCT,
    }
    with shim(Speed(slots, SERVICE_MS, WOBBLE_PCT, seed=seed)) as url, tempfile.TemporaryDirectory() as home:
        made = run_product(Path(home), url, load)
        return Found(seed, slots, view_of(made), slowest_start_s(made))


def view_of(made: Made) -> FindMaxView:
    """Return the search of a run."""
    if made.summary.find_max is None:
        raise SystemExit(f"run {made.summary.run_id} made no search")
    return made.summary.find_max


def slowest_start_s(made: Made) -> float:
    """Return the longest time from the decision on a step with more threads than ever to a query of its new threads."""
    table = made.log.to_table(columns=["thread", "started_at"])
    started = table.group_by("thread").aggregate([("started_at", "min")])
    first = dict(zip(started["thread"].to_pylist(), started["started_at_min"].to_pylist(), strict=True))
    most, delays = max(made.summary.threads, 1), [0.0]
    for event in made.told:
        target = int(event.data.get("target_threads", 0))
        if target > most:
            delays.append(max((first[n] - event.created_at).total_seconds() for n in range(most, target)))
            most = target
    return max(delays)


def search_postgres(step_s: float) -> FindMaxView:
    """Make one search against an embedded PostgreSQL, on pgbench's 90/10 mix."""
    load = {
        "mode": "FIND_MAX_CONCURRENCY",
        "start_threads": 1,
        "increment": 2,
        "max_threads": 60,
        "latency_stability_pct": POSTGRES_STABILITY_PCT,
        "step_duration_seconds": step_s,
        "warmup_seconds": 3,
    }
    with bench() as made:
        return view_of(run_product(made.home, made.url, load, operations=mix(), password=made.server.password))


def main() -> int:
    """Make the searches, print what each found, and return 1 if too few hold the true knee."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--parallel", type=int, default=6)
    parser.add_argument("--step-seconds", type=float, default=6.0)
    parser.add_argument("--seed", type=int, default=1, help="of the first run; the others count on")
    parser.add_argument("--no-postgres", action="store_true")
    given = parser.parse_args()
    print(
        f"{given.runs} searches from seed {given.seed}, steps of {given.step_seconds:g} s, {given.parallel} at a time; "
        f"slots of {SERVICE_MS:g} ms, speed wavers by {WOBBLE_PCT:g} %"
    )
    seeds = range(given.seed, given.seed + given.runs)
    with ProcessPoolExecutor(given.parallel, mp_context=multiprocessing.get_context("spawn")) as pool:
        found = []
        for one in pool.map(search, seeds, itertools.repeat(given.step_seconds)):
            found.append(one)
            print(_line(one), flush=True)
    held = sum(one.holds for one in found)
    widths = sorted((one.view.high - one.view.low) / one.slots for one in found if one.holds and one.view.high)  # type: ignore[operator]  # both ends are there when it holds
    if widths:
        print(f"median width of the interval: {100 * widths[len(widths) // 2]:.0f} % of the true knee")
    starts = sorted(one.slowest_start_s for one in found)
    middle_s = starts[len(starts) // 2]
    print(
        f"slowest start of a step, from the decision to a query of each new thread: median of the searches "
        f"{middle_s:.2f} s, worst {starts[-1]:.2f} s; wanted within {START_BAR_S:g} s on a machine that has the time"
    )
    passed = held >= BAR * given.runs and middle_s <= START_BAR_S
    print(f"{held} of {given.runs} intervals hold the true knee: {'passed' if passed else 'failed'}")
    if not given.no_postgres:
        Console(width=150).print(find_max_result(search_postgres(given.step_seconds)))
    return 0 if passed else 1


def _line(one: Found) -> str:
    view = one.view
    return (
        f"  seed {one.seed:>3}: k = {one.slots:>2}, found {view.low} to {view.high}, best {view.best_threads} at "
        f"{view.qps or 0:,.0f}/s of {one.slots * 1000 / SERVICE_MS:,.0f}/s, {view.max_type}, {view.limiter}, "
        f"{len(view.steps)} steps, noise {view.noise_pct or 0:.1f} %, starts within {one.slowest_start_s:.2f} s: "
        f"{'holds' if one.holds else 'MISSES'}"
    )


if __name__ == "__main__":
    sys.exit(main())
