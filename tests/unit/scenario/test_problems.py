"""Whatever is wrong with a scenario is said at once, where it is, in words for its author."""

from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.scenario.samples import REMOVE, VALID, changed, problems_of

from upperbound.errors import Problem, ScenarioError
from upperbound.scenario.loader import parse_scenario

OP = "workload.operations.0"
FIXED = {"mode": "FIXED", "min_workers": 2, "min_threads": 8}
UNSUPPORTED = "is not supported by this version of Upperbound"
CASES: list[tuple[dict[str, Any], str, str]] = [
    ({"nmae": "x"}, "nmae", "unknown key 'nmae'; did you mean 'name'?"),
    ({"load.treads": 4}, "load.treads", "unknown key 'treads'; did you mean 'threads'?"),
    ({"threads": 4}, "threads", "unknown key 'threads'; it belongs to load"),
    ({"target.rows": 4}, "target.rows", "'rows' does not go with postgres; it belongs to embedded"),
    ({f"{OP}.params.0.zipf.expnent": 1}, f"{OP}.params.0.zipf.expnent", "did you mean 'exponent'?"),
    ({"name": REMOVE}, "name", "is missing"),
    ({"name": 5}, "name", "must be text, not 5"),
    ({"name": " "}, "name", "must not be blank"),
    ({"name": "a\nb"}, "name", "must be one line of printable characters"),
    ({"name": "x" * 201}, "name", "must have at most 200 characters"),
    ({"target": REMOVE}, "target", "is missing"),
    ({"target": "here"}, "target", "must be a mapping of keys to values, not 'here'"),
    ({"target.kind": REMOVE}, "target.kind", "is missing"),
    ({"target.kind": "postgre"}, "target.kind", "'postgre' is not known; did you mean postgres?"),
    ({"target.url": "mysql://h"}, "target.url", "is not a PostgreSQL connection URL"),
    ({"target.url": "postgresql://h:port/x"}, "target.url", "has a port that is not a number"),
    ({"target.url": "postgresql://h/x y"}, "target.url", "holds spaces"),
    ({"target.url": "postgresql://h?sslpassword=x"}, "target.url", "holds a secret: sslpassword"),
    ({"target.password": "x"}, "target.password", "a scenario holds no password"),
    ({"target.table": "a.b.c"}, "target.table", "'a.b.c' has 3 parts"),
    ({"target.table": "drop table x"}, "target.table", "'drop table x' is not a table name"),
    ({"load.threads": 0}, "load.threads", "must be at least 1, not 0"),
    ({"load.threads": True}, "load.threads", "must be a whole number, not true"),
    ({"load.threads": 2.5}, "load.threads", "must be a whole number, not 2.5"),
    ({"load.threads": "8"}, "load.threads", "must be a whole number, not '8'"),
    ({"load": {"connections": 0, "duration_seconds": 1}}, "load.connections", "must be at least 1, not 0"),
    ({"load.connections": 9}, "load.connections", "'connections' is another name for 'threads', which is there too"),
    ({"load.threads": REMOVE}, "load.threads", "is missing"),
    ({"load.warmup_seconds": -0.5}, "load.warmup_seconds", "must be at least 0, not -0.5"),
    ({"load.duration_seconds": 0}, "load.duration_seconds", "must be more than 0, not 0"),
    ({"load.duration_seconds": "30s"}, "load.duration_seconds", "must be a number, not '30s'"),
    ({"load.duration_seconds": float("inf")}, "load.duration_seconds", "must be a finite number, not inf"),
    ({"load.duration_seconds": REMOVE}, "load.duration_seconds", "is missing"),
    ({"load.think_time_ms": -1}, "load.think_time_ms", "must be at least 0"),
    ({"scaling": {}}, "scaling.mode", "is missing"),
    ({"scaling.mode": "auto"}, "scaling.mode", "'auto' is not known; did you mean AUTO?"),
    ({"scaling": FIXED}, "load.threads", "8 threads do not agree with scaling, which makes 2 workers of 8 threads: 16"),
    ({"scaling": FIXED | {"min_threads": REMOVE}}, "scaling.min_threads", "is missing"),
    ({"scaling": FIXED | {"min_threads": 99999}, "load.threads": None}, "scaling", "asks for 199998 threads"),
    ({"tags": {"a": 1}}, "tags.a", "must be text, not 1"),
    ({"slo.p95": 4}, "slo.p95", "did you mean 'p95_ms'?"),
    ({"slo.error_pct": 101}, "slo.error_pct", "must be at most 100, not 101"),
    ({"workload.operations": []}, "workload.operations", "must not be empty"),
    ({"workload.operations": {}}, "workload.operations", "must be a list, not a mapping"),
    ({"workload.operations": REMOVE}, "workload.operations", "is missing"),
    ({"workload.seed": -1}, "workload.seed", "must be at least 0"),
    ({"workload.preset": "MIX"}, "workload.preset", "'MIX' is not known; did you mean MIXED?"),
    ({OP: 7}, OP, "must be a mapping of keys to values, not 7"),
    ({f"{OP}.kind": "POINT_LOKUP"}, f"{OP}.kind", "'POINT_LOKUP' is not known; did you mean POINT_LOOKUP?"),
    ({f"{OP}.kind": "INSERT"}, "workload.operations.1.kind", "operation 0 is called 'INSERT' too"),
    ({f"{OP}.name": "top customers"}, "workload.operations.2.name", "operation 0 is called 'top customers' too"),
    ({f"{OP}.operation_type": "WRITE"}, f"{OP}.operation_type", "POINT_LOOKUP is a READ, not a WRITE"),
    ({"workload.operations.2.operation_type": REMOVE}, "workload.operations.2.operation_type", "is missing"),
    ({f"{OP}.weight_pct": 59}, "workload.operations", "the weights add up to 99.00, not 100.00"),
    ({f"{OP}.weight_pct": 60.01}, "workload.operations", "the weights add up to 100.01, not 100.00"),
    ({f"{OP}.weight_pct": 33.333}, f"{OP}.weight_pct", "must be a number with at most two decimals, not 33.333"),
    ({f"{OP}.weight_pct": "most"}, f"{OP}.weight_pct", "must be a number, not 'most'"),
    ({f"{OP}.weight_pct": -1}, f"{OP}.weight_pct", "must be at least 0"),
    ({f"{OP}.weight_pct": REMOVE}, f"{OP}.weight_pct", "is missing"),
    ({f"{OP}.sql": ""}, f"{OP}.sql", "holds no statement"),
    ({f"{OP}.sql": "-- SELECT $1"}, f"{OP}.sql", "holds no statement"),
    ({f"{OP}.sql": "SELECT $1; SELECT 2"}, f"{OP}.sql", "holds more than one statement"),
    ({f"{OP}.sql": "SELECT 'a, $1"}, f"{OP}.sql", "opens a string and does not close it"),
    ({f"{OP}.sql": "SELECT $1 FROM {tabel}"}, f"{OP}.sql", "unknown placeholder {tabel}; did you mean {table}?"),
    ({f"{OP}.sql": 'SELECT $1 FROM "{table}"'}, f"{OP}.sql", "has {table} in quotes"),
    ({f"{OP}.sql": "DELETE FROM {table} WHERE id = $1"}, f"{OP}.sql", "DELETE writes, and the operation is a READ"),
    ({f"{OP}.sql": "COMMIT"}, f"{OP}.sql", "COMMIT steers a transaction"),
    ({f"{OP}.sql": "COPY x FROM STDIN"}, f"{OP}.sql", "COPY cannot be an operation"),
    ({"workload.operations.1.sql": "SELECT f($1,$2,$3,$4)"}, "workload.operations.1.sql", "does not begin with SELECT"),
    ({f"{OP}.sql": "SELECT $2"}, f"{OP}.sql", "uses $2 and not $1"),
    ({f"{OP}.sql": "SELECT $0 + $1"}, f"{OP}.sql", "parameters run from $1"),
    ({f"{OP}.sql": f"SELECT ${'9' * 5000}"}, f"{OP}.sql", "parameters run from $1"),
    ({f"{OP}.sql": "SELECT $1, $2, $1"}, f"{OP}.params", "has 1 entry, and sql uses $1 to $2"),
    ({f"{OP}.sql": "SELECT ?"}, f"{OP}.params", "has 1 entry, and sql uses no parameter"),
    ({"target.table": None}, f"{OP}.sql", "uses {table}, and there is no table"),
    ({"target.table": REMOVE}, "workload.operations.1.params.0.sequence.after", "there is no table"),
    (
        {f"{OP}.params.0": {"rnage": [1, 2]}},
        f"{OP}.params.0",
        "unknown parameter source 'rnage'; did you mean 'range'?",
    ),
    ({f"{OP}.params.0": {}}, f"{OP}.params.0", "must be a mapping with the source of the values"),
    ({f"{OP}.params.0": "range"}, f"{OP}.params.0", "must be a mapping with the source of the values, not 'range'"),
    ({f"{OP}.params.0": {"range": [1, 2], "pool": "id"}}, f"{OP}.params.0", "has range and pool"),
    ({f"{OP}.params.0": {"range": [2, 1]}}, f"{OP}.params.0.range", "the lower bound 2 is above the upper bound 1"),
    ({f"{OP}.params.0": {"range": [1]}}, f"{OP}.params.0.range", "must be a list of two whole numbers"),
    ({f"{OP}.params.0": {"range": [1, 2.5]}}, f"{OP}.params.0.range", "must be two whole numbers"),
    ({f"{OP}.params.0": {"range": [1, 2**63]}}, f"{OP}.params.0.range", "of at most 64 bits"),
    ({f"{OP}.params.0": {"choice": []}}, f"{OP}.params.0.choice", "must not be empty"),
    ({f"{OP}.params.0": {"choice": [[1]]}}, f"{OP}.params.0.choice.0", "must be text, a number, true, false or null"),
    ({f"{OP}.params.0": {"choice": [2**70]}}, f"{OP}.params.0.choice.0", "of at most 64 bits"),
    ({f"{OP}.params.0": {"pool": "a.b"}}, f"{OP}.params.0.pool", "'a.b' has 2 parts"),
    ({f"{OP}.params.0": {"pool": "id", "limit": 0}}, f"{OP}.params.0.limit", "must be at least 1"),
    ({f"{OP}.params.0": {"sequence": {}}}, f"{OP}.params.0.sequence", "has neither start nor after"),
    ({f"{OP}.params.0.zipf": {"range": [1, 2], "pool": "id"}}, f"{OP}.params.0.zipf", "has both range and pool"),
    ({f"{OP}.params.0.zipf.exponent": 0}, f"{OP}.params.0.zipf.exponent", "must be more than 0"),
    ({"load.target_qps": 10}, "load.target_qps", "'target_qps' does not go with CONCURRENCY; it belongs to QPS"),
    ({"load.stages": [{"at": -1, "threads": 4}]}, "load.stages.0.at", "must be at least 0, not -1"),
    ({"load.stages": [{"at": 1, "connections": 0}]}, "load.stages.0.connections", "must be at least 1, not 0"),
    ({"load.stages": [{"at": 1, "ramp_second": 4}]}, "load.stages.0.ramp_second", "did you mean 'ramp_seconds'"),
    ({"load.mode": "qps"}, "load.mode", "'qps' is not known; did you mean QPS?"),
    ({"scaling.max_workers": 4}, "scaling.max_workers", "AUTO scaling has no bounds, and this is 4"),
    ({"scaling": {"mode": "BOUNDED", "max_threads": 0}}, "scaling.max_threads", "must be at least 1, not 0"),
    ({"target.kind": "oracle"}, "target.kind", "'oracle' is not known"),
    ({"target.warehouse": "WH"}, "target.warehouse", "'warehouse' does not go with postgres; it belongs to snowflake"),
    ({"target.connection": "local"}, "target.connection", UNSUPPORTED),
    ({"target.table_type": "HYBRID"}, "target.table_type", "'HYBRID' is not known"),
    ({"guardrails.max_cpu_percent": 0}, "guardrails.max_cpu_percent", "must be more than 0"),
    ({"guardrails.max_memory_percent": 101}, "guardrails.max_memory_percent", "must be at most 100"),
    ({"guardrails.patience_intervals": 0}, "guardrails.patience_intervals", "must be at least 1"),
    ({"guardrails.mode": "gentle"}, "guardrails.mode", "'gentle' is not known"),
    ({"guardrails.fail_threshold": "most"}, "guardrails.fail_threshold", "'most' is not known"),
    ({"guardrails.max_cpu": 80}, "guardrails.max_cpu", "did you mean 'max_cpu_percent'"),
    ({"on_worker_loss": "ignore"}, "on_worker_loss", "'ignore' is not known"),
    ({"slo.abort_on_breach": False}, "slo.abort_on_breach", UNSUPPORTED),
]


