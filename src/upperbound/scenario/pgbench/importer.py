"""Script files of pgbench into one scenario: each script an operation, with its share of the transactions.

What cannot be imported is named by file and line, all of it at once: a scenario that was imported sends the same
statements with the same values, equally often.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from typing import Final

from pydantic import ValidationError

from upperbound.errors import Problem, ScenarioError
from upperbound.scenario.checks import find_problems
from upperbound.scenario.fields import HUNDRED
from upperbound.scenario.model import Scenario
from upperbound.scenario.pgbench.fault import Fault
from upperbound.scenario.pgbench.operations import WayOperation, WayReader
from upperbound.scenario.pgbench.script import Command, MetaCommand, Script, split_script
from upperbound.scenario.pgbench.trace import Tracer, Way
from upperbound.scenario.pgbench.variables import Given, is_name
from upperbound.scenario.presets import split_hundredths
from upperbound.scenario.validation_messages import MUST_NOT_BE_EMPTY, retell

URL: Final = "postgresql://127.0.0.1:5432/postgres"
"""The target of a scenario for which none was named."""
LOAD: Final = {"mode": "CONCURRENCY", "threads": 16, "warmup_seconds": 10, "duration_seconds": 60}
_NAME_MAX: Final = 80
_SETTERS: Final = ("set", "setshell")
_PARAMETER: Final = re.compile(r"workload\.operations\.(\d+)\.params\.(\d+)")


@dataclass(frozen=True)
class ScriptFile:
    """A script and how often it is chosen."""

    name: str
    """What messages call it."""
    title: str
    """What its operation is called."""
    text: str
    weight: int = 1
    """In relation to the weights of the others."""


@dataclass(frozen=True)
class Imported:
    """A scenario that does what the scripts do."""

    scenario: Scenario
    notes: tuple[str, ...]
    """What the user should know, a sentence each."""
    places: Mapping[str, str]
    """File and line by the place in the scenario, such as ``workload.operations.0.statements.2``."""
    parameters: Mapping[str, Sequence[str]]
    """By operation, the name of the variable that each of its parameters stands for."""

    def in_script(self, problem: Problem) -> Problem:
        """Return a problem of the scenario as one of a script: by file and line, and variables by their names."""
        around = problem.where
        while around not in self.places and around:
            around = around.rpartition(".")[0]
        placed = replace(problem, where=self.places.get(around, problem.where))
        match = _PARAMETER.fullmatch(problem.where)
        if match is None:
            return placed
        operation, number = self.scenario.workload.operations[int(match[1])], int(match[2])
        name = self.parameters[operation.label][number]
        message = re.sub(rf"\${number + 1}\b", f":{name}", problem.message)
        return replace(placed, message=message, hint=f"write its type into the script where it stands: :{name}::int")


@dataclass(frozen=True)
class _Part:
    """One way through one script."""

    file: ScriptFile
    way: Way
    made: WayOperation
    share: Fraction
    """Of all transactions."""


def import_scripts(
    files: Sequence[ScriptFile],
    *,
    name: str | None = None,
    scale: int | None = None,
    defines: Mapping[str, str] | None = None,
    url: str = URL,
) -> Imported:
    """Return the scenario of one or several scripts.

    ``name`` is what it is called, after the scripts if left out; ``scale`` and ``defines`` are pgbench's ``-s`` and
    ``-D``; ``url`` is the target, without a password.

    Raises:
        ScenarioError: something cannot be imported; it carries every such place by file and line.
    """
    total = sum(file.weight for file in files)
    if not total:
        raise ScenarioError("no script is ever chosen: every weight is 0", hint="give one a weight above 0: FILE@1")
    split = [(file, split_script(file.text)) for file in files]
    given = Given(1 if scale is None else scale, defines or {}, _names_set([script.commands for _, script in split]))
    problems: list[Problem] = []
    parts: list[_Part] = []
    for file, script in split:
        found, faults = _parts_of(file, script, given, Fraction(file.weight, total))
        parts += found
        problems += [_problem(file, fault) for fault in sorted([*script.faults, *faults], key=lambda fault: fault.line)]
    if not problems:
        problems = [*_pauses_differ(parts), *_too_rare(parts)]
    if problems:
        raise _refused(problems)
    notes = _notes(files, parts, scale, defines or {})
    return _assembled(parts, name or _name_of(files), url, notes)


def _parts_of(file: ScriptFile, script: Script, given: Given, share: Fraction) -> tuple[list[_Part], list[Fault]]:
    """Return the ways through a script, each with its share, and what cannot be imported."""
    if not script.commands and script.complete:
        return [], [Fault(0, "holds no command", "write SQL into it")]
    tracer = Tracer(script, given)
    parts: list[_Part] = []
    faults: list[Fault] = []
    for way in tracer.ways():
        reader = WayReader(
            tracer.bound, lambda known, scope: known in scope or given.is_known(known), complete=script.complete
        )
        made = reader.read(way)
        faults += [*reader.faults, *_pauses_between(way)]
        if made is not None:
            parts.append(_Part(file, way, made, share * way.likelihood))
    return parts, list(dict.fromkeys([*tracer.faults, *faults]))


def _pauses_between(way: Way) -> list[Fault]:
    r"""Name each ``\sleep`` that is not a pause between transactions."""
    message = r"\sleep pauses between statements, and operations do not"
    hint = "let the server wait: SELECT pg_sleep(seconds); or pause at the end of the script"
    return [Fault(pause.line, message, hint) for pause in way.pauses if 0 < pause.after < len(way.sent)]


def _pauses_differ(parts: Sequence[_Part]) -> list[Problem]:
    """Name the pauses if they are not the same after each transaction."""
    if len({_think_time_ms(part) for part in parts}) == 1:
        return []
    message = r"\sleep pauses after some of the transactions only, or not as long after all of them"
    hint = "think_time_ms is one time for all: let every script pause as long, or none"
    return [_problem(part.file, Fault(part.way.pauses[0].line, message, hint)) for part in parts if part.way.pauses]


def _think_time_ms(part: _Part) -> float:
    return sum(pause.ms for pause in part.way.pauses)


def _too_rare(parts: Sequence[_Part]) -> list[Problem]:
    """Name what is chosen, and so seldom that its share is rounded to nothing."""
    weights = split_hundredths(HUNDRED, [_decimal(part.share) for part in parts])
    return [
        _problem(
            part.file,
            Fault(
                part.made.lines[0],
                f"is {float(part.share):.4%} of the mix, and the smallest share is 0.01 %",
                "give it more weight",
            ),
        )
        for part, weight in zip(parts, weights, strict=True)
        if part.share and not weight
    ]


def _assembled(parts: Sequence[_Part], name: str, url: str, notes: Sequence[str]) -> Imported:
    """Return the scenario; whatever its own checks find is named by file and line as well."""
    weights = split_hundredths(HUNDRED, [_decimal(part.share) for part in parts])
    operations = [
        {**part.made.operation, "name": title, "weight_pct": weight}
        for part, title, weight in zip(parts, _titles(parts), weights, strict=True)
    ]
    load = dict(LOAD)
    if think_time_ms := _think_time_ms(parts[0]):
        load["think_time_ms"] = think_time_ms
    document = {
        "name": name,
        "target": {"kind": "postgres", "url": url},
        "load": load,
        "workload": {"operations": operations},
    }
    names = {str(operation["name"]): part.made.names for operation, part in zip(operations, parts, strict=True)}
    places = dict(_places(parts))
    problems = find_problems(document)
    try:
        imported = Imported(Scenario.model_validate(document), tuple(notes), places, names)
    except ValidationError as error:
        # That there is no operation follows from what is wrong with one.
        problems += [problem for _, problem in retell(error) if problem.message != MUST_NOT_BE_EMPTY]
        raise _refused([replace(one, where=places.get(one.where, one.where)) for one in problems]) from None
    return imported


def _places(parts: Sequence[_Part]) -> Iterator[tuple[str, str]]:
    """Yield each place of a statement in the scenario, with its file and line."""
    for number, part in enumerate(parts):
        where = f"workload.operations.{number}"
        yield f"{where}.params", f"{part.file.name}:{part.made.lines[0]}"
        for place, line in enumerate(part.made.used_at):
            yield f"{where}.params.{place}", f"{part.file.name}:{line}"
        if "sql" in part.made.operation:
            yield f"{where}.sql", f"{part.file.name}:{part.made.lines[0]}"
            continue
        yield f"{where}.statements", f"{part.file.name}:{part.made.lines[0]}"
        for place, line in enumerate(part.made.lines):
            yield f"{where}.statements.{place}", f"{part.file.name}:{line}"


def _titles(parts: Sequence[_Part]) -> list[str]:
    """Return what each operation is called: after its file, with a number where there are several."""
    titles = [part.file.title[:_NAME_MAX] or "script" for part in parts]
    return [
        title if titles.count(title) == 1 else f"{title[: _NAME_MAX - 5]} {titles[:place].count(title) + 1}"
        for place, title in enumerate(titles)
    ]


def _notes(
    files: Sequence[ScriptFile], parts: Sequence[_Part], scale: int | None, defines: Mapping[str, str]
) -> list[str]:
    """Return what is as pgbench has it, and may not be what was meant."""
    notes = []
    if scale is None and "scale" not in defines and any(":scale" in file.text for file in files):
        notes.append(":scale is 1; give --scale as it was given to `data load tpcb` or `pgbench -i`")
    notes += [f"{file.name} has weight 0 and will not run" for file in files if not file.weight]
    shares = [part.share * 10_000 for part in parts]
    if any(share.denominator != 1 for share in shares):
        notes.append("weights are rounded to hundredths of a percent")
    if think_time_ms := _think_time_ms(parts[0]):
        notes.append(rf"\sleep became load.think_time_ms: {think_time_ms:g}; latencies do not include it here")
    return notes


def _names_set(scripts: Sequence[Sequence[Command]]) -> frozenset[str]:
    """Return the names of the variables that any of the scripts sets."""
    return frozenset(
        word
        for commands in scripts
        for command in commands
        if isinstance(command, MetaCommand) and command.name in _SETTERS
        for word in command.rest.split()[:1]
        if is_name(word)
    )


def _name_of(files: Sequence[ScriptFile]) -> str:
    """Return what a scenario is called for which no name was given."""
    titles = list(dict.fromkeys(file.title or "script" for file in files))
    more = f" and {len(titles) - 3} more" if len(titles) > 3 else ""
    return f"pgbench {', '.join(titles[:3])}{more}"[:200]


def _decimal(share: Fraction) -> Decimal:
    return Decimal(share.numerator) / Decimal(share.denominator)


def _problem(file: ScriptFile, fault: Fault) -> Problem:
    where = f"{file.name}:{fault.line}" if fault.line else file.name
    return Problem(where, fault.message, fault.hint)


def _refused(problems: Sequence[Problem]) -> ScenarioError:
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    return ScenarioError(f"nothing was imported: {count}", problems=problems)
