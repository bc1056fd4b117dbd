"""Loads that cannot come about: what ``load`` asks for against what ``scaling`` allows, each with what to change."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from upperbound.domain.allocation import Bounds, fits, nearest_fit, threads_for_rate
from upperbound.errors import Problem
from upperbound.scenario.fields import THREADS_MAX
from upperbound.scenario.kinds import LoadMode, ScalingMode
from upperbound.scenario.plain import mapping, number, positive
from upperbound.scenario.stage_checks import check_stages, goals_of

_BOUNDED = (ScalingMode.AUTO, ScalingMode.BOUNDED)


def check_load(scenario: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what contradicts itself in ``load`` and ``scaling`` of a scenario in its plain form."""
    load, scaling = scenario.get("load"), mapping(scenario.get("scaling", {"mode": ScalingMode.AUTO}))
    yield from _check_scaling(scaling)
    if not isinstance(load, Mapping):
        return
    mode = load.get("mode", LoadMode.CONCURRENCY)
    bounds = _bounds(scaling)
    yield from check_stages(load, mode, fixed=scaling.get("mode") == ScalingMode.FIXED)
    if mode == LoadMode.CONCURRENCY:
        yield from _check_concurrency(load, scaling, bounds)
    elif mode == LoadMode.QPS:
        yield from _check_rate(load, scaling, bounds)
    elif mode == LoadMode.FIND_MAX_CONCURRENCY:
        yield from _check_search(load, scaling, bounds)
    yield from _check_min_qps(load, mode, mapping(scenario.get("slo")))


def _bounds(scaling: Mapping[str, Any]) -> Bounds:
    """Return the bounds that can be read, without limits where they cannot."""
    workers, threads = positive(scaling.get("min_workers")), positive(scaling.get("min_threads"))
    if scaling.get("mode") == ScalingMode.FIXED:
        return Bounds(workers or 1, workers, threads or 1, threads)
    if scaling.get("mode") != ScalingMode.BOUNDED:
        return Bounds()
    caps = [cap for key in ("max_threads", "per_worker_cap") if (cap := positive(scaling.get(key))) is not None]
    return Bounds(workers or 1, positive(scaling.get("max_workers")), threads or 1, min(caps, default=None))


def _check_scaling(scaling: Mapping[str, Any]) -> Iterator[Problem]:
    """Check the bounds against each other."""
    mode = scaling.get("mode")
    for what in ("workers", "threads"):
        low, high = positive(scaling.get(f"min_{what}")), positive(scaling.get(f"max_{what}"))
        where = f"scaling.max_{what}"
        if mode == ScalingMode.AUTO and high is not None:
            yield Problem(where, f"AUTO scaling has no bounds, and this is {high}", "use mode: BOUNDED")
        elif mode == ScalingMode.FIXED and None not in (low, high) and low != high:
            message = f"max_{what} {high} does not agree with FIXED scaling, which keeps to min_{what} {low}"
            yield Problem(where, message, f"leave max_{what} out, or use mode: BOUNDED")
        elif mode == ScalingMode.BOUNDED and low is not None and high is not None and low > high:
            advice = f"lower min_{what} to {high}, or raise max_{what} to {low}"
            yield Problem(f"scaling.min_{what}", f"min_{what} {low} is above max_{what} {high}", advice)
    low, cap = positive(scaling.get("min_threads")), positive(scaling.get("per_worker_cap"))
    if mode == ScalingMode.BOUNDED and low is not None and cap is not None and low > cap:
        advice = f"lower min_threads to {cap}, or raise per_worker_cap to {low}"
        yield Problem("scaling.min_threads", f"min_threads {low} is above per_worker_cap {cap}", advice)


