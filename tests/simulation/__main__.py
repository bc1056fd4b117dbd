"""``python -m tests.simulation``: simulate many seeds, or replay one with its diary."""

import argparse
import logging
import multiprocessing
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from tests.simulation.faults import Break
from tests.simulation.run import MEMORY, Chunk, Ground, Outcome, simulate, simulate_chunk

from upperbound.clock import SystemClock

CHUNK = 50
"""Seeds that one process takes at a time."""


def main(arguments: list[str] | None = None) -> int:
    """Run and return the exit code: 0 when every invariant held, 1 when one did not."""
    options = _parser().parse_args(arguments)
    logging.disable(logging.CRITICAL)
    broken = Break(options.broken) if options.broken else None
    if options.seed is not None:
        return _replay(options.seed, broken)
    return _many(options.start, options.seeds, options.jobs, broken)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=300, help="how many seeds to simulate")
    parser.add_argument("--start", type=int, default=0, help="the first seed")
    parser.add_argument("--seed", type=int, help="replay this seed alone and print what happens in it")
    parser.add_argument("--jobs", type=int, default=1, help="processes to simulate in")
    parser.add_argument("--break", dest="broken", choices=[each.value for each in Break], help="break the product")
    return parser


def _replay(seed: int, broken: Break | None) -> int:
    with Ground() as ground:
        outcome = simulate(ground, seed, broken=broken, tracing=True)
    _say("\n".join(outcome.diary))
    _say(f"seed {seed} ended as {outcome.ended_as} after {outcome.seconds:.1f} simulated seconds")
    return _say_violation(outcome, broken)


def _many(start: int, seeds: int, jobs: int, broken: Break | None) -> int:
    clock = SystemClock()
    began_ns = clock.monotonic_ns()
    chunks = [Chunk(first, min(first + CHUNK, start + seeds), broken) for first in range(start, start + seeds, CHUNK)]
    injected: Counter[str] = Counter()
    endings: Counter[str] = Counter()
    done = calls = 0
    for outcome in _outcomes(chunks, jobs):
        if outcome.violation is not None:
            return _say_violation(outcome, broken)
        done, calls = done + 1, calls + outcome.calls
        injected += outcome.injected
        endings[outcome.ended_as] += 1
    seconds = (clock.monotonic_ns() - began_ns) / 1e9
    _say(f"{done} seeds hold, {calls} calls to the store, {seconds:.1f} s, {done / seconds:.0f} seeds/s")
    _say("ended as: " + ", ".join(f"{count} {name}" for name, count in sorted(endings.items())))
    _say("faults: " + ", ".join(f"{count} {kind}" for kind, count in sorted(injected.items())))
    return 0


def _outcomes(chunks: list[Chunk], jobs: int) -> Iterator[Outcome]:
    if jobs == 1:
        for chunk in chunks:
            yield from simulate_chunk(chunk)
        return
    with tempfile.TemporaryDirectory(prefix="simulation-", dir=MEMORY) as folder:
        placed = [replace(chunk, within=Path(folder)) for chunk in chunks]
        yield from _outcomes_in_parallel(placed, jobs)


def _outcomes_in_parallel(chunks: list[Chunk], jobs: int) -> Iterator[Outcome]:
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        for outcomes in pool.imap(simulate_chunk, chunks):
            yield from outcomes


def _say_violation(outcome: Outcome, broken: Break | None) -> int:
    if outcome.violation is None:
        return 0
    _say(f"seed {outcome.seed} breaks an invariant: {outcome.violation}")
    _say(f"replay: {replay_command(outcome.seed, broken)}")
    return 1


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


def replay_command(seed: int, broken: Break | None) -> str:
    """Return the command that shows what happens in a seed."""
    return f"python -m tests.simulation --seed {seed}" + (f" --break {broken.value}" if broken else "")


if __name__ == "__main__":
    sys.exit(main())
