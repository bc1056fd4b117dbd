"""A whole scenario from generated statements, as the YAML text that a person goes on with."""

from collections.abc import Iterator, Mapping, Sequence
from textwrap import wrap
from typing import Any, Final

import yaml

from upperbound.errors import ConfigurationError, Problem
from upperbound.scenario.kinds import Preset
from upperbound.scenario.loader import LoadedScenario, parse_scenario
from upperbound.scenario.presets import SHARES_PCT, fill_weights
from upperbound.targets.catalog import TableEntry
from upperbound.targets.generate import Answer
from upperbound.targets.generated import Generated, Refusal

_WIDTH: Final = 110
_LOAD: Final = {"mode": "CONCURRENCY", "warmup_seconds": 5, "duration_seconds": 30}
_SCALING: Final = {"mode": "FIXED", "min_workers": 1, "min_threads": 4}


PREPARED: Final = "Every statement has been prepared by the server."


def scenario_text(
    target: Mapping[str, Any], table: TableEntry, answers: Sequence[Answer], preset: Preset, *, told: str = PREPARED
) -> str:
    """Return a scenario on ``target`` with the generated statements, their reasons as comments, weighted by ``preset``.

    ``target`` is the plain form of a scenario's target without its table and without a password; ``told`` says what was
    done with the statements. A statement whose kind
    has no share in the preset is left out. Raises :class:`ConfigurationError` when no statement is left.
    """
    shares = SHARES_PCT[preset]
    chosen = [answer for answer in answers if isinstance(answer, Generated) and answer.kind in shares]
    if not chosen:
        raise _nothing(table, answers, preset)
    weighted = fill_weights({"preset": preset.value, "operations": [{"kind": answer.kind.value} for answer in chosen]})
    weights = [float(operation["weight_pct"]) for operation in weighted["operations"]]
    name = f"{table.object.quoted} {preset.value}"
    parts = [
        _comment(_heading(table, told), ""),
        _dump({"name": name if name.isprintable() else f"generated {preset.value}"}),
        "\n",
        _dump({"target": {**target, "table": table.object.quoted}}),
        "\n",
        _dump({"load": _LOAD}),
        "\n",
        _dump({"scaling": _SCALING}),
        "\n",
        f"workload:\n  preset: {preset.value}\n",
        *_refusals(answers, shares),
        "  operations:\n",
    ]
    for answer, weight in zip(chosen, weights, strict=True):
        parts += [_operation(answer, weight), "\n"]
    return "".join(parts[:-1])


def checked(text: str) -> LoadedScenario:
    """Return the scenario that a generated text stands for, read as ``upperbound run`` reads it."""
    return parse_scenario(text, source="the generated scenario")


def _heading(table: TableEntry, told: str) -> str:
    rows = table.object.row_estimate
    about = "an unknown number of rows" if rows is None else f"about {rows:,} rows"
    return (
        f"Generated for {table.object.quoted}, a {table.object.kind} with {len(table.columns)} columns and {about}, "
        f"from its catalog entry. {told}"
    )


def _refusals(answers: Sequence[Answer], shares: Mapping[Any, int]) -> Iterator[str]:
    for answer in answers:
        if isinstance(answer, Refusal) and answer.kind in shares:
            yield _comment(f"No {answer.kind.value}: {answer.reason}.", "  ")


def _operation(answer: Generated, weight: float) -> str:
    """Return one entry of the list of operations, with its reasons above it."""
    params = [param.model_dump(mode="json", exclude_defaults=True) for param in answer.params]
    entry: dict[str, Any] = {"kind": answer.kind.value, "weight_pct": weight}
    if answer.expect is not None:
        entry["expect"] = answer.expect.value
    entry |= {"sql": answer.sql, "params": params}
    dumped = yaml.safe_dump([entry], sort_keys=False, allow_unicode=True, width=_WIDTH, default_flow_style=None)
    lines = dumped.splitlines(keepends=True)
    return "".join(_comment(reason, "    ") for reason in answer.reasons) + "".join(f"    {line}" for line in lines)


def _comment(text: str, indent: str) -> str:
    """Return comment lines; names may hold anything, line ends too, and may not end the comment."""
    printable = "".join(char if char.isprintable() else " " for char in text)
    lines = wrap(printable, _WIDTH - len(indent) - 2, break_long_words=False, break_on_hyphens=False)
    return "".join(f"{indent}# {line}\n" for line in lines)


def _dump(data: Any) -> str:
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=_WIDTH)


def _nothing(table: TableEntry, answers: Sequence[Answer], preset: Preset) -> ConfigurationError:
    problems = [Problem(answer.kind.value, answer.reason) for answer in answers if isinstance(answer, Refusal)]
    others = [answer.kind.value for answer in answers if isinstance(answer, Generated)]
    hint = f"{' and '.join(others)} can be generated: choose another preset than {preset.value}" if others else ""
    return ConfigurationError(
        f"no statement of {preset.value} can be generated for {table.object.quoted}", problems=problems, hint=hint
    )