def _check_concurrency(load: Mapping[str, Any], scaling: Mapping[str, Any], bounds: Bounds) -> Iterator[Problem]:
    """Check ``load.threads`` and those of stages."""
    mode, threads = scaling.get("mode"), load.get("threads")
    if mode in _BOUNDED and threads is None:
        hint = f"{mode} scaling needs the number of threads, for instance 16"
        yield Problem("load.threads", "is missing", hint)
    goals = goals_of(load, "threads") if mode == ScalingMode.BOUNDED else []
    given = [("load.threads", threads), *goals]
    alone = [problem for where, count in given for problem in _check_threads(where, count, mode, bounds)]
    yield from alone
    counts = [count for _, value in given if (count := positive(value))]
    if goals and counts and not alone and bounds.consistent and not fits(min(counts), max(counts), bounds):
        message = f"no number of workers carries {min(counts)} to {max(counts)} threads with {_each(bounds)}"
        yield Problem("load.stages", message, "lower min_threads or raise max_threads")


def _check_threads(where: str, given: Any, mode: Any, bounds: Bounds) -> Iterator[Problem]:
    """Check a number of threads of the whole run against the bounds."""
    threads, ceiling = positive(given), bounds.ceiling
    each = f"{_plural(bounds.min_workers, 'worker')} of {_plural(bounds.min_threads, 'thread')}"
    if mode == ScalingMode.FIXED:
        if ceiling is not None and ceiling > THREADS_MAX:
            message = f"asks for {ceiling} threads; the most is {THREADS_MAX}"
            yield Problem("scaling", message, "lower one of the two numbers")
        if threads is not None and ceiling is not None and threads != ceiling:
            message = f"{threads} threads do not agree with scaling, which makes {each}: {ceiling}"
            yield Problem(where, message, f"leave load.threads out, or make it {ceiling}")
        return
    if threads is None or mode != ScalingMode.BOUNDED:
        return
    name = where.rpartition(".")[2]
    if ceiling is not None and threads > ceiling:
        message = f"{_plural(threads, 'thread')} do not fit into at most {_most(bounds)}: {ceiling}"
        yield Problem(where, message, f"{_raise(bounds, threads)}, or lower {name} to {ceiling}")
    elif threads < bounds.floor:
        message = f"{_plural(threads, 'thread')} cannot make up at least {each}: {bounds.floor}"
        yield Problem(where, message, f"raise {name} to {bounds.floor}, or lower min_workers or min_threads")
    elif bounds.consistent and not fits(threads, threads, bounds):
        message = f"no number of workers carries {_plural(threads, 'thread')} with {_each(bounds)}"
        nearest = nearest_fit(threads, bounds)
        yield Problem(where, message, f"make it {nearest}, or lower min_threads or raise max_threads")


def _check_rate(load: Mapping[str, Any], scaling: Mapping[str, Any], bounds: Bounds) -> Iterator[Problem]:
    """Check a rate, and those of stages, against the threads there may be; and that it comes to an operation at all."""
    mode = scaling.get("mode")
    yield from _check_threads("load.threads", load.get("threads"), mode, bounds)
    latency_ms = number(load.get("expected_latency_ms"))
    for where, rate in (("load.target_qps", load.get("target_qps")), *goals_of(load, "target_qps")):
        if (per_s := number(rate)) and latency_ms:
            yield from _check_reach(where, per_s, latency_ms, bounds, fixed=mode == ScalingMode.FIXED)
    per_s, seconds = number(load.get("target_qps")), number(load.get("duration_seconds"))
    if per_s and seconds and per_s * seconds < 1 and not load.get("stages"):
        message = f"{_short(per_s)}/s for {_short(seconds)} s come to less than one operation"
        yield Problem("load.target_qps", message, f"raise duration_seconds to {_short(math.ceil(1 / per_s))}")


def _check_reach(where: str, per_s: float, latency_ms: float, bounds: Bounds, *, fixed: bool) -> Iterator[Problem]:
    """Check by Little's law that the most threads carry a rate at the expected latency."""
    needed, ceiling = threads_for_rate(per_s, latency_ms), bounds.ceiling
    expected = f"at the expected {_short(latency_ms)} ms"
    if ceiling is not None and needed > ceiling:
        most = f"{'the' if fixed else 'at most'} {_most(bounds)}"
        message = f"target_qps {_short(per_s)} cannot be reached with {most} {expected}"
        reach = math.floor(ceiling * 1e5 / latency_ms) / 100
        advice = f", or lower target_qps to {_short(reach)}" if reach > 0 else ""
        yield Problem(where, message, f"{_raise(bounds, needed, 'min' if fixed else 'max')}{advice}")
    elif needed > THREADS_MAX:
        message = f"target_qps {_short(per_s)} needs {needed} threads {expected}; the most is {THREADS_MAX}"
        yield Problem(where, message, "lower target_qps, or correct expected_latency_ms")


