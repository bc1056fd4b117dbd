"""Presets give weights to operations that have none, and nothing else."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.scenario.samples import changed, load, problems_of

from upperbound.scenario.kinds import TYPE_OF_KIND, Preset
from upperbound.scenario.presets import SHARES_PCT, fill_weights

KINDS = tuple(TYPE_OF_KIND)
SQL = {
    "POINT_LOOKUP": "SELECT 1",
    "RANGE_SCAN": "SELECT 1",
    "INSERT": "INSERT INTO {table} DEFAULT VALUES",
    "UPDATE": "UPDATE {table} SET id = 1",
    "GENERIC_SQL": "SELECT 1",
}


def workload(preset: str, *operations: tuple[str, Any]) -> dict[str, Any]:
    """Return a workload of operations, each a kind with a weight or None."""
    entries = []
    for place, (kind, weight) in enumerate(operations):
        entry = {"kind": kind, "name": f"op {place}", "sql": SQL[kind]}
        entry |= {"operation_type": "READ"} if kind == "GENERIC_SQL" else {}
        entries.append(entry | ({"weight_pct": weight} if weight is not None else {}))
    return {"preset": preset, "operations": entries}


def weights(preset: str, *operations: tuple[str, Any]) -> list[str]:
    """Return the weights that a scenario with this workload ends up with."""
    scenario = load({"workload": workload(preset, *operations)}).scenario
    return [str(operation.weight_pct) for operation in scenario.workload.operations]


def all_four() -> list[tuple[str, Any]]:
    return [(kind.value, None) for kind in KINDS]


def test_every_preset_but_custom_has_shares_that_add_up_to_100() -> None:
    assert SHARES_PCT.keys() == set(Preset) - {Preset.CUSTOM}
    assert {sum(shares.values()) for shares in SHARES_PCT.values()} == {100}


def test_a_preset_gives_its_shares_to_the_four_kinds() -> None:
    assert weights("READ_HEAVY", *all_four()) == ["80.00", "10.00", "3.00", "7.00"]


def test_a_kind_that_a_preset_leaves_out_stays_in_the_list_and_does_not_run() -> None:
    assert weights("READ_ONLY", *all_four()) == ["80.00", "20.00", "0.00", "0.00"]


def test_the_kinds_that_are_there_share_what_others_would_have_had() -> None:
    assert weights("READ_HEAVY", ("POINT_LOOKUP", None), ("UPDATE", None)) == ["91.95", "8.05"]


def test_operations_of_one_kind_share_evenly_and_the_sum_stays_exact() -> None:
    assert weights("READ_ONLY", *[("RANGE_SCAN", None)] * 3) == ["33.34", "33.33", "33.33"]


def test_weights_that_are_given_win() -> None:
    assert weights("MIXED", ("POINT_LOOKUP", 90), ("INSERT", None), ("UPDATE", None)) == ["90.00", "5.00", "5.00"]
    assert weights("READ_ONLY", ("INSERT", 100)) == ["100.00"]


def test_generic_sql_needs_a_weight_of_its_own() -> None:
    assert weights("READ_ONLY", ("GENERIC_SQL", 1), ("POINT_LOOKUP", None)) == ["1.00", "99.00"]
    problems = problems_of(changed({"workload": workload("READ_ONLY", ("GENERIC_SQL", None), ("POINT_LOOKUP", None))}))
    assert problems.keys() == {"workload.operations.0.weight_pct"}


def test_a_preset_for_which_nothing_is_left_to_run_is_a_problem() -> None:
    problems = problems_of(changed({"workload": workload("READ_ONLY", ("INSERT", None))}))
    assert problems["workload.operations"].message == "the weights add up to 0.00, not 100.00"


def test_custom_fills_nothing() -> None:
    problems = problems_of(changed({"workload": workload("CUSTOM", ("INSERT", None))}))
    assert problems.keys() == {"workload.operations.0.weight_pct"}


@given(
    st.sampled_from(sorted(SHARES_PCT)),
    st.lists(st.tuples(st.sampled_from([kind.value for kind in KINDS]), st.none() | st.integers(0, 2000)), max_size=8),
)
def test_filled_weights_have_two_decimals_add_up_and_filling_again_changes_nothing(
    preset: str, operations: list[tuple[str, int | None]]
) -> None:
    given_pct = [(kind, None if cents is None else Decimal(cents) / 100) for kind, cents in operations]
    open_kinds = [kind for kind, weight in given_pct if weight is None]
    filled = fill_weights(workload(preset, *given_pct))
    assert fill_weights(filled) == filled
    found = [Decimal(entry["weight_pct"]) for entry in filled["operations"]]
    assert all(weight == weight.quantize(Decimal("0.01")) and weight >= 0 for weight in found)
    if any(SHARES_PCT[Preset(preset)].get(kind) for kind in KINDS if kind.value in open_kinds):
        stated = sum((weight for _, weight in given_pct if weight is not None), Decimal(0))
        assert sum(found) == max(Decimal(100), stated)


@pytest.mark.parametrize("malformed", [None, 5, [], {}, {"preset": "MIXED"}, {"preset": "MIXED", "operations": 5}])
def test_what_is_malformed_is_left_to_validation(malformed: Any) -> None:
    assert fill_weights(malformed) == malformed
