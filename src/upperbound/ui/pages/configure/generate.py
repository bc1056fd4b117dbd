"""Statements for a table, as the catalog's entry lets them be written."""

from dataclasses import dataclass
from typing import Any

from upperbound.errors import ConfigurationError, Problem
from upperbound.scenario.kinds import Preset, TableType
from upperbound.scenario.presets import SHARES_PCT, fill_weights
from upperbound.targets.generated import Generated, Refusal
from upperbound.targets.table_scenario import answers_for_table
from upperbound.ui.pages.configure.way_in import WayIn


@dataclass(frozen=True)
class GeneratedMix:
    """Operations with their weights, and what is to be said of them."""

    operations: list[dict[str, Any]]
    reasons: list[str]
    refusals: list[str]
    """What has no honest statement, and why."""
    table_type: TableType | None
    """What the table is, which the statements hold for; None where the server knows one kind alone."""


def generated(place: WayIn, table: str, preset: Preset, key: str | None = None) -> GeneratedMix:
    """Return the operations of a preset for a table; CUSTOM takes all that can be written, as MIXED weighs them.

    ``key`` is a column to read by, as it is written in SQL, where the server knows no key.

    Raises:
        ConfigurationError: no table is named, or nothing can be written for it.
        TargetError: there is no way in.
    """
    if not table:
        raise ConfigurationError("no table is named", hint="type schema.table, or browse for one")
    wanted = Preset.MIXED if preset is Preset.CUSTOM else preset
    found = answers_for_table(place, table, key)
    answers, shares = found.answers, SHARES_PCT[wanted]
    written = [answer for answer in answers if isinstance(answer, Generated) and answer.kind in shares]
    refusals = [f"{one.kind.value}: {one.reason}" for one in answers if isinstance(one, Refusal) and one.kind in shares]
    if not written:
        problems = [Problem("", refusal) for refusal in refusals]
        raise ConfigurationError(f"no statement can be written for {found.entry.object.quoted}", problems=problems)
    weighted = fill_weights({"preset": wanted.value, "operations": [{"kind": one.kind.value} for one in written]})
    operations = [
        {
            "kind": one.kind.value,
            "weight_pct": float(weight["weight_pct"]),
            **({"expect": one.expect.value} if one.expect is not None else {}),
            "sql": one.sql,
            "params": [param.model_dump(mode="json", exclude_defaults=True) for param in one.params],
        }
        for one, weight in zip(written, weighted["operations"], strict=True)
    ]
    reasons = [f"{one.kind.value}: {' '.join(one.reasons)}" for one in written]
    return GeneratedMix(operations, reasons, refusals, found.table_type)
