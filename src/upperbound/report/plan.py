"""What a run is going to do, as lines to read before it starts."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from upperbound.domain.allocation import Bounds
from upperbound.domain.stages import Profile, profile
from upperbound.report.value_pools import run_pools_text
from upperbound.report.wording import count, rate, seconds, sparkline
from upperbound.scenario.kinds import ScalingMode
from upperbound.scenario.loads import ConcurrencyLoad, FindMaxLoad, QpsLoad
from upperbound.scenario.run_config import RunConfig

if TYPE_CHECKING:
    from upperbound.views.value_pools import PoolView

_CURVE_WIDTH: Final = 40
_STAGES_SHOWN: Final = 12
_LABEL: Final = 8


def plan_lines(config: RunConfig, pools: Sequence["PoolView"] = (), *, ascii_only: bool = False) -> list[str]:
    """Return workers and threads of a run, how far they may go, its times, value pools and stages, a line each."""
    load = config.scenario.load
    rows = [("Plan", f"{load.mode.value}: {_load(config)}"), ("Workers", _workers(config.threads))]
    rows += [("Ceiling", ceiling)] if (ceiling := _ceiling(config)) else []
    rows.append(("Time", _time(config)))
    rows += [("Pools", values)] if (values := run_pools_text(pools)) else []
    lines = [f"{label:<{_LABEL}} {text}" for label, text in rows]
    return [*lines, *_stages(config, ascii_only=ascii_only)]


def load_profile(config: RunConfig) -> Profile:
    """Return the threads, or the rate, of the whole run over its time."""
    load = config.scenario.load
    base = load.target_qps if isinstance(load, QpsLoad) else float(sum(config.threads))
    return profile(
        base, load.changes, warmup_s=load.warmup_seconds, total_s=load.warmup_seconds + load.duration_seconds
    )


def _load(config: RunConfig) -> str:
    """Return what the load is in the beginning."""
    load = config.scenario.load
    if isinstance(load, FindMaxLoad):
        most = "without a limit" if load.max_threads is None else f"up to {count(load.max_threads)}"
        steps = f"{count(load.increment)} more every {seconds(load.step_duration_seconds)}"
        return f"from {_threads(load.start_threads)}, {steps}, {most}"
    if isinstance(load, QpsLoad):
        threads = _threads(sum(config.threads))
        return f"{rate(load.target_qps)}/s, {load.arrivals.value} arrivals, {threads} to begin with"
    thinking = f", {load.think_time_ms:g} ms between queries" if load.think_time_ms else ""
    return f"{_threads(sum(config.threads))}{thinking}"


def _workers(threads: tuple[int, ...]) -> str:
    """Return ``2 workers x 8 threads``, or each kind of worker where they differ."""
    parts = [
        f"{_plural(workers, 'worker')} x {_threads(each)}" for each, workers in sorted(Counter(threads).items())[::-1]
    ]
    return " + ".join(parts)


def _ceiling(config: RunConfig) -> str:
    """Return how far workers and threads may grow; nothing where they do not."""
    scaling, bounds = config.scenario.scaling, config.scenario.scaling.bounds
    grows = not isinstance(config.scenario.load, ConcurrencyLoad)
    if scaling.mode is ScalingMode.FIXED or (scaling.mode is ScalingMode.AUTO and not grows):
        return ""
    workers = config.capacity if bounds.max_workers is None else bounds.max_workers
    return f"at most {_plural(workers, 'worker')}{_each(bounds)}"


def _each(bounds: Bounds) -> str:
    """Return the most threads of a worker and of all, as far as there is a limit."""
    if bounds.max_threads is None:
        return ""
    total = "" if bounds.ceiling is None else f" = {_threads(bounds.ceiling)}"
    return f" x {count(bounds.max_threads)}{total}" if total else f" of at most {_threads(bounds.max_threads)}"


def _time(config: RunConfig) -> str:
    """Return how long it takes."""
    load = config.scenario.load
    warmup = f"{seconds(load.warmup_seconds)} warmup, then " if load.warmup_seconds else ""
    if isinstance(load, FindMaxLoad):
        return f"{warmup}at most {seconds(load.duration_seconds)} for the search"
    return f"{warmup}{seconds(load.duration_seconds)} measured"


def _stages(config: RunConfig, *, ascii_only: bool) -> Iterator[str]:
    """Yield a line for each stage, and the curve that they make."""
    load = config.scenario.load
    if not load.changes:
        return
    rated = isinstance(load, QpsLoad)
    rows = []
    for change in load.changes[:_STAGES_SHOWN]:
        way = f"within {seconds(change.ramp_s)}" if change.ramp_s else "at once"
        goal = f"{rate(change.goal)}/s" if rated else _threads(round(change.goal))
        rows.append(f"{seconds(change.at_s):>10} into the measurement to {goal} {way}")
    if left := len(load.changes) - len(rows):
        rows.append(f"{'…' if not ascii_only else '...'} and {left} more")
    curve = load_profile(config)
    low, high = (f"{rate(value)}/s" if rated else count(round(value)) for value in (curve.lowest, curve.highest))
    rows.append(f"{_curve(curve, ascii_only=ascii_only)}  {low} to {high}{'' if rated else ' threads'}")
    for place, row in enumerate(rows):
        yield f"{'' if place else 'Stages':<{_LABEL}} {row}"


def _curve(curve: Profile, *, ascii_only: bool) -> str:
    """Return the load over the time of the run as bars."""
    total_s = curve.points[-1][0]
    middles = [total_s * (place + 0.5) / _CURVE_WIDTH for place in range(_CURVE_WIDTH)]
    return sparkline([curve.at(time_s) for time_s in middles], _CURVE_WIDTH, ascii_only=ascii_only)


def _threads(number: int) -> str:
    return _plural(number, "thread")


def _plural(number: int, noun: str) -> str:
    return f"{count(number)} {noun}" if number == 1 else f"{count(number)} {noun}s"
