"""Scenarios are read from files, by name, and with overrides."""

import json
from decimal import Decimal
from pathlib import Path

import pytest
import yaml
from tests.unit.scenario.samples import VALID, changed, load, problems_of

from upperbound.errors import ScenarioError
from upperbound.scenario.kinds import OperationType
from upperbound.scenario.loader import MAX_BYTES, builtin_names, load_scenario, parse_scenario
from upperbound.scenario.loads import ConcurrencyLoad
from upperbound.scenario.params import ChoiceParam, RangeParam, SequenceParam, ZipfParam
from upperbound.scenario.scaling import AutoScaling, FixedScaling
from upperbound.scenario.targets import EmbeddedTarget, PostgresTarget

EXAMPLES = sorted((Path(__file__).resolve().parents[3] / "examples").glob("*.yaml"))


def test_the_demo_is_a_built_in_scenario_of_four_kinds_on_two_workers_of_eight_threads() -> None:
    loaded = load_scenario("demo")
    scenario = loaded.scenario
    weights = {operation.label: operation.weight_pct for operation in scenario.workload.operations}
    assert weights == {"POINT_LOOKUP": 60, "RANGE_SCAN": 20, "INSERT": 10, "UPDATE": 10}
    assert isinstance(scenario.target, EmbeddedTarget)
    assert scenario.scaling == FixedScaling(min_workers=2, min_threads=8)
    assert (scenario.load.warmup_seconds, scenario.load.duration_seconds, scenario.threads) == (5, 20, 16)
    assert (loaded.warnings, loaded.password) == ((), None)


def test_the_demo_reads_only_rows_that_its_table_holds() -> None:
    scenario = load_scenario("demo").scenario
    assert isinstance(scenario.target, EmbeddedTarget)
    for operation in scenario.workload.operations[:2]:
        param = operation.params[0]
        bounds = param.zipf.range if isinstance(param, ZipfParam) else param.range  # type: ignore[union-attr]  # ranges
        assert bounds is not None
        assert 1 <= bounds[0] <= bounds[1] + (49 if operation.kind == "RANGE_SCAN" else 0) <= scenario.target.rows


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_each_example_is_valid_and_needs_no_password(path: Path) -> None:
    loaded = load_scenario(path)
    assert isinstance(loaded.scenario.target, PostgresTarget | EmbeddedTarget)
    assert (loaded.warnings, loaded.password) == ((), None)
    assert sum(operation.weight_pct for operation in loaded.scenario.workload.operations) == Decimal("100.00")


def test_there_are_examples() -> None:
    assert {path.name for path in EXAMPLES} >= {"pgbench-like.yaml", "orders.yaml", "stages.yaml"}
    assert "demo" in builtin_names()


def test_a_file_may_be_yaml_or_json_with_or_without_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(VALID), "utf-8")
    (tmp_path / "b.json").write_text(json.dumps(VALID), "utf-8-sig")
    assert load_scenario(tmp_path / "a.yaml").scenario == load_scenario(str(tmp_path / "b.json")).scenario


def test_a_file_named_like_a_built_in_scenario_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "demo").mkdir()
    assert load_scenario("demo").scenario.name == "Demo"
    (tmp_path / "demo").rmdir()
    (tmp_path / "demo").write_text(yaml.safe_dump(VALID), "utf-8")
    assert load_scenario("demo").scenario.name == "Sample"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "there is no scenario file"),
        (b"name: \xff\xfe", "is not UTF-8 text"),
        (b"#" * (MAX_BYTES + 1), "is larger than"),
        (b"", "is empty"),
        (b"- a", "is not a mapping"),
    ],
)
def test_a_file_that_is_no_scenario_is_refused_by_name(tmp_path: Path, content: bytes | None, said: str) -> None:
    path = tmp_path / "bad.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ScenarioError, match=said) as caught:
        load_scenario(path)
    assert "bad.yaml" in str(caught.value)


def test_a_folder_and_a_misspelt_name_are_refused_with_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="cannot be read: Is a directory"):
        load_scenario(tmp_path)
    with pytest.raises(ScenarioError, match="did you mean the built-in scenario demo"):
        load_scenario("dmeo")


