"""The built-in scenarios are there by name, are valid as they stand, and say which tables they need."""

import pytest

from upperbound.errors import ScenarioError
from upperbound.scenario.builtins import builtin_scenarios, load_builtin
from upperbound.scenario.identifiers import parse_table
from upperbound.scenario.kinds import OperationType
from upperbound.scenario.loader import builtin_names, builtin_text
from upperbound.scenario.targets import PostgresTarget
from upperbound.targets.datasets.catalogue import find_data_set

NAMES = [scenario.name for scenario in builtin_scenarios() if scenario.data_set]


def test_every_workload_that_is_promised_is_there() -> None:
    assert {*NAMES} >= {
        *("oltp-simple", "mixed-workload", "high-concurrency", "olap-analytics", "bulk-loading", "events-poc"),
        *(f"ycsb-{letter}" for letter in "abcdef"),
    }
    assert [scenario.name for scenario in builtin_scenarios()] == builtin_names()
    demo = next(scenario for scenario in builtin_scenarios() if scenario.name == "demo")
    assert (demo.title, demo.data_set) == ("Demo", None)


@pytest.mark.parametrize("name", NAMES)
def test_a_built_in_scenario_runs_on_a_table_of_its_data_set_at_a_url_of_the_users(name: str) -> None:
    url = "postgresql://me@db.example/shop"
    loaded = load_builtin(name, [f"target.url={url}", "load.duration_seconds=5"])
    target = loaded.scenario.target
    assert isinstance(target, PostgresTarget)
    assert (target.url, loaded.scenario.load.duration_seconds, loaded.warnings) == (url, 5, ())
    assert parse_table(target.table or "").name in find_data_set(loaded.scenario.tags["data_set"]).rows(1)


@pytest.mark.parametrize("name", NAMES)
def test_a_built_in_scenario_begins_by_saying_what_it_is_and_whether_it_writes(name: str) -> None:
    scenario = next(scenario for scenario in builtin_scenarios() if scenario.name == name)
    writes = any(
        operation.operation_type is OperationType.WRITE for operation in load_builtin(name).scenario.workload.operations
    )
    assert ("WRITES" in scenario.about) == writes
    assert f"upperbound data load {scenario.data_set} " in scenario.about
    assert all(len(line) <= 120 for line in builtin_text(name).splitlines())


def test_an_unknown_name_is_refused_with_the_one_that_may_be_meant() -> None:
    with pytest.raises(ScenarioError, match="did you mean ycsb-a"):
        load_builtin("ycsb_a")
    with pytest.raises(ScenarioError, match="built-in scenarios: bulk-loading, demo"):
        load_builtin("zzzzzzzz")
