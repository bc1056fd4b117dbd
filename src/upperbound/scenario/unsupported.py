"""What the full scenario format knows and this version does not do yet: refused by name, never ignored."""

from collections.abc import Mapping
from typing import Any

from upperbound.errors import Problem
from upperbound.scenario.kinds import LoadMode, ScalingMode

_VERSION = "is not supported by this version of Upperbound"

_KEYS: dict[str, str] = {
    "target.connection": "give target.url",
    "target.warehouse": "it belongs to Snowflake targets",
    "slo.abort_on_breach": "remove it; objectives are judged when the run has ended",
    "workload.operations.*.statements": "give sql, one statement per operation",
    "workload.operations.*.retry": "remove it; a failed operation is counted and not repeated",
}
"""Keys by their place (``*`` for any index), with what to do instead."""

_VALUES: dict[str, tuple[str, ...]] = {
    "target.kind": ("snowflake",),
    "target.table_type": ("STANDARD", "HYBRID", "INTERACTIVE", "DYNAMIC"),
}
"""Values by the place of their key."""

RUNNABLE_LOADS = frozenset(LoadMode)
"""The load modes that runs are made of in this version; a scenario with another one is valid, and is not run."""
RUNNABLE_SCALINGS = frozenset(ScalingMode)
"""The scaling modes that runs are made of in this version."""
RUNNABLE_STAGES = frozenset({LoadMode.CONCURRENCY, LoadMode.QPS})
"""The load modes whose stages are followed in this version."""

_PARAM_KINDS = ("weighted", "hot_set", "gaussian", "offset_from", "list", "now", "uuid", "text")
"""Parameter sources."""


def unsupported_key(place: str) -> tuple[str, str] | None:
    """Return message and hint for a key that is to come, by its place; None for any other."""
    hint = _KEYS.get(place)
    return (f"{place.rpartition('.')[2]!r} {_VERSION}", hint) if hint is not None else None


def unsupported_value(place: str, value: str) -> str | None:
    """Return the message for a value that is to come, by the place of its key; None for any other."""
    known = next((known for known in _VALUES.get(place, ()) if known.lower() == value.lower()), None)
    return f"{known!r} {_VERSION}" if known is not None else None


def unsupported_param(kind: str) -> str | None:
    """Return the message for a parameter source that is to come; None for any other."""
    return f"parameter source {kind!r} {_VERSION}" if kind in _PARAM_KINDS else None


def not_run_yet(scenario: Mapping[str, Any]) -> list[Problem]:
    """Return what is right in the plain form of a scenario and not done yet, so that nothing else is run instead.

    Models know these words; before a run is made they are refused, by the loader with their lines and by the plan of
    the workers whatever way the scenario came.
    """
    load, scaling = scenario.get("load"), scenario.get("scaling")
    problems = []
    mode = load.get("mode", LoadMode.CONCURRENCY) if isinstance(load, Mapping) else None
    for where, word, known, runnable in (
        ("load.mode", mode, LoadMode, RUNNABLE_LOADS),
        ("scaling.mode", scaling.get("mode") if isinstance(scaling, Mapping) else None, ScalingMode, RUNNABLE_SCALINGS),
    ):
        if isinstance(word, str) and word in tuple(known) and word not in runnable:
            problems.append(Problem(where, f"{str(word)!r} {_VERSION}", f"use {' or '.join(sorted(runnable))}"))
    if isinstance(load, Mapping) and load.get("stages") and mode in RUNNABLE_LOADS - RUNNABLE_STAGES:
        problems.append(Problem("load.stages", f"'stages' {_VERSION}", "make a run of each stage"))
    return problems


def unsupported_names() -> list[str]:
    """Return everything that is refused by name, as ``target.kind: snowflake`` or ``slo.abort_on_breach``, in order."""
    values = [f"{place}: {value}" for place, words in _VALUES.items() for value in words]
    values += [f"load.mode: {mode}" for mode in LoadMode if mode not in RUNNABLE_LOADS]
    values += [f"scaling.mode: {mode}" for mode in ScalingMode if mode not in RUNNABLE_SCALINGS]
    sources = [f"workload.operations.*.params.*.{kind}" for kind in _PARAM_KINDS]
    return sorted([*_KEYS, *values, *sources])
