"""Sources of parameters: what can be written, what it means, and what is said about the rest."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.unit.scenario.samples import REMOVE, changed, load, problems_of

from upperbound.scenario.model import Scenario
from upperbound.scenario.param_checks import value_bounds
from upperbound.scenario.params import (
    ELEMENT_KINDS,
    PARAM_KINDS,
    ListParam,
    NowParam,
    OffsetParam,
    Param,
    TextParam,
    elements,
    param_kind,
    spread_of,
)

OP = "workload.operations.0"
AT = f"{OP}.params.0"
GOOD: dict[str, dict[str, Any]] = {
    "range": {"range": [1, 9]},
    "pool": {"pool": "id"},
    "choice": {"choice": ["new", None]},
    "weighted": {"weighted": [{"value": "new", "weight": 7}, {"value": None, "weight": 0.5}]},
    "sequence": {"sequence": {"after": "id"}},
    "zipf": {"zipf": {"pool": "id"}},
    "hot_set": {"hot_set": {"range": [1, 100], "hot_pct": 1, "access_pct": 90}},
    "gaussian": {"gaussian": {"range": [1, 100], "deviations": 4}},
    "exponential": {"exponential": {"pool": "id", "decay": 7.5}},
    "offset_from": {"offset_from": {"parameter": 1, "by": [1, 50]}},
    "list": {"list": {"hot_set": {"pool": "id", "limit": 50}}, "size": [1, 5]},
    "now": {"now": {"offset_seconds": -60}},
    "uuid": {"uuid": "random"},
    "text": {"text": [5, 80], "characters": "abc ✓"},
}


def loaded(*params: dict[str, Any]) -> tuple[Param, ...]:
    sql = f"SELECT {', '.join(f'${number + 1}' for number in range(len(params)))}"
    return load({f"{OP}.params": list(params), f"{OP}.sql": sql}).scenario.workload.operations[0].params


def told(*params: Any) -> dict[str, tuple[str, str]]:
    """Return message and hint of each problem of these parameters, by their place below ``params``."""
    sql = f"SELECT {', '.join(f'${number + 1}' for number in range(len(params)))}"
    problems = problems_of(changed({f"{OP}.params": list(params), f"{OP}.sql": sql}))
    return {where.removeprefix(f"{OP}.params."): (said.message, said.hint) for where, said in problems.items()}


def test_every_kind_is_loaded_and_survives_the_way_through_json() -> None:
    assert GOOD.keys() == set(PARAM_KINDS)
    params = loaded(*GOOD.values())
    assert [param_kind(param) for param in params] == list(PARAM_KINDS)
    scenario = load(
        {f"{OP}.params": list(GOOD.values()), f"{OP}.sql": "SELECT $1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14"}
    )
    assert Scenario.model_validate_json(scenario.scenario.model_dump_json()) == scenario.scenario


def test_one_number_stands_for_both_ends() -> None:
    text, listed, now, offset = loaded(
        {"text": 20}, {"list": {"range": [1, 2]}, "size": 3}, {"now": {}}, {"offset_from": {"parameter": 3, "by": -5}}
    )
    assert isinstance(text, TextParam)
    assert text.text == (20, 20)
    assert isinstance(listed, ListParam)
    assert listed.size == (3, 3)
    assert isinstance(now, NowParam)
    assert now.now.offset_seconds == (0, 0)
    assert isinstance(offset, OffsetParam)
    assert offset.offset_from.by == (-5, -5)


def test_one_number_is_written_as_one_again() -> None:
    given: list[dict[str, Any]] = [
        {"text": 20},
        {"list": {"range": [1, 2]}, "size": 3},
        {"now": {"offset_seconds": -5}},
        {"offset_from": {"parameter": 3, "by": [1, 2]}},
    ]
    written = [param.model_dump(mode="json", exclude_defaults=True) for param in loaded(*given)]
    assert written == given


@pytest.mark.parametrize("kind", ELEMENT_KINDS)
def test_a_list_is_made_of_any_kind_that_stands_for_itself(kind: str) -> None:
    (listed,) = loaded({"list": GOOD[kind], "size": 2})
    assert [param_kind(element) for element in elements([listed])] == [kind]


def test_distributions_over_a_range_or_a_pool_are_found() -> None:
    params = loaded(GOOD["zipf"], GOOD["hot_set"], GOOD["gaussian"], GOOD["exponential"], GOOD["range"])
    assert [spread and (spread.pool or spread.range) for spread in map(spread_of, params)] == [
        "id",
        (1, 100),
        (1, 100),
        "id",
        None,
    ]


@pytest.mark.parametrize(
    ("param", "where", "said"),
    [
        ({"weighted": []}, "weighted", "must not be empty"),
        ({"weighted": {"new": 3}}, "weighted", "must be a list, not a mapping"),
        ({"weighted": [{"value": "a", "weight": 0}]}, "weighted.0.weight", "must be more than 0, not 0"),
        ({"weighted": [{"weight": 1}]}, "weighted.0.value", "is missing"),
        ({"weighted": [{"value": 1, "wieght": 1}]}, "weighted.0.wieght", "did you mean 'weight'?"),
        ({"hot_set": {}}, "hot_set", "has neither range nor pool"),
        ({"hot_set": {"range": [1, 2], "pool": "id"}}, "hot_set", "has both range and pool"),
        ({"hot_set": {"pool": "id", "hot_pct": 101}}, "hot_set.hot_pct", "must be at most 100, not 101"),
        ({"hot_set": {"pool": "id", "hot_pct": 0}}, "hot_set.hot_pct", "must be more than 0, not 0"),
        ({"hot_set": {"pool": "id", "hot": 5}}, "hot_set.hot", "unknown key 'hot'"),
        ({"gaussian": {}}, "gaussian", "has neither range nor pool"),
        ({"gaussian": [1, 9]}, "gaussian", "must be a mapping of keys to values, not a list"),
        ({"gaussian": {"range": [1, 9], "deviations": 1}}, "gaussian.deviations", "must be at least 2, not 1"),
        ({"exponential": {"decay": 5}}, "exponential", "has neither range nor pool"),
        ({"exponential": {"pool": "id", "decay": 0}}, "exponential.decay", "must be more than 0, not 0"),
        ({"now": None}, "now", "must be a mapping of keys to values, not nothing"),
        ({"now": {"offset_seconds": "1h"}}, "now.offset_seconds", "must be a time in seconds: a whole number, or two"),
        ({"now": {"offset_seconds": [5, 1]}}, "now.offset_seconds", "not [5, 1]"),
        ({"uuid": "v4"}, "uuid", "'v4' is not known"),
        ({"text": 0}, "text", "must be a length in characters from 1 to 100000, not 0"),
        ({"text": "long"}, "text", "must be a length in characters: a whole number, or two"),
        ({"text": 5, "characters": ""}, "characters", "must not be empty"),
        ({"text": 5, "characters": "a\0"}, "characters", "holds a character that no text in a database can have"),
        ({"list": {"range": [1, 2]}}, "size", "is missing"),
        ({"list": {"range": [1, 2]}, "size": 0}, "size", "must be how many values a list has from 1 to 10000, not 0"),
        ({"list": {"range": [1, 2]}, "size": 2.5}, "size", "must be how many values a list has: a whole number"),
        ({"list": {}, "size": 2}, "list", "must be a mapping with the source of the values"),
        ({"list": [1, 2], "size": 2}, "list", "must be a mapping with the source of the values, not a list"),
        ({"list": {"now": {}}, "size": 2}, "list", "a list cannot be made of now"),
        ({"list": {"list": {"pool": "id"}, "size": 1}, "size": 2}, "list", "a list cannot be made of list"),
        ({"list": {"rnage": [1, 2]}, "size": 2}, "list", "unknown parameter source 'rnage'; did you mean 'range'?"),
        ({"list": {"range": [2, 1]}, "size": 2}, "list.range", "the lower bound 2 is above the upper bound 1"),
        ({"list": {"pool": "id", "limt": 5}, "size": 2}, "list.limt", "did you mean 'limit'?"),
        ({"list": {"zipf": {}}, "size": 2}, "list.zipf", "has neither range nor pool"),
        ({"offset_from": 1}, "offset_from", "must be a mapping of keys to values, not 1"),
        ({"offset_from": {"parameter": 1}}, "offset_from.by", "is missing"),
        ({"offset_from": {"parameter": 0, "by": 1}}, "offset_from.parameter", "must be at least 1, not 0"),
        ({"offset_from": {"parameter": 1, "by": 1}}, "offset_from.parameter", "$1 cannot be an offset from itself"),
        ({"offset_from": {"parameter": 9, "by": 1}}, "offset_from.parameter", "there is no $9: params has 1"),
    ],
)
def test_a_fault_of_a_source_is_named_at_its_place(param: dict[str, Any], where: str, said: str) -> None:
    problems = told(param)
    assert said in problems[f"0.{where}"][0], problems


@pytest.mark.parametrize("kind", ["pool", "zipf", "hot_set", "gaussian", "exponential"])
def test_a_column_needs_a_table_within_lists_too(kind: str) -> None:
    source: dict[str, Any] = {"pool": "id"} if kind == "pool" else {kind: {"pool": "id"}}
    changes = {"target.table": REMOVE, f"{OP}.params": [{"list": source, "size": 2}], f"{OP}.sql": "SELECT $1"}
    place = f"{AT}.list.pool" if kind == "pool" else f"{AT}.list.{kind}.pool"
    assert "there is no table" in problems_of(changed(changes))[place].message


def by(number: int, by: Any = 1) -> dict[str, Any]:
    return {"offset_from": {"parameter": number, "by": by}}


def test_parameters_cannot_go_round_in_circles_and_all_of_it_is_said_at_once() -> None:
    problems = told({"range": [1, 9]}, by(3), by(2), by(4))
    assert problems == {
        "1.offset_from.parameter": ("$3 comes after $2", "name an earlier parameter: 1 to 1"),
        "3.offset_from.parameter": ("$4 cannot be an offset from itself", "name an earlier parameter: 1 to 3"),
    }


@pytest.mark.parametrize("kind", ["list", "uuid", "text"])
def test_only_numbers_and_times_can_be_added_to(kind: str) -> None:
    assert told(GOOD[kind], by(1))["1.offset_from.parameter"] == (
        f"$1 is of {kind}, which cannot be added to",
        "whole numbers and now can",
    )


@pytest.mark.parametrize(
    "base", [{"choice": [1, "a"]}, {"choice": [1, None]}, {"weighted": [{"value": 0.5, "weight": 1}]}]
)
def test_listed_values_can_be_added_to_when_all_are_whole_numbers(base: dict[str, Any]) -> None:
    assert "holds other values than whole numbers" in told(base, by(1))["1.offset_from.parameter"][0]
    assert loaded({"choice": [1, 5]}, by(1))


def test_a_sum_has_to_fit_64_bits() -> None:
    problems = told({"range": [1, 2**63 - 10]}, by(1, [0, 5]), by(2, 5))
    assert problems.keys() == {"2.offset_from"}
    assert f"makes numbers from 6 to {2**63}, which need more than 64 bits" in problems["2.offset_from"][0]


def test_the_bounds_of_a_sum_follow_from_its_sources() -> None:
    params = [{"range": [1, 100]}, by(1, [-5, 10]), by(2, 7), {"choice": [4, 2]}, by(4), {"pool": "id"}, by(6)]
    assert [value_bounds(params, place) for place in range(7)] == [
        (1, 100),
        (-4, 110),
        (3, 117),
        (2, 4),
        (3, 5),
        None,
        None,
    ]


PAGE = Path(__file__).resolve().parents[3] / "docs" / "how-to" / "parameters.md"


def test_the_page_on_parameters_has_a_valid_example_of_every_kind() -> None:
    examples = [yaml.safe_load(text) for text in re.findall(r"\| `(\{.*\})` \|", PAGE.read_text("utf-8"))]
    assert sorted(str(param_kind(example)) for example in examples) == sorted(PARAM_KINDS)
    assert len(loaded({"range": [1, 2]}, *examples)) == 1 + len(PARAM_KINDS)


def test_the_statements_on_the_page_on_parameters_are_valid() -> None:
    blocks = re.findall(r"^```yaml\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert len(blocks) == 3
    for block in blocks:
        operation = yaml.safe_load(block)
        load({f"{OP}.sql": operation["sql"], f"{OP}.params": operation["params"]})
