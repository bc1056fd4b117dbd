"""Scenario files, built-in scenarios and overrides, read into checked scenarios."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import resources
from operator import itemgetter
from pathlib import Path as FilePath
from typing import Any

from pydantic import SecretStr, ValidationError

from upperbound.errors import Problem, ScenarioError
from upperbound.scenario.aliases import KEY_ALIASES, rename_connections
from upperbound.scenario.checks import find_problems
from upperbound.scenario.connection_url import mask_credentials, split_password
from upperbound.scenario.model import Scenario
from upperbound.scenario.overrides import FROM_SET, apply_overrides
from upperbound.scenario.presets import fill_weights
from upperbound.scenario.problem import PlacedProblem
from upperbound.scenario.validation_messages import MUST_NOT_BE_EMPTY, nearest, retell
from upperbound.scenario.yaml_source import Path, YamlDocument, parse_yaml, plain_fault

MAX_BYTES = 1 << 20
"""A larger file is no scenario."""


@dataclass(frozen=True)
class LoadedScenario:
    """A scenario that is ready to run, and what came with it."""

    scenario: Scenario
    """Checked; holds no password."""
    warnings: tuple[str, ...]
    """What the user should know, one sentence each."""
    password: SecretStr | None
    """The password that stood in ``target.url``, for this run only; never to be stored."""


def builtin_names() -> list[str]:
    """Return the names of the scenarios that are part of the package."""
    folder = resources.files("upperbound.scenario") / "builtin"
    return sorted(entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml"))


def builtin_text(name: str) -> str:
    """Return the YAML text of a built-in scenario; ``name`` is one of :func:`builtin_names`."""
    return (resources.files("upperbound.scenario") / "builtin" / f"{name}.yaml").read_text(encoding="utf-8")


def load_scenario(source: FilePath | str, overrides: Sequence[str] = ()) -> LoadedScenario:
    """Read a scenario file, or a built-in scenario when ``source`` is its name and no such file exists.

    ``overrides`` are the values of ``--set``, such as ``load.threads=50``; they are applied before anything is checked.

    Raises:
        ScenarioError: the file cannot be read, or the scenario is wrong; it carries every problem found.
    """
    name = str(source)
    path = FilePath(source)
    if name in builtin_names() and not path.is_file():
        return parse_scenario(builtin_text(name), overrides, source=f"built-in scenario {name}")
    return parse_scenario(_read(path), overrides, source=name)


def parse_scenario(text: str, overrides: Sequence[str] = (), *, source: str = "scenario") -> LoadedScenario:
    """Read a scenario from YAML or JSON text; ``source`` is what messages call it.

    Raises:
        ScenarioError: the scenario is wrong; it carries every problem found.
    """
    return _check(parse_yaml(text), overrides, source)


def check_scenario(data: Any, overrides: Sequence[str] = (), *, source: str = "scenario") -> LoadedScenario:
    """Check a scenario that was read from JSON by someone else, as :func:`parse_scenario` checks a text.

    Raises:
        ScenarioError: the scenario is wrong; it carries every problem found, without lines.
    """
    document = YamlDocument(data, {(): 0})
    if fault := plain_fault(data):
        document.problems.append(Problem("", fault))
        raise _error(source, document.problems)
    return _check(document, overrides, source)


def _check(document: YamlDocument, overrides: Sequence[str], source: str) -> LoadedScenario:
    """Check what a document says. Raises :class:`ScenarioError`."""
    data = document.data
    if not isinstance(data, dict):
        found = document.problems or [Problem("", "is empty" if data is None else "is not a mapping of keys to values")]
        raise _error(source, found)
    set_paths, problems = apply_overrides(data, overrides)
    password, warnings = _take_password(data)
    data = _normal_form(data)
    scenario: Scenario | None = None
    told = [(_path_of(problem.where), problem) for problem in find_problems(data)]
    try:
        scenario = Scenario.model_validate(data)
    except ValidationError as error:
        told += retell(error)
    problems = [*document.problems, *problems]
    placed = [_place(path, problem, document.lines, set_paths) for path, problem in _without_echoes(told)]
    problems += [problem for _, problem in sorted(placed, key=itemgetter(0))]
    if problems or scenario is None:
        raise _error(source, problems)
    return LoadedScenario(scenario, (*warnings, *_warn(scenario)), password)


def _read(path: FilePath) -> str:
    """Return the text of a file.

    Raises:
        ScenarioError: there is none, or it is not text of a sensible size.
    """
    names = builtin_names()
    near = nearest(str(path), names)
    hint = f"did you mean the built-in scenario {near}?" if near else f"built-in scenarios: {', '.join(names)}"
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise ScenarioError(f"there is no scenario file {path}", hint=hint) from None
    except OSError as error:
        raise ScenarioError(f"the scenario file {path} cannot be read: {error.strerror}") from None
    if len(content) > MAX_BYTES:
        raise ScenarioError(f"{path} is larger than {MAX_BYTES} bytes", hint="a scenario is a short YAML file")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ScenarioError(f"{path} is not UTF-8 text", hint="a scenario is a YAML file") from None


def _take_password(data: dict[str, Any]) -> tuple[SecretStr | None, list[str]]:
    """Take the password out of ``target.url``, in place, before anything can quote it."""
    target = data.get("target")
    if not isinstance(target, dict) or not isinstance(target.get("url"), str):
        return None, []
    split = split_password(target["url"])
    data["target"] = {**target, "url": split.url}
    if split.password is None:
        return None, []
    warning = (
        "target.url holds a password: it is used for this run and not stored; PGPASSWORD or ~/.pgpass keep it safer"
    )
    return SecretStr(split.password), [warning]


def _normal_form(data: dict[str, Any]) -> dict[str, Any]:
    """Return ``data`` as the models turn it: ``connections`` renamed, weights of a preset filled in."""
    normal = dict(data)
    if "load" in data:
        normal["load"] = _renamed_load(data["load"])
    if "scaling" in data:
        normal["scaling"] = rename_connections(data["scaling"])
    if "workload" in data:
        normal["workload"] = fill_weights(data["workload"])
    return normal


def _renamed_load(load: Any) -> Any:
    """Return ``load`` and its stages with aliases of keys replaced."""
    load = rename_connections(load)
    if isinstance(load, dict) and isinstance(load.get("stages"), list):
        return {**load, "stages": [rename_connections(stage) for stage in load["stages"]]}
    return load


def _path_of(where: str) -> Path:
    """Return the path that a problem's place spells."""
    return tuple(int(step) if step.isdecimal() else step for step in where.split(".")) if where else ()


