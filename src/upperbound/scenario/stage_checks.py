"""Stages that cannot come about: out of order, into each other, beyond the end, or of the wrong kind."""

from collections.abc import Iterator, Mapping
from typing import Any

from upperbound.errors import Problem
from upperbound.scenario.kinds import LoadMode
from upperbound.scenario.plain import entries, number

_GOALS = {LoadMode.CONCURRENCY: "threads", LoadMode.QPS: "target_qps"}
"""What a stage comes to."""


def goals_of(load: Mapping[str, Any], key: str) -> list[tuple[str, Any]]:
    """Return the place and the value of each stage's goal, those without one left out."""
    return [
        (f"load.stages.{place}.{key}", stage[key])
        for place, stage in enumerate(entries(load.get("stages")))
        if isinstance(stage, Mapping) and stage.get(key) is not None
    ]


def check_stages(load: Mapping[str, Any], mode: Any, *, fixed: bool) -> Iterator[Problem]:
    """Yield what is wrong with the stages of a load in its plain form; ``fixed`` when its threads may not change."""
    stages = entries(load.get("stages"))
    key = next((key for known, key in _GOALS.items() if known == mode), None)
    if not stages or key is None:
        return
    if fixed and mode == LoadMode.CONCURRENCY:
        message = "stages change the number of threads, and FIXED scaling keeps it"
        yield Problem("load.stages", message, "set scaling.mode to BOUNDED")
    other = "threads" if key == "target_qps" else "target_qps"
    ahead: tuple[float, float] | None = None
    for place, stage in enumerate(stages):
        if not isinstance(stage, Mapping):
            continue
        where = f"load.stages.{place}"
        if stage.get(other) is not None:
            yield Problem(f"{where}.{other}", f"a stage of {mode} comes to {key}, not to {other}", f"give {key}")
        elif stage.get(key) is None:
            yield Problem(f"{where}.{key}", "is missing", f"a stage says what {key} it comes to")
        at_s, ramp_s = number(stage.get("at")), number(stage.get("ramp_seconds", 0))
        if at_s is None or ramp_s is None:
            continue
        yield from _check_time(where, at_s, ramp_s, ahead, number(load.get("duration_seconds")))
        ahead = (at_s, ramp_s)


def _check_time(
    where: str, at_s: float, ramp_s: float, ahead: tuple[float, float] | None, duration_s: float | None
) -> Iterator[Problem]:
    """Check when one stage begins and ends; ``ahead`` is the begin and the ramp of the one before it."""
    if ahead is not None and at_s <= ahead[0]:
        message = f"begins at {at_s:.10g} s, and the stage before it at {ahead[0]:.10g} s"
        yield Problem(f"{where}.at", message, "put the stages in the order of their times")
    elif ahead is not None and at_s < sum(ahead):
        message = f"begins at {at_s:.10g} s, and the ramp of the stage before it lasts until {sum(ahead):.10g} s"
        advice = f"begin it at {sum(ahead):.10g}, or shorten that ramp to {at_s - ahead[0]:.10g} s"
        yield Problem(f"{where}.at", message, advice)
    if not duration_s:
        return
    if at_s >= duration_s:
        message = f"begins {at_s:.10g} s into a measurement that lasts {duration_s:.10g} s"
        yield Problem(f"{where}.at", message, f"raise duration_seconds above {at_s:.10g}, or begin it earlier")
    elif at_s + ramp_s > duration_s:
        message = f"the ramp ends {at_s + ramp_s:.10g} s into a measurement that lasts {duration_s:.10g} s"
        advice = f"shorten it to {duration_s - at_s:.10g}, or raise duration_seconds to {at_s + ramp_s:.10g}"
        yield Problem(f"{where}.ramp_seconds", message, advice)