@pytest.mark.parametrize(("changes", "where", "said"), CASES, ids=[f"{w or 'top'}-{s[:30]}" for _, w, s in CASES])
def test_a_fault_is_named_at_its_place(changes: dict[str, Any], where: str, said: str) -> None:
    data = changed(changes)
    for section in data.values():
        if isinstance(section, dict):
            for key in [key for key, value in section.items() if value is REMOVE]:
                del section[key]
    problems = problems_of(data)
    assert said in problems[where].message, problems
    assert str(problems[where]).startswith("line ")


def test_all_faults_are_said_at_once_those_of_fields_and_those_between_them() -> None:
    problems = problems_of(
        changed(
            {
                "name": 5,
                "load.treads": 3,
                "scaling": FIXED,
                "target.table": None,
                f"{OP}.sql": "SELECT * FROM {table} WHERE id BETWEEN $1 AND $2",
                "workload.operations.1.weight_pct": 38,
                "workload.operations.2.operation_type": REMOVE,
            }
        )
    )
    assert {
        "name",
        "load.treads",
        "load.threads",
        f"{OP}.sql",
        f"{OP}.params",
        "workload.operations",
        "workload.operations.2.operation_type",
    } <= problems.keys()


def test_problems_come_in_the_order_of_the_file_with_their_lines() -> None:
    text = "load: {threads: 0, duration_seconds: 1}\nname: x\ntarget:\n  kind: embedded\n  rows: 0\nworkload: {}\n"
    with pytest.raises(ScenarioError) as caught:
        parse_scenario(text, source="shop.yaml")
    assert str(caught.value).splitlines() == [
        "shop.yaml: 3 problems",
        "  - line 1: load.threads: must be at least 1, not 0",
        "  - line 5: target.rows: must be at least 1, not 0",
        "  - line 6: workload.operations: is missing (list at least one operation)",
    ]


