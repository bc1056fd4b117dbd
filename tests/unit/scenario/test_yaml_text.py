"""A scenario that is written as YAML reads back as the same scenario, whatever words are in it."""

from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.scenario.samples import TRANSACTION, VALID, changed, load

from upperbound.scenario.kinds import Isolation, RetryClass
from upperbound.scenario.loader import builtin_names, load_scenario, parse_scenario
from upperbound.scenario.model import Scenario
from upperbound.scenario.yaml_text import scenario_yaml

TRAPS = [
    *("yes", "~", "0o17", "0x1F", "1e5", "1_000", "1:30", "2026-01-01", ".5", "null", "=", "%", "{a}", "", " "),
    *("- a", "a: b", "#x", "'", '"', "\\", "line\nline", " led\nby space", "trailing \nspace", "tab\there", "\n"),
    *("\u2028", "\x85", "\ufeff", "🙂"),
]
WORDS = st.sampled_from(TRAPS) | st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
NAMES = WORDS.filter(lambda word: bool(word.strip()) and word.isprintable())
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | WORDS
)
COLUMNS = st.sampled_from(["id", "customer_id", '"Id"', '"od""d: col"'])
BOUNDS = st.tuples(st.integers(-(10**12), 10**12), st.integers(0, 10**12)).map(
    lambda pair: [pair[0], sum(map(abs, pair))]
)
PARAMS: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.builds(lambda bounds: {"range": bounds}, BOUNDS),
    st.builds(lambda column, limit: {"pool": column, "limit": limit}, COLUMNS, st.integers(1, 1_000_000)),
    st.builds(lambda values: {"choice": values}, st.lists(SCALARS, min_size=1, max_size=8)),
    st.builds(lambda start: {"sequence": {"start": start}}, st.integers(-(2**62), 2**61)),
    st.builds(lambda column: {"sequence": {"after": column}}, COLUMNS),
    st.builds(lambda column, exponent: {"zipf": {"pool": column, "exponent": exponent}}, COLUMNS, st.floats(0.01, 10)),
    st.builds(lambda bounds: {"zipf": {"range": bounds}}, BOUNDS),
)
POSITIVE = st.floats(1e-6, 1e12)
SLO = st.none() | st.fixed_dictionaries({}, optional={"p95_ms": POSITIVE, "error_pct": st.floats(0, 100)})
LOADS = st.one_of(
    st.fixed_dictionaries(
        {"threads": st.integers(1, 500), "duration_seconds": POSITIVE},
        optional={"warmup_seconds": st.floats(0, 1e6), "think_time_ms": st.floats(0, 1e6)},
    ),
    st.just({"threads": 2, "duration_seconds": 9.5, "stages": [{"at": 1.5, "threads": 3, "ramp_seconds": 0.25}]}),
    st.fixed_dictionaries(
        {"mode": st.just("QPS"), "target_qps": st.floats(1, 1e7), "duration_seconds": st.floats(1, 1e6)},
        optional={"arrivals": st.sampled_from(["constant", "poisson"])},
    ),
    st.fixed_dictionaries(
        {"mode": st.just("FIND_MAX_CONCURRENCY")},
        optional={"max_threads": st.sampled_from([None, -1, 50]), "step_duration_seconds": POSITIVE},
    ),
)


@st.composite
def forms(draw: st.DrawFn, sql: str) -> dict[str, Any]:
    """Draw an operation's form: one statement, a transaction, or statements that commit by themselves."""
    retry = draw(st.dictionaries(st.sampled_from(RetryClass), st.integers(1, 50), max_size=3))
    statements = [sql, *draw(st.lists(st.just("SELECT 1"), max_size=2))]
    isolation = draw(st.none() | st.sampled_from(Isolation))
    return draw(
        st.sampled_from(
            [
                {"sql": sql, "retry": retry},
                {"statements": statements, "isolation": isolation, "retry": retry},
                {"statements": statements, "autocommit": True},
            ]
        )
    )