def _without_echoes(told: Sequence[tuple[Path, Problem]]) -> list[tuple[Path, Problem]]:
    """Drop problems that are said twice or only follow from others."""
    wrong = {path for path, _ in told}
    kept: dict[tuple[str, str], tuple[Path, Problem]] = {}
    for path, problem in told:
        if not _follows(path, problem.message, wrong):
            kept.setdefault((problem.where, problem.message), (path, problem))
    return list(kept.values())


def _follows(path: Path, message: str, wrong: set[Path]) -> bool:
    """Tell whether a problem goes away with another one.

    A weight may be missing because the preset or the kind is not known; a list may count as empty because no entry of
    it is right.
    """
    if path[-1:] == ("weight_pct",) and message == "is missing":
        return ("workload", "preset") in wrong or (*path[:-1], "kind") in wrong
    return message == MUST_NOT_BE_EMPTY and any(
        len(other) > len(path) and other[: len(path)] == path for other in wrong
    )


def _place(path: Path, problem: Problem, lines: dict[Path, int], set_paths: Sequence[Path]) -> tuple[int, Problem]:
    """Return the line of a problem's value, or of the nearest mapping around it, and the problem with its place.

    A value that was written under another name of its key is called by the name that was written.
    """
    written = next((alias for alias in _written_as(path) if alias in lines or alias in set_paths), path)
    where = ".".join(map(str, written))
    around = written
    while around not in lines:
        around = around[:-1]
    came_by_set = any(
        written[: len(done)] == done or (done[: len(written)] == written and written not in lines) for done in set_paths
    )
    line = lines[around]
    place = FROM_SET if came_by_set else f"line {line}" if line else ""
    return line, PlacedProblem(where, problem.message, problem.hint, place=place)


def _written_as(path: Path) -> list[Path]:
    """Return the paths that a value may have been written under."""
    return [path, *((*path[:-1], alias) for alias, key in KEY_ALIASES.items() if path[-1:] == (key,))]


def _warn(scenario: Scenario) -> list[str]:
    """Return what is allowed in a scenario and yet likely a mistake."""
    return [
        f"operation {operation.label} has weight 0.00 and will not run"
        for operation in scenario.workload.operations
        if not operation.weight_pct
    ]


def _error(source: str, problems: Sequence[Problem]) -> ScenarioError:
    """Return the error that carries ``problems``, with nothing in it that looks like a password."""
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    masked = [
        replace(
            problem,
            where=mask_credentials(problem.where),
            message=mask_credentials(problem.message),
            hint=mask_credentials(problem.hint),
        )
        for problem in problems
    ]
    return ScenarioError(mask_credentials(f"{source}: {count}"), problems=masked)