def test_a_wrong_preset_or_kind_does_not_make_its_weights_a_problem_too() -> None:
    preset = problems_of(changed({"workload.preset": "MIXT", f"{OP}.weight_pct": REMOVE}))
    assert preset.keys() == {"workload.preset"}
    kind = problems_of(changed({"workload.preset": "MIXED", f"{OP}.kind": "LOOKUP", f"{OP}.weight_pct": REMOVE}))
    assert kind.keys() == {f"{OP}.kind"}


def test_a_missing_weight_names_presets_as_a_way_out() -> None:
    assert "workload.preset" in problems_of(changed({f"{OP}.weight_pct": REMOVE}))[f"{OP}.weight_pct"].hint


def _paths(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of every value in nested mappings and lists."""
    entries = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [path, *(below for key, value in entries for below in _paths(value, (*path, key)))]


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["FIXED", "pool"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["kind", "mode", "range", "pool", "x"]), inner)
    ),
    max_leaves=6,
)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=300)
@given(st.lists(st.tuples(st.sampled_from(_paths(VALID)[1:]), junk), min_size=1, max_size=4))
def test_whatever_stands_in_a_scenario_it_loads_or_is_refused_in_words(
    changes: list[tuple[tuple[Any, ...], Any]],
) -> None:
    data = changed({})
    for path, value in changes:
        place: Any = data
        try:
            for step in path[:-1]:
                place = place[step]
            place[path[-1]] = value
        except (TypeError, KeyError, IndexError):
            continue
    problems: tuple[Problem, ...] | None = None
    try:
        parse_scenario(yaml.safe_dump(data, allow_unicode=True))
    except ScenarioError as error:
        problems = error.problems
    assert problems is None or problems
    assert not [problem for problem in problems or () if "is not valid (" in problem.message or not problem.message]