@st.composite
def operations(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Draw a mix of read operations whose statements use every parameter and hold a text of any kind."""
    names = draw(st.lists(NAMES, min_size=1, max_size=4, unique=True))
    cents = draw(st.lists(st.integers(0, 10_000), min_size=len(names) - 1, max_size=len(names) - 1))
    cuts = [0, *sorted(cents), 10_000]
    mix = []
    for number, name in enumerate(names):
        params = draw(st.lists(PARAMS, max_size=4))
        text = draw(WORDS).replace("'", "''").replace("\0", "")
        used = "".join(f", ${place}" for place in range(1, len(params) + 1))
        mix.append(
            {
                "kind": "GENERIC_SQL",
                "name": name,
                "operation_type": draw(st.sampled_from(["READ", "WRITE"])),
                "weight_pct": (cuts[number + 1] - cuts[number]) / 100,
                "params": params,
                "slo": draw(SLO),
                **draw(forms(f"SELECT '{text}'{used} FROM {{table}}")),
            }
        )
    return mix


@st.composite
def scenarios(draw: st.DrawFn) -> Scenario:
    """Draw a valid scenario."""
    embedded = st.fixed_dictionaries({"kind": st.just("embedded"), "rows": st.integers(1, 10**9)})
    whole = {
        "name": draw(NAMES),
        "target": draw(st.just(VALID["target"]) | embedded),
        "load": draw(LOADS),
        "guardrails": draw(st.sampled_from([None, {"mode": "hard"}, {"max_cpu_percent": 12.5}])),
        "on_worker_loss": draw(st.sampled_from(["fail", "continue"])),
        "workload": {"operations": draw(operations()), "seed": draw(st.none() | st.integers(0, 2**63 - 1))},
        "slo": draw(SLO),
        "tags": draw(st.dictionaries(WORDS, WORDS, max_size=4)),
    }
    return Scenario.model_validate(whole)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(scenarios())
def test_any_scenario_reads_back_as_it_was(scenario: Scenario) -> None:
    text = scenario_yaml(scenario)
    assert parse_scenario(text).scenario == scenario
    assert scenario_yaml(scenario.model_dump(mode="json")) == text
    assert yaml.safe_load(text)["name"] == scenario.name, "other programs read the same words"


@pytest.mark.parametrize("name", builtin_names())
def test_each_built_in_scenario_reads_back_as_it_was(name: str) -> None:
    scenario = load_scenario(name).scenario
    assert parse_scenario(scenario_yaml(scenario)).scenario == scenario


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"slo": {}},
        {"workload.operations.2": TRANSACTION},
        {"workload.operations.2": TRANSACTION | {"autocommit": True}},
        {"workload.operations.2": TRANSACTION | {"isolation": "serializable", "retry": {"deadlock": 3}}},
        {"workload.operations.0.slo": {}},
        {"tags": {"params": "", "tags": "", "null": "null"}},
        {"scaling": {"mode": "FIXED", "min_workers": 2, "min_threads": 4, "max_workers": 2}},
        {"scaling": {"mode": "BOUNDED", "max_workers": 3, "max_threads": -1}},
        {"load": {"connections": 4, "duration_seconds": 9}},
        {"target.url": "postgresql://me@[::1]:5432/db?sslmode=verify-full&options=-c%20search_path%3Dx"},
    ],
)
def test_what_says_something_is_not_left_out(changes: dict[str, Any]) -> None:
    scenario = load(changes).scenario
    assert parse_scenario(scenario_yaml(scenario)).scenario == scenario


def test_a_preset_reads_back_with_the_weights_it_gave() -> None:
    workload = {"preset": "READ_HEAVY", "operations": [{"kind": kind, "sql": "SELECT 1"} for kind in ("POINT_LOOKUP",)]}
    scenario = parse_scenario(yaml.safe_dump(changed({"workload": workload}))).scenario
    again = parse_scenario(scenario_yaml(scenario)).scenario
    assert again == scenario
    assert [float(operation.weight_pct) for operation in again.workload.operations] == [100.0]


def test_the_text_is_short_and_keeps_the_lines_of_a_statement() -> None:
    text = scenario_yaml(load({"workload.operations.2.sql": "SELECT count(*)\nFROM {table}\n"}).scenario)
    assert "    sql: |\n      SELECT count(*)\n      FROM {table}\n" in text
    assert "- {zipf: {range: [1, 100], limit: 10000, exponent: 1.1}}" in text
    assert "null" not in text.replace("paid, null", "")
    assert not any(key in text for key in ("stages", "statements", "retry", "autocommit", "isolation"))