def test_every_field_of_the_sample_arrives() -> None:
    scenario = load({}).scenario
    lookup, insert, generic = scenario.workload.operations
    assert (scenario.threads, scenario.load.duration_seconds, scenario.workload.seed) == (8, 2.5, 7)
    assert isinstance(scenario.scaling, AutoScaling)
    assert isinstance(lookup.params[0], ZipfParam)
    assert (lookup.params[0].zipf.range, lookup.params[0].zipf.exponent) == ((1, 100), 1.1)
    assert isinstance(insert.params[0], SequenceParam)
    assert insert.params[0].sequence.after == "id"
    assert isinstance(insert.params[3], ChoiceParam)
    assert [type(value) for value in insert.params[3].choice] == [int, float, bool]
    assert [operation.operation_type for operation in (lookup, insert, generic)] == [
        OperationType.READ,
        OperationType.WRITE,
        OperationType.READ,
    ]
    assert [operation.label for operation in (lookup, insert, generic)] == ["POINT_LOOKUP", "INSERT", "top customers"]
    assert lookup.slo is not None
    assert (lookup.slo.p95_ms, scenario.slo and scenario.slo.min_qps, scenario.tags) == (20, 1000, {"team": "data"})


def test_connections_is_another_word_for_threads() -> None:
    fixed = {"mode": "FIXED", "min_workers": 2, "min_connections": 4}
    scenario = load({"load": {"connections": 8, "duration_seconds": 1}, "scaling": fixed}).scenario
    assert isinstance(scenario.load, ConcurrencyLoad)
    assert scenario.load.threads == scenario.threads == 8
    assert "connections" not in scenario.model_dump_json()


def test_an_override_replaces_a_value_that_stands_under_its_other_name() -> None:
    data = changed({"load": {"connections": 8, "duration_seconds": 1}})
    assert parse_scenario(yaml.safe_dump(data), ["load.threads=9"]).scenario.threads == 9
    assert parse_scenario(yaml.safe_dump(VALID), ["load.connections=9"]).scenario.threads == 9


def test_overrides_replace_values_in_mappings_and_lists_and_make_what_is_missing() -> None:
    text = yaml.safe_dump(changed({"slo": None}))
    scenario = parse_scenario(
        text,
        [
            "load.threads=50",
            "load.threads=51",
            "workload.operations.0.weight_pct=50.00",
            "workload.operations.1.weight_pct=49.99",
            "workload.operations.0.params=[{range: [5, 6]}]",
            "slo.p99_ms=9",
            "tags.ticket='42'",
            "name=a = b",
        ],
    ).scenario
    assert (scenario.threads, scenario.name, scenario.tags["ticket"]) == (51, "a = b", "42")
    assert scenario.workload.operations[0].params == (RangeParam(range=(5, 6)),)
    assert scenario.slo is not None
    assert scenario.slo.p99_ms == 9


@pytest.mark.parametrize(
    ("override", "where", "said"),
    [
        ("load.treads=50", "load.treads", "unknown key 'treads'; did you mean 'threads'?"),
        ("lod.threads=50", "lod", "unknown key 'lod'; did you mean 'load'?"),
        ("load.threads=many", "load.threads", "must be a whole number, not 'many'"),
        ("load.threads=", "load.threads", "is missing"),
        ("workload.operations.3.sql=x", "workload.operations.3.sql", "has no entry 3; its indexes are 0 to 2"),
        ("workload.operations.first.sql=x", "workload.operations.first.sql", "is a list: 'first' is not an index"),
        ("name.x=1", "name.x", "name is 'Sample' and has no 'x' in it"),
        ("load.threads", "", "is not of the form KEY=VALUE"),
        ("load..threads=1", "", "is not of the form KEY=VALUE"),
        ("name=[", "name", "is not valid YAML"),
        ("workload.operations.0.weight_pct=61", "workload.operations", "the weights add up to 101.00, not 100.00"),
    ],
)
def test_a_wrong_override_is_told_like_a_wrong_file(override: str, where: str, said: str) -> None:
    problem = problems_of(VALID, override)[where]
    assert said in problem.message
    assert str(problem).startswith("--set: " if where != "workload.operations" else "line ")


def test_what_is_likely_a_mistake_is_a_warning() -> None:
    idle = load({"workload.operations.1.weight_pct": 0, "workload.operations.0.weight_pct": 99.99})
    assert idle.warnings == ("operation INSERT has weight 0.00 and will not run",)
