"""``--set load.threads=50``: single values of a scenario replaced from the command line."""

from collections.abc import Sequence
from typing import Any

from upperbound.errors import Problem
from upperbound.scenario.aliases import KEY_ALIASES
from upperbound.scenario.problem import PlacedProblem
from upperbound.scenario.validation_messages import shown
from upperbound.scenario.yaml_source import Path, parse_yaml

FROM_SET = "--set"
_HINT = "write --set load.threads=50, or --set workload.operations.0.weight_pct=60"


class _OverrideFault(Exception):
    """An override that leads nowhere."""


def apply_overrides(data: dict[str, Any], overrides: Sequence[str]) -> tuple[list[Path], list[Problem]]:
    """Put each ``path=value`` into ``data``, later ones over earlier ones.

    A path leads through mappings by key and through lists by index, counted from 0. Mappings that are not there are
    made, so that a misspelt key is reported like one in the file. A value is read as YAML; empty, it is null.

    Returns:
        The paths that were set, and what is wrong with the overrides that could not be applied.
    """
    paths: list[Path] = []
    problems: list[Problem] = []
    for override in overrides:
        target, separator, text = override.partition("=")
        steps = target.strip().split(".")
        if not separator or not all(steps):
            problems.append(PlacedProblem("", f"{target!r} is not of the form KEY=VALUE", _HINT, place=FROM_SET))
            continue
        value = parse_yaml(text)
        problems += [PlacedProblem(target, problem.message, problem.hint, place=FROM_SET) for problem in value.problems]
        if value.problems:
            continue
        try:
            paths.append(_put(data, steps, value.data))
        except _OverrideFault as fault:
            problems.append(PlacedProblem(target, str(fault), _HINT, place=FROM_SET))
    return paths, problems


def _put(data: Any, steps: Sequence[str], value: Any) -> Path:
    """Set the value that ``steps`` lead to, under whatever name it stood before, and return its path."""
    path: Path = ()
    for step in steps[:-1]:
        key = _key(data, step, path)
        if isinstance(data, dict) and data.get(step) is None:
            data[step] = {}
        data = data[key]
        path = (*path, key)
    key = _key(data, steps[-1], path)
    for pair in KEY_ALIASES.items():
        if key in pair and isinstance(data, dict):
            data.pop(pair[0], None)
            data.pop(pair[1], None)
    data[key] = value
    return (*path, key)


def _key(data: Any, step: str, path: Path) -> str | int:
    """Return ``step`` as a key of the mapping, or as an index of the list, that ``path`` has led to.

    Raises:
        _OverrideFault: there is no such entry, or neither a mapping nor a list.
    """
    name = ".".join(map(str, path))
    if isinstance(data, dict):
        return step
    if not isinstance(data, list):
        raise _OverrideFault(f"{name} is {shown(data)} and has no {step!r} in it")
    if not (step.isascii() and step.isdigit() and len(step) < 7):
        raise _OverrideFault(f"{name} is a list: {step!r} is not an index")
    if int(step) >= len(data):
        held = f"its indexes are 0 to {len(data) - 1}" if data else "it is empty"
        raise _OverrideFault(f"{name} has no entry {step}; {held}")
    return int(step)
