"""The model is one form for files, the API and the store."""

import json
from typing import Any

import pytest
from pydantic import ValidationError
from tests.unit.scenario.samples import VALID, changed, load

from upperbound.domain.guardrails import FailThreshold, GuardrailLimits, GuardrailMode
from upperbound.domain.run_view import LossPolicy
from upperbound.scenario.loader import load_scenario
from upperbound.scenario.loads import ConcurrencyLoad
from upperbound.scenario.model import Operation, Scenario, Workload
from upperbound.scenario.params import PoolParam, RangeParam
from upperbound.scenario.run_config import RunConfig
from upperbound.scenario.scaling import FixedScaling
from upperbound.scenario.targets import EmbeddedTarget, PostgresTarget


@pytest.mark.parametrize("scenario", [load({}).scenario, load_scenario("demo").scenario], ids=["sample", "demo"])
def test_a_scenario_survives_json_in_text_and_as_values(scenario: Scenario) -> None:
    assert Scenario.model_validate_json(scenario.model_dump_json()) == scenario
    assert Scenario.model_validate(json.loads(json.dumps(scenario.model_dump(mode="json")))) == scenario


def test_what_is_kept_is_the_list_of_operations_with_weights_as_numbers() -> None:
    workload = {"preset": "READ_ONLY", "operations": [{"kind": "POINT_LOOKUP", "sql": "SELECT 1"}]}
    kept = load({"workload": workload}).scenario.model_dump(mode="json")["workload"]
    assert (kept["preset"], kept["operations"][0]["weight_pct"]) == ("READ_ONLY", 100.0)


def test_every_hundredth_survives_as_a_number_in_json() -> None:
    for cents in range(1, 10_000, 7):
        first = {"kind": "POINT_LOOKUP", "sql": "SELECT 1", "weight_pct": cents / 100}
        second = {"kind": "RANGE_SCAN", "sql": "SELECT 1", "weight_pct": (10_000 - cents) / 100}
        workload = Workload.model_validate({"operations": [first, second]})
        assert [int(operation.weight_pct * 100) for operation in workload.operations] == [cents, 10_000 - cents]
        assert Workload.model_validate_json(workload.model_dump_json()) == workload


def test_a_scenario_does_not_change() -> None:
    scenario = load({}).scenario
    with pytest.raises(ValidationError):
        scenario.name = "other"  # type: ignore[misc]  # the plugin knows that it is frozen
    with pytest.raises(ValidationError):
        scenario.load.duration_seconds = 5  # type: ignore[misc]  # the plugin knows that it is frozen


def _scenario(**parts: Any) -> Scenario:
    operation = Operation(kind="POINT_LOOKUP", weight_pct=100, sql="SELECT $1", params=[RangeParam(range=(1, 2))])
    whole = {
        "name": "built in Python",
        "target": EmbeddedTarget(),
        "load": ConcurrencyLoad(duration_seconds=1),
        "scaling": FixedScaling(min_workers=2, min_threads=3),
        "workload": Workload(operations=[operation]),
    }
    return Scenario(**{**whole, **parts})


def test_a_scenario_can_be_built_from_models() -> None:
    scenario = _scenario()
    assert (scenario.threads, scenario.workload.operations[0].operation_type) == (6, "READ")


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"load": ConcurrencyLoad(duration_seconds=1, threads=5)}, "do not agree"),
        ({"workload": Workload(operations=[Operation(kind="INSERT", weight_pct=1, sql="INSERT INTO t")])}, "add up to"),
        (
            {"workload": Workload(operations=[Operation(kind="GENERIC_SQL", weight_pct=100, sql="SELECT 1")])},
            "operation_type: is missing",
        ),
        (
            {
                "target": PostgresTarget(url="postgresql://h"),
                "workload": Workload(
                    operations=[
                        Operation(kind="POINT_LOOKUP", weight_pct=100, sql="SELECT $1", params=[PoolParam(pool="id")])
                    ]
                ),
            },
            "there is no table",
        ),
    ],
)
def test_a_scenario_built_from_models_is_checked_as_a_whole(parts: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        _scenario(**parts)


def test_the_embedded_target_has_a_table_without_being_told() -> None:
    scenario = load({"target": {"kind": "embedded"}}).scenario
    assert scenario.target == EmbeddedTarget(table="public.orders", rows=100_000, port=None)


def test_a_run_configuration_survives_the_store() -> None:
    config = RunConfig(
        scenario=load({}).scenario,
        threads=[4, 4],
        seed=2**63 - 1,
        target_url="postgresql://me@127.0.0.1:5432/db",
        table="public.orders",
        upperbound_version="0.1.0",
    )
    assert RunConfig.model_validate(json.loads(json.dumps(config.model_dump(mode="json")))) == config


def test_the_sample_is_what_the_tests_take_it_for() -> None:
    assert changed({}) == VALID
    assert load({}).warnings == ()


def test_a_scenario_has_guardrails_only_when_it_sets_one() -> None:
    without = Scenario.model_validate({key: value for key, value in VALID.items() if key != "guardrails"})
    assert without.guardrails is None
    assert load({"guardrails": {}}).scenario.guardrails is None
    assert load({"guardrails": None}).scenario.guardrails is None
    assert load_scenario("demo").scenario.guardrails is None


def test_one_guardrail_sets_the_others_to_their_defaults_and_they_survive_json() -> None:
    scenario = load({"guardrails": {"max_cpu_percent": 90}}).scenario
    assert scenario.guardrails is not None
    assert scenario.guardrails.limits() == GuardrailLimits(90.0, 85.0, GuardrailMode.SOFT, 20.0, 3, FailThreshold.ALL)
    assert Scenario.model_validate_json(scenario.model_dump_json()) == scenario


def test_the_loss_of_a_worker_fails_the_run_unless_the_scenario_says_otherwise() -> None:
    assert load({}).scenario.on_worker_loss is LossPolicy.FAIL
    assert load({"on_worker_loss": "continue"}).scenario.on_worker_loss is LossPolicy.CONTINUE
