"""The built-in scenarios: what there is, and each of them by name."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from upperbound.errors import ScenarioError
from upperbound.scenario.loader import LoadedScenario, builtin_names, builtin_text, parse_scenario
from upperbound.scenario.validation_messages import nearest

DATA_SET_TAG: Final = "data_set"
"""The tag that names the data set a built-in scenario runs on; runs keep it."""


@dataclass(frozen=True)
class BuiltinScenario:
    """One built-in scenario, for lists."""

    name: str
    """What ``upperbound run`` takes."""
    title: str
    """The scenario's own name."""
    about: str
    """What it is for: the first comment of its file."""
    data_set: str | None
    """The data set that ``upperbound data load`` fills its tables with; None for one that brings its own."""


def builtin_scenarios() -> list[BuiltinScenario]:
    """Return every built-in scenario, by name."""
    return [_describe(name) for name in builtin_names()]


def load_builtin(name: str, overrides: Sequence[str] = ()) -> LoadedScenario:
    """Return the built-in scenario of this name with the values of ``--set`` put in.

    Raises:
        ScenarioError: there is none, or the values do not fit.
    """
    names = builtin_names()
    if name not in names:
        near = nearest(name, names)
        hint = f"did you mean {near}?" if near else f"built-in scenarios: {', '.join(names)}"
        raise ScenarioError(f"there is no built-in scenario {name!r}", hint=hint)
    return parse_scenario(builtin_text(name), overrides, source=f"built-in scenario {name}")


def _describe(name: str) -> BuiltinScenario:
    scenario = load_builtin(name).scenario
    about = []
    for line in builtin_text(name).splitlines():
        if not line.startswith("# "):
            break
        about.append(line.removeprefix("# ").strip())
    return BuiltinScenario(name, scenario.name, " ".join(about), scenario.tags.get(DATA_SET_TAG))