def _check_search(load: Mapping[str, Any], scaling: Mapping[str, Any], bounds: Bounds) -> Iterator[Problem]:
    """Check that a search has room for its steps, in threads and in time."""
    if scaling.get("mode") == ScalingMode.FIXED:
        message = "a search changes the number of threads, and FIXED scaling keeps it"
        yield Problem("scaling.mode", message, "use AUTO or BOUNDED")
        bounds = Bounds()
    start = positive(load.get("start_threads", 5))
    yield from _check_threads("load.start_threads", start, scaling.get("mode"), bounds)
    most = positive(load.get("max_threads"))
    if start is not None and most is not None and start > most:
        advice = f"lower start_threads to {most}, or raise max_threads above {start}"
        yield Problem("load.start_threads", f"start_threads {start} is above max_threads {most}", advice)
    step, whole_s = number(load.get("step_duration_seconds", 30)), number(load.get("duration_seconds"))
    if step and whole_s and step > whole_s:
        message = f"a step of {_short(step)} s is longer than the search, which may take {_short(whole_s)} s"
        advice = "leave duration_seconds out, or shorten step_duration_seconds"
        yield Problem("load.step_duration_seconds", message, advice)


def _check_min_qps(load: Mapping[str, Any], mode: Any, slo: Mapping[str, Any]) -> Iterator[Problem]:
    """Check the lowest throughput that is wanted against what the load can send at most."""
    wanted = number(slo.get("min_qps"))
    if not wanted:
        return
    if mode == LoadMode.QPS:
        rates = [number(rate) for rate in (load.get("target_qps"), *(goal for _, goal in goals_of(load, "target_qps")))]
        most = max((rate for rate in rates if rate), default=None)
        if most is not None and wanted > most:
            message = f"{_short(wanted)}/s cannot be reached by a load that offers at most {_short(most)}/s"
            yield Problem("slo.min_qps", message, f"raise load.target_qps, or lower min_qps below {_short(most)}")
    elif mode == LoadMode.CONCURRENCY and (think_ms := number(load.get("think_time_ms"))):
        counts = [positive(count) for count in (load.get("threads"), *(goal for _, goal in goals_of(load, "threads")))]
        threads = max((count for count in counts if count), default=None)
        if threads is not None and wanted > threads * 1e3 / think_ms:
            needed = threads_for_rate(wanted, think_ms)
            message = (
                f"{_short(wanted)}/s cannot be reached by {_plural(threads, 'thread')} that think for "
                f"{_short(think_ms)} ms: at most {_short(threads * 1e3 / think_ms)}/s"
            )
            yield Problem("slo.min_qps", message, f"raise load.threads above {needed}, or lower think_time_ms")


def _each(bounds: Bounds) -> str:
    """Return ``at least 4 and at most 8 each``."""
    return f"at least {bounds.min_threads}{f' and at most {bounds.max_threads}' if bounds.max_threads else ''} each"


def _most(bounds: Bounds) -> str:
    """Return ``2 workers x 10 threads``."""
    return f"{_plural(bounds.max_workers or 1, 'worker')} x {_plural(bounds.max_threads or 1, 'thread')}"


def _raise(bounds: Bounds, threads: int, which: str = "max") -> str:
    """Return what to raise so that ``threads`` find room: the workers, or the threads of each."""
    workers = -(-threads // (bounds.max_threads or 1))
    each = -(-threads // (bounds.max_workers or 1))
    return f"raise {which}_workers to {workers} or {which}_threads to {each}"


def _short(value: float) -> str:
    """Return a number without needless zeros."""
    return f"{value:.10g}"


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
